package ratelimit

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/warder-dev/warder/exchange"
)

// WithCost returns l for requests that count cost, 1 to the burst of l and of each
// of its plans: the two count together. Use it for a route whose requests are
// dearer than others.
func (l *Limit) WithCost(cost int) (*Limit, error) {
	least := l.rule.burst
	for i := range l.plans {
		least = min(least, l.plans[i].limit.rule.burst)
	}
	if cost < 1 || uint64(cost) > least {
		return nil, fmt.Errorf("ratelimit: limit %q: the cost is %d, want 1 to the burst, %d", l.name, cost, least)
	}
	c := *l
	c.cost, c.step = uint64(cost), l.rule.cost(uint64(cost))
	c.plans = make([]plan, len(l.plans))
	for i, p := range l.plans {
		variant := *p.limit
		variant.cost, variant.step, variant.base = c.cost, variant.rule.cost(c.cost), &c
		c.plans[i] = plan{Plan: p.Plan, limit: &variant}
	}
	return &c, nil
}

// settle counts what the answer says beyond what was counted when the request
// came.
func (s *Stage) settle(x *exchange.Exchange, h http.Header) {
	for _, l := range s.limits {
		if values, told := h[l.costs]; told && !x.Dry && !s.bypasses(x) {
			s.settleOne(x, l, values)
		}
	}
	for _, l := range s.limits {
		if !s.cfg.KeepCostHeaders {
			delete(h, l.costs)
		}
	}
}

func (s *Stage) settleOne(x *exchange.Exchange, l *Limit, values []string) {
	n, ok := costOf(values)
	var some [1]wish
	for _, w := range wishes([]*Limit{l}, x, some[:0]) {
		most := w.limit.rule.burst
		if !ok || n > most {
			s.badCost(x, l.name)
		}
		if most = min(n, most); ok && most > w.limit.cost {
			w.charge(x, most-w.limit.cost)
		}
	}
}

func (s *Stage) badCost(x *exchange.Exchange, limit string) {
	if s.cfg.BadCost != nil {
		s.cfg.BadCost(x, limit)
	}
}

// costOf reads a cost: digits alone, once.
func costOf(values []string) (uint64, bool) {
	if len(values) != 1 {
		return 0, false
	}
	n, err := strconv.ParseUint(values[0], 10, 64)
	return n, err == nil && n <= maxCount && values[0][0] != '+'
}

// charge counts n more requests of w's subject, whether they may pass or not. Who
// owes more than a whole burst beyond the limit owes no more: the wait stays
// bounded whatever an upstream says.
func (w *wish) charge(x *exchange.Exchange, n uint64) {
	if w.limit.remote != nil {
		w.chargeShared(x, n)
		return
	}
	w.shard.mu.Lock()
	defer w.shard.mu.Unlock()
	r := &w.limit.rule
	now := w.limit.now()
	tat, slot := w.shard.find(w.key)
	next, _ := r.take(tat, now, n)
	if most := r.add(r.add(instant{ns: now}, r.span), r.span); next.after(most) {
		next = most
	}
	if !next.after(tat) {
		return
	}
	if slot < 0 && !w.limit.table.reserve(w.shard, now, w.limit.room) {
		return // everybody who is remembered is over the limit: so is whoever comes next
	}
	w.shard.set(w.key, slot, next)
}
