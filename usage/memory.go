package usage

import (
	"context"
	"sync"
	"time"
)

// MemoryStore is a [Store] in the memory of one process, for tests and for
// credits that need not outlive it. The zero value is empty and ready to use. It
// grows with the number of accounts.
type MemoryStore struct {
	// HoldOwner calls within with the owner of the key id, "" for none, and lets nobody
	// change who that is until it returns: a change with an Owner asks it, and is
	// refused without it. apikey.MemoryStore has one. It must not be changed later.
	HoldOwner func(id string, within func(owner string) error) error

	mu    sync.Mutex
	books map[Subject]*Book
}

var _ Store = (*MemoryStore)(nil)

// Reserve implements [Store].
func (m *MemoryStore) Reserve(ctx context.Context, at time.Time, asks []Ask) ([]Grant, error) {
	for i := range asks {
		if err := asks[i].Check(); err != nil {
			return nil, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	grants := make([]Grant, len(asks))
	for i := range asks {
		grants[i], _ = m.book(asks[i].Subject).Reserve(at, asks[i])
	}
	return grants, nil
}

// Account implements [Store].
func (m *MemoryStore) Account(ctx context.Context, s Subject, at time.Time) (Account, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return Account{}, err
	}
	return m.book(s).At(at)
}

// Apply implements [Store]. It keeps no record of who changed what.
func (m *MemoryStore) Apply(ctx context.Context, c Change) (Account, error) {
	if err := c.Check(); err != nil {
		return Account{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return Account{}, err
	}
	if c.Owner == "" {
		return m.apply(c)
	}
	if m.HoldOwner == nil {
		return Account{}, ErrOtherOwner
	}
	var after Account
	err := m.HoldOwner(c.Subject.ID, func(owner string) (err error) {
		if owner != c.Owner {
			return ErrOtherOwner
		}
		after, err = m.apply(c)
		return err
	})
	return after, err
}

func (m *MemoryStore) apply(c Change) (Account, error) {
	b := m.book(c.Subject)
	if err := b.Apply(c); err != nil {
		return Account{}, err
	}
	if m.books == nil {
		m.books = make(map[Subject]*Book)
	}
	m.books[c.Subject] = b
	return b.Account, nil
}

// book returns the book of s; one without an account is not kept.
func (m *MemoryStore) book(s Subject) *Book {
	if b := m.books[s]; b != nil {
		return b
	}
	return new(Book)
}
