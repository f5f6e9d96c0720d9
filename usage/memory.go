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
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return Account{}, err
	}
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
