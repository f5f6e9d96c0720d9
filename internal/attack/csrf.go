package attack

// csrf are the cases of area CSRF: writing from other sites.
func csrf() []Entry {
	inside := []Front{Library, Gateway}
	browser := []Front{Library, Gateway, Browser}
	return []Entry{
		{ID: "CSRF-01", Sent: "a write with a cookie from the same origin, a sibling, another site, or nowhere that is told", Must: "passes; 403; 403; a token is needed", At: browser},
		{ID: "CSRF-02", Sent: "origins that are null, of another scheme or port, or begin or end like ours; a Referer alone", Must: "403: an origin is compared whole, and the Referer proves nothing", At: inside},
		{ID: "CSRF-03", Sent: "no token, or one that is cut, expired, of another session, or from before login", Must: "403", At: inside},
		{ID: "CSRF-04", Sent: "a token's cookie that a sibling domain set, with the field to match", Must: "403: a token is bound to the session; the browser refuses the cookie", At: browser},
		{ID: "CSRF-05", Sent: "another method by header, query or form", Must: "not honoured", At: inside},
		{ID: "CSRF-06", Sent: "JSON as text/plain, as a form, or as itself", Must: "the same answer: the content type proves nothing", At: browser},
		{ID: "CSRF-07", Sent: "a login form that another site submits", Must: "403", At: browser},
		{ID: "CSRF-08", Sent: "a WebSocket handshake with a cookie from another origin", Must: "403: it counts as a write", At: browser},
		{ID: "CSRF-09", Sent: "a good cookie with a bad key in a header, and with a good one", Must: "401; passes only because the key is who it is", At: inside},
		{ID: "CSRF-10", Sent: "a token in the address or the Referer", Must: "not read", At: inside},
		{ID: "CSRF-11", Sent: "a write from an origin that may read", Must: "403 unless the origin is trusted to write too", At: browser},
		{ID: "CSRF-12", Sent: "many answers, compared letter by letter", Must: "no two tokens share a text, and all of them are valid", At: inside},
		{ID: "CSRF-13", Sent: "paths and fields that look like somebody else's exemption", Must: "403: there is none", At: inside},
	}
}
