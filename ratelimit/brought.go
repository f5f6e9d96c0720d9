package ratelimit

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/warder-dev/warder/exchange"
)

// A family is the tables of the quotas that principals bring along to one limit:
// a table for each quota, since arrival times of one quota say nothing under
// another. They share room, so that it is bounded however many there are.
type family struct {
	used atomic.Int64

	mu    sync.RWMutex
	known map[Quota]*Limit
}

// maxBrought is how many different quotas a limit knows at a time.
const maxBrought = 4096

func newFamily() *family { return &family{known: make(map[Quota]*Limit)} }

func (f *family) find(q Quota) *Limit {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.known[q]
}

// personal reports whether l tells principals apart.
func (l *Limit) personal() bool {
	return slices.ContainsFunc(l.by, func(p Part) bool {
		return p.kind == byClaim || p.kind == byText && slices.Contains([]string{"key", "owner", "session", "issuer", "subject"}, p.name)
	})
}

// broughtBy returns l with the quota that p brings along; nil for none.
func (l *Limit) broughtBy(p *exchange.Principal) *Limit {
	if len(p.Quotas) == 0 || l.brought == nil {
		return nil
	}
	for i := range p.Quotas {
		if q := &p.Quotas[i]; q.Name == l.name {
			return l.withQuota(Quota{Count: q.Count, Per: q.Per, Burst: q.Burst})
		}
	}
	return nil
}

// withQuota returns l with a quota that was brought along; nil for one that is
// none, or when there are too many.
func (l *Limit) withQuota(q Quota) *Limit {
	f := l.brought
	if v := f.find(q); v != nil && v.made == l.made {
		return v
	}
	r, err := q.rule()
	if err != nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if v := f.known[q]; v != nil {
		if v.made != l.made { // of the limit whose place l took
			v = l.counting(v.rule, q, v.table)
			f.known[q] = v
		}
		return v
	}
	if len(f.known) >= maxBrought {
		now := l.now()
		maps.DeleteFunc(f.known, func(_ Quota, v *Limit) bool { return v.table.idle(now) && v.table.spareIdle(now) })
	}
	if len(f.known) >= maxBrought {
		return nil
	}
	v := l.counting(r, q, f.newTable(r))
	f.known[q] = v
	return v
}

// newTable returns a table of the family.
func (f *family) newTable(r rule) *table {
	t := newTable(r, 1) // one shard: there may be thousands
	t.used, t.family = &f.used, f
	return t
}

// tables returns the tables of the family.
func (f *family) tables() (all []*table) {
	if f == nil {
		return nil
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, v := range f.known {
		all = append(all, v.table)
		if o := v.table.outage.Load(); o != nil {
			all = append(all, o)
		}
	}
	return all
}

// idle lets go of everybody whose burst is whole, and reports whether nobody is
// left.
func (t *table) idle(now int64) bool {
	left := 0
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for t.evict(s, now, true) {
			t.used.Add(-1)
		}
		left += len(s.slots) + len(s.leases)
		s.mu.Unlock()
	}
	return left == 0
}

func (t *table) spareIdle(now int64) bool {
	o := t.outage.Load()
	return o == nil || o.idle(now)
}
