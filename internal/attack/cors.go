package attack

// cors are the cases of area CORS: reading from other origins.
func cors() []Entry {
	inside := []Front{Library, Gateway}
	browser := []Front{Library, Gateway, Browser}
	return []Entry{
		{ID: "CORS-01", Sent: "requests of a listed origin, simple and preflighted, with and without credentials", Must: "its own origin comes back, and Vary; the browser lets it read", At: browser},
		{ID: "CORS-02", Sent: "origins that begin, end or look like a listed one", Must: "no permission", At: browser},
		{ID: "CORS-03", Sent: "the origin null: sandboxed frames, data URLs, redirects", Must: "no permission", At: browser},
		{ID: "CORS-04", Sent: "a configuration with * and credentials, null, all of a public suffix, plain http, or a reflection", Must: "refused at the start; http only by a name that says Insecure", At: []Front{Library, CLI}},
		{ID: "CORS-05", Sent: "preflights for what is not listed, * against Authorization, ten thousand commas, other spellings", Must: "no permission; not covered; no allocation that grows; as the Fetch standard says", At: inside},
		{ID: "CORS-06", Sent: "a preflight, which has no credential, and an OPTIONS that is none", Must: "answered here, and the upstream sees nothing; authenticated like every other", At: inside},
		{ID: "CORS-07", Sent: "two Origin fields; one of 8 KiB", Must: "no permission", At: inside},
		{ID: "CORS-08", Sent: "every kind of request, through caches", Must: "Vary names what the answer depends on, beside what the upstream's names", At: inside},
		{ID: "CORS-09", Sent: "requests of a listed origin that are refused with 401, 429 and 503", Must: "its script can read the refusal", At: browser},
		{ID: "CORS-10", Sent: "a preflight for a private network", Must: "no permission unless configured", At: inside},
		{ID: "CORS-11", Sent: "a new configuration while requests are answered", Must: "each answer is of one configuration", At: inside},
	}
}
