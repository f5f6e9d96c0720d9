package ratelimit

import (
	"context"
	"time"

	"github.com/warder-dev/warder/exchange"
)

// exact reports whether w's limit asks its store for each request.
func (w *wish) exact() bool { return w.limit.remote != nil && w.limit.remote.lease == 0 }

// claim is what w asks a store.
func (w *wish) claim(x *exchange.Exchange, kind ClaimKind, cost uint64) Claim {
	l := w.limit
	return Claim{
		Limit: l.name, Subject: digest(l.by, x), Near: digest(l.remote.spread, x),
		Quota: l.rule.quota(), Cost: int(cost), Kind: kind, //nolint:gosec // at most the burst
	}
}

// quota is the quota of which r is the rule.
func (r *rule) quota() Quota {
	return Quota{Count: int(r.count), Per: time.Duration(r.per), Burst: int(r.burst)} //nolint:gosec // as they came
}

// answer notes what the store said of w, which was sent at w.now or later.
func (w *wish) answer(c *Claim) {
	w.judged, w.ok = true, c.OK
	w.tat = w.limit.rule.add(instant{ns: w.now}, instant{int64(c.Debt), uint32(c.Fraction)}) //nolint:gosec // below count
	w.limit.learn(w.key, w.tat, w.now)
}

// learn moves the mirror of key's arrival time up to tat, by the clock of l when
// the store was asked, at now. The store read its clock later, and clocks do not run
// alike: the mirror stays behind by a microsecond, to which the store rounds, and
// by a thousandth of the time until the next request passes.
func (l *Limit) learn(key uint64, tat instant, now int64) {
	if !tat.after(instant{ns: now}) {
		return
	}
	tat.ns -= int64(time.Microsecond) + l.rule.wait(tat, now, 1)>>10
	s := l.table.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	before, slot := s.find(key)
	if !tat.after(before) || slot < 0 && !l.table.reserve(s, now, l.room) {
		return // what is not remembered is asked for again
	}
	s.set(key, slot, tat)
}

// refresh forgets what was learnt before the store's epoch.
func (l *Limit) refresh() {
	epoch := l.remote.store.Fleet().Epoch
	if old := l.table.epoch.Load(); old != epoch && l.table.epoch.CompareAndSwap(old, epoch) {
		l.table.clear()
	}
}

// clear forgets all subjects, and all units that are leased for them.
func (t *table) clear() {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		t.used.Add(-int64(len(s.slots)))
		s.index, s.slots, s.heap, s.leases = make(map[uint64]int32), nil, nil, nil
		s.mu.Unlock()
	}
}

// spare returns the table that counts while the store of t's limit is away. It
// stays, so that a store that comes and goes gives nobody a new share.
func (t *table) spare() *table {
	if o := t.outage.Load(); o != nil {
		return o
	}
	o := newShards(t.rule, len(t.shards))
	if t.family != nil {
		o = t.family.newTable(t.rule)
	}
	t.outage.CompareAndSwap(nil, o)
	return t.outage.Load()
}

// takeLocal counts in this process what is counted here: all or none. Limits whose
// store is away are open or count a share.
func takeLocal(all []wish, dry bool) bool {
	var some [maxLimits]wish
	var from [maxLimits]int
	local := some[:0]
	for i := range all {
		w := &all[i]
		switch {
		case w.judged:
			continue
		case w.limit.remote != nil && w.limit.remote.outage == InsecureOpen:
			w.ok = true
			continue
		}
		from[len(local)] = i
		local = append(local, w.local())
	}
	passed := take(local, dry)
	for i := range local {
		w, l := &all[from[i]], &local[i]
		w.ok, w.now, w.tat = l.ok, l.now, l.tat
		if w.limit.remote != nil && !l.ok {
			w.tat = l.until()
		}
	}
	return passed
}

// local is w as it counts in this process: for a limit with a store, in the spare
// table, as many times as there are nodes, and no better than the store last said.
func (w *wish) local() wish {
	c := *w
	if w.limit.remote == nil {
		return c
	}
	c.nodes = uint32(min(max(1, w.limit.remote.store.Fleet().Nodes), 1<<20))
	c.shard = c.table().shard(w.key)
	return c
}

// until is the arrival time by which the limit's own rule has w wait as long as its
// share does.
func (w *wish) until() instant {
	r := &w.limit.rule
	_, wait := w.share()
	return r.sub(r.add(instant{ns: w.now + wait}, r.span), r.cost(w.limit.cost))
}

// share returns the arrival time after one request more of a limit that is divided
// by the nodes, and how many nanoseconds that request has to wait. A request that
// costs more than this node's part of the burst passes when nothing is owed: the
// rate is this node's part still.
func (w *wish) share() (next instant, wait int64) {
	r := &w.limit.rule
	start := instant{ns: w.now}
	if w.tat.after(start) {
		start = w.tat
	}
	cost := r.times(r.cost(w.limit.cost), uint64(w.nodes))
	next = r.add(start, cost)
	late := r.sub(next, r.add(instant{ns: w.now}, r.span))
	owed := r.sub(start, instant{ns: w.now})
	return next, max(0, min(late.ceil(), owed.ceil()))
}

// times is n times a, or 73 years where that is more.
func (r *rule) times(a instant, n uint64) instant {
	const most = 1 << 61
	if uint64(a.ns)+1 > most/n { //nolint:gosec // not negative
		return instant{ns: most}
	}
	frac := uint64(a.frac) * n
	return instant{a.ns*int64(n) + int64(frac/r.count), uint32(frac % r.count)} //nolint:gosec // checked above; a rest is below count
}

// chargeShared counts n more requests of w's subject, whether they may pass or not.
func (w *wish) chargeShared(x *exchange.Exchange, n uint64) {
	w.look()
	claims := []Claim{w.claim(x, Forced, n)}
	if w.limit.remote.store.Take(x.Request.Context(), claims, x.Dry) == nil {
		w.answer(&claims[0])
	}
}

// ResetFor forgets what the subject of x has spent, also in the limit's store and
// on the other nodes. The error is of a store that gave no answer.
func (l *Limit) ResetFor(ctx context.Context, x *exchange.Exchange) error {
	key, counts := l.key(x)
	if !counts {
		return nil
	}
	if l.remote != nil {
		if err := l.remote.store.Reset(ctx, l.name, digest(l.by, x), digest(l.remote.spread, x)); err != nil {
			return err
		}
		l.table.spare().forget(key)
	}
	l.Reset(Subject(key))
	return nil
}

// forget forgets one subject, and reports whether it was there.
func (t *table) forget(key uint64) bool {
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.leases, key)
	_, slot := s.find(key)
	if slot < 0 {
		return false
	}
	s.remove(s.slots[slot].pos)
	t.used.Add(-1)
	return true
}
