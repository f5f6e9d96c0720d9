package ratelimit

import (
	"math/big"
	"time"

	"github.com/warder-dev/warder/exchange"
)

// A Counter is one subject of a quota, for tests that give the time themselves.
type Counter struct {
	r   rule
	tat instant
}

// NewCounter returns a subject with its whole burst.
func NewCounter(q Quota) (*Counter, error) {
	r, err := q.rule()
	return &Counter{r: r}, err
}

// Take counts n requests at now, in nanoseconds, when they may pass.
func (c *Counter) Take(now int64, n uint64) bool {
	next, ok := c.r.take(c.tat, now, n)
	if ok {
		c.tat = next
	}
	return ok
}

// Left, Wait and Whole are those of the rule.
func (c *Counter) Left(now int64) uint64          { return c.r.left(c.tat, now) }
func (c *Counter) Wait(now int64, n uint64) int64 { return c.r.wait(c.tat, now, n) }
func (c *Counter) Whole(now int64) int64          { return c.r.whole(c.tat, now) }

// At is the arrival time as an exact number of nanoseconds.
func (c *Counter) At() *big.Rat {
	frac := new(big.Rat).SetFrac(new(big.Int).SetUint64(uint64(c.tat.frac)), new(big.Int).SetUint64(c.r.count))
	return frac.Add(frac, new(big.Rat).SetInt64(c.tat.ns))
}

// Remembered returns how many subjects l has slots for.
func Remembered(l *Limit) int {
	n := 0
	for i := range l.table.shards {
		s := &l.table.shards[i]
		s.mu.Lock()
		n += len(s.slots)
		s.mu.Unlock()
	}
	return n
}

// Sound reports whether the parts of l's table agree with each other.
func Sound(l *Limit) bool { return SoundBelow(l, 0) }

// SoundBelow is Sound while there are at most most subjects, which may be more than l
// has room for.
func SoundBelow(l *Limit, most int64) bool {
	used := int64(0)
	for i := range l.table.shards {
		s := &l.table.shards[i]
		s.mu.Lock()
		used += int64(len(s.slots))
		ok := len(s.slots) == len(s.heap) && len(s.slots) == len(s.index)
		for pos := range s.heap {
			slot := &s.slots[s.heap[pos]]
			ok = ok && int(slot.pos) == pos && s.index[slot.key] == s.heap[pos] && (pos == 0 || !s.before(int32(pos), int32((pos-1)/2)))
		}
		s.mu.Unlock()
		if !ok {
			return false
		}
	}
	return used == l.table.used.Load() && used <= max(most, l.room)
}

// ShardOf is in which shard l counts the subject of x.
func ShardOf(l *Limit, x *exchange.Exchange) int {
	key, _ := l.key(x)
	return int(key & uint64(len(l.table.shards)-1))
}

// Charge counts n requests more of x in a limit with a store.
func Charge(l *Limit, x *exchange.Exchange, n uint64) {
	for _, w := range wishes([]*Limit{l}, x, nil) {
		w.chargeShared(x, n)
	}
}

// SetClock makes the limit's clock, which began with it, begin at another time.
func SetClock(l *Limit, began time.Time) { l.began = began }

// Leased returns how many units l holds, or has asked for, of all subjects.
func Leased(l *Limit) (n uint64) {
	for i := range l.table.shards {
		s := &l.table.shards[i]
		s.mu.Lock()
		for _, e := range s.leases {
			n += e.units + e.asked
		}
		s.mu.Unlock()
	}
	return n
}

// Brought returns how many quotas that principals brought along l knows.
func Brought(l *Limit) int {
	l.brought.mu.RLock()
	defer l.brought.mu.RUnlock()
	return len(l.brought.known)
}
