// Package jwt verifies bearer tokens that are JWTs (RFC 7519, RFC 6750), and
// signs short ones.
//
// A [Scheme] is an authn.Scheme for the tokens of one or several issuers:
//
//	bearer, err := jwt.New(jwt.Config{Issuers: []jwt.Issuer{{
//		Issuer: "https://login.example.com", Audience: []string{"https://api.example.com"}, Discovery: true,
//	}}})
//
// # What is refused
//
// The token decides nothing about how it is verified. The issuer, by the exact
// text of iss, chooses the configuration; the configuration has the algorithms
// and the keys. "none" does not exist, HMAC works with secret keys only and
// never beside public ones, a key is used for the algorithms that it is meant
// for, and keys or addresses inside the token (jwk, jku, x5u, x5c) are not looked
// at (RFC 8725). Whatever parsers could read in two ways is refused: repeated
// members, padding and spare bits in base64url, nesting beyond 16, crit, b64,
// nested and encrypted tokens. A token over 16 KiB is refused before anything
// is parsed.
//
// A token is refused with 401, whatever is wrong with it. Two Authorization
// fields are 400. When an issuer's keys are not to be had, the answer is 503.
//
// # Times
//
// With a leeway of 30 s: a token passes from nbf - 30 s on, and until just before
// exp + 30 s, where exp is required. iat may be ahead by 30 s. With MaxAge,
// iat is required, and the token passes until just before iat + MaxAge + 30 s.
// They are numbers of seconds, of which a fraction is cut; text, negative ones and
// those behind the year 9999 are refused.
//
// # ID tokens
//
// An ID token tells a client who logged in. It is no access token, although both
// are JWTs of the same issuer, and its audience is the client. So Audience is
// required. An issuer that follows RFC 9068 sets typ to "at+jwt": say
// Types: []string{"at+jwt"}, and nothing else passes. Without it, "JWT" and an
// absent typ pass too, and what only an ID token or a logout token has (nonce,
// at_hash, c_hash, s_hash, events, a member typ that says ID) is refused.
//
// # Scopes
//
// They come from "scope", text with blanks between them, or else from "scp",
// such text or a list. The first that is there counts; one of another type is
// refused even when it does not. A "*" in a token is a character.
//
// # Keys that are fetched
//
// An issuer's keys are fetched in the background, from [Issuer.KeySetURL] or from
// where its metadata says, each [Fetch.Every] or as often as Cache-Control asks.
//
//   - Until a first set is there, requests with a token wait for the attempt that
//     is under way, and are 503 after it failed. Attempts follow after 1 s, 2 s, and
//     so on up to 30 s.
//   - An unknown kid causes one more attempt, at most one in [Fetch.UnknownEvery],
//     whatever the number of kids, for which its request waits; then it is 401.
//     It is 503 while attempts fail, since nobody knows whether the key exists.
//   - While the endpoint fails, is too slow, answers more than 1 MiB, something
//     else than a key set, or a set without a usable key, the last good set is used
//     for [Fetch.MaxStale]; beyond that, all tokens of the issuer are 503.
//   - A key that left the set is not used any more, nor is what was verified by it.
//   - Of a set, keys for encryption and keys of unknown types are ignored, and so
//     are unusable ones: weak, ambiguous, or published with their private part.
//   - No proxy is taken from the environment, redirects to other hosts are not
//     followed, and link-local addresses are never asked.
//
// # What is remembered
//
// A token that was verified is remembered by its SHA-256 digest until it expires
// or its key leaves the set, so that a repeated one costs no signature. Its
// binding to a client certificate (cnf, RFC 8705) is checked each time.
package jwt
