package session

import (
	"context"
	"errors"
	"time"
)

// Errors of a [Store]. Whatever else it returns means that it gave no answer.
var (
	// ErrNotFound means that no session has the digest. One that has expired may be
	// found: the manager judges, not the store.
	ErrNotFound = errors.New("session: no such session")

	// ErrExists means that a digest is taken.
	ErrExists = errors.New("session: digest is taken")

	// ErrConflict means that the session was changed since it was read.
	ErrConflict = errors.New("session: session was changed meanwhile")

	// ErrFull means that the store has no room for another session. It never makes
	// room by ending one that has not expired.
	ErrFull = errors.New("session: store is full")
)

// A Store keeps sessions. Implementations pass sessiontest.TestStore and are safe
// for concurrent use. Every method keeps to ctx: it returns soon after ctx ends.
type Store interface {
	// Lookup returns the session whose Digest or Former.Digest is d, [ErrNotFound],
	// or another error when the store could not answer. The caller may keep the
	// record but not change what it points to.
	Lookup(ctx context.Context, d Digest) (Record, error)

	// Create adds r, whose Former is empty, with revision 1: [ErrExists], [ErrFull],
	// or another error when the store could not answer.
	Create(ctx context.Context, r Record) error

	// Replace puts after in the place of before, as it was read, with another
	// revision: [ErrNotFound] when before is gone, [ErrConflict] when it has another
	// digest or revision now, [ErrExists] when after's digest is another session's,
	// or another error when the store could not answer. User.Issuer, User.Subject,
	// Created and Expires stay what they were, whatever after says.
	Replace(ctx context.Context, before, after Record) error

	// Delete ends the session whose Digest or Former.Digest is d: also one that was
	// rotated since its digest was read. One that does not exist is no error.
	Delete(ctx context.Context, d Digest) error

	// List returns the sessions of a user, the least recently used first,
	// also expired ones.
	List(ctx context.Context, issuer, subject string) ([]Record, error)

	// DeleteUser ends all sessions of a user and returns how many there were. A
	// session that is created afterwards is not concerned.
	DeleteUser(ctx context.Context, issuer, subject string) (int, error)

	// DeleteExpired removes up to limit (at least 1) sessions that are expired at
	// now, by IdleExpires or Expires, and returns how many.
	DeleteExpired(ctx context.Context, now time.Time, limit int) (int, error)
}
