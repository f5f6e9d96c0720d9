package ratelimit

import (
	"context"
	"time"

	"github.com/warder-dev/warder/exchange"
)

// A lease is what this node may admit of one subject without asking: units that
// the store has counted already. So whatever all nodes admit in a span of time, the
// store has counted in it, but for the units that they held when it began:
// over-admission is at most nodes times [LimitConfig.Lease]. No clock but the
// store's has a part in that; a node's own only lets units lapse.
type lease struct {
	subject, near Digest
	units         uint64 // held
	asked         uint64 // on their way; both together are at most the limit's lease
	size          uint64 // what was asked for last
	used          uint64 // since then
	since, until  int64  // when that was; when units lapse
}

const (
	// leaseFor is for how long units are asked ahead, at the rate at which they went.
	leaseFor = 500 * time.Millisecond
	// leaseLife is how long units are held: what is not used by then is lost, so that
	// a node whose clients went elsewhere holds nothing against them.
	leaseLife = 2 * time.Second
)

// leased reports whether w's limit holds leases.
func (w *wish) leased() bool { return w.limit.remote != nil && w.limit.remote.lease > 0 }

// holdLeases takes from the leases that this node holds, for each leased limit of
// all. It reports whether that was all there is to judge.
func holdLeases(ctx context.Context, all []wish) (done bool) {
	done = true
	for i := range all {
		w := &all[i]
		if !w.leased() || !w.hold(ctx) {
			done = false
		}
	}
	return done
}

// hold takes one request's units from the lease of w's subject, and has new ones
// brought when half are gone.
func (w *wish) hold(ctx context.Context) bool {
	l, s := w.limit, w.shard
	l.refresh()
	w.now = l.now()
	s.mu.Lock()
	e := s.leases[w.key]
	if e == nil || e.units < l.cost || w.now >= e.until {
		s.mu.Unlock()
		return false
	}
	e.units -= l.cost
	e.used += l.cost
	w.tat, w.slot = s.find(w.key)
	n := uint64(0)
	if e.asked == 0 && e.units <= e.size/2 {
		n = e.ask(l, w.tat, w.now, 0)
	}
	s.mu.Unlock()
	w.held, w.judged, w.ok = uint32(l.cost), true, true //nolint:gosec // at most the burst
	if n > 0 {
		go w.limit.bring(context.WithoutCancel(ctx), w.key, e.subject, e.near, n)
	}
	return true
}

// ask decides how many units to ask the store for beside cost, and notes them. It
// goes by how fast the last ones went, and does not ask for what is known not to be
// there. The shard is locked.
func (e *lease) ask(l *Limit, tat instant, now int64, cost uint64) uint64 {
	elapsed := max(now-e.since, int64(time.Microsecond))
	want := uint64(float64(e.used+cost) * float64(leaseFor) / float64(elapsed))
	if e.since == 0 {
		want = 0 // the first request of a subject says nothing of its rate
	}
	e.size, e.used, e.since = min(want, 2*e.size+1), 0, now
	if now >= e.until {
		e.units = 0
	}
	left := l.rule.left(tat, now)
	n := min(e.size, l.remote.lease-min(l.remote.lease, e.units+e.asked), left-min(left, cost))
	e.asked += n
	return n
}

// bring asks the store for n units in the background. It ends within the store's
// budget.
func (l *Limit) bring(ctx context.Context, key uint64, subject, near Digest, n uint64) {
	claims := []Claim{{Limit: l.name, Subject: subject, Near: near, Quota: l.rule.quota(), Cost: int(n), Kind: Alone}} //nolint:gosec // at most the burst
	now, epoch := l.now(), l.table.epoch.Load()
	err := l.remote.store.Take(ctx, claims, false)
	if err == nil {
		w := wish{limit: l, key: key, now: now}
		w.answer(&claims[0])
	}
	l.arrive(key, n, err == nil && claims[0].OK && l.table.epoch.Load() == epoch)
}

// arrive notes that n units that were asked for have come, or will not.
func (l *Limit) arrive(key, n uint64, come bool) {
	s := l.table.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.leases[key]
	if e == nil {
		return // forgotten meanwhile, and the units with it
	}
	e.asked -= min(n, e.asked)
	if come {
		e.units = min(e.units+n, l.remote.lease)
		e.until = l.now() + int64(leaseLife)
	}
}

// takeLeases asks the store at once for each leased limit of all whose subject has
// too few units here.
func takeLeases(ctx context.Context, x *exchange.Exchange, all []wish) (passed bool, away error) {
	passed = true
	for i := range all {
		w := &all[i]
		if !w.leased() || w.judged {
			continue
		}
		if x.Dry {
			w.judged = true // known has judged it
			continue
		}
		if away = w.lease(ctx, x); away != nil {
			return false, away
		}
		passed = passed && w.ok
	}
	return passed, nil
}

// lease asks the store for what w's request costs, and for units ahead; then, when
// there is not so much left, for this request alone.
func (w *wish) lease(ctx context.Context, x *exchange.Exchange) error {
	c := w.claim(x, Alone, w.limit.cost)
	ahead := w.plan(&c)
	claims := []Claim{c}
	claims[0].Cost += int(ahead) //nolint:gosec // at most the burst
	err := w.limit.remote.store.Take(ctx, claims, false)
	if err == nil {
		w.answer(&claims[0])
	}
	w.limit.arrive(w.key, ahead, err == nil && w.ok)
	if err != nil || w.ok || ahead == 0 {
		w.got()
		return err
	}
	w.judged, claims[0] = false, c
	if err := w.limit.remote.store.Take(ctx, claims, false); err != nil {
		return err
	}
	w.answer(&claims[0])
	w.got()
	return nil
}

// got notes that w holds what its request costs, when it does.
func (w *wish) got() {
	if w.judged && w.ok {
		w.held = uint32(w.limit.cost) //nolint:gosec // at most the burst
	}
}

// plan returns how many units to ask for ahead, for a subject that is remembered
// from now on.
func (w *wish) plan(c *Claim) uint64 {
	s, l := w.shard, w.limit
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.leases[w.key]
	if e == nil {
		s.makeLeaseRoom(int(l.room) / len(l.table.shards))
		e = &lease{subject: c.Subject, near: c.Near}
		s.leases[w.key] = e
	}
	tat, _ := s.find(w.key)
	return e.ask(l, tat, w.now, l.cost)
}

// makeLeaseRoom lets go of any one lease when there are more than most:
// its units are lost, and it is asked for again.
func (s *shard) makeLeaseRoom(most int) {
	if s.leases == nil {
		s.leases = make(map[uint64]*lease)
	}
	if len(s.leases) <= most {
		return
	}
	for key := range s.leases {
		delete(s.leases, key)
		return
	}
}

// giveBack gives the units back that a request took and did not need.
func giveBack(all []wish) {
	for i := range all {
		w := &all[i]
		if w.held == 0 {
			continue
		}
		w.shard.mu.Lock()
		if e := w.shard.leases[w.key]; e != nil {
			e.units = min(e.units+uint64(w.held), w.limit.remote.lease-min(e.asked, w.limit.remote.lease))
		}
		w.shard.mu.Unlock()
		w.held = 0
	}
}
