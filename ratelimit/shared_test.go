package ratelimit_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/ratelimit"
)

// flaky is a Memory that counts how often it is asked, and fails when it is told to.
type flaky struct {
	*ratelimit.Memory
	nodes atomic.Int64
	asked atomic.Int64
	away  atomic.Bool
	delay time.Duration
}

func newFlaky(tb testing.TB) *flaky {
	tb.Helper()
	return &flaky{Memory: newMemory(tb, 100_000)}
}

var errAway = errors.New("the store is away")

func (f *flaky) Take(ctx context.Context, claims []ratelimit.Claim, dry bool) error {
	f.asked.Add(1)
	if f.delay > 0 {
		<-time.After(f.delay)
	}
	if f.away.Load() {
		return errAway
	}
	return f.Memory.Take(ctx, claims, dry)
}

func (f *flaky) Fleet() ratelimit.Fleet {
	return ratelimit.Fleet{Nodes: int(max(1, f.nodes.Load())), Epoch: f.Memory.Fleet().Epoch}
}

// stored is a limit by keys that store counts.
func stored(tb testing.TB, name string, q ratelimit.Quota, store ratelimit.Store, change ...func(*ratelimit.LimitConfig)) *ratelimit.Limit {
	tb.Helper()
	cfg := ratelimit.LimitConfig{Name: name, Quota: q, By: []ratelimit.Part{ratelimit.ByKey()}, Store: store}
	for _, f := range change {
		f(&cfg)
	}
	return newLimit(tb, cfg)
}

func outage(o ratelimit.Outage) func(*ratelimit.LimitConfig) {
	return func(c *ratelimit.LimitConfig) { c.Outage = o }
}

func lease(n int) func(*ratelimit.LimitConfig) {
	return func(c *ratelimit.LimitConfig) { c.Lease = n }
}

func count(tb testing.TB, s *ratelimit.Stage, n int, x func() *exchange.Exchange) (passed int) {
	tb.Helper()
	for range n {
		if passes(tb, s, x()) {
			passed++
		}
	}
	return passed
}

func anyone() *exchange.Exchange { return request() }

// Two nodes count together; a refusal is remembered where it was heard, and not
// asked for again.
func TestTwoNodesCountTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFlaky(t)
		q := ratelimit.Quota{Count: 10, Per: time.Hour}
		one, two := newStage(t, stored(t, "a", q, store)), newStage(t, stored(t, "a", q, store))
		if got := count(t, one, 6, anyone) + count(t, two, 6, anyone); got != 10 {
			t.Errorf("%d passed, want 10", got)
		}
		asked := store.asked.Load()
		if got := count(t, two, 1000, anyone); got != 0 || store.asked.Load() != asked {
			t.Errorf("%d passed, and the store was asked %d times more, want neither", got, store.asked.Load()-asked)
		}
		wait := retryAfter(t, two, request())
		if wait != 6*time.Minute {
			t.Errorf("told to wait %v, want 6m", wait)
		}
		<-time.After(wait)
		if !passes(t, two, request()) || passes(t, one, request()) {
			t.Error("LIMIT-10: not one passes when told to come")
		}
		h := http.Header{}
		two.Headers(request(), h)
		if got := h.Get("RateLimit"); got != `"a";r=0;t=3600` {
			t.Errorf("RateLimit %q", got)
		}
	})
}

// Nodes whose clocks are hours apart count together all the same.
func TestNodesWithClocksOfTheirOwn(t *testing.T) {
	attack.Case(t, "LIMIT-05", attack.Library, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store := newFlaky(t)
			q := ratelimit.Quota{Count: 10, Per: time.Hour}
			var limits []*ratelimit.Limit
			var stages []*ratelimit.Stage
			for range 3 {
				limits = append(limits, stored(t, "a", q, store))
				stages = append(stages, newStage(t, limits[len(limits)-1]))
			}
			began := time.Now().Add(-24 * time.Hour) // of right clocks; they show that time since then
			for hour, off := range [][3]time.Duration{
				{0, -time.Hour, time.Hour}, {0, -time.Hour, time.Hour}, // as they are
				{time.Hour, time.Hour, -time.Hour}, {-time.Hour, 0, 0}, {0, 0, 0}, // set on, and back
			} {
				for i, l := range limits {
					ratelimit.SetClock(l, began.Add(-off[i]))
				}
				got := 0
				for range 20 {
					for _, s := range stages {
						got += count(t, s, 1, anyone)
					}
				}
				if got != 10 {
					t.Errorf("hour %d: %d passed, want 10", hour, got)
				}
				<-time.After(time.Hour)
			}
		})
	})
}

// A reset on one node is known to the other, also where the refusal was remembered.
func TestResetIsKnownToAll(t *testing.T) {
	store := newFlaky(t)
	one, two := stored(t, "a", once(), store), stored(t, "a", once(), store)
	first, second := newStage(t, one), newStage(t, two)
	if got := count(t, first, 2, anyone) + count(t, second, 2, anyone); got != 1 {
		t.Fatalf("%d passed, want 1", got)
	}
	if err := one.ResetFor(t.Context(), request()); err != nil {
		t.Fatal(err)
	}
	if !passes(t, second, request()) || passes(t, first, request()) {
		t.Error("after the reset not one passes")
	}
	store.away.Store(true)
	memory := byKey(t, "m", once())
	alone := newStage(t, memory)
	if err := memory.ResetFor(t.Context(), request()); err != nil || !passes(t, alone, request()) || passes(t, alone, request()) {
		t.Error("a limit in memory")
	}
	if err := memory.ResetFor(t.Context(), request()); err != nil || !passes(t, alone, request()) {
		t.Error("a limit in memory was not reset")
	}
}

func TestOutages(t *testing.T) {
	q := ratelimit.Quota{Count: 12, Per: time.Hour}
	t.Run("closed is 503", func(t *testing.T) {
		store := newFlaky(t)
		s := newStage(t, stored(t, "a", q, store, outage(ratelimit.Closed)))
		store.away.Store(true)
		if v := s.Check(request()); v.Kind() != exchange.Failed || !errors.Is(v.Err(), errAway) {
			t.Errorf("got %v %v", v.Kind(), v.Err())
		}
		store.away.Store(false)
		if got := count(t, s, 20, anyone); got != 12 {
			t.Errorf("%d pass afterwards, want 12", got)
		}
	})
	t.Run("open lets all pass", func(t *testing.T) {
		store := newFlaky(t)
		s := newStage(t, stored(t, "a", q, store, outage(ratelimit.InsecureOpen)))
		store.away.Store(true)
		if got := count(t, s, 100, anyone); got != 100 {
			t.Errorf("%d passed, want 100", got)
		}
	})
	t.Run("who is known to be over the limit is refused with each of them, and for no longer", func(t *testing.T) {
		for _, choice := range []ratelimit.Outage{ratelimit.Share, ratelimit.Closed, ratelimit.InsecureOpen} {
			synctest.Test(t, func(t *testing.T) {
				store := newFlaky(t)
				s := newStage(t, stored(t, "a", q, store, outage(choice)))
				count(t, s, 12, anyone)
				store.away.Store(true)
				asked := store.asked.Load()
				if v := s.Check(request()); v.Kind() != exchange.Refused || store.asked.Load() != asked {
					t.Errorf("outage %d: got %v after %d calls, want a refusal without one", choice, v.Kind(), store.asked.Load()-asked)
				}
				<-time.After(5*time.Minute + time.Second) // one of twelve in an hour
				want := map[ratelimit.Outage]exchange.Kind{ratelimit.Share: exchange.Passed, ratelimit.Closed: exchange.Failed, ratelimit.InsecureOpen: exchange.Passed}[choice]
				if v := s.Check(request()); v.Kind() != want {
					t.Errorf("outage %d, when it is over: got %v, want %v", choice, v.Kind(), want)
				}
			})
		}
	})
	t.Run("share divides by the nodes last seen", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store := newFlaky(t)
			store.nodes.Store(3)
			s := newStage(t, stored(t, "a", q, store))
			store.away.Store(true)
			if got := count(t, s, 100, anyone); got != 4 {
				t.Errorf("%d passed, want a third of 12", got)
			}
			if wait := retryAfter(t, s, request()); wait != 15*time.Minute {
				t.Errorf("told to wait %v, want 15m: 4 in an hour", wait)
			} else {
				<-time.After(wait)
			}
			if got := count(t, s, 10, anyone); got != 1 {
				t.Errorf("%d passed when told to come, want 1", got)
			}
		})
	})
	t.Run("share goes on from what the store last said", func(t *testing.T) {
		store := newFlaky(t)
		s := newStage(t, stored(t, "a", q, store))
		count(t, s, 8, anyone)
		store.away.Store(true)
		if got := count(t, s, 100, anyone); got != 4 {
			t.Errorf("%d passed, want the 4 that were left", got)
		}
		store.away.Store(false)
		count(t, s, 100, anyone)
		store.away.Store(true)
		if got := count(t, s, 100, anyone); got != 0 {
			t.Errorf("%d passed in the next outage, want none: a store that comes and goes gives no new share", got)
		}
	})
	t.Run("share of less than one passes one at a time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store := newFlaky(t)
			store.nodes.Store(3)
			s := newStage(t, stored(t, "a", ratelimit.Quota{Count: 1, Per: time.Minute}, store))
			store.away.Store(true)
			begin := time.Now()
			for range 3 {
				if got := count(t, s, 10, anyone); got != 1 {
					t.Fatalf("%d passed after %v, want 1", got, time.Since(begin))
				}
				if wait := retryAfter(t, s, request()); wait != 3*time.Minute {
					t.Fatalf("told to wait %v, want 3m: a third of one in a minute", wait)
				}
				<-time.After(3 * time.Minute)
			}
		})
	})
	t.Run("one that is closed beside one that shares counts neither", func(t *testing.T) {
		store := newFlaky(t)
		shared := stored(t, "shared", ratelimit.Quota{Count: 1, Per: time.Hour}, store)
		both := newStage(t, shared, stored(t, "closed", q, store, outage(ratelimit.Closed)))
		store.away.Store(true)
		if v := both.Check(request()); v.Kind() != exchange.Failed {
			t.Errorf("got %v", v.Kind())
		}
		if !passes(t, newStage(t, shared), request()) {
			t.Error("the share was spent")
		}
	})
	t.Run("a trial that is away refuses nobody", func(t *testing.T) {
		store := newFlaky(t)
		told := 0
		trial := stored(t, "tried", once(), store, outage(ratelimit.Closed), func(c *ratelimit.LimitConfig) { c.Shadow = true })
		s, err := ratelimit.New(ratelimit.Config{Limits: []*ratelimit.Limit{trial}, Shadowed: func(*exchange.Exchange, string) { told++ }})
		if err != nil {
			t.Fatal(err)
		}
		store.away.Store(true)
		if got := count(t, s, 5, anyone); got != 5 || told != 0 {
			t.Errorf("%d passed, and %d were told", got, told)
		}
	})
}

// Limits that share a store are asked for in one call, those that are tried too.
func TestOneCallForEachRequest(t *testing.T) {
	store := newFlaky(t)
	var told []string
	q := ratelimit.Quota{Count: 3, Per: time.Hour}
	s, err := ratelimit.New(ratelimit.Config{
		Limits: []*ratelimit.Limit{
			stored(t, "wide", ratelimit.Quota{Count: 100, Per: time.Hour}, store), stored(t, "narrow", q, store),
			stored(t, "tried", once(), store, func(c *ratelimit.LimitConfig) { c.Shadow = true }),
		},
		Shadowed: func(_ *exchange.Exchange, name string) { told = append(told, name) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := count(t, s, 3, anyone); got != 3 || store.asked.Load() != 3 || strings.Join(told, " ") != "tried tried" {
		t.Errorf("%d passed with %d calls, told of %q; want 3, 3 and two of the trial", got, store.asked.Load(), told)
	}
	if v := s.Check(request()); v.Reason() != "limit:narrow" {
		t.Errorf("refused by %q", v.Reason())
	}
	dry := request(func(x *exchange.Exchange) { x.Dry = true; x.Principal.KeyID = "k9" })
	for range 5 {
		if !passes(t, s, dry) {
			t.Fatal("a dry request was counted")
		}
	}
}

func TestCharge(t *testing.T) {
	store := newFlaky(t)
	l := stored(t, "a", ratelimit.Quota{Count: 10, Per: time.Hour}, store)
	s := newStage(t, l)
	ratelimit.Charge(l, request(), 8)
	if got := count(t, s, 5, anyone); got != 2 {
		t.Errorf("%d passed after 8 of 10 were charged, want 2", got)
	}
	ratelimit.Charge(l, request(), 10)
	if wait := retryAfter(t, s, request()); wait < 65*time.Minute || wait > 66*time.Minute {
		t.Errorf("told to wait %v, want 66m: ten owed beyond the limit", wait)
	}
}

func TestStoresThatAreNone(t *testing.T) {
	store, other := newFlaky(t), newFlaky(t)
	q := ratelimit.Quota{Count: 5, Per: time.Hour}
	for want, change := range map[string]func(*ratelimit.LimitConfig){
		"no Store":         func(c *ratelimit.LimitConfig) { c.Store, c.Lease = nil, 1 },
		"the Lease is 6":   lease(6),
		"the Lease is -1":  lease(-1),
		"none of Share":    outage(9),
		"part 0 of Spread": func(c *ratelimit.LimitConfig) { c.Spread = []ratelimit.Part{ratelimit.ByOwner()} },
	} {
		cfg := ratelimit.LimitConfig{Name: "a", Quota: q, By: []ratelimit.Part{ratelimit.ByKey()}, Store: store}
		change(&cfg)
		if _, err := ratelimit.NewLimit(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want one that says %s", err, want)
		}
	}
	spread := func(c *ratelimit.LimitConfig) { c.Spread = []ratelimit.Part{ratelimit.ByKey()} }
	exact := stored(t, "exact", q, store)
	for _, tt := range []struct {
		name  string
		other *ratelimit.Limit
		want  string
	}{
		{"one in memory", byKey(t, "m", q), `"exact" is exact and "m" counts in memory`},
		{"another store", stored(t, "o", q, other), "one Store"},
		{"another place", stored(t, "p", q, store, spread), "one Spread"},
		{"a lease", stored(t, "l", q, other, lease(1)), ""},
		{"the same", stored(t, "s", q, store), ""},
	} {
		_, err := ratelimit.New(ratelimit.Config{Limits: []*ratelimit.Limit{exact, tt.other}})
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("beside %s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// A flood of subjects over their limits is remembered within the capacity.
func TestFloodWithAStore(t *testing.T) {
	store := newFlaky(t)
	l := stored(t, "a", once(), store, func(c *ratelimit.LimitConfig) { c.Capacity = 100 })
	s := newStage(t, l)
	for n := range 5000 {
		passes(t, s, request(func(x *exchange.Exchange) {
			x.Principal.KeyID = strings.Repeat("k", n%50) + string(rune('a'+n%26)) + http.StatusText(100+n%300)
		}))
	}
	if got := ratelimit.Remembered(l); got > 100 || !ratelimit.Sound(l) {
		t.Errorf("%d are remembered, want at most 100", got)
	}
}

// Many at once, while the store comes and goes and is reset: the parts of the table
// agree.
func TestSharedAtOnce(t *testing.T) {
	store := newFlaky(t)
	l := stored(t, "a", ratelimit.Quota{Count: 1000, Per: time.Second, Burst: 20}, store, lease(5))
	s := newStage(t, l, stored(t, "b", ratelimit.Quota{Count: 1000, Per: time.Second, Burst: 20}, store))
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for n := range 500 {
				x := request(key(string(rune('a' + n%7))))
				s.Check(x)
				if g == 0 {
					store.away.Store(n%20 < 5)
				}
				if g == 1 && n%50 == 0 {
					_ = l.ResetFor(context.WithoutCancel(x.Request.Context()), x)
				}
			}
		})
	}
	wg.Wait()
	if !ratelimit.Sound(l) {
		t.Error("the table's parts do not agree")
	}
}
