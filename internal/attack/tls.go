package attack

// tls are the cases of area TLS: transport.
func tls() []Entry {
	return []Entry{
		{ID: "TLS-01", Sent: "old versions and weak ciphers of TLS", Must: "refused", Waits: "TLS towards clients"},
		{ID: "TLS-02", Sent: "what scanners of TLS try", Must: "nothing found above a hint", Waits: "TLS towards clients"},
		{ID: "TLS-03", Sent: "plain HTTP with path, query, odd port, POST, an unlisted Host, a credential in the query", Must: "308, or 301 by choice, to the listed host; 421; a credential is refused, never redirected"},
		{ID: "TLS-04", Sent: "X-Forwarded-Proto from a listed peer, from another, with two values, in other case, beside Forwarded", Must: "no redirect; ignored; 400; read; only the configured field counts: no loop behind a proxy that ends TLS", Rest: "the same behind nginx and Caddy"},
		{ID: "TLS-05", Sent: "requests over http and https where HSTS is configured, and preload", Must: "the field over https only; preload with a year and all subdomains only"},
	}
}
