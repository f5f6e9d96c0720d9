package attack

// tls are the cases of area TLS: transport.
func tls() []Entry {
	inside := []Front{Library, Gateway}
	atGateway := []Front{Gateway}
	return []Entry{
		{ID: "TLS-01", Sent: "handshakes of TLS 1.1 and older, with CBC, RC4, 3DES, static RSA, anonymous, with compression only", Must: "refused", At: inside},
		{ID: "TLS-02", Sent: "the whole of what sslscan and testssl.sh try", Must: "nothing above a hint, but for what the test's own certificate causes", At: atGateway},
		{ID: "TLS-03", Sent: "plain HTTP with path, query, odd port, POST, an unlisted Host, a credential in the query", Must: "308, or 301 by choice, to the listed host; 421; a credential is refused, never redirected", At: inside},
		{ID: "TLS-04", Sent: "X-Forwarded-Proto from a listed peer, from another, with two values, in other case, beside Forwarded", Must: "no redirect; ignored; 400; read; only the configured field counts: no loop behind a proxy that ends TLS", At: inside},
		{ID: "TLS-05", Sent: "requests over http and https where HSTS is configured, and preload", Must: "the field over https only; preload with a year and all subdomains only", At: inside},
		{ID: "TLS-06", Sent: "names in the handshake: none, unknown, an address, with the root's dot, in other case; one name there and another Host", Must: "as configured; 421 where the certificate of the one is not for the other, and a believed proxy passes", At: inside},
		{ID: "TLS-07", Sent: "client certificates: none, self-signed, expired, of another CA, for servers, in a session from before the CA left; a CA file that is missing, empty or broken", Must: "refused; no start", At: inside},
		{ID: "TLS-08", Sent: "a certificate that is replaced 100 times under load, by garbage, by one whose key differs", Must: "no handshake fails; the old one stays and it is told", At: inside},
		{ID: "TLS-09", Sent: "a key file that everybody may read", Must: "told, by config validate too; refused in strict mode", At: []Front{Library, CLI}},
		{ID: "TLS-10", Sent: "an unlisted name to certificates on demand; a challenge path that climbs; a directory with bad nonces, that is slow, that rejects", Must: "no order; 404; tried again later, and requests are served meanwhile", At: inside},
		{ID: "TLS-11", Sent: "10,000 handshakes that are never ended, one that comes byte by byte", Must: "ended at the time-out, in bounded memory; others are served", At: inside},
		{ID: "TLS-12", Sent: "HTTP/2 floods: resets, CONTINUATION, SETTINGS, PING, compressed headers, windows of zero", Must: "bounded, and the connection is closed; others are served", At: inside},
		{ID: "TLS-13", Sent: "HTTP/2 without TLS, by prior knowledge and by Upgrade", Must: "not spoken unless asked for", At: inside},
		{ID: "TLS-14", Sent: "early data", Must: "not offered", At: inside},
		{ID: "TLS-15", Sent: "PROXY protocol from an unlisted peer, too long, broken, LOCAL, and none where it is required", Must: "closed, and never read past its bound", At: inside},
		{ID: "TLS-16", Sent: "plain HTTP to a TLS port, and the reverse", Must: "a short 400, closed", At: inside},
	}
}
