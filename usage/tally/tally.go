package tally

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/warder-dev/warder/exchange"
)

// Other stands for keys and routes beyond [Config.Cells].
const Other = "other"

// Config configures a [Tally].
type Config struct {
	_ [0]func()

	Store Store // required
	// Flush is the time between two writes: 1 s to 1 min, default 10 s. It is what a
	// crash costs.
	Flush time.Duration
	// Cells bounds the pairs of key and route that are told apart within a minute: at
	// least 64, default 10,000. Each takes some 250 bytes, and up to 800 more for the
	// addresses of a key.
	Cells int
	// Blind is for how long keys pass while the store gives no answer, 1 s to 24 h,
	// default 1 hour: when a process ends without a word, what it may have counted
	// until then is not known. See [Complete].
	Blind time.Duration
	// Scopes returns the scopes that a key must have for the route; nil for none. May
	// be nil.
	Scopes func(route string) []string
	// Keep is for how long rows are kept; the zero value is [DefaultRetention].
	Keep Retention
	Log  *slog.Logger // required
}

// Retention is for how long rows of each resolution are kept, at least one hour.
type Retention struct{ Minutes, Hours, Days time.Duration }

// DefaultRetention keeps minutes for 2 days, hours for 60 and days for 2 years.
func DefaultRetention() Retention {
	const day = 24 * time.Hour
	return Retention{Minutes: 2 * day, Hours: 60 * day, Days: 730 * day}
}

// Defaults and bounds of [Config].
const (
	DefaultFlush = 10 * time.Second
	DefaultCells = 10_000
	leastCells   = 64
	shards       = 16
	flushTimeout = 30 * time.Second
	pruneEvery   = time.Hour
	maxPending   = 20 * shards // batches that wait while the store is away
)

// A Tally counts requests. It is an [exchange.Finisher] and safe for concurrent
// use.
type Tally struct {
	cfg    Config
	seed   maphash.Seed
	shards [shards]shard
	stop   context.CancelFunc
	done   chan struct{}

	pending []Batch // what the store did not take; of the goroutine that flushes
	voucher voucher

	overflowed atomic.Uint64
	lost       atomic.Uint64
	unknown    atomic.Uint64 // uses of secrets that nobody will know of
}

// A shard counts some of the keys.
type shard struct {
	mu    sync.Mutex
	keys  map[string]*cell
	cells int // routes of all keys
	spare Batch
	_     [64]byte // of its own cache line
}

// New begins to count.
func New(cfg Config) (*Tally, error) {
	if cfg.Flush == 0 {
		cfg.Flush = DefaultFlush
	}
	if cfg.Cells == 0 {
		cfg.Cells = DefaultCells
	}
	if cfg.Blind == 0 {
		cfg.Blind = time.Hour
	}
	if cfg.Keep == (Retention{}) {
		cfg.Keep = DefaultRetention()
	}
	if cfg.Scopes == nil {
		cfg.Scopes = func(string) []string { return nil }
	}
	var errs []error
	if cfg.Store == nil || cfg.Log == nil {
		errs = append(errs, errors.New("tally: no store or no logger"))
	}
	if cfg.Flush < time.Second || cfg.Flush > time.Minute || cfg.Cells < leastCells {
		errs = append(errs, errors.New("tally: want a flush of 1 s to 1 min, and 64 cells or more"))
	}
	if cfg.Blind < time.Second || cfg.Blind > silent {
		errs = append(errs, errors.New("tally: Blind: want 1 s to 24 h"))
	}
	if k := cfg.Keep; min(k.Minutes, k.Hours, k.Days) < time.Hour {
		errs = append(errs, errors.New("tally: want rows to be kept for an hour or more"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	t := &Tally{cfg: cfg, seed: maphash.MakeSeed(), stop: cancel, done: make(chan struct{}), voucher: newVoucher(cfg.Store, cfg.Blind)}
	for i := range t.shards {
		t.shards[i].keys = make(map[string]*cell)
	}
	go t.run(ctx)
	return t, nil
}

// Done counts what came of x. It allocates nothing for a key and a route that were
// seen within the minute.
func (t *Tally) Done(x *exchange.Exchange, o exchange.Outcome) {
	if x.Dry {
		return
	}
	t.count(sample{
		key: x.Principal.KeyID, secret: x.Principal.SecretNumber, route: x.Route, client: prefixOf(x.Client),
		outcome: outcomeOf(o), at: x.Start.Add(o.Duration).Unix(),
	})
}

// A sample is one request.
type sample struct {
	key     string // "" for a request that no key was proven for
	secret  int
	route   string
	client  netip.Prefix
	outcome Outcome
	at      int64 // seconds since 1970
}

// prefixOf is what counts as one address: IPv6 by /64, which is one customer.
func prefixOf(a netip.Addr) netip.Prefix {
	if !a.IsValid() {
		return netip.Prefix{}
	}
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

func (t *Tally) count(s sample) {
	sh := &t.shards[maphash.String(t.seed, s.key)%shards]
	sh.mu.Lock()
	c := sh.keys[s.key]
	limit := t.cfg.Cells / shards
	if c == nil {
		if sh.cells >= limit && s.key != "" {
			sh.mu.Unlock()
			t.overflow(s)
			return
		}
		c = new(cell)
		sh.keys[s.key] = c
	}
	if !c.add(&s, sh.cells < limit) {
		t.overflowed.Add(1)
	} else if c.grown {
		c.grown = false
		sh.cells++
	}
	if c.pushed {
		c.pushed = false
		t.unknown.Add(1)
	}
	sh.mu.Unlock()
}

// Used notes that a secret of a key is in use, and counts no request: for a stream
// that is still open, or a key that was verified for somebody else. It allocates
// nothing for a key that was seen within the minute.
func (t *Tally) Used(key string, number int) {
	if key == "" {
		return
	}
	sh := &t.shards[maphash.String(t.seed, key)%shards]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	c := sh.keys[key]
	if c == nil {
		if len(sh.keys) >= t.cfg.Cells/shards {
			t.unknown.Add(1)
			return
		}
		c = new(cell)
		sh.keys[key] = c
	}
	c.use(&sample{key: key, secret: number, at: time.Now().Unix()})
	if c.pushed {
		c.pushed = false
		t.unknown.Add(1)
	}
}

// overflow counts a request of a key that has no place.
func (t *Tally) overflow(s sample) {
	t.overflowed.Add(1)
	t.unknown.Add(1)
	sh := &t.shards[0]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	c := sh.keys[Other]
	if c == nil {
		c = new(cell)
		sh.keys[Other] = c
	}
	s.route, s.client, s.secret = Other, netip.Prefix{}, 0
	c.add(&s, true)
}

// Overflowed is how many requests were counted as [Other], for want of place.
func (t *Tally) Overflowed() uint64 { return t.overflowed.Load() }

// Lost is how many requests were counted and never written, because the store was
// away for too long.
func (t *Tally) Lost() uint64 { return t.lost.Load() }

func (t *Tally) run(ctx context.Context) {
	defer close(t.done)
	pruned := time.Time{}
	t.note(ctx, time.Now(), true)
	for {
		now := time.Now()
		next := now.Truncate(t.cfg.Flush).Add(t.cfg.Flush) // on the minute, so that few requests count for the next one
		timer := time.NewTimer(next.Sub(now))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		t.flush(ctx, next.Add(-t.cfg.Flush))
		if now := time.Now(); now.Sub(pruned) >= pruneEvery {
			pruned = now
			t.prune(ctx, now)
		}
	}
}

func (t *Tally) prune(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	if err := t.cfg.Store.Prune(ctx, now, t.cfg.Keep); err != nil && ctx.Err() == nil {
		t.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "usage that is out of date was not removed", slog.Any("error", err))
	}
}

// flush writes what was counted since began, a shard at a time. What the store does
// not take waits, up to a bound.
func (t *Tally) flush(ctx context.Context, began time.Time) {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	now := time.Now() // what ended before is counted
	minute := began.Truncate(time.Minute)
	over := !began.Add(t.cfg.Flush).Before(minute.Add(time.Minute)) // the last of this minute
	failed := t.again(ctx)
	for i := range t.shards {
		if err := t.flushShard(ctx, &t.shards[i], minute, over); err != nil {
			failed = err
		}
	}
	if failed != nil {
		t.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "usage was not written", slog.Any("error", failed))
	}
	t.note(ctx, now, len(t.pending) == 0)
}

// note says how far is counted. What fails is said again after the next flush.
func (t *Tally) note(ctx context.Context, now time.Time, whole bool) {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	if err := t.voucher.note(ctx, t, now, whole); err != nil && ctx.Err() == nil {
		t.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "the store does not know how far usage is counted", slog.Any("error", err))
	}
}

func (t *Tally) flushShard(ctx context.Context, sh *shard, minute time.Time, over bool) error {
	sh.mu.Lock()
	b := sh.spare
	b.reset(minute)
	for key, c := range sh.keys {
		c.drain(&b, key, t.cfg.Scopes)
		if over {
			delete(sh.keys, key)
		}
	}
	if over {
		sh.cells = 0
	}
	sh.mu.Unlock()
	if b.empty() {
		sh.spare = b // flushes do not overlap
		return nil
	}
	if err := t.cfg.Store.Add(ctx, &b); err != nil {
		sh.spare = Batch{}
		t.later(b)
		return err
	}
	sh.spare = b
	return nil
}

// later keeps b until the store answers again, or drops the oldest that waits.
func (t *Tally) later(b Batch) {
	if len(t.pending) >= maxPending {
		t.lost.Add(t.pending[0].requests())
		t.unknown.Add(1)
		t.pending = t.pending[1:]
	}
	t.pending = append(t.pending, b)
}

// again writes what waits.
func (t *Tally) again(ctx context.Context) error {
	for len(t.pending) > 0 {
		if err := t.cfg.Store.Add(ctx, &t.pending[0]); err != nil {
			return err
		}
		t.pending = t.pending[1:]
	}
	t.pending = nil
	return nil
}

// Close writes what was counted, and ends. Requests that end later count for nothing.
func (t *Tally) Close() error {
	t.stop()
	<-t.done
	t.flush(context.Background(), time.Now().Truncate(t.cfg.Flush))
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	whole := len(t.pending) == 0
	err := t.voucher.leave(ctx, t, time.Now(), whole)
	if !whole {
		return errors.New("tally: the store did not take the last counts")
	}
	return err
}
