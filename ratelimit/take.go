package ratelimit

import (
	"slices"

	"github.com/warder-dev/warder/exchange"
)

// A claim on a limit is one request's wish to be counted by it.
type wish struct {
	limit *Limit
	key   uint64
	shard *shard
	now   int64
	tat   instant // before; when granted, after
	slot  int32
	nodes uint32 // by which a limit is divided while its store is away; 0: it is not
	held  uint32 // units of a lease that were taken
	ok    bool

	judged bool // ok is what the store said, or what a lease allows
}

// table is where w counts.
func (w *wish) table() *table {
	if w.nodes > 0 {
		return w.limit.table.spare()
	}
	return w.limit.table
}

// maxLimits is how many limits a stage may have.
const maxLimits = 8

// attempts is how often room is made for one request before it is told that
// there is none: others may take what was made.
const attempts = 3

// wishes returns those of limits that count x, in the order in which they are
// locked.
func wishes(limits []*Limit, x *exchange.Exchange, into []wish) []wish {
	for _, l := range limits { // sorted
		if key, counts := l.key(x); counts {
			l = l.of(x, key)
			into = append(into, wish{limit: l, key: key, shard: l.table.shard(key)})
		}
	}
	return into
}

// take counts one request in every limit of all, or in none. Each wish says
// afterwards whether its own limit would have let it pass. dry counts nothing.
//
// All shards are locked while it judges: two requests that compete for what is
// left of two limits never get one each.
func take(all []wish, dry bool) bool {
	for range attempts {
		var passed bool
		var full *wish
		if len(all) == 1 && all[0].nodes == 0 {
			passed, full = all[0].take(dry)
		} else {
			passed, full = try(all, dry)
		}
		if full == nil {
			return passed
		}
		if !full.table().makeRoom(full.now, full.limit.room) {
			full.ok = false
			return false
		}
	}
	return false // others were faster each time; the last wish without room is not ok
}

// take is try for w alone, which is what most requests need: the arrival time is
// worked out once.
func (w *wish) take(dry bool) (passed bool, full *wish) {
	s, l := w.shard, w.limit
	s.mu.Lock()
	w.now = l.now()
	w.tat, w.slot = s.find(w.key)
	var next instant
	next, w.ok = l.rule.move(w.tat, w.now, l.step)
	if w.ok && !dry {
		if w.slot < 0 && !l.table.reserve(s, w.now, l.room) {
			w.ok, full = false, w
		} else {
			w.tat = next
			s.set(w.key, w.slot, next)
		}
	}
	s.mu.Unlock()
	return w.ok, full
}

// try is one attempt of take. It returns the wish for which there is no room.
func try(all []wish, dry bool) (passed bool, full *wish) {
	for i := range all {
		all[i].shard.mu.Lock()
	}
	defer func() {
		for i := range all {
			all[i].shard.mu.Unlock()
		}
	}()
	passed = true
	for i := range all {
		w := &all[i]
		w.now = w.limit.now()
		said := w.tat
		w.tat, w.slot = w.shard.find(w.key)
		if w.nodes > 0 && said.after(w.tat) { // by the store, when it was there
			w.tat = said
		}
		_, w.ok = w.next()
		passed = passed && w.ok
	}
	if !passed || dry {
		return passed, nil
	}
	for i := range all {
		w := &all[i]
		if w.slot >= 0 || w.table().reserve(w.shard, w.now, w.limit.room) {
			continue
		}
		w.ok = false
		for j := range all[:i] { // give back what was promised
			if all[j].slot < 0 {
				all[j].table().used.Add(-1)
			}
		}
		return false, w
	}
	for i := range all {
		w := &all[i]
		w.tat, _ = w.next()
		w.shard.set(w.key, w.slot, w.tat)
	}
	return true, nil
}

// next returns the arrival time after one request more, and whether it may pass.
func (w *wish) next() (instant, bool) {
	if w.nodes == 0 {
		return w.limit.rule.move(w.tat, w.now, w.limit.step)
	}
	next, wait := w.share()
	return next, wait == 0
}

// look reads the arrival time of w's subject.
func (w *wish) look() {
	w.shard.mu.Lock()
	defer w.shard.mu.Unlock()
	w.now = w.limit.now()
	w.tat, w.slot = w.shard.find(w.key)
}

// locked sorts limits into the order in which they are locked.
func locked(limits []*Limit) []*Limit {
	sorted := slices.Clone(limits)
	slices.SortFunc(sorted, func(a, b *Limit) int {
		if a.order < b.order {
			return -1
		}
		return 1
	})
	return sorted
}
