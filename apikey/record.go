package apikey

import (
	"crypto/subtle"
	"time"
)

// An ID names a key for good: 12 base62 characters, public, safe to log. A roll
// keeps it.
type ID string

// An Environment tells keys for real use from keys for trials: 1 to 16 lower
// case letters and digits, such as "live" and "test". It is part of the key's
// text.
type Environment string

// A Revision counts the changes of a store: each [Store.Apply] gets the next.
type Revision int64

// A Record is what a store knows of one key. It never holds the key's text.
type Record struct {
	ID          ID
	Prefix      string // first part of the text, such as "wrd"
	Environment Environment
	Name        string   // for people; may be empty
	Owner       string   // the customer's own id for whom the key belongs to; may be empty
	Scopes      []string // grants; the last segment may be "*" (see exchange.PatternScopes)
	Created     time.Time
	Expires     time.Time // zero: never. A key is expired at this instant (>=), not after it.
	Disabled    bool      // reversible
	Revoked     time.Time // zero: not revoked. Final, whatever the clock says later.
	Reason      string    // why it was revoked, such as "superseded"
	Certificate [32]byte  // SHA-256 of the client certificate (DER) without which the key proves nobody; zero: none
	Secrets     []Secret  // current first; at least one
	Revision    Revision  // of the last change to this record; set by the store
}

// Bound reports whether the key proves somebody only beside its certificate.
func (r *Record) Bound() bool {
	var none [32]byte
	return subtle.ConstantTimeCompare(r.Certificate[:], none[:]) == 0 // no secret, but so no digest is compared otherwise
}

// A Secret is one digest under a key.
type Secret struct {
	Digest  [32]byte // HMAC-SHA-256 of the text but its check digits, under the pepper
	Pepper  string   // id of the pepper
	Created time.Time
	Retires time.Time // end of the overlap after a roll; zero for the current secret
}

// A State is what a key is good for at one moment.
type State string

// The states of a key.
const (
	Active   State = "active"
	Disabled State = "disabled"
	Revoked  State = "revoked"
	Expired  State = "expired"
)

// State returns the key's state at now. Revoked wins over disabled, disabled
// over expired.
func (r *Record) State(now time.Time) State {
	switch {
	case !r.Revoked.IsZero():
		return Revoked
	case r.Disabled:
		return Disabled
	case !r.Expires.IsZero() && !now.Before(r.Expires):
		return Expired
	default:
		return Active
	}
}
