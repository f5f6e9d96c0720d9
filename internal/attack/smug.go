package attack

// smug are the cases of area SMUG: request smuggling.
func smug() []Entry {
	entry := func(id, sent string) Entry {
		return Entry{ID: id, Sent: sent, Must: "refused and closed, or one meaning that the upstream shares; never a second request there", At: []Front{Gateway, Admin}}
	}
	return []Entry{
		entry("SMUG-01", "Content-Length beside Transfer-Encoding, in either order"),
		entry("SMUG-02", "two different Content-Length"),
		entry("SMUG-03", "Content-Length twice the same, in two lines and in a list"),
		entry("SMUG-04", "Content-Length that is signed, hexadecimal, spaced, empty, or too large"),
		entry("SMUG-05", "transfer codings that are not chunked alone"),
		entry("SMUG-06", "chunked twice, in a list and in two lines"),
		entry("SMUG-07", "control characters, quotes or punctuation around chunked"),
		entry("SMUG-08", "blank or tab before the colon"),
		entry("SMUG-09", "folded lines, in any place"),
		entry("SMUG-10", "bare LF, bare CR, and both reversed"),
		entry("SMUG-11", "control characters in a name or value"),
		entry("SMUG-12", "chunk sizes with prefix, sign, blank, underscore, too many digits, or none"),
		entry("SMUG-13", "chunk extensions with line breaks, quotes, or of 64 KiB"),
		entry("SMUG-14", "chunk data without its line end"),
		entry("SMUG-15", "framing, Host and credentials in a trailer"),
		entry("SMUG-16", "versions 0.9, 1.0 with chunks, 1.2, 2.0 and lower case"),
		entry("SMUG-17", "bodies with GET, HEAD and OPTIONS, by length and chunked"),
		entry("SMUG-18", "Host twice, late, empty, or with foreign characters"),
		entry("SMUG-19", "an absolute target that contradicts Host"),
		entry("SMUG-20", "methods and targets with blanks, controls, non-ASCII, or too long"),
		entry("SMUG-21", "line ends before a request, few and many; garbage between requests"),
		{ID: "SMUG-22", Sent: "Content-Length 0 with a request behind it", Must: "two requests, and both are judged", At: []Front{Gateway, Admin}},
		entry("SMUG-23", "a body sent after a refused Expect"),
		entry("SMUG-24", "an answer before the body is whole, and a request behind it"),
	}
}
