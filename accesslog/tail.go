package accesslog

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/warder-dev/warder/exchange"
)

// TailSize is how many records a [Tail] keeps while somebody follows it.
const TailSize = 4096

// A Tail gives the records of Stages to those who look on while they are made. The
// zero value is ready, and one Tail may be that of several Stages. It is safe for
// concurrent use.
//
// All who follow share one ring of the newest [TailSize] records, and each has a
// place of its own in it: who is slower than the traffic misses the oldest records,
// and is told how many. A request waits for nobody, however many follow; while nobody
// does, it costs one atomic load, and the ring is gone.
type Tail struct {
	ring   atomic.Pointer[ring] // nil while nobody follows
	missed atomic.Uint64

	mu        sync.Mutex
	followers int
}

// A Told is a record, as it is told to those who look on. Nobody changes it: it is
// shared.
type Told struct {
	At    time.Time   // the record's time
	Attrs []slog.Attr // the record's fields between msg and the end, in their order

	// Whose the request is, for those who must see no other owner's. It is no field of
	// the record.
	Proved bool   // its credential proved somebody
	Owner  string // the owner of whom it proved; "" for none

	turn uint64
}

// ring has a slot for each record, by its turn.
type ring struct {
	turns atomic.Uint64 // of the next record
	slots [TailSize]atomic.Pointer[Told]
}

// Missed is how many records were overwritten before somebody who followed had read
// them, for each who did not.
func (t *Tail) Missed() uint64 { return t.missed.Load() }

// Followers is how many follow.
func (t *Tail) Followers() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.followers
}

// A Follower reads a [Tail] from the moment when it began to. One goroutine uses it.
type Follower struct {
	tail *Tail
	ring *ring
	next uint64 // turn of the record to read
}

// Follow begins to follow t. Close the Follower, or records are kept for ever.
func (t *Tail) Follow() *Follower {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.followers == 0 {
		t.ring.Store(new(ring))
	}
	t.followers++
	r := t.ring.Load()
	return &Follower{tail: t, ring: r, next: r.turns.Load()}
}

// Close ends it. A second call does nothing.
func (f *Follower) Close() {
	if f.ring == nil {
		return
	}
	f.ring = nil
	t := f.tail
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.followers--; t.followers == 0 {
		t.ring.Store(nil)
	}
}

// Next reads the next records into to, and returns how many they are, and how many
// came before them that are lost. It does not wait: 0 records are all that there are.
// After Close there are none.
func (f *Follower) Next(to []*Told) (n int, missed uint64) {
	if f.ring == nil {
		return 0, 0
	}
	from := f.next
	for n < len(to) {
		told := f.ring.slots[f.next%TailSize].Load()
		if told == nil || told.turn < f.next {
			break // not written yet
		}
		if told.turn > f.next {
			if n > 0 {
				break // what is lost is told before what comes after it
			}
			// The oldest that may still be there. More may be gone meanwhile: then this is
			// the case again.
			f.next = max(f.next+1, told.turn-min(told.turn, TailSize-1))
			continue
		}
		if n == 0 {
			missed = f.next - from
		}
		to[n] = told
		n++
		f.next++
	}
	if n == 0 {
		missed = f.next - from
	}
	f.tail.missed.Add(missed)
	return n, missed
}

// tell keeps the record of e. It waits for nobody.
func (r *ring) tell(x *exchange.Exchange, e *entry, at time.Time) {
	told := &Told{At: at, Attrs: append([]slog.Attr(nil), e.attrs[:e.n]...), Proved: !x.Principal.IsZero(), Owner: x.Principal.Owner}
	told.turn = r.turns.Add(1) - 1
	slot := &r.slots[told.turn%TailSize]
	for {
		old := slot.Load()
		if old != nil && old.turn > told.turn {
			return // this goroutine slept for a whole round
		}
		if slot.CompareAndSwap(old, told) {
			return
		}
	}
}
