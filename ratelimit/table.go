package ratelimit

import (
	"sync"
	"sync/atomic"
)

// A table holds the arrival times of a limit's subjects, in bounded memory:
// about 70 bytes for each. A subject that is not there has its whole burst.
//
// When it is full, a new subject takes the place of the one in its shard that has
// spent least: one whose burst is whole again, which loses nothing, or else one
// which gains what it has spent. One that is over its limit never leaves; a shard
// where all are takes room from another. When all of all are, there is none.
//
// How much room there is its limit says, of which there may be two with one table:
// see [LimitConfig.Previous]. Where there is less than before, each that comes lets
// two others go until all have room again.
type table struct {
	rule   rule
	used   *atomic.Int64 // slots of all shards, and those promised
	own    atomic.Int64  // used, but for tables of a family
	family *family       // with which used is shared; nil for none
	shards []shard

	// of limits with a store
	epoch  atomic.Uint64         // of the store, in which all of this was learnt
	outage atomic.Pointer[table] // what counts while the store is away
}

// A shard is a part of the table with a lock of its own: subjects whose keys end
// alike. Its heap has the earliest arrival time first, which with one
// quota is who has spent least.
type shard struct {
	mu     sync.Mutex
	index  map[uint64]int32 // slot by key
	slots  []slot
	heap   []int32 // slots
	leases map[uint64]*lease
	_      [32]byte // the locks of two shards are on no line of the cache together
}

type slot struct {
	key  uint64
	tat  int64
	frac uint32
	pos  int32 // in the heap
}

func (s *slot) at() instant { return instant{s.tat, s.frac} }

const (
	manyShards = 64
	fewSlots   = 4096 // up to here one shard does
)

func newTable(r rule, capacity int) *table {
	n := manyShards
	if capacity <= fewSlots {
		n = 1
	}
	return newShards(r, n)
}

func newShards(r rule, n int) *table {
	t := &table{rule: r, shards: make([]shard, n)}
	for i := range t.shards {
		t.shards[i].index = make(map[uint64]int32)
	}
	t.used = &t.own
	return t
}

// shard returns that of key: their number is a power of two.
func (t *table) shard(key uint64) *shard { return &t.shards[key&uint64(len(t.shards)-1)] } //nolint:gosec // one at least

// find returns the arrival time of key, and its slot; -1 for none. The shard is
// locked.
func (s *shard) find(key uint64) (instant, int32) {
	i, ok := s.index[key]
	if !ok {
		return instant{}, -1
	}
	return s.slots[i].at(), i
}

// set notes a later arrival time for key, whose slot is i or, for -1, a new one
// that reserve promised. The shard is locked.
func (s *shard) set(key uint64, i int32, tat instant) {
	if i < 0 {
		i = int32(len(s.slots))                                            //nolint:gosec // capacities are below 2^31
		s.slots = append(s.slots, slot{key: key, pos: int32(len(s.heap))}) //nolint:gosec // as many as slots
		s.heap = append(s.heap, i)
		s.index[key] = i
		s.slots[i].tat, s.slots[i].frac = tat.ns, tat.frac
		s.up(s.slots[i].pos)
		return
	}
	s.slots[i].tat, s.slots[i].frac = tat.ns, tat.frac
	s.down(s.slots[i].pos)
}

// reserve promises a slot of s, which is locked. It reports false when the table
// is full, with room for capacity, and everybody in s is over the limit.
func (t *table) reserve(s *shard, now, capacity int64) bool {
	for range 2 { // two go for one that comes: what is spent does not pile up
		if !t.evict(s, now, t.used.Load() <= capacity) {
			break
		}
		t.used.Add(-1)
	}
	if t.used.Add(1) <= capacity {
		return true
	}
	t.used.Add(-1)
	return t.evict(s, now, false)
}

// evict lets go of the subject of s, which is locked, that has spent least: only
// when its burst is whole, or else only when it is not over its limit. Its place
// in used is the caller's.
func (t *table) evict(s *shard, now int64, whole bool) bool {
	if len(s.heap) == 0 {
		return false
	}
	least := s.slots[s.heap[0]].at()
	if whole && least.after(instant{ns: now}) || t.over(least, now) {
		return false
	}
	s.remove(0)
	return true
}

// over reports whether a subject may not make one request more.
func (t *table) over(tat instant, now int64) bool {
	_, ok := t.rule.take(tat, now, 1)
	return !ok
}

// makeRoom lets go of one subject, whichever shard it is in, and of as many as are
// too many. It reports false when all that are left are over their limit. No shard is
// locked.
func (t *table) makeRoom(now, capacity int64) bool {
	tables := []*table{t}
	if t.family != nil {
		tables = append(tables, t.family.tables()...)
	}
	for _, whole := range []bool{true, false} {
		for _, one := range tables {
			if one.letGo(now, capacity, whole) {
				return true
			}
		}
	}
	return false
}

// letGo lets go of subjects until there is room for one more. It reports false when
// there are none left that may go.
func (t *table) letGo(now, capacity int64, whole bool) bool {
	for i := range t.shards {
		for s := &t.shards[i]; ; {
			s.mu.Lock()
			gone := t.evict(s, now, whole)
			s.mu.Unlock()
			if !gone {
				break
			}
			if t.used.Add(-1) < capacity {
				return true
			}
		}
	}
	return false
}

// remove takes what stands at pos of the heap out of the shard.
func (s *shard) remove(pos int32) {
	gone, last := s.heap[pos], int32(len(s.heap)-1) //nolint:gosec // capacities are below 2^31
	s.swap(pos, last)
	s.heap = s.heap[:last]
	if pos < last {
		s.down(pos)
		s.up(pos)
	}
	delete(s.index, s.slots[gone].key)
	if gone != last { // the last slot moves into the gap
		moved := s.slots[last]
		s.slots[gone] = moved
		s.index[moved.key] = gone
		s.heap[moved.pos] = gone
	}
	s.slots = s.slots[:last]
}

func (s *shard) before(a, b int32) bool {
	return s.slots[s.heap[b]].at().after(s.slots[s.heap[a]].at())
}

func (s *shard) swap(a, b int32) {
	s.heap[a], s.heap[b] = s.heap[b], s.heap[a]
	s.slots[s.heap[a]].pos, s.slots[s.heap[b]].pos = a, b
}

func (s *shard) up(pos int32) {
	for pos > 0 {
		parent := (pos - 1) / 2
		if !s.before(pos, parent) {
			return
		}
		s.swap(pos, parent)
		pos = parent
	}
}

func (s *shard) down(pos int32) {
	for {
		first := pos
		for child := 2*pos + 1; child <= 2*pos+2 && int(child) < len(s.heap); child++ {
			if s.before(child, first) {
				first = child
			}
		}
		if first == pos {
			return
		}
		s.swap(pos, first)
		pos = first
	}
}
