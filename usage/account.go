package usage

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/warder-dev/warder/exchange"
)

// A Kind says what an account belongs to.
type Kind string

// The kinds of accounts.
const (
	Key   Kind = "key"   // one API key, by its id; a roll keeps it
	Owner Kind = "owner" // all keys of one owner together
)

// A Subject is whose credits an account holds. The zero value is nobody's.
type Subject struct {
	Kind Kind
	ID   string // the key's id, or the owner: 1 to 128 bytes of UTF-8 without NUL
}

// maxID is the most bytes of a Subject's ID, as many as an owner may have.
const maxID = 128

// Check reports what is wrong with s.
func (s Subject) Check() error {
	if s.Kind != Key && s.Kind != Owner {
		return fmt.Errorf("usage: the kind of a subject is %q, want %q or %q", s.Kind, Key, Owner)
	}
	if s.ID == "" || len(s.ID) > maxID || !utf8.ValidString(s.ID) {
		return fmt.Errorf("usage: a subject's id has %d bytes, want 1 to %d of UTF-8", len(s.ID), maxID)
	}
	for i := range len(s.ID) {
		if s.ID[i] == 0 {
			return fmt.Errorf("usage: a subject's id has a NUL at byte %d", i)
		}
	}
	return nil
}

// of returns the subject of x that k names; its ID is empty when there is none.
func (k Kind) of(x *exchange.Exchange) Subject {
	if k == Owner {
		return Subject{Kind: k, ID: x.Principal.Owner}
	}
	return Subject{Kind: k, ID: x.Principal.KeyID}
}

// MaxCredits is the most that an account holds. JSON, and the languages that
// read numbers of it as floats, keep such a number exact (RFC 8259, section 6).
const MaxCredits = 1_000_000_000_000_000

// An Account is what a store knows of one subject's credits. No number in it is
// ever negative.
type Account struct {
	Subject Subject
	Balance int64 // credits that nobody has reserved
	Held    int64 // reserved by nodes, and neither confirmed as spent nor given back
	Spent   int64 // confirmed as spent, since the account began
	Lost    int64 // reserved by nodes that went without a word, against the customer

	Refill Refill
	Next   time.Time // of the next refill; zero for none

	// Drop is by how much the last refill to an amount topped the balance up, less
	// what has come back of reservations of before: so much more of that is in the
	// balance already.
	Drop int64

	// Epoch counts what ends reservations: refills to an amount, and, by two, amounts
	// that were set.
	Epoch int64
}
