package ratelimit

import (
	"maps"
	"slices"
)

// made tells limits apart that share what they count: each that was made has its
// own, and its plans and those with another cost have that of theirs.
type made struct{ _ byte }

// continues reports whether next tells the same subjects apart, and counts in the
// same place.
func (l *Limit) continues(next *Limit) bool {
	return l.name == next.name && sameStore(l.remote, next.remote) &&
		sameParts(l.by, next.by)
}

func sameParts(a, b []Part) bool {
	return slices.EqualFunc(a, b, func(p, q Part) bool { return alike(&p, &q) })
}

func sameStore(a, b *remote) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.beside(b) && (a.lease > 0) == (b.lease > 0)
}

// succeed has l count on where before does; nil for nowhere. Keys, clock and the
// order of locks go with the tables.
func (l *Limit) succeed(before *Limit) {
	if before == nil {
		return
	}
	l.seed, l.began, l.order, l.counts, l.top, l.brought = before.seed, before.began, before.order, before.counts, before.top, before.brought
	if before.rule == l.rule {
		l.table = before.table
	}
	if known := before.overrides.known.Load(); known != nil {
		next := maps.Clone(*known)
		for s, o := range next {
			next[s] = &override{limit: l.counting(o.limit.rule, o.quota, o.limit.table), quota: o.quota, until: o.until}
		}
		l.overrides.known.Store(&next)
	}
}

// counting is l with another quota that counts in t.
func (l *Limit) counting(r rule, q Quota, t *table) *Limit {
	v := l.variant(r, q, 1)
	v.table = t
	return v
}

// tableOfPlan is that of the plan of l with the name and rule; nil for none.
func (l *Limit) tableOfPlan(name string, r rule) *table {
	if l == nil {
		return nil
	}
	for i := range l.plans {
		if p := &l.plans[i]; p.Name == name && p.limit.rule == r {
			return p.limit.table
		}
	}
	return nil
}
