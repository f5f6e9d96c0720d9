package attack

// admin are the cases of area ADMIN: the admin API and who may use it.
func admin() []Entry {
	return []Entry{
		{ID: "ADMIN-01", Sent: "every operation, by nobody, a data key, a holder, each role, an expired session", Must: "what the matrix says"},
		{ID: "ADMIN-02", Sent: "a key of the data plane to the admin schemes, and the reverse", Must: "401"},
		{ID: "ADMIN-03", Sent: "one owner's token with another's ids in path, filter, body and cursor", Must: "404, which tells nothing"},
		{ID: "ADMIN-04", Sent: "a page of another origin, or a rebound name, to the admin listener", Must: "403 or 421; nothing is read or changed"},
		{ID: "ADMIN-05", Sent: "members that are unknown or not the client's to set", Must: "400 that names them"},
		{ID: "ADMIN-06", Sent: "one Idempotency-Key again: the same body, another, 50 at once, another caller", Must: "one effect; the secret is told once; 422"},
		{ID: "ADMIN-07", Sent: "a stale or missing ETag with a change", Must: "412; 428"},
		{ID: "ADMIN-08", Sent: "a developer makes an admin or an admin key; the last owner goes, also two at once; somebody raises its own role", Must: "403; 409, and one owner is left; 403"},
		{ID: "ADMIN-09", Sent: "bodies too long, too deep, with repeated members, with something behind them, compressed", Must: "4xx, in flat memory"},
		{ID: "ADMIN-10", Sent: "lists, details, the audit, exports and replays", Must: "a secret is in the one answer that made it"},
		{ID: "ADMIN-11", Sent: "webhooks to private, redirecting, rebinding, slow and endless targets", Must: "refused at the dial; not followed; bounded"},
		{ID: "ADMIN-12", Sent: "a set-up link twice, after an hour, from elsewhere", Must: "gone; gone; refused unless allowed"},
		{ID: "ADMIN-13", Sent: "paths of the admin listener to the public one", Must: "404 by the policy"},
		{ID: "ADMIN-14", Sent: "questions to the API that verifies keys, without a credential of one's own, and guesses", Must: "401; throttled"},
		{ID: "ADMIN-15", Sent: "limits beyond the bounds, and another list's cursor", Must: "400"},
		{ID: "ADMIN-16", Sent: "a key that is pasted to be found", Must: "by POST; in no URL, log or history"},
	}
}
