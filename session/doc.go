// Package session keeps server-side sessions of people who log in with a
// browser: a cookie holds a random id, a [Store] holds everything else.
//
//	sessions, err := session.New(session.Config{Store: store, Log: log})
//	stage, err := authn.New(authn.Config{Requirement: authn.Require(sessions.Scheme())})
//
//	// in the handler that has proved who it is, see session/password and session/oidc
//	err = sessions.Login(w, r, session.User{Issuer: "password", Subject: "ada"})
//
// # The id
//
// An id is 32 bytes of crypto/rand in base64url. Only its SHA-256 digest is
// stored: who reads the database, its log or a backup holds no session. The id
// is too long to be guessed from a digest, so the digest needs no key. What logs,
// lists and csrf call a session is [Info.Name], a digest of the digest: it finds
// nothing in the store and proves nothing.
//
// The cookie is "__Host-session" with Secure, HttpOnly, SameSite=Lax and Path=/,
// and without Domain: with that prefix a browser takes it neither from a sibling
// domain nor over plain HTTP. Deleting it repeats the attributes.
//
// # Its life
//
// A login always makes a new id, and ends the session whose cookie came with it:
// an id that somebody planted beforehand is worth nothing. A session ends
//
//   - when it was not used for [Config.Idle]. Use is noted once a minute at most,
//     so that reading is what a request costs; a session therefore ends up to a
//     minute earlier than its last use plus Idle, and never later,
//   - at its absolute expiry, [Config.Absolute] after the login, whatever happens
//     in between: neither use nor rotation moves it,
//   - at logout, and when it is revoked: [Manager.Revoke], [Manager.RevokeUser],
//     [Manager.LoginAlone] after a change of password,
//   - when its user logs in more than [Config.PerUser] times: the one that was
//     unused longest.
//
// The store is asked for each request: what is revoked is refused from then on.
// Nothing is cached.
//
// Rotation gives the session a new id where its rights change. Requests that are
// under way then still carry the old id, so it is answered for a short grace, with
// those rights only that the session had before and after. A session has one row
// in the store whatever its id: of two rotations at once one wins, the other gets
// [ErrRotated] and writes no cookie, and one session is left.
//
// Sessions last as long as the browser by default. With [Config.Remember] a user
// may ask for a cookie that outlives it: who takes the device then takes the
// session too, which is why it is off.
//
// # When something is wrong
//
// A store that gives no answer is 503: never a login page, never nobody. A cookie
// that is there and proves nothing is 401, and is not deleted by the answer: a
// late request with an old id would delete the cookie of the new session. Pages
// for logging in must therefore stand on routes without authn. A repeated cookie
// is 400.
//
// # What it does not promise
//
//   - Protection against forged requests: the cookie is ambient, see
//     [exchange.Principal.Ambient]; routes that take it need the csrf stage.
//     SameSite=Lax alone lets sibling domains in.
//   - Recognition of a stolen cookie: a session is not bound to an address, a
//     browser or a TLS connection.
//   - That a lost answer does no harm: when the answer to a rotation does not
//     arrive, its user logs in again after the grace.
//   - That new lifetimes in the configuration reach sessions that exist: they keep
//     their absolute expiry, and get the new idle time with their next use.
//   - The 401 challenge "Cookie" is not in the registry of schemes (RFC 9110,
//     section 16.4.1): the RFC wants a challenge with each 401 and has none for cookies.
//
// Standards: OWASP ASVS 5.0 V7 (session management), RFC 6265 (cookies).
package session
