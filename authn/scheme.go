// Package authn decides whether a request proves somebody, and whether that
// somebody satisfies the requirement of its route.
//
// A [Scheme] says where a credential is found and whom it proves; a
// [Requirement] says which schemes a route wants, as OpenAPI's security does. A
// credential that is present and wrong is refused, whatever else the request
// carries; only an absent one leaves it to the others. A store that gives no
// answer is 503, never 401 and never a pass.
package authn

import (
	"errors"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// ErrNoCredential means that the request carries no credential of the scheme at
// all. An empty, malformed or repeated credential is present: see [Wrong] and
// [Unreadable].
var ErrNoCredential = errors.New("authn: no credential")

// A Scheme finds a credential and proves whom it belongs to. Implementations
// are safe for concurrent use.
type Scheme interface {
	// Name is the scheme's name in OpenAPI's components.securitySchemes, such as
	// "apiKey": letters, digits and ._- only. It is a constant of the configuration.
	Name() string

	// Authenticate returns whom x proves; an error wrapping [ErrNoCredential],
	// [Wrong], [Unreadable] or a [Denial]; or any other error when it could not find
	// out, which becomes 503. It never writes to a response, and its errors hold no
	// part of a credential. It asks no store before it has found a credential, so
	// that a store that is away concerns those requests only that carry one.
	//
	// [Stage.Check] asks it once for each request, also when another scheme proved
	// somebody already. Where two schemes share a field, such as Authorization,
	// each takes what is not its own for absent.
	Authenticate(x *exchange.Exchange) (exchange.Principal, error)

	// Challenge returns the WWW-Authenticate challenge (RFC 9110, section 11.6.1)
	// for realm, which [New] has checked: one challenge of printable ASCII.
	Challenge(realm string) string
}

// A Refusal is the error of a credential that is present and does not hold.
type Refusal struct {
	reason     string
	unreadable bool
}

// Wrong returns the error for a credential that is present and proves nobody:
// 401. reason is a constant for the log, such as "revoked"; the client's answer
// is the same for every reason.
func Wrong(reason string) *Refusal { return &Refusal{reason: reason} }

// Unreadable returns the error for a credential that is repeated or cannot be
// read whole: 400 (compare RFC 6750, section 3.1, invalid_request).
func Unreadable(reason string) *Refusal { return &Refusal{reason: reason, unreadable: true} }

// Reason returns the word for the log.
func (r *Refusal) Reason() string { return r.reason }

func (r *Refusal) Error() string { return "authn: credential refused: " + r.reason }

// A Denial is the error of a credential that holds and is not good for this
// request, because of what its own record says: 403. It is an error, so that
// nobody takes it for a proof who knows nothing of denials.
type Denial struct {
	Principal exchange.Principal // whom it proves otherwise, for the log. Required.
	Rule      string             // what does not hold: a constant for the log, such as "key-address"
	Problem   *problem.Problem   // the answer; a 403. Required.
}

func (d *Denial) Error() string { return "authn: credential denied: " + d.Rule }
