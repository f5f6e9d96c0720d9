package ratelimit_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/ratelimit"
)

// minutely is a limit by keys of so many a minute.
func minutely(tb testing.TB, name string, count int, change ...func(*ratelimit.LimitConfig)) *ratelimit.Limit {
	tb.Helper()
	cfg := ratelimit.LimitConfig{Name: name, Quota: ratelimit.Quota{Count: count, Per: time.Minute}, By: []ratelimit.Part{ratelimit.ByKey()}}
	for _, f := range change {
		f(&cfg)
	}
	return newLimit(tb, cfg)
}

func inShadow(c *ratelimit.LimitConfig) { c.Shadow = true }

func takesAll(tb testing.TB, x *exchange.Exchange, demands ...ratelimit.Demand) ([]ratelimit.Demand, bool) {
	tb.Helper()
	passed, err := ratelimit.TakeAll(x, demands)
	if err != nil {
		tb.Fatal(err)
	}
	return demands, passed
}

func TestTakeAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wide, narrow, tried := minutely(t, "wide", 100), minutely(t, "narrow", 10), minutely(t, "tried", 5, inShadow)
		ask := func(a, b, c uint64) ([]ratelimit.Demand, bool) {
			return takesAll(t, anyone(), ratelimit.Demand{Limit: wide, Cost: a}, ratelimit.Demand{Limit: narrow, Cost: b}, ratelimit.Demand{Limit: tried, Cost: c})
		}
		for _, tt := range []struct {
			name               string
			a, b, c            uint64
			passed             bool
			left, leftB, leftC uint64
			ok, okB, okC       bool
		}{
			{"each is counted by its own cost", 7, 3, 1, true, 93, 7, 4, true, true, true},
			{"what costs nothing counts nothing", 0, 0, 0, true, 93, 7, 4, true, true, true},
			{"one that has no room has none counted", 1, 8, 1, false, 93, 7, 4, true, false, true},
			{"more than the burst never passes", 1, 11, 1, false, 93, 7, 4, true, false, true},
			{"one in shadow refuses nothing", 1, 1, 5, true, 92, 6, 4, true, true, false},
			{"nor for more than its burst", 1, 1, 50, true, 91, 5, 4, true, true, false},
			{"the rest", 1, 5, 4, true, 90, 0, 0, true, true, true},
			{"nothing is left, which one is told at no cost", 0, 0, 0, false, 90, 0, 0, true, false, false},
		} {
			d, passed := ask(tt.a, tt.b, tt.c)
			if passed != tt.passed || d[0].OK != tt.ok || d[1].OK != tt.okB || d[2].OK != tt.okC {
				t.Errorf("%s: %v; %v, %v, %v", tt.name, passed, d[0].OK, d[1].OK, d[2].OK)
			}
			if d[0].Standing.Left != tt.left || d[1].Standing.Left != tt.leftB || d[2].Standing.Left != tt.leftC {
				t.Errorf("%s: %d, %d, %d are left", tt.name, d[0].Standing.Left, d[1].Standing.Left, d[2].Standing.Left)
			}
		}
		if n := narrow.Counts(); n != (ratelimit.Counts{Passed: 5, Refused: 3}) {
			t.Errorf("narrow: %+v", n)
		}
		if n := tried.Counts(); n != (ratelimit.Counts{Passed: 3, Shadowed: 2}) {
			t.Errorf("tried: %+v", n)
		}
	})
}

// A debt counts in any case, also beyond the limit, and keeps who has it waiting: at
// most for one burst.
func TestDebts(t *testing.T) {
	for name, more := range map[string]func(*ratelimit.LimitConfig){
		"memory": func(*ratelimit.LimitConfig) {},
		"exact":  func(*ratelimit.LimitConfig) {},
		"leased": lease(1),
	} {
		synctest.Test(t, func(t *testing.T) {
			store := newMemory(t, 100)
			with := func(c *ratelimit.LimitConfig) {
				if name != "memory" {
					c.Store = store
				}
				more(c)
			}
			tokens, other := minutely(t, "tokens", 60, with), minutely(t, "other", 1, with)
			for _, tt := range []struct {
				name   string
				demand ratelimit.Demand
				passed bool
				left   uint64
			}{
				{"within", ratelimit.Demand{Limit: tokens, Cost: 50, Debt: true}, true, 10},
				{"anything left?", ratelimit.Demand{Limit: tokens, Debt: true}, true, 10},
				{"beyond what is left", ratelimit.Demand{Limit: tokens, Cost: 40, Debt: true}, false, 0},
				{"beyond the burst", ratelimit.Demand{Limit: tokens, Cost: 1 << 40, Debt: true}, false, 0},
				{"anything left now?", ratelimit.Demand{Limit: tokens, Debt: true}, false, 0},
			} {
				d, passed := takesAll(t, anyone(), tt.demand)
				if passed != tt.passed || d[0].OK != tt.passed || d[0].Standing.Left != tt.left {
					t.Errorf("%s, %s: %v, %d left", name, tt.name, passed, d[0].Standing.Left)
				}
			}
			<-time.After(time.Minute + 2*time.Second) // of the burst that is owed
			if _, passed := takesAll(t, anyone(), ratelimit.Demand{Limit: tokens}); !passed {
				t.Errorf("%s: a debt of more than a burst", name)
			}
			takesAll(t, anyone(), ratelimit.Demand{Limit: other, Cost: 1})
			d, passed := takesAll(t, anyone(), ratelimit.Demand{Limit: other, Cost: 1}, ratelimit.Demand{Limit: tokens, Cost: 1, Debt: true})
			if passed || !d[1].OK || d[1].Standing.Left > 1 {
				t.Errorf("%s: beside one that refuses: %v, %+v", name, passed, d[1].Standing)
			}
		})
	}
}

func TestWhatDemandsTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wide, narrow := minutely(t, "wide", 100), minutely(t, "narrow", 10)
		d, _ := takesAll(t, anyone(), ratelimit.Demand{Limit: wide, Cost: 1}, ratelimit.Demand{Limit: narrow, Cost: 9})
		h := http.Header{}
		ratelimit.AddFields(h, d, false, true)
		for name, want := range map[string]string{
			"Ratelimit-Policy": `"wide";q=100;w=60, "narrow";q=10;w=60`, "Ratelimit": `"wide";r=99;t=1, "narrow";r=1;t=54`,
			"X-Ratelimit-Limit": "10", "X-Ratelimit-Remaining": "1", "X-Ratelimit-Reset": "54",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
		if p, _ := ratelimit.Refusal(d); p != nil {
			t.Errorf("a refusal of what passed: %v", p)
		}
		d, _ = takesAll(t, anyone(), ratelimit.Demand{Limit: wide, Cost: 1}, ratelimit.Demand{Limit: narrow, Cost: 4})
		if p, limit := ratelimit.Refusal(d); p == nil || limit != "narrow" || p.Header.Get("Retry-After") != "18" {
			t.Errorf("a refusal by %q: %+v", limit, p)
		}
		d, _ = takesAll(t, anyone(), ratelimit.Demand{Limit: narrow, Cost: 11})
		if p, _ := ratelimit.Refusal(d); p == nil || p.Header.Get("Retry-After") != "" {
			t.Errorf("a wait that helps nobody: %+v", p)
		}
		<-time.After(18 * time.Second)
		if _, passed := takesAll(t, anyone(), ratelimit.Demand{Limit: narrow, Cost: 4}); !passed {
			t.Error("refused after Retry-After")
		}
	})
}

// A quota that the question brings along counts apart from the limit's own.
func TestADemandBringsItsQuota(t *testing.T) {
	limit := newLimit(t, ratelimit.LimitConfig{Name: "rule", Quota: ratelimit.Quota{Count: 2, Per: time.Hour}, By: []ratelimit.Part{ratelimit.ByClaim("rule")}})
	asks := func(count int, cost uint64) (ratelimit.Demand, bool) {
		x := request(func(x *exchange.Exchange) {
			x.Principal.Claims = map[string]any{"rule": "a"}
			if count > 0 {
				x.Principal.Quotas = []exchange.Quota{{Name: "rule", Count: count, Per: time.Hour}}
			}
		})
		d, passed := takesAll(t, x, ratelimit.Demand{Limit: limit, Cost: cost})
		return d[0], passed
	}
	if d, passed := asks(0, 2); !passed || d.Standing.Left != 0 || d.Standing.Quota.Count != 2 {
		t.Errorf("its own: %v, %+v", passed, d)
	}
	if d, passed := asks(5, 3); !passed || d.Standing.Left != 2 || d.Standing.Quota.Count != 5 {
		t.Errorf("one that is brought along: %v, %+v", passed, d)
	}
	if d, passed := asks(5, 6); passed || d.Standing.Left != 2 {
		t.Errorf("more than its burst: %v, %+v", passed, d)
	}
}

func TestDemandsOfAStore(t *testing.T) {
	for name, more := range map[string]func(*ratelimit.LimitConfig){"exact": func(*ratelimit.LimitConfig) {}, "leased": lease(2)} {
		store := newFlaky(t)
		limit := stored(t, "one", ratelimit.Quota{Count: 10, Per: time.Hour}, store, more, outage(ratelimit.Closed))
		other := stored(t, "other", ratelimit.Quota{Count: 4, Per: time.Hour}, store, more, outage(ratelimit.Closed))
		ask := func(a, b uint64) ([]ratelimit.Demand, bool, error) {
			d := []ratelimit.Demand{{Limit: limit, Cost: a}, {Limit: other, Cost: b}}
			passed, err := ratelimit.TakeAll(anyone(), d)
			return d, passed, err
		}
		for _, tt := range []struct {
			a, b uint64
			want bool
		}{{3, 3, true}, {1, 2, false}, {0, 0, true}, {1, 5, false}, {2, 1, true}, {0, 0, false}} {
			if _, passed, err := ask(tt.a, tt.b); err != nil || passed != tt.want {
				t.Errorf("%s: %d and %d: %v, %v, want %v", name, tt.a, tt.b, passed, err, tt.want)
			}
		}
		store.away.Store(true)
		if _, passed, err := ask(4, 0); passed && err == nil {
			t.Errorf("%s: passed while the store is away", name)
		}
	}
}

func TestDemandsThatCannotBe(t *testing.T) {
	store := newFlaky(t)
	one := minutely(t, "one", 1)
	exact := stored(t, "exact", ratelimit.Quota{Count: 1, Per: time.Hour}, store)
	var many []ratelimit.Demand
	for name := range strings.SplitSeq("abcdefghi", "") {
		many = append(many, ratelimit.Demand{Limit: minutely(t, name, 1), Cost: 1})
	}
	for want, demands := range map[string][]ratelimit.Demand{
		"two demands of the limit": {{Limit: one, Cost: 1}, {Limit: one, Cost: 1}},
		"counts in memory":         {{Limit: one, Cost: 1}, {Limit: exact, Cost: 1}},
		"at most 8":                many,
	} {
		if passed, err := ratelimit.TakeAll(anyone(), demands); passed || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, %v, want %q", passed, err, want)
		}
	}
	if _, passed := takesAll(t, anyone(), ratelimit.Demand{Limit: one, Cost: 1}); !passed {
		t.Error("an error had counted")
	}
}

// Many ask for two limits at once in either order: no more passes than the narrower
// one has, and nothing is counted by the other for whom it refuses.
func TestDemandsAtOnce(t *testing.T) {
	slow := func(c *ratelimit.LimitConfig) { c.Quota.Per = 300 * 24 * time.Hour } // nothing comes back meanwhile
	a, b := minutely(t, "a", 1000, slow), minutely(t, "b", 50, slow)
	var wg sync.WaitGroup
	var passed atomic.Int64
	var failed atomic.Value
	for i := range 400 {
		wg.Go(func() {
			d := []ratelimit.Demand{{Limit: a, Cost: 2}, {Limit: b, Cost: 1}}
			if i%2 == 0 {
				d[0], d[1] = d[1], d[0]
			}
			ok, err := ratelimit.TakeAll(anyone(), d)
			if err != nil {
				failed.Store(err)
			}
			if ok {
				passed.Add(1)
			}
		})
	}
	wg.Wait()
	if err, _ := failed.Load().(error); err != nil || errors.Is(err, errAway) {
		t.Fatal(err)
	}
	if n := passed.Load(); n != 50 {
		t.Errorf("%d passed, want 50", n)
	}
	if d, _ := takesAll(t, anyone(), ratelimit.Demand{Limit: a}); d[0].Standing.Left != 900 {
		t.Errorf("%d are left of the wider one, want 900", d[0].Standing.Left)
	}
}
