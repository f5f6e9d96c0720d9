// Package introspection proves bearer tokens that only their issuer can read, by
// asking it (RFC 7662).
//
//	opaque, err := introspection.New(introspection.Config{
//		URL: "https://login.example.com/introspect", ClientID: "warder", ClientSecret: password,
//		Issuer: "https://login.example.com", Audience: []string{"https://api.example.com"},
//	})
//
// # What an answer means
//
// A token that the issuer calls inactive is 401, and so is an active one for
// another audience or of another issuer, one that has expired all the same,
// one that is bound to something else than the client's certificate (RFC 8705),
// and one that says of itself that it is no access token: a refresh token is
// active too. When there is no answer, or one that is not what RFC 7662 wants, the
// answer is 503: an error of the endpoint says nothing about the token.
//
// Subject, scopes and owner come from claims as in package jwt: sub (or
// SubjectClaim), scope or else scp, and OwnerClaim. A subject has to be there: a
// client without one, as a client_id, could have the name of somebody else's
// subject. Whose subjects are client ids says so with SubjectClaim.
//
// # What is remembered
//
// An answer is remembered by the token's SHA-256 digest, without the token: an
// active one for CacheTTL and never beyond its exp, an inactive one for
// NegativeTTL. So a token that is revoked passes for CacheTTL at most. Answers to
// unknown tokens are kept apart, so that a flood of those evicts no other.
// Requests with the same token at the same time wait for one answer. No answer is
// never remembered.
package introspection
