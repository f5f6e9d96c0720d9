package account

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/warder-dev/warder/exchange"
)

// Errors of rights.
var (
	// ErrForbidden means that the role of whoever asks does not allow it.
	ErrForbidden = errors.New("account: the role does not allow it")

	// ErrOwnRole means that somebody would raise its own role.
	ErrOwnRole = errors.New("account: nobody raises its own role")

	// ErrStale means that it needs a fresh login; see [Fresh].
	ErrStale = errors.New("account: log in again first: password and second factor, within the last 10 minutes")
)

// An Actor is who asks for a change. The zero value may do nothing.
type Actor struct {
	By     string // for the audit: "account:" and the id, "user:ada"; required
	Source string // from where: "cli", an address; required
	ID     ID     // of the person; "" for the operator
	Role   Role   // of the person
	Fresh  bool   // see [Fresh]

	// Operator is whoever may write the database: the command line. It may do
	// everything.
	Operator bool
}

func (a *Actor) check() error {
	return errors.Join(checkText("actor", a.By, true), checkText("source", a.Source, true))
}

// Manages returns nil when a may make, change and remove accounts and admin keys of
// the roles: [ErrForbidden], or [ErrStale] unless urgent. What takes a right away at
// once is urgent.
func (a *Actor) Manages(urgent bool, roles ...Role) error {
	if err := a.check(); err != nil {
		return err
	}
	if a.Operator {
		return nil
	}
	for _, r := range roles {
		if a.ID == "" || !a.Role.May(ManageAccounts) || !a.Role.Manages(r) {
			return ErrForbidden
		}
	}
	if !urgent && !a.Fresh {
		return ErrStale
	}
	return nil
}

// Issuers of principals: see account/login.
const (
	Issuer    = "warder-account"   // of people; the subject is the account's id
	KeyIssuer = "warder-admin-key" // of admin keys; the subject is the key's id
)

// Names of the claims of principals.
const (
	ClaimRole   = "role"
	ClaimName   = "name"
	ClaimEpoch  = "epoch"
	ClaimAt     = "auth_time" // seconds since 1970, as in OpenID Connect
	ClaimFactor = "factor"    // whether a second factor was proved
)

// FreshFor is how long a login is fresh.
const FreshFor = 10 * time.Minute

// RoleOf returns the role of a principal that account/login proved, or "".
func RoleOf(p *exchange.Principal) Role {
	if p.Issuer != Issuer && p.Issuer != KeyIssuer {
		return ""
	}
	name, _ := p.Claims[ClaimRole].(string)
	if r := Role(name); r.Valid() {
		return r
	}
	return ""
}

// Fresh reports whether p is a person that proved password and second factor,
// where its role requires one, within [FreshFor] before now; or an admin key. A key
// has no login: whoever made it had a fresh one, and it manages neither accounts
// nor keys like itself, whatever its role.
func Fresh(p *exchange.Principal, now time.Time) bool {
	role := RoleOf(p)
	switch {
	case role == "":
		return false
	case p.Issuer == KeyIssuer:
		return true
	}
	at := time.Unix(Whole(p.Claims[ClaimAt]), 0)
	factor, _ := p.Claims[ClaimFactor].(bool)
	return (factor || !role.NeedsFactor()) && now.Sub(at) < FreshFor && !at.After(now.Add(time.Second))
}

// Stale reports whether p is a person whose login is too old for a. Whom somebody
// else vouches for is not this package's to judge.
func Stale(p *exchange.Principal, a Action, now time.Time) bool {
	return p.Issuer == Issuer && a.NeedsFresh() && !Fresh(p, now)
}

// Permits reports whether p may do a, and whether only a fresh login is missing.
func Permits(p *exchange.Principal, a Action, now time.Time) (ok, stale bool) {
	switch {
	case !RoleOf(p).May(a), a == ManageAccounts && p.Issuer != Issuer:
		return false, false
	case Stale(p, a, now):
		return false, true
	default:
		return true, false
	}
}

// ActorOf returns p as who asks for a change from source.
func ActorOf(p *exchange.Principal, source string, now time.Time) Actor {
	a := Actor{Source: source}
	switch role := RoleOf(p); {
	case role == "":
	case p.Issuer == KeyIssuer:
		a.By, a.Role = "admin-key:"+p.Subject, role
	default:
		a.By, a.Role, a.ID, a.Fresh = "account:"+p.Subject, role, ID(p.Subject), Fresh(p, now)
	}
	return a
}

// Whole returns a claim that is a whole number, whatever store it came through; 0
// for everything else.
func Whole(claim any) int64 {
	switch n := claim.(type) {
	case int64:
		return n
	case int:
		return int64(n)
	case float64:
		if n == float64(int64(n)) {
			return int64(n)
		}
	case json.Number:
		if whole, err := n.Int64(); err == nil {
			return whole
		}
	}
	return 0
}
