package apikey

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
)

// A MemoryStore keeps keys in this process's memory, for tests and for keys
// that are made at start. The zero value is ready. It is a [Store], a [Lister]
// and a [Feed]. Its memory grows with the number of keys, not of changes.
type MemoryStore struct {
	mu       sync.RWMutex
	records  map[ID]Record
	sorted   []ID // all ids, in order unless unsorted
	unsorted bool
	revision Revision
	changes  []change // ascending
	dropped  Revision // newest change that is no longer in changes
}

// change is one revision.
type change struct {
	revision Revision
	id       ID
}

// spareChanges is how many changes are kept beyond one or two for each key.
const spareChanges = 1024

// Lookup returns the record of id or [ErrNotFound].
func (s *MemoryStore) Lookup(ctx context.Context, id ID) (Record, error) {
	if err := ctx.Err(); err != nil {
		return Record{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, ok := s.records[id]
	if !ok {
		return Record{}, ErrNotFound
	}
	return separate(r), nil
}

// separate returns a copy of r that shares nothing with it, with its times in
// UTC, as stores give them.
func separate(r Record) Record {
	r.Scopes, r.Secrets = slices.Clone(r.Scopes), slices.Clone(r.Secrets)
	r.Created, r.Expires, r.Revoked = r.Created.UTC(), r.Expires.UTC(), r.Revoked.UTC()
	for i := range r.Secrets {
		one := &r.Secrets[i]
		one.Created, one.Retires = one.Created.UTC(), one.Retires.UTC()
	}
	return r
}

// Apply writes the change; see [Store].
func (s *MemoryStore) Apply(ctx context.Context, c Change) (Revision, error) {
	if err := errors.Join(ctx.Err(), c.check()); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old, exists := s.records[c.After.ID]
	switch {
	case c.Before == nil && exists:
		return 0, ErrExists
	case c.Before != nil && !exists:
		return 0, ErrNotFound
	case c.Before != nil && c.Before.Revision != old.Revision:
		return 0, ErrConflict
	}
	if s.records == nil {
		s.records = make(map[ID]Record)
	}
	if !exists {
		s.sorted, s.unsorted = append(s.sorted, c.After.ID), true
	}
	s.revision++
	r := separate(*c.After)
	r.Revision = s.revision
	s.records[r.ID] = r
	s.changes = append(s.changes, change{s.revision, r.ID})
	s.forget()
	return s.revision, nil
}

var errChange = errors.New("apikey: a change wants Actor, Source, Op, At, and After with an id and a secret, of the same id as Before")

// check refuses a change that no audit and no verifier could use.
func (c *Change) check() error {
	switch {
	case c.Actor == "", c.Source == "", c.Op == "", c.At.IsZero(), c.After == nil:
		return errChange
	case c.After.ID == "", len(c.After.Secrets) == 0, c.Before != nil && c.Before.ID != c.After.ID:
		return errChange
	default:
		return nil
	}
}

// forget drops the changes that a later one of the same key supersedes, when
// they have become many.
func (s *MemoryStore) forget() {
	if len(s.changes) < 2*len(s.records)+spareChanges {
		return
	}
	s.changes = slices.DeleteFunc(s.changes, func(c change) bool {
		superseded := s.records[c.id].Revision != c.revision
		if superseded {
			s.dropped = c.revision
		}
		return superseded
	})
}

// List returns a page of records; see [Lister].
func (s *MemoryStore) List(ctx context.Context, after ID, limit int) ([]Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if limit < 1 || limit > maxPage {
		return nil, errLimit
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unsorted {
		slices.Sort(s.sorted)
		s.unsorted = false
	}
	from, found := slices.BinarySearch(s.sorted, after)
	if found {
		from++
	}
	page := s.sorted[from:min(from+limit, len(s.sorted))]
	records := make([]Record, len(page))
	for i, id := range page {
		records[i] = separate(s.records[id])
	}
	return records, nil
}

// maxPage is the largest page of a [Lister].
const maxPage = 1000

var errLimit = errors.New("apikey: limit: want 1 to 1000")

// PepperIDs returns the ids of peppers in use; see [Lister].
func (s *MemoryStore) PepperIDs(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var ids []string
	for id := range s.records {
		for _, one := range s.records[id].Secrets {
			if !slices.Contains(ids, one.Pepper) {
				ids = append(ids, one.Pepper)
			}
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// Revision returns the revision of the newest change.
func (s *MemoryStore) Revision(ctx context.Context) (Revision, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.revision, ctx.Err()
}

// Rewinds returns 0: memory has no backup to go back to.
func (*MemoryStore) Rewinds() uint64 { return 0 }

// Changes returns what changed after a revision; see [Feed]. A reader that is
// further behind than the changes that are kept gets all of them at once: a page
// could end between a change that was dropped and the one that superseded it.
func (s *MemoryStore) Changes(ctx context.Context, after Revision, limit int) ([]ID, Revision, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	if limit < 1 {
		return nil, 0, errLimit
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	from, _ := slices.BinarySearchFunc(s.changes, after+1, func(c change, r Revision) int { return cmp.Compare(c.revision, r) })
	page, upTo := s.changes[from:], s.revision
	if len(page) > limit && after >= s.dropped {
		page = page[:limit]
		upTo = page[limit-1].revision
	}
	ids := make([]ID, len(page))
	for i, c := range page {
		ids[i] = c.id
	}
	slices.Sort(ids)
	return slices.Compact(ids), upTo, nil
}
