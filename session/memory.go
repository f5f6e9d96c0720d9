package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// defaultMemory is how many sessions a [MemoryStore] holds unless told otherwise:
// at about a kilobyte each, some 100 MB.
const defaultMemory = 100_000

// A MemoryStore keeps sessions in this process's memory: they end with it. It is
// bounded, and refuses a further session with [ErrFull] rather than end one that
// lives. It is a [Store].
type MemoryStore struct {
	limit int

	mu      sync.RWMutex
	records map[Digest]Record
	former  map[Digest]Digest // to the session's digest
	users   map[identity]map[Digest]struct{}
	sweep   time.Time // of a full store: not before
}

// identity is a user's issuer and subject.
type identity struct{ issuer, subject string }

// NewMemoryStore returns a store of at most limit sessions; 0 stands for 100,000.
func NewMemoryStore(limit int) (*MemoryStore, error) {
	if limit < 0 {
		return nil, fmt.Errorf("session: memory for %d sessions, want at least 1", limit)
	}
	return &MemoryStore{
		limit:   cmp.Or(limit, defaultMemory),
		records: make(map[Digest]Record), former: make(map[Digest]Digest), users: make(map[identity]map[Digest]struct{}),
	}, nil
}

// resolve returns the session that d is a digest of; the caller holds mu.
func (s *MemoryStore) resolve(d Digest) (Record, bool) {
	if r, ok := s.records[d]; ok {
		return r, true
	}
	current, ok := s.former[d]
	if !ok {
		return Record{}, false
	}
	r, ok := s.records[current]
	return r, ok
}

// Lookup implements [Store].
func (s *MemoryStore) Lookup(ctx context.Context, d Digest) (Record, error) {
	if err := ctx.Err(); err != nil {
		return Record{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, ok := s.resolve(d)
	if !ok {
		return Record{}, ErrNotFound
	}
	return r, nil
}

var errNobody = errors.New("session: a session has no user")

// Create implements [Store]. A full store removes what has expired first, once a
// second at most: to look for it takes as long as the store is large.
func (s *MemoryStore) Create(ctx context.Context, r Record) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case r.User.Issuer == "", r.User.Subject == "":
		return errNobody
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.resolve(r.Digest); taken {
		return ErrExists
	}
	if now := time.Now(); len(s.records) >= s.limit && !now.Before(s.sweep) {
		s.sweep = now.Add(time.Second)
		s.deleteExpired(now, s.limit)
	}
	if len(s.records) >= s.limit {
		return ErrFull
	}
	r.Revision, r.Former = 1, Former{}
	s.put(r)
	return nil
}

// put stores r, whose digest is free; the caller holds mu.
func (s *MemoryStore) put(r Record) {
	s.records[r.Digest] = r
	if r.Former.Digest != (Digest{}) {
		s.former[r.Former.Digest] = r.Digest
	}
	user := identity{r.User.Issuer, r.User.Subject}
	if s.users[user] == nil {
		s.users[user] = make(map[Digest]struct{})
	}
	s.users[user][r.Digest] = struct{}{}
}

// remove forgets r; the caller holds mu.
func (s *MemoryStore) remove(r Record) {
	delete(s.records, r.Digest)
	delete(s.former, r.Former.Digest)
	user := identity{r.User.Issuer, r.User.Subject}
	delete(s.users[user], r.Digest)
	if len(s.users[user]) == 0 {
		delete(s.users, user)
	}
}

// Replace implements [Store].
func (s *MemoryStore) Replace(ctx context.Context, before, after Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.resolve(before.Digest)
	switch {
	case !ok:
		return ErrNotFound
	case old.Digest != before.Digest, old.Revision != before.Revision:
		return ErrConflict
	}
	if taken, ok := s.resolve(after.Digest); ok && taken.Digest != old.Digest {
		return ErrExists
	}
	after.Revision = old.Revision + 1
	after.User.Issuer, after.User.Subject, after.Created, after.Expires = old.User.Issuer, old.User.Subject, old.Created, old.Expires
	s.remove(old)
	s.put(after)
	return nil
}

// Delete implements [Store].
func (s *MemoryStore) Delete(ctx context.Context, d Digest) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.resolve(d); ok {
		s.remove(r)
	}
	return nil
}

// List implements [Store].
func (s *MemoryStore) List(ctx context.Context, issuer, subject string) ([]Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []Record
	for d := range s.users[identity{issuer, subject}] {
		all = append(all, s.records[d])
	}
	slices.SortFunc(all, func(a, b Record) int {
		return cmp.Or(a.LastUsed.Compare(b.LastUsed), a.Created.Compare(b.Created), slices.Compare(a.Digest[:], b.Digest[:]))
	})
	return all, nil
}

// DeleteUser implements [Store].
func (s *MemoryStore) DeleteUser(ctx context.Context, issuer, subject string) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for d := range s.users[identity{issuer, subject}] {
		s.remove(s.records[d])
		n++
	}
	return n, nil
}

var errLimit = errors.New("session: limit: want at least 1")

// DeleteExpired implements [Store].
func (s *MemoryStore) DeleteExpired(ctx context.Context, now time.Time, limit int) (int, error) {
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case limit < 1:
		return 0, errLimit
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deleteExpired(now, limit), nil
}

// deleteExpired is DeleteExpired; the caller holds mu.
func (s *MemoryStore) deleteExpired(now time.Time, limit int) (n int) {
	for _, r := range s.records {
		if n == limit {
			break
		}
		if r.expired(now) != "" {
			s.remove(r)
			n++
		}
	}
	return n
}
