package attack

// multi are the cases of area MULTI: several schemes.
func multi() []Entry {
	return []Entry{
		{ID: "MULTI-01", Sent: "nothing, where several schemes are accepted", Must: "401 with the challenge of each that is accepted, once"},
		{ID: "MULTI-02", Sent: "a key or a token, each absent, good and bad", Must: "one good one passes; a bad one refuses, whatever is beside it; with two good ones the requirement's order says who it is"},
		{ID: "MULTI-03", Sent: "a key and a certificate that are both wanted, each absent, good and bad", Must: "only both good ones pass; the challenges name what lacks"},
		{ID: "MULTI-04", Sent: "a bad credential where none is needed", Must: "401: nobody becomes anonymous by being wrong"},
		{ID: "MULTI-05", Sent: "credentials of two schemes while one's store is away", Must: "503 when its own is among them; the other's alone passes"},
		{ID: "MULTI-06", Sent: "two credentials that have one of the two scopes each", Must: "403: what two principals may is never added up"},
		{ID: "MULTI-07", Sent: "a requirement that is empty, missing, or names what does not exist", Must: "refused at start: public and optional are words, not omissions"},
		{ID: "MULTI-08", Sent: "the same request a thousand times", Must: "the same principal by the same scheme"},
		{ID: "MULTI-09", Sent: "a realm with quotes, line breaks or other letters", Must: "refused at start"},
		{ID: "MULTI-10", Sent: "a field or query that cannot be read whole, where a credential is optional", Must: "400, never anonymous"},
		{ID: "MULTI-11", Sent: "a malformed key where a token may stand too", Must: "judged as a key alone: 401"},
		{ID: "MULTI-12", Sent: "one subject from two issuers; a token's subject that is a key's owner or id", Must: "different principals"},
	}
}
