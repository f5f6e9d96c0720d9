package apikey

import (
	"context"
	"errors"
	"time"
)

// Errors of a [Store]. Whatever else it returns means that it gave no answer.
var (
	// ErrNotFound means that no key has the id. A revoked or expired key is found,
	// with its state: the refusal, not the store, makes them look alike.
	ErrNotFound = errors.New("apikey: no such key")

	// ErrExists means that a key to be created has an id that is taken.
	ErrExists = errors.New("apikey: id is taken")

	// ErrConflict means that the key was changed since Change.Before was read.
	ErrConflict = errors.New("apikey: key was changed meanwhile")
)

// A Store keeps keys. Implementations pass apikeytest.TestStore and are safe for
// concurrent use. Every method keeps to ctx: it returns soon after ctx ends.
type Store interface {
	// Lookup returns the record of id, [ErrNotFound], or another error when the
	// store could not answer. The caller may keep the record but not change it.
	Lookup(ctx context.Context, id ID) (Record, error)

	// Apply writes the change, who did it and the next revision in one
	// transaction, or nothing: [ErrExists], [ErrNotFound], [ErrConflict], or
	// another error when the store could not answer.
	Apply(ctx context.Context, c Change) (Revision, error)
}

// A Change is one step in the life of a key.
type Change struct {
	Actor  string    // who: "user:ada", "system"; required
	Source string    // from where: "cli", an address; required
	Op     Op        // required
	At     time.Time // required
	Before *Record   // as read from the store; nil to create
	After  *Record   // as it shall be, with the same ID; required. Its Revision is ignored.
}

// An Op names what a change does, for the audit.
type Op string

// The operations that exist.
const (
	OpCreate  Op = "create"
	OpRevoke  Op = "revoke"
	OpRehash  Op = "rehash" // the digest moved to the current pepper
	OpDisable Op = "disable"
	OpEnable  Op = "enable"
)

// A Lister reads keys in pages. The stores of this module are Listers.
type Lister interface {
	// List returns at most limit records (1 to 1000) in ascending order of ID,
	// beginning after the id after ("" for the first page).
	List(ctx context.Context, after ID, limit int) ([]Record, error)

	// PepperIDs returns the distinct ids of peppers that stored secrets use, sorted.
	PepperIDs(ctx context.Context) ([]string, error)
}

// A Feed tells what changed. The stores of this module are Feeds.
type Feed interface {
	// Revision returns the revision of the newest change, 0 for none.
	Revision(ctx context.Context) (Revision, error)

	// Rewinds returns how often Revision has found that changes it told of before
	// are gone, because an earlier state was restored, also when as many others
	// came instead. Whoever follows the feed asks after each Revision: when the
	// number is another one, nothing that was read before holds.
	Rewinds() uint64

	// Changes returns the ids of keys that were changed after the revision after,
	// each once, and the revision up to which that is the whole truth. At most
	// limit changes are read at a time: call again until upTo is the newest.
	Changes(ctx context.Context, after Revision, limit int) (ids []ID, upTo Revision, err error)
}
