package attack

// host are the cases of area HOST: trusted hosts.
func host() []Entry {
	inside := []Front{Library, Gateway}
	return []Entry{
		{ID: "HOST-01", Sent: "a listed host in other case, with a port, with the root's dot", Must: "one canonical name for everybody who matches it", At: inside},
		{ID: "HOST-02", Sent: "a host that is not listed; none; an empty one; HTTP/1.0 without one", Must: "421 for the first, 400 for the others", At: inside},
		{ID: "HOST-03", Sent: "names that hold a listed one, or two labels for a wildcard, or none", Must: "421", At: inside},
		{ID: "HOST-04", Sent: "user information, ports out of range or of letters, blanks, commas, 300 characters", Must: "400; an underscore is part of a name, and 421 when the name is not listed", At: inside},
		{ID: "HOST-05", Sent: "IPv6 in brackets, with zones, without brackets; IPv4 as one number, in hexadecimal, shortened", Must: "an address in its one form only; else a name that is not listed, or 400", At: inside},
		{ID: "HOST-06", Sent: "names beyond ASCII: as letters, encoded, encoded without need, with another dot, with letters that look alike", Must: "the form that IDNA looks up, or 400", At: inside},
		{ID: "HOST-07", Sent: "hosts against lists of 1, 100, 1,000 and 10,000, in other case", Must: "the same answers", At: inside},
		{ID: "HOST-08", Sent: "X-Forwarded-Host from a peer that is not listed, from a listed one, with two values", Must: "ignored; used where configured; 400", At: inside},
		{ID: "HOST-09", Sent: "a host that is not listed where an answer holds a link", Must: "never built from it", At: inside},
		{ID: "HOST-10", Sent: "a foreign Host at the admin listener on the loopback address", Must: "421", At: []Front{Admin}},
	}
}
