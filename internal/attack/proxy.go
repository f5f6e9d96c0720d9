package attack

// proxy are the cases of area PROXY: what reaches the upstream, and what comes back.
func proxy() []Entry {
	inside := []Front{Library, Gateway}
	atGateway := []Front{Gateway}
	return []Entry{
		{ID: "PROXY-01", Sent: "Connection naming our identity fields, in any case, repeated, among others", Must: "the upstream still gets ours", At: inside},
		{ID: "PROXY-02", Sent: "identity fields of the client, in every spelling that servers fold together", Must: "removed", At: inside},
		{ID: "PROXY-03", Sent: "the same, for a principal without an owner", Must: "removed; never the client's", At: inside},
		{ID: "PROXY-04", Sent: "fields that rewrite method, target or address", Must: "removed, or replaced by ours", At: inside},
		{ID: "PROXY-05", Sent: "identity fields in the trailer of a request", Must: "dropped", At: inside},
		{ID: "PROXY-06", Sent: "a Host with quotes, commas and semicolons where we write Forwarded", Must: "quoted or refused; never a second element", At: inside},
		{ID: "PROXY-07", Sent: "X-Real-IP of the client beside ours", Must: "one value, ours", At: inside},
		{ID: "PROXY-08", Sent: "CONNECT, TRACE, PRI, OPTIONS *, and absolute targets for another host", Must: "405 for the first three; the others are judged, and forwarded as what they were judged as", At: inside},
		{ID: "PROXY-09", Sent: "offers to upgrade to HTTP/2 or to something unknown", Must: "not forwarded", At: inside},
		{ID: "PROXY-10", Sent: "WebSocket handshakes without a key, with one, from elsewhere, and one that the upstream declines", Must: "401; both directions work; 403; the answer arrives as it is", At: []Front{Library, Gateway, Browser}},
		{ID: "PROXY-11", Sent: "an upstream that breaks the protocol: 101 unasked, endless 1xx, a huge header, a bad status line, two lengths, bytes after the body", Must: "502 or a bound; such a connection is not used again", At: inside},
		{ID: "PROXY-12", Sent: "a large, slow or missing body without a key, with and without Expect", Must: "refused before any 100, at once, in flat memory", At: inside},
		{ID: "PROXY-13", Sent: "pooled connections that die, by method, body and moment", Must: "only what is safe is sent again, once; else 502", At: inside},
		{ID: "PROXY-14", Sent: "clients that leave, upstreams that hang", Must: "the upstream is cancelled or 504; no goroutine stays", At: inside},
		{ID: "PROXY-15", Sent: "slow readers, slow senders, thousands of idle connections", Must: "bounded memory; others do not notice", At: atGateway},
		{ID: "PROXY-16", Sent: "an upstream that is down, unknown, or has a wrong certificate", Must: "502 that names neither address nor host", At: inside},
		{ID: "PROXY-17", Sent: "HTTP/2 requests whose fields contradict HTTP/1.1", Must: "refused; nothing of it reaches the upstream", At: inside},
		{ID: "PROXY-18", Sent: "our session cookie among others", Must: "removed; the others arrive as sent", At: inside},
		{ID: "PROXY-19", Sent: "ranges, validators, encodings, trailers, event streams, answers without a body", Must: "untouched", At: inside},
		{ID: "PROXY-20", Sent: "fields of the upstream's answer that we own", Must: "one owner each, never two values", At: inside},
		{ID: "PROXY-21", Sent: "an upstream address in path, Host or header", Must: "impossible: it comes from the configuration", At: inside},
		{ID: "PROXY-22", Sent: "answers that a cache in front may store, asked for again without a key", Must: "private and varying by the credential's field; nobody else gets them", At: inside},
		{ID: "PROXY-23", Sent: "owners and scopes with line breaks, NUL, commas, non-ASCII, or huge", Must: "refused when made, or encoded; never a second value", At: inside},
		{ID: "PROXY-24", Sent: "identity fields forged straight to the upstream", Must: "a signature or certificate tells them apart", At: inside},
	}
}
