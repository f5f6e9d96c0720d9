package ratelimit

import (
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// ConcurrencyConfig configures a [Concurrency].
type ConcurrencyConfig struct {
	_ [0]func()

	// Name is the limit's, as that of a [LimitConfig]. Required.
	Name string

	// Max is how many requests of one subject may be under way at once: 1 to
	// 1,000,000. Required.
	Max int

	// By and SkipMissing say whose, as in a [LimitConfig]. By is required.
	By          []Part
	SkipMissing bool

	// Shadow counts and never refuses: Shadowed is told instead, and is required
	// then.
	Shadow   bool
	Shadowed func(x *exchange.Exchange, limit string)

	// Bypass leaves a request alone. It is called by many at once. nil for none.
	Bypass func(x *exchange.Exchange) bool

	// Previous is a Concurrency whose place this one takes, such as that of the
	// settings before. Where both have one Name and By, the requests that it let in keep
	// their places in both, which may be used at once. By [ByFunc] counts as the same
	// by its name. nil for none.
	Previous *Concurrency
}

// A Concurrency bounds how many requests of a subject are under way at once. A
// place is taken when the request comes and given back when it is over: whether
// it was answered, refused further in, cut short, panicked, or became a
// connection of another kind and ended as such. Memory grows with the requests
// under way, and with nothing else. It is safe for concurrent use.
type Concurrency struct {
	cfg     ConcurrencyConfig
	keys    Limit // for its subjects
	refusal *problem.Problem
	*places
}

// places are those that are taken, and what was decided about them.
type places struct {
	counts  counts
	taken   [manyPlaces]taken
	holders [manyPlaces]holders
}

func newPlaces() *places {
	p := new(places)
	for i := range manyPlaces {
		p.taken[i].by = make(map[uint64]int)
		p.holders[i].key = make(map[*exchange.Exchange]uint64)
	}
	return p
}

// manyPlaces is into how many parts the requests under way are divided, each with
// a lock of its own.
const manyPlaces = 16

// taken is how many requests of each subject are under way.
type taken struct {
	mu sync.Mutex
	by map[uint64]int
}

// holders are the requests that have a place, with the subject whose place it is.
type holders struct {
	mu  sync.Mutex
	key map[*exchange.Exchange]uint64
}

const maxConcurrency = 1_000_000

// NewConcurrency reports everything that is wrong with cfg at once.
func NewConcurrency(cfg ConcurrencyConfig) (*Concurrency, error) {
	subjects := LimitConfig{Name: cfg.Name, By: cfg.By, Capacity: defaultCapacity}
	errs := subjects.check()
	if cfg.Max < 1 || cfg.Max > maxConcurrency {
		errs = append(errs, fmt.Errorf("the Max is %d, want 1 to %d", cfg.Max, maxConcurrency))
	}
	if cfg.Shadow && cfg.Shadowed == nil {
		errs = append(errs, errors.New("there is Shadow, and no Shadowed to tell"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("ratelimit: concurrency %q: %w", cfg.Name, err)
	}
	before := cfg.Previous
	cfg.Previous = nil // one of each reload would be kept
	c := &Concurrency{cfg: cfg, keys: Limit{by: slices.Clone(cfg.By), skip: cfg.SkipMissing, seed: maphash.MakeSeed()}, places: newPlaces()}
	if before != nil && before.cfg.Name == cfg.Name && sameParts(before.keys.by, c.keys.by) {
		c.keys.seed, c.places = before.keys.seed, before.places
	}
	c.refusal = problem.New(problem.RateLimited,
		"The limit "+cfg.Name+" of requests under way at once is reached. Wait for the answer of an earlier one.").With("Retry-After", "1")
	return c, nil
}

// Check takes a place for x, or refuses it with 429 (RFC 6585, section 4) when
// there is none. A dry exchange is judged and takes none.
func (c *Concurrency) Check(x *exchange.Exchange) exchange.Verdict {
	if c.cfg.Bypass != nil && c.cfg.Bypass(x) {
		return exchange.Pass()
	}
	key, counted := c.keys.key(x)
	if !counted {
		return exchange.Pass()
	}
	if c.take(x, key) {
		c.count(x, &c.counts.passed)
		return exchange.Pass()
	}
	if !c.cfg.Shadow {
		c.count(x, &c.counts.refused)
		return exchange.Refuse(c.refusal, "limit:"+c.cfg.Name)
	}
	if !x.Dry {
		c.counts.shadowed.Add(1)
		c.cfg.Shadowed(x, c.cfg.Name)
	}
	return exchange.Pass()
}

func (c *Concurrency) count(x *exchange.Exchange, n *atomic.Uint64) {
	if !x.Dry {
		n.Add(1)
	}
}

// take takes a place for x, which holds none, and reports whether there was one.
// In shadow it takes one all the same.
func (c *Concurrency) take(x *exchange.Exchange, key uint64) bool {
	t := &c.taken[key%manyPlaces]
	t.mu.Lock()
	free := t.by[key] < c.cfg.Max
	held := !x.Dry && (free || c.cfg.Shadow)
	if held {
		t.by[key]++
	}
	t.mu.Unlock()
	if held {
		h := c.holdersOf(x)
		h.mu.Lock()
		h.key[x] = key
		h.mu.Unlock()
	}
	return free
}

// Done gives the place of x back.
func (c *Concurrency) Done(x *exchange.Exchange, _ exchange.Outcome) {
	h := c.holdersOf(x)
	h.mu.Lock()
	key, held := h.key[x]
	delete(h.key, x)
	h.mu.Unlock()
	if !held {
		return
	}
	t := &c.taken[key%manyPlaces]
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.by[key]--; t.by[key] == 0 {
		delete(t.by, key)
	}
}

func (c *Concurrency) holdersOf(x *exchange.Exchange) *holders {
	return &c.holders[maphash.Comparable(c.keys.seed, x)%manyPlaces]
}

// Name returns the limit's name.
func (c *Concurrency) Name() string { return c.cfg.Name }

// Counts returns what the limit decided since it was made.
func (c *Concurrency) Counts() Counts {
	return Counts{Passed: c.counts.passed.Load(), Refused: c.counts.refused.Load(), Shadowed: c.counts.shadowed.Load()}
}

// UnderWay returns how many requests hold a place.
func (c *Concurrency) UnderWay() (n int) {
	for i := range c.holders {
		c.holders[i].mu.Lock()
		n += len(c.holders[i].key)
		c.holders[i].mu.Unlock()
	}
	return n
}

// Wrap is Check as net/http middleware, for use without a Stack.
func (c *Concurrency) Wrap(next http.Handler) http.Handler { return exchange.Wrap(c, next) }
