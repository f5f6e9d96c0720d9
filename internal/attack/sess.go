package attack

// sess are the cases of area SESS: sessions and login.
func sess() []Entry {
	return []Entry{
		{ID: "SESS-01", Sent: "the session id from before a login, after it", Must: "401; the login made another id"},
		{ID: "SESS-02", Sent: "a look at each Set-Cookie, also of logout", Must: "__Host-, Secure, HttpOnly, SameSite=Lax, Path=/, no Domain, no lifetime unless asked for"},
		{ID: "SESS-03", Sent: "a session at its idle and absolute end, and one that is used all the time", Must: "401 at the instant; use moves the idle end only"},
		{ID: "SESS-04", Sent: "a cookie after logout, a change of password, and revocation", Must: "401"},
		{ID: "SESS-05", Sent: "a cookie of the same name, set by a sibling domain", Must: "not accepted", At: []Front{Browser}},
		{ID: "SESS-06", Sent: "requests and further rotations at the instant of a rotation", Must: "nobody is logged out; one session is left, and the old id gains nothing"},
		{ID: "SESS-07", Sent: "any cookie while the store of sessions fails, hangs, or answers nonsense", Must: "503, never 401 and never nobody"},
		{ID: "SESS-08", Sent: "a read of the whole database", Must: "digests only, of ids with 256 bits"},
		{ID: "SESS-09", Sent: "logins with unknown names and with wrong passwords", Must: "the same answer; medians of their times within a tenth"},
		{ID: "SESS-10", Sent: "guesses at one user from one and from many addresses, and at many users from one", Must: "throttled; the user's own address still gets in"},
		{ID: "SESS-11", Sent: "a password of 1 MiB; 64 logins at once", Must: "refused unhashed; bounded memory"},
		{ID: "SESS-12", Sent: "callbacks with a state that is missing, used or another browser's, with other nonces, codes, issuers, tokens, without PKCE", Must: "refused, each with its reason in the log"},
		{ID: "SESS-13", Sent: "return addresses that lead elsewhere in some reading", Must: "paths of our own only, else the front page"},
		{ID: "SESS-14", Sent: "a login whose Host and forwarded fields name another site", Must: "the provider leads back to the configured address only"},
	}
}
