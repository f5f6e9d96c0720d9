package attack

// jwt are the cases of area JWT: tokens.
func jwt() []Entry {
	return []Entry{
		{ID: "JWT-01", Sent: "alg none in any case, missing, a number; no signature", Must: "401"},
		{ID: "JWT-02", Sent: "a public key's bytes or text as an HMAC secret", Must: "401; a configuration that mixes both is refused"},
		{ID: "JWT-03", Sent: "algorithms off the list, a curve that does not match, weak RSA keys, ECDSA signatures of zeros or another length", Must: "401; such keys are never used"},
		{ID: "JWT-04", Sent: "jwk, jku, x5u and x5c in the token", Must: "never used"},
		{ID: "JWT-05", Sent: "a kid that is a path, SQL, huge, empty, repeated; ten thousand unknown ones", Must: "401; one fetch of the keys per interval at most"},
		{ID: "JWT-06", Sent: "exp missing, past, text, a fraction, out of range, negative; nbf ahead; both at the edge of the leeway", Must: "judged at the edge that the documentation states"},
		{ID: "JWT-07", Sent: "iss with a piece more or less, a slash, other case; aud missing, listed, nested, another's", Must: "401 but for the exact one"},
		{ID: "JWT-08", Sent: "an ID token as access token; a typ that is not configured", Must: "401"},
		{ID: "JWT-09", Sent: "unknown crit, b64, encrypted and nested tokens", Must: "401"},
		{ID: "JWT-10", Sent: "repeated members, trailing bytes, padding, blanks, spare bits", Must: "401: what has two readings is none"},
		{ID: "JWT-11", Sent: "a token of 1 MiB, a million dots, JSON nested 10,000 deep", Must: "refused by its size, without memory that grows with it"},
		{ID: "JWT-12", Sent: "a token, also a remembered one, whose key was withdrawn", Must: "401 after the next fetch"},
		{ID: "JWT-13", Sent: "the token of one issuer with the kid of another's key", Must: "401: keys belong to their issuer"},
		{ID: "JWT-14", Sent: "a key set that is huge, slow, failing, redirected, empty, or holds private, unusable and unknown keys", Must: "the last good one within its bound, then 503; no panic; no request elsewhere"},
		{ID: "JWT-15", Sent: "internal addresses in an unverified token", Must: "no request is made"},
		{ID: "JWT-16", Sent: "two Authorization fields, odd case, blanks, tabs; a token in the query or a form", Must: "400, or as RFC 6750 says; not read elsewhere"},
		{ID: "JWT-17", Sent: "the Wycheproof vectors for JWS and JWK", Must: "as each vector says; what differs is listed with its reason"},
		{ID: "JWT-18", Sent: "a token bound to a certificate, with none or another", Must: "401"},
		{ID: "JWT-19", Sent: "scope and scp, both, of wrong types, with a wildcard", Must: "mapped as documented; a wildcard is a character"},
	}
}
