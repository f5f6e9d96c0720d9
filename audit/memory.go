package audit

import (
	"context"
	"slices"
	"sync"
)

// A MemoryStore keeps a log for as long as the process runs: for tests. The zero
// value is empty and ready for use.
type MemoryStore struct {
	mu          sync.RWMutex
	entries     []Entry
	checkpoints []Checkpoint // by Seq
}

var _ Store = (*MemoryStore)(nil)

// Append implements [Store].
func (s *MemoryStore) Append(ctx context.Context, e Event) (Entry, error) {
	if err := ctx.Err(); err != nil {
		return Entry{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sealed, err := Seal(s.head(), e)
	if err == nil {
		s.entries = append(s.entries, sealed)
	}
	return sealed, err
}

func (s *MemoryStore) head() Head {
	if len(s.entries) == 0 {
		return Head{}
	}
	return s.entries[len(s.entries)-1].Head()
}

// Head implements [Reader].
func (s *MemoryStore) Head(ctx context.Context) (Head, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.head(), ctx.Err()
}

// List implements [Reader].
func (s *MemoryStore) List(ctx context.Context, q Query) ([]Entry, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	from, step := int(min(q.After, int64(len(s.entries)))), 1
	if q.Newest {
		from, step = from-2, -1
		if q.After == 0 || q.After > int64(len(s.entries)) {
			from = len(s.entries) - 1
		}
	}
	var found []Entry
	for i := from; i >= 0 && i < len(s.entries) && len(found) < q.Limit; i += step {
		if q.Matches(&s.entries[i]) {
			found = append(found, s.entries[i])
		}
	}
	return found, nil
}

// SaveCheckpoint implements [Store].
func (s *MemoryStore) SaveCheckpoint(ctx context.Context, c Checkpoint) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at, has := slices.BinarySearchFunc(s.checkpoints, c.Seq, func(c Checkpoint, seq int64) int { return int(c.Seq - seq) })
	if !has {
		s.checkpoints = slices.Insert(s.checkpoints, at, c)
	}
	return nil
}

// Checkpoints implements [Store].
func (s *MemoryStore) Checkpoints(ctx context.Context, after int64, limit int) ([]Checkpoint, error) {
	if limit < 1 || limit > MaxPage {
		return nil, errQuery
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []Checkpoint
	for _, c := range s.checkpoints {
		if c.Seq > after && len(found) < limit {
			found = append(found, c)
		}
	}
	return found, nil
}

// LastCheckpoint implements [Store].
func (s *MemoryStore) LastCheckpoint(ctx context.Context) (Checkpoint, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.checkpoints) == 0 {
		return Checkpoint{}, ctx.Err()
	}
	return s.checkpoints[len(s.checkpoints)-1], ctx.Err()
}
