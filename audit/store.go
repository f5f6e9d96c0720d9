package audit

import (
	"context"
	"errors"
	"time"
)

// A Query says which entries to list. A field that is empty allows all.
type Query struct {
	Actor, Op, Kind, Subject string    // as they stand in the entry
	Since, Until             time.Time // of At: not before Since, before Until. Entries keep the order of Seq.

	After  int64 // entries beyond this Seq: greater ones, or smaller ones when Newest; 0 is the beginning
	Newest bool  // the newest first
	Limit  int   // 1 to [MaxPage]. Required.
}

// MaxPage is the greatest limit of a [Query].
const MaxPage = 1000

var errQuery = errors.New("audit: query: want a limit of 1 to 1000, and no entry below 0")

// Check reports whether q can be asked: what every [Reader] does first.
func (q *Query) Check() error {
	if q.Limit < 1 || q.Limit > MaxPage || q.After < 0 {
		return errQuery
	}
	return nil
}

// Matches reports whether e is asked for, apart from After and Limit.
func (q *Query) Matches(e *Entry) bool {
	return (q.Actor == "" || e.Actor == q.Actor) && (q.Op == "" || e.Op == q.Op) &&
		(q.Kind == "" || e.Kind == q.Kind) && (q.Subject == "" || e.Subject == q.Subject) &&
		(q.Since.IsZero() || !e.At.Before(q.Since)) && (q.Until.IsZero() || e.At.Before(q.Until))
}

// A Reader reads a log. Implementations pass audittest.TestStore and are safe for
// concurrent use. Entries are returned as they are stored, broken or not.
type Reader interface {
	// List returns the first Limit entries that q asks for; fewer when there are no
	// more.
	List(ctx context.Context, q Query) ([]Entry, error)

	// Head returns the last entry; the zero Head for an empty log.
	Head(ctx context.Context) (Head, error)
}

// A Store keeps a log and its checkpoints. The stores of this module write an
// entry of their own in the transaction of each change; Append is for changes
// that are made elsewhere.
type Store interface {
	Reader

	// Append adds the entry of e. When it returns without an error the entry is on
	// the disk. It fails as [Seal] does, or when the store could not answer.
	Append(ctx context.Context, e Event) (Entry, error)

	// SaveCheckpoint keeps c beside the log. One of an entry that has one already
	// changes nothing.
	SaveCheckpoint(ctx context.Context, c Checkpoint) error

	// Checkpoints returns the first limit checkpoints (1 to [MaxPage]) of entries
	// beyond after, by their Seq.
	Checkpoints(ctx context.Context, after int64, limit int) ([]Checkpoint, error)

	// LastCheckpoint returns the newest checkpoint; its Seq is 0 when there is none.
	LastCheckpoint(ctx context.Context) (Checkpoint, error)
}

// Verify reads a whole log and verifies it against the checkpoints that its store
// has and more that the caller has, all of which must be signed with a key of
// keys: a [*BrokenError], an error wrapping [ErrUnknownKey] or [ErrSignature], or
// another one when the store could not answer. It returns the end of what holds.
//
// Entries that are written meanwhile are verified or not.
func Verify(ctx context.Context, store Store, keys Keyring, more []Checkpoint) (Head, error) {
	// First, so that none of them tells of an entry that is written after the last
	// one was read.
	checkpoints, err := allCheckpoints(ctx, store)
	if err != nil {
		return Head{}, err
	}
	checkpoints = append(checkpoints, more...)
	if err := keys.CheckAll(checkpoints); err != nil {
		return Head{}, err
	}
	chain := NewChain(checkpoints)
	for {
		page, err := store.List(ctx, Query{After: chain.Head().Seq, Limit: MaxPage})
		if err != nil {
			return chain.Head(), err
		}
		for i := range page {
			if err := chain.Add(&page[i]); err != nil {
				return chain.Head(), err
			}
		}
		if len(page) < MaxPage {
			return chain.Head(), chain.End()
		}
	}
}

func allCheckpoints(ctx context.Context, store Store) (all []Checkpoint, _ error) {
	for {
		after := int64(0)
		if len(all) > 0 {
			after = all[len(all)-1].Seq
		}
		page, err := store.Checkpoints(ctx, after, MaxPage)
		if err != nil {
			return nil, err
		}
		if all = append(all, page...); len(page) < MaxPage {
			return all, nil
		}
	}
}
