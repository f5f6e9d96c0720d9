package ratelimit

import (
	"errors"
	"fmt"
	"math/bits"
	"time"
)

// A Quota is a rate and how far it may be outrun: Count requests in each Per, of
// which up to Burst may come at once. There are no windows, and so no edge of
// one at which twice as much passes: in any span of time d at most
// Burst + Count·d/Per requests are let through, and whoever keeps to the rate is
// never refused.
type Quota struct {
	Count int           // 1 to 1,000,000,000. Required.
	Per   time.Duration // 1 ms to 366 days. Required.
	Burst int           // 1 to 1,000,000,000; default Count. A burst refills within 10 years at most.
}

const (
	maxCount = 1_000_000_000
	minPer   = time.Millisecond
	maxPer   = 366 * 24 * time.Hour
	maxSpan  = 10 * 366 * 24 * time.Hour
)

// rule returns the quota ready to judge by.
func (q Quota) rule() (rule, error) {
	if q.Burst == 0 {
		q.Burst = q.Count
	}
	var errs []error
	if q.Count < 1 || q.Count > maxCount {
		errs = append(errs, fmt.Errorf("the quota's Count is %d, want 1 to %d", q.Count, maxCount))
	}
	if q.Per < minPer || q.Per > maxPer {
		errs = append(errs, fmt.Errorf("the quota's Per is %v, want %v to %v", q.Per, minPer, maxPer))
	}
	if q.Burst < 1 || q.Burst > maxCount {
		errs = append(errs, fmt.Errorf("the quota's Burst is %d, want 1 to %d", q.Burst, maxCount))
	}
	if err := errors.Join(errs...); err != nil {
		return rule{}, err
	}
	r := rule{count: uint64(q.Count), per: uint64(q.Per), burst: uint64(q.Burst)} //nolint:gosec // each is 1 at least
	if hi, lo := bits.Mul64(r.burst, r.per); hi >= r.count {
		errs = append(errs, errSpan)
	} else if ns, _ := bits.Div64(hi, lo, r.count); ns > uint64(maxSpan) {
		errs = append(errs, errSpan)
	}
	if err := errors.Join(errs...); err != nil {
		return rule{}, err
	}
	r.span = r.cost(r.burst)
	return r, nil
}

var errSpan = errors.New("the quota's Burst takes more than 10 years to refill")

// A rule judges by the generic cell rate algorithm: for each subject it keeps
// the theoretical arrival time, the moment at which the subject's burst is whole
// again. One request moves it on by Per/Count. Since that is seldom a whole
// number of nanoseconds, instants have a fraction of Count: nothing is rounded,
// and nothing drifts, however long it runs.
type rule struct {
	count, per, burst uint64
	span              instant // what a whole burst moves on
}

// An instant is ns + frac/count nanoseconds since the limit began.
type instant struct {
	ns   int64
	frac uint32 // less than the rule's count
}

func (a instant) after(b instant) bool { return a.ns > b.ns || a.ns == b.ns && a.frac > b.frac }

// cost is what n requests move on; n is at most the burst.
func (r *rule) cost(n uint64) instant {
	hi, lo := bits.Mul64(n, r.per)
	ns, frac := bits.Div64(hi, lo, r.count)
	return instant{int64(ns), uint32(frac)} //nolint:gosec // n is at most the burst, whose span New has bounded; the rest of a division by count is below it
}

func (r *rule) add(a, b instant) instant {
	ns, frac := a.ns+b.ns, uint64(a.frac)+uint64(b.frac)
	if frac >= r.count {
		ns, frac = ns+1, frac-r.count
	}
	return instant{ns, uint32(frac)} //nolint:gosec // below count
}

func (r *rule) sub(a, b instant) instant {
	ns, frac := a.ns-b.ns, uint64(a.frac)
	if a.frac < b.frac {
		ns, frac = ns-1, frac+r.count
	}
	return instant{ns, uint32(frac - uint64(b.frac))} //nolint:gosec // below count
}

// ceil is the first nanosecond that is not before a.
func (a instant) ceil() int64 {
	if a.frac > 0 {
		return a.ns + 1
	}
	return a.ns
}

// take returns the arrival time after n more requests at now, and whether they
// may pass.
func (r *rule) take(tat instant, now int64, n uint64) (next instant, ok bool) {
	return r.move(tat, now, r.cost(n))
}

// move is take for the step that a cost comes to, which takes a division.
func (r *rule) move(tat instant, now int64, step instant) (next instant, ok bool) {
	start := instant{ns: now}
	if tat.after(start) {
		start = tat
	}
	next = r.add(start, step)
	return next, !next.after(r.add(instant{ns: now}, r.span))
}

// left is how many requests may pass at now.
func (r *rule) left(tat instant, now int64) uint64 {
	if !tat.after(instant{ns: now}) {
		return r.burst
	}
	d := r.sub(r.add(instant{ns: now}, r.span), tat)
	if d.ns < 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(d.ns), r.count)
	lo, carry := bits.Add64(lo, uint64(d.frac), 0)
	n, _ := bits.Div64(hi+carry, lo, r.per) // at most the burst
	return n
}

// wait is how many nanoseconds after now n requests may pass, if none pass
// before.
func (r *rule) wait(tat instant, now int64, n uint64) int64 {
	return max(0, r.sub(r.add(tat, r.cost(n)), r.add(instant{ns: now}, r.span)).ceil())
}

// whole is how many nanoseconds after now the burst is whole again.
func (r *rule) whole(tat instant, now int64) int64 {
	return max(0, r.sub(tat, instant{ns: now}).ceil())
}
