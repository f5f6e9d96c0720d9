package attack

// fwd are the cases of area FWD: proxies that ask before they forward.
func fwd() []Entry {
	asks := []Front{Asked, ExtAuthz} // by a proxy's own request, and by Envoy's protocol
	return []Entry{
		{ID: "FWD-01", Sent: "a question by a peer that is not listed", Must: "403, and the log tells", At: asks},
		{ID: "FWD-02", Sent: "the proxy's own fields, sent by a client through the real proxy", Must: "the true request is judged", At: []Front{Asked}},
		{ID: "FWD-03", Sent: "the fields of another kind of proxy", Must: "ignored", At: asks},
		{ID: "FWD-04", Sent: "no method or target, an empty one, two of them, one that cannot be read", Must: "400, never 200", At: asks},
		{ID: "FWD-05", Sent: "a client's own X-Forwarded-Prefix, -Port, -Server, -Proto, -Host", Must: "the proxy writes its own, all others are ignored", At: []Front{Asked}},
		{ID: "FWD-06", Sent: "targets with two readings, a fragment, a query that looks like a public path", Must: "the gateway's answer", At: asks},
		{ID: "FWD-07", Sent: "a client's identity fields, for principals with and without an owner", Must: "the upstream sees ours, or none", At: asks},
		{ID: "FWD-08", Sent: "user agents and paths of health checks", Must: "nothing is skipped", At: asks},
		{ID: "FWD-09", Sent: "a decision asked again for another key, method, route, host or address, and after revocation", Must: "judged anew", At: asks},
		{ID: "FWD-10", Sent: "a thousand questions at once with different keys", Must: "each gets its own identity", At: asks},
		{ID: "FWD-11", Sent: "a question that announces a body and has none; one with a body", Must: "no hang; the body is ignored", At: []Front{Asked}},
		{ID: "FWD-12", Sent: "any request while warder is down, stuck or failing", Must: "each documented proxy refuses", At: []Front{Asked}},
		{ID: "FWD-13", Sent: "a key with a thousand scopes; a megabyte of fields", Must: "bounded; 431", At: asks},
		{ID: "FWD-14", Sent: "what gets 401, 403, 429 and 503", Must: "status, challenge and Retry-After reach the client as documented", At: asks},
		{ID: "FWD-15", Sent: "a preflight, a WebSocket handshake, HEAD", Must: "judged as by the gateway", At: asks},
		{ID: "FWD-16", Sent: "Envoy's questions, incomplete or contradictory", Must: "denied", At: []Front{ExtAuthz}},
		{ID: "FWD-17", Sent: "a credential that passes", Must: "the documented wiring takes it out for the upstream", At: asks},
		{ID: "FWD-18", Sent: "a decision ticket, altered, expired, for another request, after revocation", Must: "refused"},
		{ID: "FWD-19", Sent: "plain HTTP for questions beyond this machine", Must: "refused at start, unless Insecure", At: asks},
		{ID: "FWD-20", Sent: "what a stage answers by itself: a preflight, a redirect", Must: "a denial for the proxy; nothing reaches the upstream", At: asks},
		{ID: "FWD-21", Sent: "a policy that needs the body", Must: "refused at start, by name", At: asks},
		{ID: "FWD-22", Sent: "a decision that depends on a limit, a time or a revocation", Must: "nobody may store it, or not beyond that", At: asks},
	}
}
