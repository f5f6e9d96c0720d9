package apikey

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"sync"
)

// A MemoryStore keeps keys in this process's memory, for tests and for keys
// that are made at start. The zero value is ready. It is a [Store], a
// [Batcher], a [Lister], a [Finder], a [Feed] and a [LegacyStore]. Its memory
// grows with the number of keys that exist or were deleted, not of changes.
type MemoryStore struct {
	mu       sync.RWMutex
	records  map[ID]Record
	sorted   []ID // all ids, in order unless unsorted
	unsorted bool
	revision Revision
	changes  []change // ascending
	deleted  int      // how many keys were, whose last change is kept
	dropped  Revision // newest change that is no longer in changes
}

// change is one revision.
type change struct {
	revision Revision
	id       ID
	deleted  bool
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
	r.Metadata, r.Limits = maps.Clone(r.Metadata), slices.Clone(r.Limits)
	r.Addresses, r.Methods = slices.Clone(r.Addresses), slices.Clone(r.Methods)
	r.Paths, r.Origins = slices.Clone(r.Paths), slices.Clone(r.Origins)
	r.Created, r.Updated, r.Expires, r.Revoked = r.Created.UTC(), r.Updated.UTC(), r.Expires.UTC(), r.Revoked.UTC()
	for i := range r.Secrets {
		one := &r.Secrets[i]
		one.Created, one.Retires = one.Created.UTC(), one.Retires.UTC()
	}
	return r
}

// LookupDigest returns the record with an imported digest; see [LegacyStore]. It
// looks at every key.
func (s *MemoryStore) LookupDigest(ctx context.Context, format string, digest [32]byte) (Record, error) {
	if err := ctx.Err(); err != nil {
		return Record{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, r := range s.records {
		if r.imported(format, &digest) {
			return separate(r), nil
		}
	}
	return Record{}, ErrNotFound
}

// HoldOwner calls within with the owner of the key id, "" for none or an unknown key,
// and lets nobody change a key until it returns.
func (s *MemoryStore) HoldOwner(id string, within func(owner string) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return within(s.records[ID(id)].Owner)
}

// HasDigests implements [DigestFinder].
func (s *MemoryStore) HasDigests(ctx context.Context, digests []ImportedDigest) ([]bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := CheckDigests(digests); err != nil {
		return nil, err
	}
	// By a hash with a seed of this call, as what is remembered of texts: few are compared.
	seed, wanted := maphash.MakeSeed(), make(map[uint64][]int, len(digests))
	for i := range digests {
		place := maphash.Bytes(seed, digests[i].Sum[:])
		wanted[place] = append(wanted[place], i)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	has := make([]bool, len(digests))
	for _, r := range s.records {
		for j := range r.Secrets {
			if r.Secrets[j].Format == "" {
				continue
			}
			for _, i := range wanted[maphash.Bytes(seed, r.Secrets[j].Digest[:])] {
				has[i] = has[i] || r.imported(digests[i].Format, &digests[i].Sum)
			}
		}
	}
	return has, nil
}

// CheckDigests reports whether a [DigestFinder] may be asked for digests.
func CheckDigests(digests []ImportedDigest) error {
	if len(digests) < 1 || len(digests) > MaxImport {
		return fmt.Errorf("apikey: %d digests, want 1 to %d", len(digests), MaxImport)
	}
	return nil
}

// imported reports whether r has a secret with this digest of an imported text.
func (r *Record) imported(format string, digest *[32]byte) bool {
	found := 0
	for i := range r.Secrets {
		if one := &r.Secrets[i]; one.Format != "" && one.Format == format {
			found |= subtle.ConstantTimeCompare(one.Digest[:], digest[:])
		}
	}
	return found == 1
}

// Apply writes the change; see [Store].
func (s *MemoryStore) Apply(ctx context.Context, c Change) (Revision, error) {
	revisions, err := s.ApplyAll(ctx, []Change{c})
	if err != nil {
		return 0, err
	}
	return revisions[0], nil
}

// ApplyAll writes all changes or none; see [Batcher].
func (s *MemoryStore) ApplyAll(ctx context.Context, changes []Change) ([]Revision, error) {
	if err := errors.Join(ctx.Err(), CheckBatch(changes)); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.accept(changes); err != nil {
		return nil, err
	}
	if s.records == nil {
		s.records = make(map[ID]Record)
	}
	revisions := make([]Revision, len(changes))
	for i := range changes {
		revisions[i] = s.write(&changes[i])
	}
	s.forget()
	return revisions, nil
}

// accept reports why the changes cannot be written.
func (s *MemoryStore) accept(changes []Change) error {
	for i := range changes {
		c := &changes[i]
		old, exists := s.records[c.ID()]
		switch {
		case c.Before == nil && exists:
			return ErrExists
		case c.Before != nil && !exists:
			return ErrNotFound
		case c.Before != nil && c.Before.Revision != old.Revision:
			return ErrConflict
		}
		if c.After != nil && s.taken(c.After, changes[:i]) {
			return ErrExists
		}
	}
	return nil
}

// taken reports whether another key has an imported digest of r, or would have it
// by one of the changes.
func (s *MemoryStore) taken(r *Record, changes []Change) bool {
	for i := range r.Secrets {
		one := &r.Secrets[i]
		if one.Format == "" {
			continue
		}
		for id, other := range s.records {
			if id != r.ID && other.imported(one.Format, &one.Digest) {
				return true
			}
		}
		for j := range changes {
			if other := changes[j].After; other != nil && other.imported(one.Format, &one.Digest) {
				return true
			}
		}
	}
	return false
}

// write writes a change that was accepted.
func (s *MemoryStore) write(c *Change) Revision {
	id := c.ID()
	_, exists := s.records[id]
	s.revision++
	s.changes = append(s.changes, change{s.revision, id, c.After == nil})
	if c.After == nil {
		s.deleted++
		delete(s.records, id)
		s.sorted = slices.DeleteFunc(s.sorted, func(other ID) bool { return other == id })
		return s.revision
	}
	if !exists {
		s.sorted, s.unsorted = append(s.sorted, id), true
	}
	r := separate(*c.After)
	r.Revision = s.revision
	s.records[id] = r
	return s.revision
}

var (
	errChange = errors.New("apikey: a change wants Actor, Source, Op, At, and After with an id and a secret, of the same id as Before; or, to delete, Before alone")
	errBatch  = fmt.Errorf("apikey: a batch wants 1 to %d changes, or %d imports, each of another key", MaxBatch, MaxImport)
)

// CheckBatch reports what no [Batcher] may write, whatever it holds.
func CheckBatch(changes []Change) error {
	if len(changes) < 1 || len(changes) > MaxImport {
		return errBatch
	}
	seen := make(map[ID]struct{}, len(changes))
	for i := range changes {
		if len(changes) > MaxBatch && changes[i].Op != OpImport {
			return errBatch
		}
		if err := changes[i].check(); err != nil {
			return err
		}
		seen[changes[i].ID()] = struct{}{}
	}
	if len(seen) != len(changes) {
		return errBatch
	}
	return nil
}

// check refuses a change that no audit and no verifier could use.
func (c *Change) check() error {
	switch {
	case c.Actor == "", c.Source == "", c.Op == "", c.At.IsZero(), c.ID() == "":
		return errChange
	case (c.After == nil) != (c.Op == OpDelete):
		return errChange
	case c.After == nil:
		return nil
	case len(c.After.Secrets) == 0, c.Before != nil && c.Before.ID != c.After.ID:
		return errChange
	default:
		return nil
	}
}

// forget drops the changes that a later one of the same key supersedes, when
// they have become many.
func (s *MemoryStore) forget() {
	if len(s.changes) < 2*(len(s.records)+s.deleted)+spareChanges {
		return
	}
	s.changes = slices.DeleteFunc(s.changes, func(c change) bool {
		superseded := !c.deleted && s.records[c.id].Revision != c.revision
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
			if one.Pepper != "" && !slices.Contains(ids, one.Pepper) {
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
