package apikey

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/warder-dev/warder/exchange"
)

// slot is what a verifier knows of one id: a key, or that there is none.
type slot struct {
	id    ID
	entry *entry      // nil: no such key
	used  atomic.Bool // since the hand passed
	dead  atomic.Bool // the key was changed after this was read
	at    int32       // index in its ring
}

// entry is a record as verifying needs it: small, and ready to become a principal.
type entry struct {
	owner       string
	environment string
	scopes      exchange.Scopes
	expires     time.Time
	digests     []digest
	certificate *[32]byte // the digest of the one that the key is bound to; nil for none
	revoked     bool
	disabled    bool
	honeytoken  bool
	more        *more // nil for the usual key, which has none of it
}

// more is what few keys have.
type more struct {
	plan   string
	quotas []exchange.Quota
	narrow *narrow // nil for nothing
}

// digest is one secret of a key.
type digest struct {
	sum     [32]byte
	pepper  *pepper // nil: a pepper that we lack
	retires int64   // microseconds since 1970; 0: never
	number  int32   // of the secret under its key
	format  formatCode
}

// cache holds slots in shards, so that neither a lock nor an eviction stops
// everybody. Ids are spread by a hash with a random seed: nobody can aim at a shard.
type cache struct {
	seed   maphash.Seed
	shards []shard
}

// shard is a part of the cache with the look-ups under way for its ids.
type shard struct {
	mu         sync.RWMutex
	generation uint64 // counts invalidations: what was read before one is not stored after it
	known      ring
	unknown    ring // apart, so that a flood of invented ids evicts no key
	flights    map[ID]*flight
}

const (
	shardCount = 64
	shardFrom  = 4096 // entries: smaller caches are one shard, and exact
)

func newCache(known, unknown int) *cache {
	n := shardCount
	if min(known, unknown) < shardFrom {
		n = 1
	}
	c := &cache{seed: maphash.MakeSeed(), shards: make([]shard, n)}
	for i := range c.shards {
		c.shards[i].known.limit = (known + n - 1) / n
		c.shards[i].unknown.limit = (unknown + n - 1) / n
		c.shards[i].flights = make(map[ID]*flight)
	}
	return c
}

func (c *cache) shard(id ID) *shard {
	return &c.shards[maphash.String(c.seed, string(id))%uint64(len(c.shards))]
}

// clear forgets everything, also what is being looked up.
func (c *cache) clear() {
	for i := range c.shards {
		c.shards[i].clear()
	}
}

// find returns what is cached of id, nil for nothing.
func (s *shard) find(id ID) *slot {
	s.mu.RLock()
	found := s.cached(id)
	s.mu.RUnlock()
	if found != nil && !found.used.Load() { // no write to shared memory in the usual case
		found.used.Store(true)
	}
	return found
}

// cached is find for who holds the lock.
func (s *shard) cached(id ID) *slot {
	at := place(id)
	if found := s.known.slots[at]; found != nil {
		return found
	}
	return s.unknown.slots[at]
}

// invalidate forgets id. A look-up that is under way will not be stored, nor
// believed, nor joined by who comes from now on.
func (s *shard) invalidate(id ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	s.known.remove(id)
	s.unknown.remove(id)
	delete(s.flights, id)
}

func (s *shard) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	s.known.clear()
	s.unknown.clear()
	clear(s.flights)
}

// current reports whether nothing was invalidated since generation.
func (s *shard) current(generation uint64) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.generation == generation
}

// store caches what a look-up that began at generation found. s is locked.
func (s *shard) store(found *slot, generation uint64) {
	switch {
	case s.generation != generation:
	case found.entry == nil:
		s.unknown.add(found)
	default:
		s.known.add(found)
	}
}

// key is an id inside a map: as bytes, since the bytes of a string stand
// elsewhere and would be one cache miss more.
type key [idLength]byte

// place returns where id stands. [Parse] and the stores give ids of this length
// only; another one that shares a place is invalidated too often, never confused:
// what is looked up has the length.
func place(id ID) (at key) {
	copy(at[:], id)
	return at
}

// ring is a bounded map that forgets by second chance: a hand goes round and
// evicts the first slot that was not used since it last passed. Its owner locks.
type ring struct {
	limit int
	slots map[key]*slot
	order []*slot
	hand  int
}

func (r *ring) add(s *slot) {
	if r.limit <= 0 {
		return
	}
	if r.slots == nil {
		r.slots = make(map[key]*slot)
	}
	r.remove(s.id)
	if len(r.order) < r.limit {
		s.at = int32(len(r.order)) //nolint:gosec // a limit is at most maxCache
		r.order = append(r.order, s)
	} else {
		old := r.victim()
		delete(r.slots, place(old.id))
		s.at = old.at
		r.order[s.at] = s
		r.hand = int(s.at) + 1
	}
	r.slots[place(s.id)] = s
}

// victim returns the slot that makes room. After one round everybody has had a
// second chance, whatever readers mark meanwhile.
func (r *ring) victim() *slot {
	for range r.order {
		if r.hand >= len(r.order) {
			r.hand = 0
		}
		s := r.order[r.hand]
		if !s.used.Load() {
			return s
		}
		s.used.Store(false)
		r.hand++
	}
	return r.order[r.hand%len(r.order)]
}

// remove forgets id because it is no longer true. The last slot takes its place.
func (r *ring) remove(id ID) {
	s := r.slots[place(id)]
	if s == nil {
		return
	}
	s.dead.Store(true)
	last := len(r.order) - 1
	r.order[s.at] = r.order[last]
	r.order[s.at].at = s.at
	r.order[last] = nil
	r.order = r.order[:last]
	delete(r.slots, place(id))
}

func (r *ring) clear() {
	for _, s := range r.order {
		s.dead.Store(true)
	}
	r.slots, r.order, r.hand = nil, nil, 0
}
