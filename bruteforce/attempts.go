package bruteforce

import (
	"slices"
	"sync"
)

// attempts counts the credentials that are being judged, by address and by pair:
// until it is known what they are, each may be a failure.
type attempts struct {
	shards [manyShards]attemptShard
}

type attemptShard struct {
	mu sync.Mutex
	by map[uint64]underWay
	_  [48]byte // the locks of two shards are on no line of the cache together
}

// underWay are the attempts of one key.
type underWay struct {
	n       int
	waiting []chan struct{} // those whose turn it is not yet, the first in front
}

func newAttempts() *attempts {
	a := new(attempts)
	for i := range a.shards {
		a.shards[i].by = make(map[uint64]underWay)
	}
	return a
}

// begin counts one more attempt for key, if no more than most returns are then
// under way; 0 is for none at this time. Otherwise it returns when to ask again:
// at once for 0, and else when turn is told. most is called while key is locked: no
// attempt of key ends meanwhile.
func (a *attempts) begin(key uint64, most func() int) (begun bool, turn chan struct{}) {
	s := &a.shards[key%manyShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	u, limit := s.by[key], most()
	switch {
	case limit == 0:
		return false, nil
	case u.n >= limit:
		turn = make(chan struct{}, 1)
		u.waiting = append(u.waiting, turn)
		s.by[key] = u
		return false, turn
	}
	u.n++
	if u.n < limit { // there may be place for more than one of those who wait
		u.next()
	}
	s.by[key] = u
	return true, nil
}

// next tells the first of those who wait.
func (u *underWay) next() {
	if len(u.waiting) > 0 {
		u.waiting[0] <- struct{}{}
		u.waiting = u.waiting[1:]
	}
}

// end takes an attempt of key back.
func (a *attempts) end(key uint64) { a.less(key, 1) }

// pass lets the next one take the turn of somebody who needs it no more.
func (a *attempts) pass(key uint64) { a.less(key, 0) }

// less takes n attempts of key back, and tells the next one.
func (a *attempts) less(key uint64, n int) {
	s := &a.shards[key%manyShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.by[key]
	u.n -= n
	u.next()
	s.put(key, u)
}

// leave is for somebody who waits no longer.
func (a *attempts) leave(key uint64, turn chan struct{}) {
	s := &a.shards[key%manyShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.by[key]
	if i := slices.Index(u.waiting, turn); i >= 0 {
		u.waiting = slices.Delete(u.waiting, i, i+1)
	} else {
		u.next() // the turn had come
	}
	s.put(key, u)
}

// put keeps u while there is anything in it.
func (s *attemptShard) put(key uint64, u underWay) {
	if u.n > 0 || len(u.waiting) > 0 {
		s.by[key] = u
		return
	}
	delete(s.by, key)
}

// len is how many keys have attempts.
func (a *attempts) len() (n int) {
	for i := range a.shards {
		s := &a.shards[i]
		s.mu.Lock()
		n += len(s.by)
		s.mu.Unlock()
	}
	return n
}
