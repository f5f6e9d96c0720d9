package usage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

const (
	// maxBatch is how many purses one transaction of the background is about.
	maxBatch = 256

	// maxCalls is how often the store is asked to find what a failure is due to.
	maxCalls = 64

	// maxUnused is for how many intervals a reservation may lie idle: whoever sends a
	// request now and then does not cause two writes for each.
	maxUnused = 5
)

// An order is what the store is asked at once.
type order struct {
	asks   []Ask
	purses []*purse // of each ask
	leases []*lease
	held   []*purse // whose asking is taken
}

func (o *order) add(p *purse, e *lease, a Ask) {
	o.asks, o.purses, o.leases = append(o.asks, a), append(o.purses, p), append(o.leases, e)
}

func (o *order) hold(p *purse) { o.held = append(o.held, p) }

func (o *order) release() {
	for _, p := range o.held {
		<-p.asking
	}
}

// send asks the store, and takes in what it says.
func (l *Ledger) send(ctx context.Context, o *order) error {
	at, sent := time.Now(), l.now()
	grants, err := l.cfg.Store.Reserve(ctx, at, o.asks)
	if err == nil && len(grants) != len(o.asks) {
		err = errors.New("usage: the store answered something else than it was asked")
	}
	if err != nil {
		err = fmt.Errorf("usage: reserve credits: %w", err)
		now := l.now()
		for i, p := range o.purses {
			p.fail(o.leases[i], err, now)
		}
		return err
	}
	for i, p := range o.purses {
		p.hear(o.leases[i], &o.asks[i], &grants[i], sent, at)
	}
	return nil
}

// work runs until the ledger is closed.
func (l *Ledger) work() {
	tick := time.NewTicker(l.cfg.Interval)
	defer tick.Stop()
	var reported time.Time
	for {
		var err error
		select {
		case <-l.ctx.Done():
			return
		case p := <-l.wake:
			err = l.topUp(p)
		case <-tick.C:
			err = l.sweep()
		}
		if err == nil || l.ctx.Err() != nil {
			continue
		}
		if time.Since(reported) > reportPause {
			l.cfg.Log.Warn("credits cannot be reserved: what is held is spent, then requests get 503", slog.String("error", err.Error()))
			reported = time.Now()
		}
		select { // requests that need more ask by themselves meanwhile
		case <-l.ctx.Done():
			return
		case <-time.After(failurePause):
		}
	}
}

// reportPause is how often the log hears of a store that is away.
const reportPause = 10 * time.Second

// topUp reserves more for p, and for the others that run low.
func (l *Ledger) topUp(p *purse) error {
	var o order
	defer func() { o.release() }()
	for n := 0; ; n++ {
		p.queued.Store(false)
		if p.tryHold(&o) {
			p.low(&o, l.now())
		}
		if n == maxBatch {
			break
		}
		select {
		case p = <-l.wake:
			continue
		default:
		}
		break
	}
	return l.sendInBackground(&o)
}

// tryHold takes asking when nobody has it.
func (p *purse) tryHold(o *order) bool {
	select {
	case p.asking <- struct{}{}:
		o.hold(p)
		return !p.dead
	default:
		return false
	}
}

// low adds to o what p wants in advance.
func (p *purse) low(o *order, now int64) {
	if e := p.lease.Load(); e != nil && now < e.until.Load() && e.left.Load() < e.low.Load() {
		p.grow(o, now, 0, p.waiting.Load())
	}
}

func (l *Ledger) sendInBackground(o *order) error {
	if len(o.asks) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(l.ctx, l.cfg.Timeout)
	defer cancel()
	return l.sendApart(ctx, o)
}

// sendApart sends o, and when that fails its halves, and so on: one account that
// cannot be read must not hold up the others.
func (l *Ledger) sendApart(ctx context.Context, o *order) error {
	calls := maxCalls
	return l.sendHalves(ctx, o, &calls)
}

func (l *Ledger) sendHalves(ctx context.Context, o *order, calls *int) error {
	err := l.send(ctx, o)
	*calls--
	half := len(o.asks) / 2
	if err == nil || half == 0 || *calls <= 0 || ctx.Err() != nil {
		return err
	}
	first := order{asks: o.asks[:half], purses: o.purses[:half], leases: o.leases[:half]}
	second := order{asks: o.asks[half:], purses: o.purses[half:], leases: o.leases[half:]}
	return errors.Join(l.sendHalves(ctx, &first, calls), l.sendHalves(ctx, &second, calls))
}

// sweep gives back what lies idle, says that this node lives, and forgets who
// holds nothing.
func (l *Ledger) sweep() error {
	var errs []error
	var batch []*purse
	for i := range l.shards {
		at := &l.shards[i]
		at.mu.RLock()
		for _, p := range at.purses {
			batch = append(batch, p)
		}
		at.mu.RUnlock()
		for len(batch) > 0 && (len(batch) >= maxBatch || i == shards-1) {
			n := min(len(batch), maxBatch)
			errs = append(errs, l.tidy(batch[:n]))
			batch = batch[n:]
		}
	}
	return errors.Join(errs...)
}

func (l *Ledger) tidy(purses []*purse) error {
	var o order
	defer func() { o.release() }()
	for _, p := range purses {
		asks := len(o.asks)
		if p.tryHold(&o) {
			p.tidy(&o, l.now())
			if len(o.asks) == asks { // nothing to say: requests need not wait
				o.held = o.held[:len(o.held)-1]
				<-p.asking
			}
		}
	}
	return l.sendInBackground(&o)
}

// tidy adds to o what is to be said of p, if anything.
func (p *purse) tidy(o *order, now int64) {
	if e := p.lease.Load(); e != nil {
		e.unused++
		if e.used.Swap(false) {
			e.unused = 0
		}
		switch {
		case now >= e.until.Load(), e.unused > maxUnused:
			p.retire()
		case now-e.told > int64(p.ledger.cfg.Term/3):
			o.add(p, e, e.ask(true))
		}
	}
	p.settle(o, now)
	if p.lease.Load() != nil || len(p.old) > 0 || p.waiting.Load() > 0 {
		p.idle = 0
		return
	}
	if p.idle++; p.idle > 1 {
		p.ledger.forget(p)
	}
}

// lost tells that a reservation had been taken as lost, though this node lives:
// left of it was not spent.
func (l *Ledger) lost(s Subject, left int64) {
	l.cfg.Log.Warn("a reservation of credits was ended by the store: this node was silent for too long, or the database was restored",
		slog.String("kind", string(s.Kind)), slog.String("subject", s.ID), slog.Int64("left", left))
}
