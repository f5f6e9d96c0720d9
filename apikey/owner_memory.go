package apikey

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
)

// MemoryOwners keeps records of owners in this process's memory, for tests. The zero
// value is ready.
type MemoryOwners struct {
	Keys *MemoryStore // whose keys CountKeys counts; nil: there are none

	mu       sync.RWMutex
	owners   map[string]Owner
	revision Revision
}

var _ OwnerStore = (*MemoryOwners)(nil)

// Lookup implements [OwnerStore].
func (s *MemoryOwners) Lookup(ctx context.Context, id string) (Owner, error) {
	if err := ctx.Err(); err != nil {
		return Owner{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	o, ok := s.owners[id]
	if !ok {
		return Owner{}, ErrNoOwner
	}
	return o.separate(), nil
}

// Find implements [OwnerStore]. It looks at every record.
func (s *MemoryOwners) Find(ctx context.Context, f OwnerFilter) (page OwnerPage, _ error) {
	if err := errors.Join(ctx.Err(), f.Check()); err != nil {
		return page, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, id := range slices.Sorted(maps.Keys(s.owners)) {
		o := s.owners[id]
		if id <= f.After || !f.Matches(&o) {
			continue
		}
		if len(page.Owners) == f.Limit {
			page.More, page.Next = true, page.Owners[f.Limit-1].ID
			break
		}
		page.Owners = append(page.Owners, o.separate())
	}
	return page, nil
}

// Apply implements [OwnerStore].
func (s *MemoryOwners) Apply(ctx context.Context, c OwnerChange) (Revision, error) {
	if err := errors.Join(ctx.Err(), c.Check()); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old, exists := s.owners[c.ID()]
	switch {
	case c.Before == nil && exists:
		return 0, ErrOwnerExists
	case c.Before != nil && !exists:
		return 0, ErrNoOwner
	case c.Before != nil && c.Before.Revision != old.Revision:
		return 0, ErrConflict
	}
	s.revision++
	if c.After == nil {
		delete(s.owners, c.ID())
		return s.revision, nil
	}
	if s.owners == nil {
		s.owners = make(map[string]Owner)
	}
	o := c.After.separate()
	o.Revision = s.revision
	s.owners[o.ID] = o
	return s.revision, nil
}

// Names implements [OwnerStore].
func (s *MemoryOwners) Names(ctx context.Context, ids []string) (map[string]string, error) {
	if err := errors.Join(ctx.Err(), CheckOwners(ids)); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	names := make(map[string]string)
	for _, id := range ids {
		if name := s.owners[id].Name; name != "" {
			names[id] = name
		}
	}
	return names, nil
}

var errCount = errors.New("apikey: count keys: want at least 1 as the most")

// CountKeys implements [OwnerStore]. It looks at every key.
func (s *MemoryOwners) CountKeys(ctx context.Context, id string, most int) (n int, _ error) {
	switch err := ctx.Err(); {
	case err != nil:
		return 0, err
	case most < 1:
		return 0, errCount
	case s.Keys == nil:
		return 0, nil
	}
	s.Keys.mu.RLock()
	defer s.Keys.mu.RUnlock()
	for _, r := range s.Keys.records {
		if r.Owner == id && n < most {
			n++
		}
	}
	return n, nil
}
