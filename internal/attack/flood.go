package attack

// flood are the cases of area FLOOD: what is bounded whatever arrives.
func flood() []Entry {
	inside := []Front{Library, Gateway}
	atGateway := []Front{Gateway}
	return []Entry{
		{ID: "FLOOD-01", Sent: "2,000 connections that send a head byte by byte, stop within a body, or do not read the answer", Must: "ended at the time-outs, in bounded memory; others are served", At: atGateway},
		{ID: "FLOOD-02", Sent: "10,000 connections that ask for nothing", Must: "at most 260 MiB; at most 450 MiB over TLS", At: atGateway},
		{ID: "FLOOD-03", Sent: "a head of 10,000 fields, or of 1 MiB, from many at once; 1,000 requests in one piece", Must: "431, in bounded memory; answered in order", At: atGateway},
		{ID: "FLOOD-04", Sent: "deep, wide and compressed bodies to a route that validates them", Must: "4xx, in flat memory", At: inside},
		{ID: "FLOOD-05", Sent: "patterns of an OpenAPI document that take other engines for ever", Must: "linear time, or refused", At: []Front{Library}},
		{ID: "FLOOD-06", Sent: "a million random keys, hosts, paths, addresses and users", Must: "flat memory; what is hot stays fast", At: atGateway},
		{ID: "FLOOD-07", Sent: "more connections than the limit", Must: "they wait, and are served when others end; the admin listener answers meanwhile", At: atGateway},
	}
}
