package attack

// ui are the cases of area UI: the admin page and the portal.
func ui() []Entry {
	return []Entry{
		{ID: "UI-01", Sent: "40 strings of markup and scripts as names, owners, notes and in the address, to every screen", Must: "they are text; the browser runs nothing, and reports no breach of the policy", At: []Front{Browser}},
		{ID: "UI-02", Sent: "the pages in another site's frame", Must: "refused; the portal only by its listed parents", At: []Front{Browser}},
		{ID: "UI-03", Sent: "every form, from a page of another origin, of a sibling, of none", Must: "403, and nothing is changed"},
		{ID: "UI-04", Sent: "a login whose next= leads elsewhere in some reading", Must: "own pages only, else the first"},
		{ID: "UI-05", Sent: "a role, an owner, another's key or another action in the address", Must: "404"},
		{ID: "UI-06", Sent: "texts that a spreadsheet would run, to the export as CSV", Must: "no cell begins like a formula"},
		{ID: "UI-07", Sent: "a reload, the back button, and a look into caches after a key was shown", Must: "its text is gone", At: []Front{Browser}},
		{ID: "UI-08", Sent: "two editors of one key at once", Must: "the second is told; what both typed is there"},
		{ID: "UI-09", Sent: "portal links that are expired, used, altered, another owner's", Must: "refused, all by the same answer", At: []Front{Browser}},
		{ID: "UI-10", Sent: "a live tail: 1,000 viewers, no session, secrets in the traffic", Must: "bounded; 401; redacted"},
		{ID: "UI-11", Sent: "a look at every page", Must: "nothing is asked of another host; the policy has no unsafe-*", At: []Front{Browser}},
	}
}
