package ratelimit_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/ratelimit"
)

// brings gives the principal quotas of its own.
func brings(quotas ...exchange.Quota) func(*exchange.Exchange) {
	return func(x *exchange.Exchange) { x.Principal.Quotas = quotas }
}

func own(name string, count int) exchange.Quota {
	return exchange.Quota{Name: name, Count: count, Per: 366 * 24 * time.Hour}
}

func TestBroughtQuotas(t *testing.T) {
	l := newLimit(t, ratelimit.LimitConfig{Name: "a", Quota: yearly(4), By: []ratelimit.Part{ratelimit.ByKey()}, Plans: []ratelimit.Plan{gold(9)}})
	other := byKey(t, "b", yearly(50))
	s := newStage(t, l, other)
	h := http.Header{}
	s.Headers(request(owner("gold"), brings(own("a", 6))), h)
	if got, want := h.Get("RateLimit-Policy"), `"a";q=6;w=31622400, "b";q=50;w=31622400`; got != want {
		t.Errorf("RateLimit-Policy %q, want %q", got, want)
	}
	tests := []struct {
		name string
		x    *exchange.Exchange
		want int
	}{
		{"over the limit's", request(key("k1"), brings(own("a", 6))), 6},
		{"over the plan's", request(key("k2"), owner("gold"), brings(own("a", 2))), 2},
		{"of another name", request(key("k3"), brings(own("c", 6))), 4},
		{"of both limits", request(key("k4"), brings(own("b", 3), own("a", 6))), 3},
		{"that is none", request(key("k5"), brings(exchange.Quota{Name: "a"})), 4},
		{"that two keys have", request(key("k6"), brings(own("a", 6))), 6},
		{"with a burst", request(key("k7"), brings(exchange.Quota{Name: "a", Count: 1, Per: 24 * time.Hour, Burst: 5})), 5},
	}
	for _, tt := range tests {
		if got := until(t, s, tt.x); got != tt.want {
			t.Errorf("%s: %d passed, want %d", tt.name, got, tt.want)
		}
	}
	subject, _ := l.Subject(tests[0].x)
	if err := l.Override(subject, yearly(8), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if got := until(t, s, tests[0].x); got != 8 {
		t.Errorf("%d passed by hand, want 8", got)
	}
	if err := l.Override(subject, ratelimit.Quota{}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if !l.Reset(subject) || until(t, s, tests[0].x) != 6 {
		t.Error("a reset does not give the quota back")
	}
	dear, err := l.WithCost(4)
	if err != nil {
		t.Fatal(err)
	}
	if got := until(t, newStage(t, dear), request(key("k8"), brings(own("a", 9)))); got != 2 {
		t.Errorf("at a cost of 4 %d passed, want 2", got)
	}
	if got := until(t, newStage(t, dear), request(key("k9"), brings(own("a", 3)))); got != 1 {
		t.Errorf("at a cost that is more than the burst %d passed, want 1", got)
	}
}

// A limit that does not tell principals apart is everybody's: nobody brings a
// quota for it, and who is counted before authentication has none yet.
func TestBroughtQuotasAreForPersonalLimits(t *testing.T) {
	for name, tt := range map[string]struct {
		by   []ratelimit.Part
		want int
	}{
		"address": {[]ratelimit.Part{ratelimit.ByAddress()}, 4}, "route": {[]ratelimit.Part{ratelimit.ByRoute()}, 4}, "header": {[]ratelimit.Part{ratelimit.ByHeader("X-A")}, 4},
		"owner": {[]ratelimit.Part{ratelimit.ByOwner()}, 7}, "principal": {ratelimit.ByPrincipal(), 7}, "key and address": {[]ratelimit.Part{ratelimit.ByAddress(), ratelimit.ByKey()}, 7},
	} {
		l := newLimit(t, ratelimit.LimitConfig{Name: "a", Quota: yearly(4), By: tt.by})
		if got := until(t, newStage(t, l), request(brings(own("a", 7)))); got != tt.want {
			t.Errorf("by %s: %d passed, want %d", name, got, tt.want)
		}
	}
}

// What a principal's own quota lets pass is, at every moment, what a limit of that
// quota lets pass.
func TestBroughtQuotasAgainstLimitsOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(7, 11))
		l := newLimit(t, ratelimit.LimitConfig{Name: "a", Quota: once(), By: []ratelimit.Part{ratelimit.ByKey()}})
		s := newStage(t, l)
		type pair struct {
			x     *exchange.Exchange
			alone *ratelimit.Stage
		}
		var pairs []pair
		for n := range 20 {
			q := exchange.Quota{Name: "a", Count: 1 + random.IntN(50), Per: time.Duration(1+random.IntN(5000)) * time.Millisecond, Burst: 1 + random.IntN(20)}
			pairs = append(pairs, pair{
				request(key(fmt.Sprint("k", n)), brings(q)),
				newStage(t, byKey(t, "a", ratelimit.Quota{Count: q.Count, Per: q.Per, Burst: q.Burst})),
			})
		}
		for range 20_000 {
			p := pairs[random.IntN(len(pairs))]
			if got, want := passes(t, s, p.x), passes(t, p.alone, p.x); got != want {
				t.Fatalf("with its own quota %v, with a limit of that quota %v", got, want)
			}
			<-time.After(time.Duration(random.IntN(10)) * time.Millisecond)
		}
	})
}

func TestBroughtQuotasAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most, capacity = 4096, 100
		l := newLimit(t, ratelimit.LimitConfig{Name: "a", Quota: yearly(4), By: []ratelimit.Part{ratelimit.ByKey()}, Capacity: capacity})
		s := newStage(t, l)
		quota := func(n int) exchange.Quota {
			return exchange.Quota{Name: "a", Count: 2, Per: time.Hour + time.Duration(n)*time.Millisecond}
		}
		for n := range 2 * most {
			passes(t, s, request(key(fmt.Sprint("k", n)), brings(quota(n))))
			if got := l.Remembered(); got > capacity {
				t.Fatalf("%d subjects are remembered, want %d at most", got, capacity)
			}
		}
		if got := ratelimit.Brought(l); got > most {
			t.Errorf("%d quotas are known, want %d at most", got, most)
		}
		<-time.After(3 * time.Hour) // all bursts are whole
		if got := until(t, s, request(key("new"), brings(quota(-1)))); got != 2 {
			t.Errorf("%d of a new quota passed, want 2", got)
		}
	})
}

func BenchmarkBrought(b *testing.B) {
	l := newLimit(b, ratelimit.LimitConfig{Name: "a", Quota: once(), By: []ratelimit.Part{ratelimit.ByKey()}})
	s := newStage(b, l)
	x := request(brings(exchange.Quota{Name: "a", Count: 1_000_000_000, Per: time.Second}))
	b.ReportAllocs()
	for b.Loop() {
		s.Check(x)
	}
}

func TestBroughtAllocatesNothing(t *testing.T) {
	l := newLimit(t, ratelimit.LimitConfig{Name: "a", Quota: once(), By: []ratelimit.Part{ratelimit.ByKey()}})
	s := newStage(t, l)
	x := request(brings(exchange.Quota{Name: "a", Count: 1_000_000_000, Per: time.Second}))
	s.Check(x)
	if n := testing.AllocsPerRun(1000, func() { s.Check(x) }); n > 0 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
}
