package portallink

import (
	"context"
	"errors"
	"time"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/secret"
)

// Errors of a [Store]. Whatever else it returns means that it gave no answer.
var (
	// ErrNotFound means that no pass has the id.
	ErrNotFound = errors.New("portallink: no such pass")

	// ErrExists means that the id is taken.
	ErrExists = errors.New("portallink: the id is taken")

	// ErrGone means that a link was used or ended, or has expired.
	ErrGone = errors.New("portallink: the link does not hold any more")

	// ErrSpent means that a pass makes no more keys.
	ErrSpent = errors.New("portallink: all keys of the link are made")

	// ErrFull means that an owner has [MostOfOwner] passes that are not over.
	ErrFull = errors.New("portallink: the owner has too many links at once")
)

// MostOfOwner is how many passes of one owner a store keeps at once, give or take what
// nodes make in the same moment.
const MostOfOwner = 1000

// Operations in the audit, of things of [audit.KindPortal].
const (
	OpCreate = "create"
	OpUse    = "use"
	OpEnd    = "end"
)

// A Store keeps passes, for all nodes that share it. What it changes is in the audit in
// the same transaction. Implementations pass portallinktest.TestStore and are safe for
// concurrent use.
type Store interface {
	// Create adds a pass: [ErrExists], [ErrFull], or another error.
	Create(ctx context.Context, by audit.By, p Pass) error

	// Lookup returns a pass, also one that is over: [ErrNotFound], or another error.
	Lookup(ctx context.Context, id ID) (Pass, error)

	// Use turns the link into a session that lasts until then. Of calls at the same
	// time one does, all others get [ErrGone]: so do those for a link that was used or
	// ended, has expired at now, or is none.
	Use(ctx context.Context, by audit.By, id ID, session Digest, now, until time.Time) error

	// Take counts one more key that is made with the pass: [ErrSpent] when there are
	// most already, also for calls at the same time, [ErrGone] when its session does
	// not hold at now.
	Take(ctx context.Context, id ID, most int, now time.Time) error

	// GiveBack takes one back of what was counted, where no key came of it.
	GiveBack(ctx context.Context, id ID) error

	// End ends a pass, link or session. To end one again changes nothing.
	// [ErrNotFound], or another error.
	End(ctx context.Context, by audit.By, id ID, now time.Time) error

	// DeleteOver removes up to limit (at least 1) passes that were over at now, ended
	// ones too, and returns how many.
	DeleteOver(ctx context.Context, now time.Time, limit int) (int, error)
}

// sweepLimit is how many passes that are over go when one is made.
const sweepLimit = 100

// Make makes a link and keeps it, and removes some that are over. The error holds a
// [FieldError] for each field of spec that is wrong.
func Make(ctx context.Context, s Store, by audit.By, spec Spec) (Pass, secret.Text, error) {
	now := time.Now()
	p, text, err := New(spec, now)
	if err != nil {
		return Pass{}, secret.Text{}, err
	}
	if _, err := s.DeleteOver(ctx, now, sweepLimit); err != nil {
		return Pass{}, secret.Text{}, err
	}
	if err := s.Create(ctx, by, p); err != nil {
		return Pass{}, secret.Text{}, err
	}
	return p, text, nil
}
