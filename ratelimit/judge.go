package ratelimit

import (
	"context"
	"fmt"
	"slices"

	"github.com/warder-dev/warder/exchange"
)

// judge counts x in every limit of all, or in none; and, when it passes, in each
// of tried whose limit lets it pass. Each wish says afterwards whether its own
// limit would have let it pass. The error is of a store that gave no answer and
// whose limit is [Closed] then; nothing is counted.
func judge(x *exchange.Exchange, all, tried []wish) (passed bool, err error) {
	if anyShared(all) {
		passed, err = judgeShared(x, all, tried)
	} else {
		passed = take(all, x.Dry)
	}
	for i := range tried {
		w := &tried[i]
		switch {
		case !passed:
			w.ok = true // nobody asked
		case w.judged:
		case w.limit.remote == nil:
			take(tried[i:i+1], x.Dry)
		default:
			if _, err := judgeShared(x, tried[i:i+1], nil); err != nil {
				w.ok = true // a trial refuses nobody
			}
		}
	}
	return passed, err
}

func anyShared(all []wish) bool {
	for i := range all {
		if all[i].limit.remote != nil {
			return true
		}
	}
	return false
}

// judgeShared is judge where some limits have a store.
//
// Leases that this node holds come first: they can be given back. What the table
// knows to be over the limit is refused without asking. Then the store is asked; and last
// comes what is counted here, which are limits in memory beside leased ones, or
// those whose store is away: [New] has made sure that no exact limit is beside one in
// memory.
func judgeShared(x *exchange.Exchange, all, tried []wish) (bool, error) {
	ctx := x.Request.Context()
	if !x.Dry && holdLeases(ctx, all) {
		return true, nil
	}
	if known(all) {
		giveBack(all)
		return false, nil
	}
	passed, away := takeLeases(ctx, x, all)
	if passed && away == nil {
		passed, away = takeExact(ctx, x, all, tried)
	}
	if away != nil {
		for i := range all {
			if w := &all[i]; w.unjudged() && w.limit.remote.outage == Closed {
				giveBack(all)
				return false, away
			}
		}
	}
	if passed || away != nil {
		passed = takeLocal(all, x.Dry)
	}
	if !passed {
		giveBack(all)
	}
	return passed, nil
}

// known reports whether a subject of all is known to be over its limit. The table
// knows no more than the store does, so it never refuses what the store would let
// pass.
func known(all []wish) (over bool) {
	for i := range all {
		w := &all[i]
		w.ok = true
		if w.limit.remote == nil || w.judged {
			continue
		}
		w.limit.refresh()
		w.look()
		_, w.ok = w.limit.rule.move(w.tat, w.now, w.limit.step)
		over = over || !w.ok
	}
	return over
}

// unjudged reports whether w's limit has a store that has not said anything.
func (w *wish) unjudged() bool { return w.limit.remote != nil && !w.judged }

// takeExact asks the store for the exact limits of all, and for those of tried
// that lie with them. away is the error of a store that did not answer.
func takeExact(ctx context.Context, x *exchange.Exchange, all, tried []wish) (passed bool, away error) {
	var asked [2 * maxLimits]*wish
	n := 0
	for i := range all {
		if all[i].exact() {
			asked[n] = &all[i]
			n++
		}
	}
	if n == 0 {
		return true, nil
	}
	together, first := n, asked[0].limit.remote
	for i := range tried {
		if w := &tried[i]; w.exact() && first.beside(w.limit.remote) {
			w.look()
			asked[n] = w
			n++
		}
	}
	claims := make([]Claim, n)
	for i := range claims {
		kind := Together
		if i >= together {
			kind = Alone
		}
		claims[i] = asked[i].claim(x, kind, asked[i].limit.cost)
	}
	if err := first.store.Take(ctx, claims, x.Dry); err != nil {
		return false, err
	}
	passed = true
	for i := range claims {
		w := asked[i]
		w.answer(&claims[i])
		passed = passed && (w.ok || i >= together)
	}
	return passed, nil
}

// beside reports whether the counters of both are asked for in one call.
func (r *remote) beside(o *remote) bool {
	return r.store == o.store && slices.EqualFunc(r.spread, o.spread, func(a, b Part) bool { return alike(&a, &b) })
}

// together reports which of limits cannot be counted all or none: exact ones that
// are not asked for in one call, or that are beside one in memory, which would have
// to be given back when the store refuses.
func together(limits []*Limit) (errs []error) {
	var exact, memory *Limit
	for _, l := range limits {
		switch {
		case l.remote == nil:
			memory = l
		case l.remote.lease > 0:
		case exact == nil:
			exact = l
		case !exact.remote.beside(l.remote):
			errs = append(errs, fmt.Errorf("ratelimit: the limits %q and %q are exact and count together: give them one Store and one Spread, a Lease, or a stage each", exact.name, l.name))
		}
	}
	if exact != nil && memory != nil {
		errs = append(errs, fmt.Errorf("ratelimit: the limit %q is exact and %q counts in memory: give both a Store, the first a Lease, or a stage each", exact.name, memory.name))
	}
	return errs
}
