package ratelimittest

import (
	"math/big"
	"time"

	"github.com/warder-dev/warder/ratelimit"
)

// An Oracle is one subject of a quota in numbers of any size: what a store is
// measured by. The zero time is its beginning.
type Oracle struct {
	interval, span, tat *big.Rat
	count               int64
}

// NewOracle returns a subject with its whole burst.
func NewOracle(q ratelimit.Quota) *Oracle {
	if q.Burst == 0 {
		q.Burst = q.Count
	}
	interval := big.NewRat(int64(q.Per), int64(q.Count))
	return &Oracle{interval, new(big.Rat).Mul(interval, big.NewRat(int64(q.Burst), 1)), new(big.Rat), int64(q.Count)}
}

// Would reports whether cost may pass at now, in nanoseconds.
func (o *Oracle) Would(now int64, cost int) bool {
	return o.next(now, cost).Cmp(new(big.Rat).Add(number(now), o.span)) <= 0
}

// Count counts cost at now.
func (o *Oracle) Count(now int64, cost int) { o.tat = o.next(now, cost) }

// Force counts cost at now, whether it may pass or not; more than one burst beyond
// the limit is never owed.
func (o *Oracle) Force(now int64, cost int) {
	most := new(big.Rat).Add(number(now), new(big.Rat).Mul(o.span, big.NewRat(2, 1)))
	if o.tat = o.next(now, cost); o.tat.Cmp(most) > 0 {
		o.tat = most
	}
}

func (o *Oracle) next(now int64, cost int) *big.Rat {
	next := new(big.Rat).Mul(o.interval, big.NewRat(int64(cost), 1))
	if n := number(now); o.tat.Cmp(n) < 0 {
		return next.Add(next, n)
	}
	return next.Add(next, o.tat)
}

// Debt is how long the burst takes to be whole again at now, as a [ratelimit.Claim]
// says it.
func (o *Oracle) Debt(now int64) (time.Duration, int) {
	d := new(big.Rat).Sub(o.tat, number(now))
	if d.Sign() <= 0 {
		return 0, 0
	}
	whole, rest := new(big.Int).DivMod(d.Num(), d.Denom(), new(big.Int))
	part := new(big.Rat).SetFrac(rest, d.Denom())
	part.Mul(part, big.NewRat(o.count, 1))
	return time.Duration(whole.Int64()), int(part.Num().Int64())
}

func number(n int64) *big.Rat { return new(big.Rat).SetInt64(n) }
