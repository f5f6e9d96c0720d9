// Package csrf keeps other sites from writing with somebody's cookie.
//
// A browser sends a cookie, HTTP Basic or a client certificate along with
// whatever any page asks it to send. A [Stage] therefore wants proof that the
// page is the site's own, of every request that
//
//   - proves somebody by such a credential ([exchange.Principal.Ambient]), and
//   - is unsafe: any method but GET, HEAD, OPTIONS and TRACE, or any Upgrade,
//     since a WebSocket handshake is a GET that opens both directions.
//
// Nothing else is exempt, and no pattern can exempt: a key or token in a header
// that only a script can set needs no proof because it is one.
//
// # Proof
//
//   - Sec-Fetch-Site, which browsers add to requests for https and which no page
//     can set: same-origin and none (typed in) pass, same-site and cross-site do
//     not. Origin, where it is there, has to agree.
//   - Without it, Origin: it has to be the request's own origin, scheme and port
//     included, as the stage forwarded found them.
//   - An origin of [Config.TrustedOrigins] passes either way. An origin that may
//     read (cors) is not trusted to write unless it is listed here too.
//   - With neither field, and where a page hides its own origin from itself
//     (Referrer-Policy: no-referrer), a token: see [Stage.Token].
//
// net/http's CrossOriginProtection judges by the same two fields, and passes
// what this package refuses: an Upgrade, an Origin that differs in its scheme
// only, and a request with neither field. It compares with Host as it was sent,
// which is not what the browser asked for behind a proxy that changes it. The
// tests hold every request that passes here without a token against it.
//
// The Referer is not read: extensions and policies remove it, and its absence
// would have to pass. Method override (X-HTTP-Method-Override, _method) is not
// read either: a POST is judged as what it is. The content type decides nothing
// but where a token may stand.
//
// # Tokens
//
// A token is a time and an HMAC-SHA-256 of it together with whom it is for: the
// session ([exchange.Principal.Session]), issuer, subject and key id. It is of
// no use in another session, before login or after logout, nor to a sibling
// domain that can set cookies. Each text of it is masked with fresh random bytes,
// so that a compressed page does not give it away byte by byte (BREACH). It is
// read from a header field or from a form's field, never from the address, which
// is logged and sent to others in the Referer.
//
// Requests that prove nobody get no token, since there is nothing to bind it to:
// a login form ([Config.Login]) is judged by Sec-Fetch-Site and Origin alone.
package csrf
