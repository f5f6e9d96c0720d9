package usage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// A purse is what a ledger has of one subject.
type purse struct {
	ledger  *Ledger
	subject Subject
	lease   atomic.Pointer[lease] // what is spent from; nil for none
	last    atomic.Pointer[answer]
	waiting atomic.Int64 // credits that requests wait for
	queued  atomic.Bool  // it is on its way to the background

	// asking has room for one: whoever has put something in may ask the store, and
	// touch what is below.
	asking chan struct{}
	old    []*lease // nothing is taken from them any more
	size   int64    // credits to reserve at a time
	grown  int64    // when it last asked for more, by the ledger's clock
	idle   int      // how often it held nothing when somebody looked
	dead   bool     // it is no longer the subject's
}

// An answer is what the store last said. It is immutable.
type answer struct {
	found   bool
	balance int64
	next    time.Time
	then    int64

	// By the ledger's clock, until when the following is believed.
	until int64
	short int64 // a cost that was not there; 0 for none
	err   error // why there was no answer
}

func newPurse(l *Ledger, s Subject) *purse {
	return &purse{ledger: l, subject: s, asking: make(chan struct{}, 1), size: l.cfg.MinReserve}
}

// take takes cost from what is held; nil when it is not there.
func (p *purse) take(cost, now int64) *lease {
	if e := p.lease.Load(); e != nil && e.take(cost, now) {
		return e
	}
	return nil
}

// left is how much may still be taken.
func (p *purse) left(now int64) int64 {
	if e := p.lease.Load(); e != nil && now < e.until.Load() {
		return e.left.Load()
	}
	return 0
}

// runsLow tells the background to reserve more.
func (p *purse) runsLow() {
	if p.queued.Load() || !p.queued.CompareAndSwap(false, true) {
		return
	}
	select {
	case p.ledger.wake <- p:
	default: // so many wait that this one asks when it needs to
		p.queued.Store(false)
	}
}

// remembered returns what the store said a moment ago, if that answers cost.
func (p *purse) remembered(cost, now int64) *answer {
	a := p.last.Load()
	if a == nil || now >= a.until || a.err == nil && a.found && (a.short == 0 || cost < a.short) {
		return nil
	}
	return a
}

var (
	errDead = errors.New("usage: the purse is no longer the subject's")
	errBusy = errors.New("usage: what was reserved for a request was taken by others, again and again")
)

// maxTries is how often a request asks the store when others take what it gave.
const maxTries = 8

// obtain takes cost from what the store gives now; see [Ledger.spend].
func (p *purse) obtain(ctx context.Context, cost int64) (*lease, *answer, error) {
	l := p.ledger
	if a := p.remembered(cost, l.now()); a != nil {
		return nil, a, a.err
	}
	deadline := time.Now().Add(l.cfg.Timeout)
	wait, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	p.waiting.Add(cost)
	select {
	case p.asking <- struct{}{}:
	case <-wait.Done():
		p.waiting.Add(-cost)
		return nil, nil, fmt.Errorf("usage: wait for the store: %w", wait.Err())
	}
	defer func() {
		p.waiting.Add(-cost) // before others may ask: they would ask for this one too
		<-p.asking
	}()
	// Others wait for the answer too: it is not given up when this one leaves.
	ask, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	defer cancel()
	return p.request(ask, cost)
}

// request is obtain for whoever may ask.
func (p *purse) request(ctx context.Context, cost int64) (*lease, *answer, error) {
	l := p.ledger
	for range maxTries {
		now := l.now()
		if p.dead {
			return nil, nil, errDead
		}
		if l.closed.Load() {
			return nil, nil, errClosed
		}
		if e := p.take(cost, now); e != nil {
			return e, nil, nil
		}
		if a := p.remembered(cost, now); a != nil { // by those who asked while this one waited
			return nil, a, a.err
		}
		var o order
		p.settle(&o, now)
		p.grow(&o, now, cost, max(cost, p.waiting.Load()))
		if err := l.send(ctx, &o); err != nil {
			return nil, nil, err
		}
		now = l.now()
		if e := p.take(cost, now); e != nil {
			return e, nil, nil
		}
		if a := p.last.Load(); !a.found || a.balance+p.left(now) < cost {
			return nil, p.remember(a, cost, now), nil
		}
	}
	return nil, nil, errBusy
}

// remember keeps for others that cost was not there.
func (p *purse) remember(a *answer, cost, now int64) *answer {
	short := *a
	short.short, short.until = cost, now+int64(p.ledger.cfg.Interval)
	if !a.next.IsZero() {
		short.until = min(short.until, now+int64(max(0, time.Until(a.next))))
	}
	p.last.Store(&short)
	return &short
}

// settle adds to o what the store has to hear of leases that have ended.
func (p *purse) settle(o *order, now int64) {
	if e := p.lease.Load(); e != nil && e.granted > 0 && now >= e.until.Load() {
		p.retire()
	}
	for _, e := range p.old {
		e.returned += e.left.Swap(0) // what requests gave back since
		if a := e.ask(false); a.Close || now-e.told > int64(p.ledger.cfg.Term/3) {
			o.add(p, e, a)
		}
	}
}

// grow adds to o that requests wait for need, and one of them for least.
func (p *purse) grow(o *order, now, least, need int64) {
	e := p.lease.Load()
	if e == nil {
		e = &lease{purse: p, id: draw()}
		p.lease.Store(e)
	}
	p.adapt(e, now)
	left := e.left.Load()
	a := e.ask(true)
	a.Least = max(0, least-left)
	a.Need = max(a.Least, need-left)
	a.Want, a.Step = max(a.Need, p.size-left), p.ledger.cfg.MinReserve
	o.add(p, e, a)
}

// adapt makes reservations last about an interval: half of one is spent when the
// next is asked for.
func (p *purse) adapt(e *lease, now int64) {
	cfg := &p.ledger.cfg
	if p.grown > 0 && e.low.Load() > 0 { // what was there in advance
		switch took := time.Duration(now - p.grown); {
		case took < cfg.Interval/2:
			p.size = min(2*p.size, cfg.MaxReserve)
		case took > 4*cfg.Interval:
			p.size = max(p.size/2, cfg.MinReserve)
		}
	}
	p.grown = now
}

// retire ends the lease: what is left of it goes back.
func (p *purse) retire() {
	e := p.lease.Swap(nil)
	if e == nil || e.granted == 0 && !e.unsure {
		return
	}
	e.until.Store(0)
	e.returned += e.left.Swap(0)
	p.old = append(p.old, e)
}

// hear takes in what the store answered to a at the time at, which was sent by
// the ledger's clock.
func (p *purse) hear(e *lease, a *Ask, g *Grant, sent int64, at time.Time) {
	e.told, e.unsure = sent, false
	p.last.Store(&answer{found: g.Found, balance: g.Balance, next: g.Next, then: g.Then, until: p.believed(g, sent)})
	switch more := g.Granted - e.granted; {
	case a.Close:
		p.drop(e)
	case g.Gone, !g.Found, more < 0:
		left := e.left.Swap(0)
		p.drop(e)
		if e.granted > 0 {
			p.ledger.lost(p.subject, left)
		}
	case g.Ended:
		if p.lease.Load() == e {
			p.retire()
		}
	default:
		e.granted += more
		e.left.Add(more)
		if p.lease.Load() != e { // it has ended: what it got goes back the next time
			return
		}
		switch {
		case more > a.Need:
			e.low.Store(max(1, e.left.Load()/2))
		case a.Want > 0:
			e.low.Store(0)
		}
		e.until.Store(p.ends(g, sent, at))
	}
}

// believed is until when it holds that there is no account; 0 when there is one.
func (p *purse) believed(g *Grant, sent int64) int64 {
	if g.Found {
		return 0
	}
	return sent + int64(p.ledger.cfg.Interval)
}

// ends is when nothing more may be taken of what was granted: at the next refill,
// or when the node would be taken as gone.
func (p *purse) ends(g *Grant, sent int64, at time.Time) int64 {
	cfg := &p.ledger.cfg
	until := sent + int64(cfg.Term)
	if g.Next.IsZero() {
		return until
	}
	toRefill := g.Next.Sub(at)
	if toRefill <= 0 { // the store's clock is behind: it knows when the time has come
		toRefill = cfg.Interval
	}
	return min(until, sent+int64(toRefill))
}

// drop forgets e.
func (p *purse) drop(e *lease) {
	e.until.Store(0)
	p.lease.CompareAndSwap(e, nil)
	p.old = slices.DeleteFunc(p.old, func(o *lease) bool { return o == e })
}

// fail notes that there was no answer about e.
func (p *purse) fail(e *lease, err error, now int64) {
	e.unsure = true
	failed := answer{}
	if a := p.last.Load(); a != nil {
		failed = *a
	}
	failed.err, failed.until = err, now+int64(failurePause)
	p.last.Store(&failed)
}
