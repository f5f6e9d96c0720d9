package bruteforce

import (
	"sync"
	"sync/atomic"
	"time"
)

// An entry is what is remembered of an address, a claim, or a pair of both.
type entry struct {
	until    int64 // it has to wait; in nanoseconds since the guard began
	last     int64 // failure, or proof
	failures uint32
}

// A table holds entries in bounded memory.
type table struct {
	each   int         // entries of a shard
	used   atomic.Bool // something was ever remembered
	shards [manyShards]shard
}

const manyShards = 16

type shard struct {
	mu      sync.Mutex
	entries map[uint64]entry
	_       [40]byte // the locks of two shards are on no line of the cache together
}

func newTable(capacity int) *table {
	t := &table{each: capacity / manyShards}
	for i := range t.shards {
		t.shards[i].entries = make(map[uint64]entry)
	}
	return t
}

func (t *table) shard(key uint64) *shard { return &t.shards[key%manyShards] }

// get returns what is remembered of key.
func (t *table) get(key uint64, now int64, forget time.Duration) (entry, bool) {
	if !t.used.Load() {
		return entry{}, false
	}
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.entries[key]
	return e, ok && now-e.last < int64(forget)
}

// change counts one more for key, lets more change the entry, and returns the
// count.
func (t *table) change(key uint64, now int64, forget time.Duration, more func(e *entry)) uint32 {
	t.used.Store(true)
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, known := s.entries[key]
	if known && now-e.last >= int64(forget) {
		e = entry{}
	}
	if !known && len(s.entries) >= t.each {
		s.makeRoom(now, forget)
	}
	e.last = now
	if e.failures++; e.failures == 0 {
		e.failures--
	}
	if more != nil {
		more(&e)
	}
	s.entries[key] = e
	return e.failures
}

func (t *table) forget(key uint64) {
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.entries, key)
}

func (t *table) len() (n int) {
	for i := range t.shards {
		t.shards[i].mu.Lock()
		n += len(t.shards[i].entries)
		t.shards[i].mu.Unlock()
	}
	return n
}

// sample is how many entries are looked at for one to forget.
const sample = 16

// makeRoom forgets one of some entries, picked at random as maps are walked: one
// that is forgotten anyway, or else who may go on soonest, and of these who failed
// least and longest ago.
func (s *shard) makeRoom(now int64, forget time.Duration) {
	var worst entry
	var victim uint64
	n := 0
	for key, e := range s.entries {
		if now-e.last >= int64(forget) {
			delete(s.entries, key)
			return
		}
		e.until = max(e.until, now)
		if n == 0 || e.lessThan(&worst) {
			worst, victim = e, key
		}
		if n++; n == sample {
			break
		}
	}
	delete(s.entries, victim)
}

func (e *entry) lessThan(o *entry) bool {
	switch {
	case e.until != o.until:
		return e.until < o.until
	case e.failures != o.failures:
		return e.failures < o.failures
	default:
		return e.last < o.last
	}
}
