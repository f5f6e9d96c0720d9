package attack

// key are the cases of area KEY: API keys.
func key() []Entry {
	return []Entry{
		{ID: "KEY-01", Sent: "a request without a credential", Must: "401 with a challenge and a problem, not cacheable; nothing is read from the store"},
		{ID: "KEY-02", Sent: "the header empty or blank, also while another scheme is satisfied", Must: "401: an empty credential is a wrong one, never an absent one"},
		{ID: "KEY-03", Sent: "a key with a wrong prefix, alphabet or check digit, or one character too many or too few", Must: "401 without asking the store, within 100 ns"},
		{ID: "KEY-04", Sent: "a value of 8 KiB and one of 1 MiB", Must: "401 or 431 without asking the store; allocations do not grow with the value"},
		{ID: "KEY-05", Sent: "the header on two lines in every mix of good and bad, and a list in one line", Must: "400 for repeated lines, 401 for the list; no key of them is used"},
		{ID: "KEY-06", Sent: "non-ASCII, NUL, a blank inside, quotes, a scheme word in front", Must: "401; nothing of the value comes back"},
		{ID: "KEY-07", Sent: "a key with the case of one letter changed", Must: "401"},
		{ID: "KEY-08", Sent: "an unknown id once, again, and a million different ones; then a key with such an id is made", Must: "401; the repeat asks no store; memory stays bounded; the new key works at once"},
		{ID: "KEY-09", Sent: "a known id with a wrong secret whose check digits are right", Must: "401; the comparison takes constant time"},
		{ID: "KEY-10", Sent: "revoked, expired, disabled and unknown keys, and wrong secrets", Must: "answers alike but for the request id, in like time, with as many reads of the store"},
		{ID: "KEY-11", Sent: "a search of everything that is stored", Must: "no key and no secret part of one, in any common encoding"},
		{ID: "KEY-12", Sent: "peppers missing, incomplete, retired, rotated under load, or in a file that others can read", Must: "made when nothing is stored yet; else refused by name; 503 when found lacking at run time; retired ones verify; no failure while rotating"},
		// That crypto/rand itself fails has no test: since Go 1.24 it never returns an error, and
		// ends the process where the system gives it nothing. It is what draws by default.
		{ID: "KEY-13", Sent: "a random source that fails", Must: "an error and nothing stored; never a weaker source"},
		{ID: "KEY-14", Sent: "a new key whose id is taken", Must: "another id; the older record is untouched"},
		{ID: "KEY-15", Sent: "the text of a key under another prefix or environment, with check digits made right", Must: "401: the digest covers both"},
		{ID: "KEY-16", Sent: "a key of the test environment on a live route, and the reverse", Must: "403 that names the rule"},
		{ID: "KEY-17", Sent: "a public key from a foreign or missing origin, or on an operation for secret keys", Must: "403"},
		{ID: "KEY-18", Sent: "the secrets of a rolled key during, after and beside the overlap", Must: "the retiring one passes while the overlap lasts and is counted, then 401; rolls at once follow one another"},
		{ID: "KEY-19", Sent: "a key at the instant of its expiry, and a clock set back behind it", Must: "refused from that instant on; revocation does not depend on the clock"},
		{ID: "KEY-20", Sent: "a store that errs, hangs, is closed, or returns nonsense", Must: "503 with Retry-After within the deadline; fresh cached keys still pass"},
		{ID: "KEY-21", Sent: "a key in the query of a route that wants the header", Must: "401, and the value is recorded nowhere"},
		{ID: "KEY-22", Sent: "a query key repeated, in another spelling, or hidden among what cannot be scanned", Must: "400 for a second spelling; found or 400; the rest of the query arrives as sent"},
		{ID: "KEY-23", Sent: "a good key in the query", Must: "an answer that is neither stored nor referred; the upstream does not see the key"},
		{ID: "KEY-24", Sent: "a key over plain HTTP where HTTPS is required", Must: "403, the connection closes, no redirect; the key is reported as exposed"},
		{ID: "KEY-25", Sent: "a cookie key twice, quoted, in a huge field, or set by a parent domain", Must: "400, 401 or 431; the browser refuses the last"},
		{ID: "KEY-26", Sent: "a cookie key with an unsafe method and no proof against forgery", Must: "403"},
		{ID: "KEY-27", Sent: "an address condition met by mapped, forwarded or zoned addresses", Must: "judged on the address that the edge established"},
		{ID: "KEY-28", Sent: "scopes that share letters but no segments; a wildcard inside a token's text; another owner's scope", Must: "no match by accident; wildcards count only in what was granted here"},
		// Of a text only an HMAC is stored: an import that brings the digest of the same key
		// after it, in another file, cannot be known. The text proves the first key then as before.
		{ID: "KEY-29", Sent: "imported hashes: right, wrong, twice the same, empty", Must: "passes and is upgraded; 401; the second and the empty one are refused"},
		{ID: "KEY-30", Sent: "a key in a form or JSON body", Must: "not read"},
		{ID: "KEY-31", Sent: "a key that is bound to a certificate, with none, another, or a forwarded one from anybody", Must: "401"},
		{ID: "KEY-32", Sent: "HEAD, OPTIONS, TRACE, CONNECT, unknown and lower-case methods", Must: "authenticated like every other, or 405; none passes"},
		{ID: "KEY-33", Sent: "self-service operations with the id of another key", Must: "the holder's own key only"},
		{ID: "KEY-34", Sent: "a honeytoken", Must: "the answer of an unknown key, and an alert"},
		{ID: "KEY-35", Sent: "a hundred verifications while the key is revoked", Must: "none passes after the receipt"},
		{ID: "KEY-36", Sent: "a key revoked or made by another process while the server runs", Must: "401 or 200 within a second"},
		{ID: "KEY-37", Sent: "an open stream whose key or session loses its right", Must: "closed within the bound, with the reason in the log"},
		{ID: "KEY-38", Sent: "a short-lived token made from a key that is then revoked", Must: "401 within the bound"},
	}
}
