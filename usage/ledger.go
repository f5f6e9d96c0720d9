package usage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// LedgerConfig configures a [Ledger].
type LedgerConfig struct {
	_     [0]func()
	Store Store        // Required.
	Log   *slog.Logger // Required.

	// CrashFavoursCustomer gives back what a node had reserved when it ends without
	// a word, once its Term is over, though a part of it may have been spent: then
	// that part was for nothing. By default it is lost to the customer, and nothing is
	// ever spent twice. Either way it is at most one reservation of an account for
	// each crash; an account's Lost tells how much it was.
	CrashFavoursCustomer bool

	// MinReserve and MaxReserve are how many credits are reserved at a time: it
	// begins with the first and adapts, so that a reservation lasts about Interval.
	// 1 to 1,000,000, the first not more than the second. Default 10 and 1000. A
	// request that costs more, and requests that wait together, get what they need.
	MinReserve, MaxReserve int64

	// Interval is how often what lies idle is given back, and for how long the answer
	// that an account is empty, or none, is believed: 100ms to 1m. Default 1s.
	Interval time.Duration

	// Term is for how long a reservation holds without a word from its node. While
	// the store is away, requests pass on what is reserved for that long. 5 times
	// Interval at least, to 1h. Default 1m.
	Term time.Duration

	// Timeout is how long a request waits for the store, 10ms to 1m. Default 2s.
	Timeout time.Duration

	// Capacity is for how many subjects credits are held at once, at some 500 bytes
	// each: 1 to 16,777,216. Default 100,000. Subjects beyond it are answered 503. Who
	// asked for nothing during two times Interval does not count.
	Capacity int
}

func (c *LedgerConfig) complete() error {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&c.Interval, time.Second)
	set(&c.Term, max(time.Minute, 5*c.Interval))
	set(&c.Timeout, 2*time.Second)
	if c.MinReserve == 0 {
		c.MinReserve = 10
	}
	if c.MaxReserve == 0 {
		c.MaxReserve = max(1000, c.MinReserve)
	}
	if c.Capacity == 0 {
		c.Capacity = 100_000
	}
	var errs []error
	for _, rule := range []struct {
		broken bool
		text   string
	}{
		{c.Store == nil, "there is no Store"},
		{c.Log == nil, "there is no Log"},
		{c.MinReserve < 1 || c.MinReserve > c.MaxReserve, "MinReserve is not 1 to MaxReserve"},
		{c.MaxReserve > maxReserve, "MaxReserve is over 1,000,000"},
		{c.Interval < 100*time.Millisecond || c.Interval > time.Minute, "Interval is not 100ms to 1m"},
		{c.Term < 5*c.Interval || c.Term > time.Hour, "Term is not 5 times Interval to 1h"},
		{c.Timeout < 10*time.Millisecond || c.Timeout > time.Minute, "Timeout is not 10ms to 1m"},
		{c.Capacity < 1 || c.Capacity > 1<<24, "Capacity is not 1 to 16,777,216"},
	} {
		if rule.broken {
			errs = append(errs, errors.New("usage: "+rule.text))
		}
	}
	return errors.Join(errs...)
}

const (
	maxReserve = 1_000_000
	shards     = 64

	// failurePause is for how long the answer that there was none is given to others,
	// so that not every request waits for a store that is away.
	failurePause = 100 * time.Millisecond
)

// Errors for which a request is answered 503.
var (
	errClosed = errors.New("usage: the ledger is closed")
	errFull   = errors.New("usage: credits are held for as many subjects as Capacity allows; raise it")
)

// A Ledger is what one node holds of accounts. It is safe for concurrent use.
// Close it, so that what was not spent goes back.
type Ledger struct {
	cfg    LedgerConfig
	began  time.Time // with the monotonic clock: setting the wall clock changes no term
	seed   maphash.Seed
	shards [shards]shard
	count  atomic.Int64 // of purses
	wake   chan *purse  // whose reservations run low

	ctx    context.Context // of what runs in the background
	stop   context.CancelFunc
	worked sync.WaitGroup
	closed atomic.Bool
}

// A shard is a part of the purses.
type shard struct {
	mu     sync.RWMutex
	purses map[Subject]*purse
}

// NewLedger reports everything that is wrong with cfg at once.
func NewLedger(cfg LedgerConfig) (*Ledger, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	l := &Ledger{cfg: cfg, began: time.Now(), seed: maphash.MakeSeed(), wake: make(chan *purse, 1024), ctx: ctx, stop: stop}
	for i := range l.shards {
		l.shards[i].purses = make(map[Subject]*purse)
	}
	l.worked.Go(l.work)
	return l, nil
}

// now is the time of the ledger's clock, in nanoseconds; never 0.
func (l *Ledger) now() int64 { return int64(time.Since(l.began)) + 1 }

func (l *Ledger) shard(s Subject) *shard {
	return &l.shards[maphash.String(l.seed, s.ID)%shards]
}

// find returns the purse of s, nil when there is none.
func (l *Ledger) find(s Subject) *purse {
	at := l.shard(s)
	at.mu.RLock()
	defer at.mu.RUnlock()
	return at.purses[s]
}

// open returns the purse of s, made at its first use.
func (l *Ledger) open(s Subject) (*purse, error) {
	if p := l.find(s); p != nil {
		return p, nil
	}
	at := l.shard(s)
	at.mu.Lock()
	defer at.mu.Unlock()
	if p := at.purses[s]; p != nil {
		return p, nil
	}
	if l.count.Add(1) > int64(l.cfg.Capacity) {
		l.count.Add(-1)
		return nil, errFull
	}
	p := newPurse(l, s)
	at.purses[s] = p
	return p, nil
}

// forget drops p, which nobody asks for and which holds nothing.
func (l *Ledger) forget(p *purse) {
	at := l.shard(p.subject)
	at.mu.Lock()
	defer at.mu.Unlock()
	p.dead = true
	delete(at.purses, p.subject)
	l.count.Add(-1)
}

// spend takes cost credits of s: from what is held, or, when that is not enough,
// from what the store gives now. The lease is nil when the credits were not
// there; the answer then says why. The error means that nobody knows.
func (l *Ledger) spend(ctx context.Context, s Subject, cost int64) (*lease, *answer, error) {
	if p := l.find(s); p != nil {
		if lease := p.take(cost, l.now()); lease != nil {
			return lease, nil, nil
		}
	} else if invalid := s.Check(); invalid != nil {
		return nil, &answer{}, nil //nolint:nilerr // an owner that a token names may be anything: nobody like that has an account
	}
	for {
		p, err := l.open(s)
		if err != nil {
			return nil, nil, err
		}
		lease, answer, err := p.obtain(ctx, cost)
		if !errors.Is(err, errDead) {
			return lease, answer, err
		}
	}
}

// look reports whether s has cost credits, and changes nothing.
func (l *Ledger) look(ctx context.Context, s Subject, cost int64) (Account, bool, error) {
	if s.Check() != nil {
		return Account{}, false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Timeout)
	defer cancel()
	a, err := l.cfg.Store.Account(ctx, s, time.Now())
	if errors.Is(err, ErrNoAccount) {
		return Account{}, false, nil
	}
	if err == nil && a.Balance < cost {
		if p := l.find(s); p != nil {
			a.Balance += p.left(l.now())
		}
	}
	return a, true, err
}

// known returns how much s has left, as far as this node knows; false when it
// knows nothing.
func (l *Ledger) known(s Subject) (int64, bool) {
	p := l.find(s)
	if p == nil {
		return 0, false
	}
	a := p.last.Load()
	if a == nil || !a.found {
		return 0, false
	}
	return a.balance + p.left(l.now()), true
}

// Close gives back everything that requests have not spent; those that still run
// are charged in whole. Requests that come later are answered 503. It returns
// when the store has it all, or with an error that says that it does not.
func (l *Ledger) Close(ctx context.Context) error {
	if l.closed.Swap(true) {
		return nil
	}
	l.stop()
	l.worked.Wait()
	var errs []error
	var batch []*purse
	for i := range l.shards {
		at := &l.shards[i]
		at.mu.RLock()
		for _, p := range at.purses {
			batch = append(batch, p)
		}
		at.mu.RUnlock()
	}
	for len(batch) > 0 {
		n := min(len(batch), maxBatch)
		errs = append(errs, l.giveUp(ctx, batch[:n]))
		batch = batch[n:]
	}
	return errors.Join(errs...)
}

// giveUp ends all reservations of the purses.
func (l *Ledger) giveUp(ctx context.Context, purses []*purse) error {
	var o order
	defer o.release()
	for _, p := range purses {
		select {
		case p.asking <- struct{}{}:
		case <-ctx.Done():
			return fmt.Errorf("usage: give credits back: %w", ctx.Err())
		}
		o.hold(p)
		p.retire()
		for _, e := range p.old {
			e.returned += e.left.Swap(0)
			e.spent.Store(e.granted - e.returned)
			o.add(p, e, e.ask(false))
		}
	}
	if len(o.asks) == 0 {
		return nil
	}
	if err := l.sendApart(ctx, &o); err != nil {
		return fmt.Errorf("usage: give credits back: %w", err)
	}
	return nil
}

// draw returns a new id.
func draw() (id ReservationID) {
	_, _ = rand.Read(id[:]) // it never fails: crypto/rand ends the program first
	return id
}
