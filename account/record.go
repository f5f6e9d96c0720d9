package account

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/warder-dev/warder/secret"
)

// An ID names an account for good: 16 characters of base32 in lower case. It is
// public, and never given to somebody else.
type ID string

// A Revision counts the changes of a store.
type Revision int64

// A Digest is the SHA-256 of a secret with 80 bits or more. It is not printable.
type Digest [32]byte

// Format writes "[digest]" for every verb.
func (Digest) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[digest]") }

// MarshalText returns "[digest]".
func (Digest) MarshalText() ([]byte, error) { return []byte("[digest]"), nil }

// An Account is somebody who administers warder.
type Account struct { //nolint:recvcheck // a value is marshalled as well
	ID    ID
	Name  string // to log in by: 1 to 64 of a-z, 0-9 and ._+@-
	Email string // may be empty; for people to read
	Role  Role

	PasswordHash secret.Text // argon2id; empty until it is set up, and after a reset
	Factor       Factor
	Recovery     []Digest // of the codes that are left
	SetUp        SetUp

	Disabled  bool
	Settled   time.Time // when it was first set up; zero: not yet
	Epoch     int64     // sessions of another one are worth nothing
	Created   time.Time
	Updated   time.Time
	LastLogin time.Time // zero: never
	Revision  Revision  // of the last change; set by the store
}

// A Factor is an authenticator. The zero value is none.
type Factor struct {
	Sealed secret.Text // the shared secret, under a key that is not in the store
	Pepper string      // id of the pepper that the key was made from
	Step   int64       // of the last code that was accepted; none after it is accepted again
	Since  time.Time
}

// Enrolled reports whether f is an authenticator.
func (f *Factor) Enrolled() bool { return !f.Since.IsZero() }

// A SetUp is a link that was not used yet. The zero value is none.
type SetUp struct {
	Digest   Digest // of the link
	Expires  time.Time
	Address  netip.Addr // from where alone it is good; invalid with Anywhere
	Anywhere bool
	Password bool // it sets the password
	Factor   bool // it sets the second factor
}

// IsZero reports whether s is none.
func (s *SetUp) IsZero() bool { return s.Expires.IsZero() }

// Standing reports whether a is an owner that counts: the last one stays.
func (a *Account) Standing() bool { return a.Role == Owner && !a.Disabled && !a.Settled.IsZero() }

// A State is what an account is good for.
type State string

// The states of an account.
const (
	Active  State = "active"
	Invited State = "invited" // its link was not used yet
	Locked  State = "locked"  // its password or factor was reset, and the link was not used yet
	Off     State = "disabled"
)

// State returns the state of a.
func (a *Account) State() State {
	switch {
	case a.Disabled:
		return Off
	case a.Settled.IsZero():
		return Invited
	case a.PasswordHash.IsZero(), a.Role.NeedsFactor() && !a.Factor.Enrolled():
		return Locked
	default:
		return Active
	}
}

// clone returns a with nothing shared.
func (a *Account) clone() Account {
	c := *a
	c.Recovery = slices.Clone(a.Recovery)
	return c
}

// A View is an account without anything secret: for lists and for the audit.
type View struct {
	ID            ID        `json:"id"`
	Name          string    `json:"name"`
	Email         string    `json:"email,omitempty"`
	Role          Role      `json:"role"`
	State         State     `json:"state"`
	Password      bool      `json:"password"` // one is set
	Factor        bool      `json:"factor"`   // one is enrolled
	RecoveryCodes int       `json:"recovery_codes"`
	Link          time.Time `json:"link_expires,omitzero"` // end of the link that was not used yet
	Epoch         int64     `json:"epoch"`
	Created       time.Time `json:"created"`
	Updated       time.Time `json:"updated,omitzero"`
	LastLogin     time.Time `json:"last_login,omitzero"`
	Revision      Revision  `json:"revision"`
}

// View returns what may be told of a.
func (a *Account) View() View {
	return View{
		ID: a.ID, Name: a.Name, Email: a.Email, Role: a.Role, State: a.State(), Password: !a.PasswordHash.IsZero(), Factor: a.Factor.Enrolled(),
		RecoveryCodes: len(a.Recovery), Link: a.SetUp.Expires, Epoch: a.Epoch,
		Created: a.Created, Updated: a.Updated, LastLogin: a.LastLogin, Revision: a.Revision,
	}
}

// MarshalJSON writes the [View]: an account has no other JSON.
func (a Account) MarshalJSON() ([]byte, error) { return json.Marshal(a.View()) }

// A Key is an admin key: a machine that administers warder.
type Key struct { //nolint:recvcheck // a value is marshalled as well
	ID       string // of apikey's form; public
	Name     string
	Role     Role
	Owner    string   // of the API's keys, to which it is bound: to all other keys it is blind; "" for none
	Maker    string   // the account that made it, or "" for the command line
	Digest   [32]byte // HMAC-SHA-256 of its text
	Pepper   string   // id of the pepper
	Created  time.Time
	Expires  time.Time // zero: never
	Revoked  time.Time // zero: not revoked
	Reason   string
	Revision Revision
}

// State returns "active", "revoked" or "expired".
func (k *Key) State(now time.Time) string {
	switch {
	case !k.Revoked.IsZero():
		return "revoked"
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return "expired"
	default:
		return "active"
	}
}

// A KeyView is a key without its digest: for lists and for the audit.
type KeyView struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Role     Role      `json:"role"`
	Owner    string    `json:"owner,omitempty"`
	Maker    string    `json:"maker,omitempty"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires,omitzero"`
	Revoked  time.Time `json:"revoked,omitzero"`
	Reason   string    `json:"reason,omitempty"`
	Revision Revision  `json:"revision"`
}

// View returns what may be told of k.
func (k *Key) View() KeyView {
	return KeyView{k.ID, k.Name, k.Role, k.Owner, k.Maker, k.Created, k.Expires, k.Revoked, k.Reason, k.Revision}
}

// MarshalJSON writes the [KeyView].
func (k Key) MarshalJSON() ([]byte, error) { return json.Marshal(k.View()) }

// moment is t as every store can keep it.
func moment(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}
