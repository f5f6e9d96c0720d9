package ratelimit

import (
	"errors"
	"fmt"
	"slices"

	"github.com/warder-dev/warder/exchange"
)

// A Plan is a quota for some subjects in place of the limit's own: what a key's
// record or a token says that its holder may have.
type Plan struct {
	Name  string // as a limit's. Required.
	Quota Quota  // Required.

	// For reports whether the plan is x's. It should depend on nothing but what makes
	// the subject: a subject with two plans has both quotas. It is called by many at
	// once. Required.
	For func(x *exchange.Exchange) bool
}

// plan is a Plan and the limit that counts by it: in a table of its own.
type plan struct {
	Plan
	limit *Limit
}

const maxPlans = 16

// addPlans makes the limits of the plans. Those that before had count on; it may be
// nil.
func (l *Limit) addPlans(cfg *LimitConfig, before *Limit) error {
	if n := len(cfg.Plans); n > maxPlans {
		return fmt.Errorf("there are %d Plans, want at most %d", n, maxPlans)
	}
	var errs []error
	var names []string
	for i, p := range cfg.Plans {
		r, err := p.Quota.rule()
		switch {
		case !validName(p.Name) || slices.Contains(names, p.Name):
			errs = append(errs, fmt.Errorf("plan %d: want a Name of its own of 1 to %d lower-case letters, digits and ._-", i, maxName))
		case p.For == nil:
			errs = append(errs, fmt.Errorf("plan %q has no For", p.Name))
		case err != nil:
			errs = append(errs, fmt.Errorf("plan %q: %w", p.Name, err))
		case l.cost > r.burst:
			errs = append(errs, fmt.Errorf("plan %q: the Cost is %d, more than its burst, %d", p.Name, l.cost, r.burst))
		default:
			own := l.variant(r, p.Quota, cfg.Capacity)
			if t := before.tableOfPlan(p.Name, r); t != nil {
				own.table = t
			}
			l.plans = append(l.plans, plan{Plan: p, limit: own})
		}
		names = append(names, p.Name)
	}
	return errors.Join(errs...)
}

// variant is l with another quota. It shares everything but the counters of its
// subjects, which have the same keys.
func (l *Limit) variant(r rule, q Quota, capacity int) *Limit {
	v := *l
	v.base, v.plans, v.rule, v.policy, v.table = l, nil, r, policy(l.name, q), newTable(r, capacity)
	v.step = r.cost(min(l.cost, r.burst)) // an override may be smaller: withCost comes then
	return &v
}

// of returns the limit that counts x, whose subject is key.
func (l *Limit) of(x *exchange.Exchange, key uint64) *Limit {
	if all := l.overrides.known.Load(); all != nil {
		if o, ok := (*all)[Subject(key)]; ok && o.holds() {
			return o.limit.withCost(l.cost)
		}
	}
	if own := l.broughtBy(&x.Principal); own != nil {
		return own.withCost(l.cost)
	}
	for i := range l.plans {
		if l.plans[i].For(x) {
			return l.plans[i].limit
		}
	}
	return l
}

// withCost is l for another cost, at most its burst.
func (l *Limit) withCost(cost uint64) *Limit {
	if cost = min(cost, l.rule.burst); cost == l.cost {
		return l
	}
	c := *l
	c.cost, c.step = cost, c.rule.cost(cost)
	return &c
}
