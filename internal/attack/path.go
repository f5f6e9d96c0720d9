package attack

// path are the cases of area PATH: one reading of the target.
func path() []Entry {
	return []Entry{
		{ID: "PATH-01", Sent: "dot segments, plain", Must: "400; resolved only where a route says so, and then also forwarded so"},
		{ID: "PATH-02", Sent: "dot segments, encoded in every way", Must: "the same as plain ones"},
		{ID: "PATH-03", Sent: "empty segments", Must: "400; merged only where a route says so, and then also forwarded so"},
		{ID: "PATH-04", Sent: "encoded slashes, in both cases, also in a wildcard", Must: "400; where allowed, never a separator"},
		{ID: "PATH-05", Sent: "path parameters, also around dot segments", Must: "400; where allowed, they hide no segment"},
		{ID: "PATH-06", Sent: "encoded and raw control characters", Must: "400"},
		{ID: "PATH-07", Sent: "double encoding", Must: "decoded once, forwarded as sent"},
		{ID: "PATH-08", Sent: "backslashes, plain and encoded", Must: "400"},
		{ID: "PATH-09", Sent: "overlong and invalid UTF-8", Must: "400"},
		{ID: "PATH-10", Sent: "look-alike characters and other normal forms", Must: "not equal to ASCII; nothing is normalised"},
		{ID: "PATH-11", Sent: "a trailing slash, dot or blank", Must: "another path than without"},
		{ID: "PATH-12", Sent: "other case; an encoded letter", Must: "another path; the same path"},
		{ID: "PATH-13", Sent: "names that only begin like a guarded one", Must: "a prefix ends at a segment"},
		{ID: "PATH-14", Sent: "encoded and plain question marks and number signs", Must: "encoded ones belong to the path; a plain number sign is 400"},
		{ID: "PATH-15", Sent: "broken escapes; a target of 9 KiB", Must: "400; 414"},
		{ID: "PATH-16", Sent: "a prefix taken off so that dots are left", Must: "judged again"},
		{ID: "PATH-17", Sent: "asterisk, empty, absolute and authority targets", Must: "only with the method that has them"},
		{ID: "PATH-18", Sent: "random targets made of all these", Must: "the route judged is the route that the upstream takes, or 400"},
	}
}
