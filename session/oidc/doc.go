// Package oidc logs people in at an OpenID provider, and begins a session for
// them: the authorization code flow of OpenID Connect Core 1.0 with PKCE.
//
//	login, err := oidc.New(oidc.Config{
//		Issuer: "https://id.example", ClientID: "warder", ClientSecret: secret, RedirectURL: "https://api.example/login/callback",
//		Grants: []oidc.Grant{{Claim: "groups", Value: "ops", Scopes: []string{"admin:*"}}},
//		Sessions: sessions, Log: log,
//	})
//	mux.Handle("GET /login", login.Login())             // leads to the provider
//	mux.Handle("GET /login/callback", login.Callback()) // where the provider leads back to
//
// Both belong on routes without authn.
//
// # What binds a login to a browser
//
// Login draws state, nonce and a PKCE verifier (RFC 7636), and keeps them in an
// encrypted "__Host-" cookie of ten minutes. Callback takes an answer only with
// that cookie, once, whose state it is: an answer that was meant for another
// browser, or is sent again, is refused (RFC 9700, section 4.7). A second login in
// the same browser replaces the first; its answer is then refused.
//
// The provider is asked for its tokens with the verifier, so that a code that
// somebody injected is worth nothing (RFC 9700, section 4.5); where a provider
// should not look at it, the nonce in the ID token still has to be that of the
// cookie. An issuer in the answer (RFC 9207) has to be the provider's, and has to be
// there when the provider says that it sends one.
//
// The redirect address comes from the configuration alone. What a request says of
// its host, or a proxy of it, is not asked.
//
// # Who is let in
//
// The ID token's signature, issuer, audience, authorized party, expiry, nonce and
// the hash of the access token are checked; userinfo is not asked, and tokens are
// not kept. A user's issuer and subject are the provider's. Who is let in, and with
// which scopes, is what [Config.Grants] says and nothing else: without a grant
// that fits, a login is 403. Scopes that the provider names itself mean nothing
// here.
//
// # When something is wrong
//
// A refused answer is a problem that tells the client nothing of why; the reason is
// in the log. A provider that cannot be reached is 503. Discovery happens with the
// first login, so that a provider which is away keeps no program from starting.
//
// What it does not promise: a session ends by its own times, not with that at the
// provider (no back-channel logout). That an answer is taken once is kept in this
// process's memory: of several nodes each would take it once, and the provider then
// refuses the code.
package oidc
