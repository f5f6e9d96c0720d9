package attack

// limit are the cases of area LIMIT: limits and credits.
func limit() []Entry {
	return []Entry{
		{ID: "LIMIT-01", Sent: "exactly the rate for ten times its span; one percent more", Must: "none is refused; refused within the burst"},
		{ID: "LIMIT-02", Sent: "a burst at each side of where a window would end", Must: "never more than the burst and the rate"},
		{ID: "LIMIT-03", Sent: "other forwarded addresses, other addresses of one network, other keys of one owner", Must: "one subject, as it is configured"},
		{ID: "LIMIT-04", Sent: "ten times the limit at once, to two processes", Must: "exactly as many pass as the limit has"},
		{ID: "LIMIT-05", Sent: "a clock that is an hour off or set back", Must: "nobody is locked for ever, nobody is unlimited"},
		{ID: "LIMIT-06", Sent: "requests that another stage or another limit refuses", Must: "the address's limit counts each; those of principals count all that pass them, or none"},
		{ID: "LIMIT-07", Sent: "a million subjects while one is over its limit", Must: "memory stays bounded; that one stays refused"},
		{ID: "LIMIT-08", Sent: "a store of limits that is away, slow, flushed or wrong", Must: "what the rule chose, in time"},
		{ID: "LIMIT-09", Sent: "costs of nothing, below nothing, or above the burst", Must: "refused at start; never a gain"},
		{ID: "LIMIT-10", Sent: "the fields of limits, read by another parser; a retry exactly when told", Must: "valid; passes"},
		{ID: "LIMIT-11", Sent: "every spelling of a path", Must: "one counter for a route, one for all that reach none"},
		{ID: "LIMIT-12", Sent: "a hundred requests at once for the last ten credits; a crash; a month's end", Must: "exactly ten pass; at most what was reserved is lost, or for nothing, by choice; the end of a UTC month"},
		{ID: "LIMIT-13", Sent: "wrong secrets for somebody else's key", Must: "the right one still passes"},
		{ID: "LIMIT-14", Sent: "clients that leave, handlers that panic, connections that are upgraded", Must: "the place is given back"},
		{ID: "LIMIT-15", Sent: "requests over a limit that is only tried", Must: "the same decision, nothing refused, all counted"},
		{ID: "LIMIT-16", Sent: "values that read alike once they are written one after the other", Must: "different subjects"},
	}
}
