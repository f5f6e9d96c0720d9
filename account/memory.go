package account

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
)

// A MemoryStore keeps accounts in memory. The zero value is empty and ready.
type MemoryStore struct {
	mu       sync.RWMutex
	accounts map[ID]Account
	keys     map[string]Key
	revision Revision
}

var _ Store = (*MemoryStore)(nil)

// maxPage is the largest page of a list.
const maxPage = 1000

var errLimit = errors.New("account: limit: want 1 to 1000")

// Lookup implements [Store].
func (s *MemoryStore) Lookup(ctx context.Context, id ID) (Account, error) {
	if err := ctx.Err(); err != nil {
		return Account{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	a, ok := s.accounts[id]
	if !ok {
		return Account{}, ErrNotFound
	}
	return a.clone(), nil
}

// Find implements [Store].
func (s *MemoryStore) Find(ctx context.Context, name string) (Account, error) {
	if err := ctx.Err(); err != nil {
		return Account{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, a := range s.accounts {
		if a.Name == name {
			return a.clone(), nil
		}
	}
	return Account{}, ErrNotFound
}

// List implements [Store].
func (s *MemoryStore) List(ctx context.Context, after ID, limit int) ([]Account, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	ids, err := page(ctx, s.accounts, after, limit)
	all := make([]Account, len(ids))
	for i, id := range ids {
		a := s.accounts[id]
		all[i] = a.clone()
	}
	return all, err
}

// LookupKey implements [Store].
func (s *MemoryStore) LookupKey(ctx context.Context, id string) (Key, error) {
	if err := ctx.Err(); err != nil {
		return Key{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	k, ok := s.keys[id]
	if !ok {
		return Key{}, ErrNotFound
	}
	return k, nil
}

// ListKeys implements [Store].
func (s *MemoryStore) ListKeys(ctx context.Context, after string, limit int) ([]Key, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	ids, err := page(ctx, s.keys, after, limit)
	all := make([]Key, len(ids))
	for i, id := range ids {
		all[i] = s.keys[id]
	}
	return all, err
}

// page returns the ids of a page.
func page[K cmp.Ordered, V any](ctx context.Context, of map[K]V, after K, limit int) ([]K, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if limit < 1 || limit > maxPage {
		return nil, errLimit
	}
	ids := slices.Sorted(maps.Keys(of))
	from, found := slices.BinarySearch(ids, after)
	if found {
		from++
	}
	return ids[from:min(from+limit, len(ids))], nil
}

// PepperIDs implements [Store].
func (s *MemoryStore) PepperIDs(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	used := make(map[string]bool)
	for _, a := range s.accounts {
		if a.Factor.Enrolled() {
			used[a.Factor.Pepper] = true
		}
	}
	for _, k := range s.keys {
		used[k.Pepper] = true
	}
	return slices.Sorted(maps.Keys(used)), nil
}

// Apply implements [Store].
func (s *MemoryStore) Apply(ctx context.Context, c Change) (Revision, error) {
	if err := errors.Join(ctx.Err(), c.Check()); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if c.KeyAfter != nil {
		err = s.applyKey(&c)
	} else {
		err = s.applyAccount(&c)
	}
	if err != nil {
		return 0, err
	}
	s.revision++
	return s.revision, nil
}

func (s *MemoryStore) applyKey(c *Change) error {
	old, exists := s.keys[c.KeyAfter.ID]
	switch {
	case c.KeyBefore == nil && exists:
		return ErrExists
	case c.KeyBefore != nil && !exists:
		return ErrNotFound
	case c.KeyBefore != nil && c.KeyBefore.Revision != old.Revision:
		return ErrConflict
	}
	if s.keys == nil {
		s.keys = make(map[string]Key)
	}
	k := *c.KeyAfter
	k.Revision = s.revision + 1
	s.keys[k.ID] = k
	return nil
}

func (s *MemoryStore) applyAccount(c *Change) error {
	if c.Before != nil {
		old, exists := s.accounts[c.Before.ID]
		switch {
		case !exists:
			return ErrNotFound
		case c.Before.Revision != old.Revision:
			return ErrConflict
		case old.Standing() && (c.After == nil || !c.After.Standing()) && !s.othersStand(old.ID):
			return ErrLastOwner
		}
	}
	if c.After == nil {
		delete(s.accounts, c.Before.ID)
		return nil
	}
	for id, other := range s.accounts {
		if same := id == c.After.ID; same && c.Before == nil || !same && other.Name == c.After.Name {
			return ErrExists
		}
	}
	if s.accounts == nil {
		s.accounts = make(map[ID]Account)
	}
	a := c.After.clone()
	a.Revision = s.revision + 1
	s.accounts[a.ID] = a
	return nil
}

// othersStand reports whether there is a standing owner but id.
func (s *MemoryStore) othersStand(id ID) bool {
	for other, a := range s.accounts {
		if other != id && a.Standing() {
			return true
		}
	}
	return false
}
