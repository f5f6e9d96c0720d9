package apikey

import (
	"crypto/subtle"
	"net/netip"
	"time"

	"github.com/warder-dev/warder/exchange"
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

// A Kind says who may hold a key.
type Kind string

// The kinds of keys.
const (
	KindSecret     Kind = "secret"     // for programs that can keep one; "" means the same
	KindPublic     Kind = "public"     // for pages: everybody can read it, and it is good only for requests from its Origins
	KindHoneytoken Kind = "honeytoken" // never good: whoever uses it found what was laid out
)

// A Record is what a store knows of one key. It never holds the key's text.
type Record struct {
	ID          ID
	Prefix      string // first part of the text, such as "wrd"
	Environment Environment
	Kind        Kind
	Name        string   // for people; may be empty
	Owner       string   // the customer's own id for whom the key belongs to; may be empty
	Scopes      []string // grants; the last segment may be "*" (see exchange.PatternScopes)
	Created     time.Time
	Updated     time.Time // when people last changed it; zero: never
	Expires     time.Time // zero: never. A key is expired at this instant (>=), not after it.
	Disabled    bool      // reversible
	Revoked     time.Time // zero: not revoked. Final, whatever the clock says later.
	Reason      string    // why it was revoked, such as "superseded"
	Certificate [32]byte  // SHA-256 of the client certificate (DER) without which the key proves nobody; zero: none
	Secrets     []Secret  // current first; at least one
	Revision    Revision  // of the last change to this record; set by the store

	Metadata map[string]string // the customer's own notes

	// What follows narrows what the key is good for; each that is empty allows all.
	Addresses []netip.Prefix // from where it may be used
	Methods   []string       // such as "GET"
	Paths     []string       // patterns of paths, as those of routes: "/orders/{id}"
	Origins   []string       // of pages, such as "https://app.example.com"; required for KindPublic

	Plan       string           // the plan whose limits apply; "" for none
	Limits     []exchange.Quota // its own, instead of those of the plan and the route with the same name
	IdleRevoke time.Duration    // a job revokes it when it was unused for so long, in whole milliseconds; 0: never
}

// Bound reports whether the key proves somebody only beside its certificate.
func (r *Record) Bound() bool { return bound(&r.Certificate) }

// bound reports whether digest is that of a certificate.
func bound(digest *[32]byte) bool {
	var none [32]byte
	return subtle.ConstantTimeCompare(digest[:], none[:]) == 0 // no secret, but so no digest is compared otherwise
}

// KindOf returns the key's kind: [KindSecret] where none is named.
func (r *Record) KindOf() Kind {
	if r.Kind == "" {
		return KindSecret
	}
	return r.Kind
}

// A Secret is one digest under a key.
type Secret struct {
	Digest  [32]byte // HMAC-SHA-256 of the text but its check digits, under the pepper
	Pepper  string   // id of the pepper
	Created time.Time
	Retires time.Time // end of the overlap after a roll; zero for the current secret
	Number  int       // 1 for the first, 2 for that of the first roll: never used twice under one key

	// IdleRetire ends the overlap earlier, when this retiring secret was unused for
	// so long, in whole milliseconds. 0: only Retires ends it.
	IdleRetire time.Duration

	// Format is "" for a secret of ours. For an imported text it names the digest by
	// which [LegacyStore] finds it; what Digest is then, the format says.
	Format string
}

// A State is what a key is good for at one moment.
type State string

// The states of a key.
const (
	Active   State = "active"
	Retiring State = "retiring" // active, with a former secret that still works
	Disabled State = "disabled"
	Revoked  State = "revoked"
	Expired  State = "expired"
)

// State returns the key's state at now. Revoked wins over disabled, disabled
// over expired, expired over retiring.
func (r *Record) State(now time.Time) State {
	switch {
	case !r.Revoked.IsZero():
		return Revoked
	case r.Disabled:
		return Disabled
	case !r.Expires.IsZero() && !now.Before(r.Expires):
		return Expired
	case r.retiring(now):
		return Retiring
	default:
		return Active
	}
}

// retiring reports whether a secret that a roll replaced still works at now.
func (r *Record) retiring(now time.Time) bool {
	for i := range r.Secrets {
		if s := &r.Secrets[i]; !s.Retires.IsZero() && now.Before(s.Retires) {
			return true
		}
	}
	return false
}
