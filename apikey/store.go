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
	// transaction, or nothing: [ErrExists], also when another key has an imported
	// digest of this one, [ErrNotFound], [ErrConflict], or another error when the
	// store could not answer.
	Apply(ctx context.Context, c Change) (Revision, error)
}

// A Change is one step in the life of a key.
type Change struct {
	Actor  string    // who: "user:ada", "system"; required
	Source string    // from where: "cli", an address; required
	Op     Op        // required
	At     time.Time // required
	Before *Record   // as read from the store; nil to create
	After  *Record   // as it shall be, with the same ID; nil to delete. Its Revision is ignored.
}

// ID returns the id of the key that the change is of.
func (c *Change) ID() ID {
	if c.After != nil {
		return c.After.ID
	}
	if c.Before != nil {
		return c.Before.ID
	}
	return ""
}

// An Op names what a change does, for the audit.
type Op string

// The operations that exist.
const (
	OpCreate     Op = "create"
	OpImport     Op = "import" // a key of another system
	OpUpdate     Op = "update"
	OpRoll       Op = "roll"        // a new secret; the old one works on for a while
	OpEndOverlap Op = "end-overlap" // the old one works no longer
	OpRevoke     Op = "revoke"
	OpDisable    Op = "disable"
	OpEnable     Op = "enable"
	OpDelete     Op = "delete"
	OpRehash     Op = "rehash"  // the digest moved to the current pepper
	OpUpgrade    Op = "upgrade" // an imported digest became one of ours
)

// What [Batcher.ApplyAll] takes at most.
const (
	MaxBatch  = 1000 // changes
	MaxImport = 8000 // changes that are all of OpImport: an index is written less often so
)

// A Batcher writes many changes at once. The stores of this module are Batchers.
type Batcher interface {
	// ApplyAll writes 1 to [MaxBatch] changes, or up to [MaxImport] that all are
	// imports, of different keys, in one transaction: all, with their revisions in the same order, or none and an error of
	// [Store.Apply].
	ApplyAll(ctx context.Context, changes []Change) ([]Revision, error)
}

// A LegacyStore finds keys of other systems, whose text has no id. The stores of
// this module are LegacyStores.
type LegacyStore interface {
	// LookupDigest returns the record with a secret of this Format, not empty, and
	// Digest. Errors are those of [Store.Lookup].
	LookupDigest(ctx context.Context, format string, digest [32]byte) (Record, error)
}

// An ImportedDigest is what a key of another system is found by.
type ImportedDigest struct {
	Format string   // not empty
	Sum    [32]byte // [Secret.Digest]
}

// A DigestFinder finds many keys of other systems at once. The stores of this module
// are DigestFinders.
type DigestFinder interface {
	// HasDigests reports for each of 1 to [MaxImport] digests, in their order, whether a
	// key has it. The error is non-nil when the store could not answer.
	HasDigests(ctx context.Context, digests []ImportedDigest) ([]bool, error)
}

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

// A Notifier is a [Feed] that can also say at once that something may have changed.
type Notifier interface {
	// News returns a channel that gets a value soon after a change, until ctx ends. It
	// is a hint: it may come without a change, once for many, or not at all, and it
	// never says what the feed does not. It is never closed.
	News(ctx context.Context) <-chan struct{}
}
