package ratelimit

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// Memory is a [Store] in this process: what it counted outlives limits that are
// made anew, as when a configuration is read again. A limit that is alone
// needs none. It is safe for concurrent use, and every call takes its turn.
type Memory struct {
	capacity int
	seed     maphash.Seed
	began    time.Time

	mu     sync.Mutex
	tables map[string]map[rule]*table // by the name of the limit, and by the quota

	epoch atomic.Uint64
}

const (
	maxNames  = 1024 // limits that a Memory keeps
	maxQuotas = 4200 // quotas of one limit: its own, of plans, by hand, and those that principals bring along
)

// NewMemory returns an empty store that remembers up to capacity subjects, 1 to
// 16,777,216, of each quota of up to 1024 limits, at up to 100 bytes each.
func NewMemory(capacity int) (*Memory, error) {
	if capacity < 1 || capacity > maxCapacity {
		return nil, fmt.Errorf("ratelimit: the Capacity is %d, want 1 to %d", capacity, maxCapacity)
	}
	return &Memory{capacity: capacity, seed: maphash.MakeSeed(), began: time.Now(), tables: make(map[string]map[rule]*table)}, nil
}

// Take is [Store.Take]. The error is of a claim that is none, or of the 1025th
// limit; a subject for which there is no room may not pass.
func (m *Memory) Take(_ context.Context, claims []Claim, dry bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var some [2 * maxLimits]place
	if len(claims) > len(some) {
		return fmt.Errorf("ratelimit: %d claims at once, want at most %d", len(claims), len(some))
	}
	now, pass := int64(time.Since(m.began)), true
	for i := range claims {
		c, p := &claims[i], &some[i]
		if err := m.find(c, p); err != nil {
			return err
		}
		p.next, c.OK = p.table.rule.take(p.tat, now, uint64(c.Cost)) //nolint:gosec // find has checked it
		if !dry && (c.OK || c.Kind == Forced) && !p.room(now, int64(m.capacity)) {
			c.OK = false
		}
		pass = pass && (c.OK || c.Kind != Together)
	}
	for i := range claims {
		c, p := &claims[i], &some[i]
		if !dry && p.found() && (c.Kind == Forced || pass && c.OK) {
			p.count(now)
		}
		c.say(p, now)
	}
	for i := range claims {
		some[i].leave()
	}
	return nil
}

// place is where a claim counts.
type place struct {
	table     *table
	key       uint64
	slot      int32
	promised  bool // a slot
	tat, next instant
}

// room sees to it that there is a slot; false when there is none.
func (p *place) room(now, capacity int64) bool {
	s := p.table.shard(p.key)
	for range attempts {
		if _, p.slot = s.find(p.key); p.slot >= 0 || p.promised {
			return true
		}
		if p.promised = p.table.reserve(s, now, capacity); !p.promised && !p.table.makeRoom(now, capacity) {
			return false
		}
	}
	return p.promised
}

func (p *place) found() bool { return p.promised || p.slot >= 0 }

// leave gives back a slot that was promised and not used.
func (p *place) leave() {
	if p.promised {
		p.table.used.Add(-1)
	}
}

func (m *Memory) find(c *Claim, p *place) error {
	r, err := c.Quota.rule()
	if err != nil {
		return fmt.Errorf("ratelimit: %w", err)
	}
	if c.Cost < 1 || uint64(c.Cost) > r.burst {
		return fmt.Errorf("ratelimit: the cost is %d, want 1 to %d", c.Cost, r.burst)
	}
	if p.table = m.tables[c.Limit][r]; p.table == nil {
		if p.table, err = m.newTable(c.Limit, r); err != nil {
			return err
		}
	}
	p.key = maphash.Comparable(m.seed, c.Subject)
	p.tat, p.slot = p.table.shard(p.key).find(p.key)
	return nil
}

// newTable makes a table for a quota of a limit. Subjects of another quota, such as
// a plan's, keep theirs.
func (m *Memory) newTable(limit string, r rule) (*table, error) {
	quotas := m.tables[limit]
	switch {
	case quotas == nil && len(m.tables) >= maxNames:
		return nil, fmt.Errorf("ratelimit: there are %d limits", maxNames)
	case quotas == nil:
		quotas = make(map[rule]*table)
		m.tables[limit] = quotas
	case len(quotas) >= maxQuotas:
		return nil, fmt.Errorf("ratelimit: there are %d quotas of one limit", maxQuotas)
	}
	quotas[r] = newTable(r, m.capacity)
	return quotas[r], nil
}

// count moves the arrival time on.
func (p *place) count(now int64) {
	r, s := &p.table.rule, p.table.shard(p.key)
	if most := r.add(r.add(instant{ns: now}, r.span), r.span); p.next.after(most) {
		p.next = most
	}
	if !p.next.after(p.tat) {
		return
	}
	_, slot := s.find(p.key) // room for another subject may have moved it
	if slot < 0 && !p.promised {
		return // let go for another claim of the same call: it had spent least
	}
	p.promised = p.promised && slot >= 0
	s.set(p.key, slot, p.next)
	p.tat = p.next
}

// say writes what is owed of p into c.
func (c *Claim) say(p *place, now int64) {
	if !p.tat.after(instant{ns: now}) {
		c.Debt, c.Fraction = 0, 0
		return
	}
	d := p.table.rule.sub(p.tat, instant{ns: now})
	c.Debt, c.Fraction = time.Duration(d.ns), int(d.frac)
}

// Reset is [Store.Reset]. It never fails.
func (m *Memory) Reset(_ context.Context, limit string, subject, _ Digest) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range m.tables[limit] {
		t.forget(maphash.Comparable(m.seed, subject))
	}
	m.epoch.Add(1)
	return nil
}

// Fleet is [Store.Fleet]: this process is alone.
func (m *Memory) Fleet() Fleet {
	return Fleet{Nodes: 1, Epoch: m.epoch.Load()}
}
