package usage

import "sync/atomic"

// A lease is a reservation as its node has it. Of what was granted, each credit
// is in one place: left, spent, returned, or with a request that runs.
type lease struct {
	purse *purse
	id    ReservationID
	left  atomic.Int64
	spent atomic.Int64 // by requests that are over
	until atomic.Int64 // by the ledger's clock: from then on nothing is taken
	low   atomic.Int64 // with less left, the ledger reserves more
	used  atomic.Bool  // since somebody looked

	// Guarded by purse.asking.
	granted, returned int64
	told              int64 // when the store last heard of it, by the ledger's clock; 0 for never
	unsure            bool  // the store may have granted more than it could say
	unused            int   // how often nobody had spent of it when somebody looked
}

// take takes cost, or nothing.
func (e *lease) take(cost, now int64) bool {
	if now >= e.until.Load() {
		return false
	}
	for {
		left := e.left.Load()
		if left < cost {
			return false
		}
		if e.left.CompareAndSwap(left, left-cost) {
			if !e.used.Load() { // who spends at the same time does not wait for the other's write
				e.used.Store(true)
			}
			if left-cost < e.low.Load() {
				e.purse.runsLow()
			}
			return true
		}
	}
}

// settle ends what a request has taken: cost of it was spent.
func (e *lease) settle(taken, cost int64) {
	if taken > cost {
		e.left.Add(taken - cost)
	}
	e.spent.Add(cost)
}

// ask says of e what the store has to know. Unless it is to be kept, it is closed
// when no request runs on it. Guarded by purse.asking.
func (e *lease) ask(keep bool) Ask {
	cfg := &e.purse.ledger.cfg
	spent := e.spent.Load()
	return Ask{
		Subject: e.purse.subject, ID: e.id, Granted: e.granted, Spent: spent, Returned: e.returned,
		Close: !keep && e.granted == spent+e.returned, Favour: cfg.CrashFavoursCustomer, Term: cfg.Term,
	}
}
