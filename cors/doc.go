// Package cors lets pages of other origins read answers, by the CORS protocol of
// the Fetch standard.
//
// A browser keeps what another origin's page asked for from that page unless the
// answer allows it. A [Stage] allows it to the origins of its [Config], on every
// answer of its route: also on refusals, so that a script can tell 401 from 429.
// It never keeps a request from being served. What another site must not write
// is package csrf's matter: an origin that may read here is not trusted there.
//
// # Preflights
//
// Before a request that a plain form could not make, browsers ask with OPTIONS,
// Origin and Access-Control-Request-Method. The stage answers that itself, with
// 204 and before any credential is asked for: a preflight never has one. Nothing
// of it reaches the handler or the upstream. An OPTIONS without one of these
// fields is a request like every other. A [warder.Routes] finds the policy of a
// preflight by the method that it asks for.
//
// A permission is all or nothing: when the origin, the method or a header field
// is not allowed, the answer says nothing of CORS at all, and not why. The
// operator learns it through [Config.Report].
//
// # One owner
//
// The fields Access-Control-* of an answer are this stage's: those of a handler
// or upstream are removed, so that there are never two values. Vary is not: what
// the answer depends on is added to it.
//
// # Origins
//
// An origin is compared byte for byte in the form that browsers send. A pattern
// such as "https://*.example.com" takes one or more labels in place of the star,
// and not example.com itself. How long a look-up takes depends on the labels of
// the longest pattern, not on how many there are.
//
// [warder.Routes]: https://pkg.go.dev/github.com/warder-dev/warder#Routes
package cors
