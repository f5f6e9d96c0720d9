package bearer

import (
	"sync"
	"sync/atomic"
)

// A Cache keeps values by the sums of their tokens, in bounded memory. It
// forgets by second chance: a hand goes round and evicts the first value that
// was not asked for since it last passed. It is safe for concurrent use.
type Cache[V any] struct{ shards []shard[V] }

type shard[V any] struct {
	mu    sync.RWMutex
	limit int
	slots map[Sum]*slot[V]
	order []*slot[V]
	hand  int
}

type slot[V any] struct {
	sum   Sum
	value V
	used  atomic.Bool
	at    int
}

const (
	shardCount = 16
	shardFrom  = 1024 // values: smaller caches are one shard, and exact
)

// NewCache returns a cache of at most limit values; none for 0 and less.
func NewCache[V any](limit int) *Cache[V] {
	n := 1
	if limit >= shardFrom {
		n = shardCount
	}
	c := &Cache[V]{shards: make([]shard[V], n)}
	for i := range c.shards {
		c.shards[i].limit = limit / n
		c.shards[i].slots = make(map[Sum]*slot[V])
	}
	return c
}

func (c *Cache[V]) shard(sum Sum) *shard[V] { return &c.shards[int(sum[0])%len(c.shards)] }

// Get returns the value of sum. It does not allocate.
func (c *Cache[V]) Get(sum Sum) (value V, ok bool) {
	s := c.shard(sum)
	s.mu.RLock()
	found := s.slots[sum]
	s.mu.RUnlock()
	if found == nil {
		return value, false
	}
	if !found.used.Load() { // no write to shared memory in the usual case
		found.used.Store(true)
	}
	return found.value, true
}

// Put keeps value, and forgets another one when there is no room.
func (c *Cache[V]) Put(sum Sum, value V) {
	s := c.shard(sum)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limit <= 0 {
		return
	}
	added := &slot[V]{sum: sum, value: value}
	switch old := s.slots[sum]; {
	case old != nil:
		added.at = old.at
		s.order[added.at] = added
	case len(s.order) < s.limit:
		added.at = len(s.order)
		s.order = append(s.order, added)
	default:
		victim := s.victim()
		delete(s.slots, victim.sum)
		added.at = victim.at
		s.order[added.at] = added
		s.hand = added.at + 1
	}
	s.slots[sum] = added
}

// victim returns the slot that makes room. After one round everybody has had a
// second chance, whatever readers mark meanwhile.
func (s *shard[V]) victim() *slot[V] {
	for range s.order {
		if s.hand >= len(s.order) {
			s.hand = 0
		}
		candidate := s.order[s.hand]
		if !candidate.used.Swap(false) {
			return candidate
		}
		s.hand++
	}
	return s.order[s.hand%len(s.order)]
}

// Delete forgets the value of sum.
func (c *Cache[V]) Delete(sum Sum) {
	s := c.shard(sum)
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.slots[sum]
	if old == nil {
		return
	}
	delete(s.slots, sum)
	last := s.order[len(s.order)-1]
	last.at = old.at
	s.order[last.at] = last
	s.order[len(s.order)-1] = nil
	s.order = s.order[:len(s.order)-1]
}

// Len returns how many values are kept.
func (c *Cache[V]) Len() int {
	n := 0
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		n += len(s.slots)
		s.mu.RUnlock()
	}
	return n
}
