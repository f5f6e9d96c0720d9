package ratelimit_test

import (
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/ratelimit"
)

func byKey(t *testing.T, name string, q ratelimit.Quota) *ratelimit.Limit {
	t.Helper()
	return newLimit(t, ratelimit.LimitConfig{Name: name, Quota: q, By: []ratelimit.Part{ratelimit.ByKey()}})
}

func TestRate(t *testing.T) {
	t.Run("LIMIT-01: whoever keeps to the rate is never refused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, byKey(t, "a", ratelimit.Quota{Count: 7, Per: time.Second}))
			start := time.Now()
			for n := range 7 * 10 * 10 {
				at := (time.Duration(n)*time.Second + 6) / 7 // the first nanosecond at which it is due
				<-time.After(time.Until(start.Add(at)))
				if !passes(t, s, request()) {
					t.Fatalf("request %d was refused", n)
				}
			}
		})
	})
	t.Run("LIMIT-01: one percent more is refused within the burst", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, byKey(t, "a", ratelimit.Quota{Count: 100, Per: time.Second, Burst: 5}))
			n := 0
			for ; passes(t, s, request()); n++ {
				<-time.After(time.Second / 101)
			}
			if n < 5 || n > 5*101 {
				t.Errorf("request %d was the first to be refused, want one of the first 505", n)
			}
		})
	})
	t.Run("LIMIT-02: no edge of a window at which twice as much passes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t, byKey(t, "a", ratelimit.Quota{Count: 10, Per: time.Minute}))
			passed := 0
			<-time.After(59 * time.Second)
			for range 2 {
				for range 20 {
					if passes(t, s, request()) {
						passed++
					}
				}
				<-time.After(2 * time.Second)
			}
			if passed != 10 {
				t.Errorf("%d passed in 2 seconds, want the burst of 10", passed)
			}
		})
	})
}

func TestRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, byKey(t, "slow", ratelimit.Quota{Count: 3, Per: 10 * time.Second, Burst: 1}), byKey(t, "fast", ratelimit.Quota{Count: 10, Per: time.Second, Burst: 1}))
		if !passes(t, s, request()) {
			t.Fatal("the first request was refused")
		}
		v := s.Check(request())
		p := v.Problem()
		if v.Reason() != "limit:slow" || p == nil || p.Type.Status() != 429 || p.Header.Get("Retry-After") != "4" {
			t.Fatalf("got %q %+v, want 429 for 3.33 seconds, rounded up", v.Reason(), p)
		}
		<-time.After(retryAfter(t, s, request()))
		if !passes(t, s, request()) {
			t.Error("LIMIT-10: refused when told to come")
		}
	})
}

// A limit that refuses leaves the others as they were.
func TestAllOrNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wide, narrow := byKey(t, "wide", ratelimit.Quota{Count: 3, Per: time.Hour}), byKey(t, "narrow", ratelimit.Quota{Count: 1, Per: time.Hour})
		both, alone := newStage(t, wide, narrow), newStage(t, wide)
		if !passes(t, both, request()) {
			t.Fatal("the first request was refused")
		}
		for range 10 {
			if v := both.Check(request()); v.Reason() != "limit:narrow" {
				t.Fatalf("got %q", v.Reason())
			}
		}
		for n, want := range []bool{true, true, false} {
			if got := passes(t, alone, request()); got != want {
				t.Errorf("LIMIT-06: request %d of the wide limit alone passes = %v, want %v", n, got, want)
			}
		}
	})
}

func TestCost(t *testing.T) {
	l := newLimit(t, ratelimit.LimitConfig{Name: "a", Quota: ratelimit.Quota{Count: 10, Per: time.Hour}, By: []ratelimit.Part{ratelimit.ByKey()}, Cost: 4})
	s := newStage(t, l)
	for n, want := range []bool{true, true, false} {
		if got := passes(t, s, request()); got != want {
			t.Errorf("request %d passes = %v, want %v", n, got, want)
		}
	}
}

func TestDry(t *testing.T) {
	s := newStage(t, byKey(t, "a", once()))
	dry := request(func(x *exchange.Exchange) { x.Dry = true })
	for range 3 {
		if !passes(t, s, dry) {
			t.Fatal("a dry request was counted")
		}
	}
	if !passes(t, s, request()) || passes(t, s, dry) {
		t.Error("a dry request is not judged")
	}
}

func TestShadow(t *testing.T) {
	var told []string
	l := newLimit(t, ratelimit.LimitConfig{Name: "tried", Quota: once(), By: []ratelimit.Part{ratelimit.ByKey()}, Shadow: true})
	s, err := ratelimit.New(ratelimit.Config{Limits: []*ratelimit.Limit{l, byKey(t, "a", ratelimit.Quota{Count: 3, Per: time.Hour})}, Shadowed: func(_ *exchange.Exchange, name string) { told = append(told, name) }})
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range []bool{true, true, true, false} {
		if got := passes(t, s, request()); got != want {
			t.Errorf("LIMIT-15: request %d passes = %v, want %v", n, got, want)
		}
	}
	if !slices.Equal(told, []string{"tried", "tried"}) {
		t.Errorf("was told %q, want of the two that passed and would not have", told)
	}
	if got, want := l.Counts(), (ratelimit.Counts{Passed: 1, Shadowed: 2}); got != want {
		t.Errorf("LIMIT-15: counted %+v, want %+v", got, want)
	}
	h := http.Header{}
	s.Headers(request(), h)
	if got := h.Get("RateLimit-Policy"); got != `"a";q=3;w=3600` {
		t.Errorf("told clients of %q", got)
	}
	if _, err := ratelimit.New(ratelimit.Config{Limits: []*ratelimit.Limit{l}}); err == nil {
		t.Error("a shadow that nobody hears was accepted")
	}
}

func TestHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, byKey(t, "minute", ratelimit.Quota{Count: 100, Per: time.Minute, Burst: 10}), byKey(t, "brief", ratelimit.Quota{Count: 5, Per: 100 * time.Millisecond}), byKey(t, "odd", ratelimit.Quota{Count: 3, Per: 1500 * time.Millisecond}))
		h := s.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusOK) }))
		spent := []string{`"minute";r=9;t=1, "brief";r=4;t=1, "odd";r=2;t=1`, `"minute";r=8;t=2, "brief";r=3;t=1, "odd";r=1;t=1`, `"minute";r=7;t=2, "brief";r=2;t=1, "odd";r=0;t=2`, `"minute";r=7;t=2, "brief";r=2;t=1, "odd";r=0;t=2`}
		for n, want := range spent {
			w := httptest.NewRecorder()
			w.Header()["Ratelimit"] = []string{`"outer";r=1;t=1`}
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			if status := []int{200, 200, 200, 429}[n]; w.Code != status {
				t.Errorf("request %d: status %d, want %d", n, w.Code, status)
			}
			if got := w.Result().Header.Values("RateLimit"); !slices.Equal(got, []string{`"outer";r=1;t=1`, want}) {
				t.Errorf("request %d: RateLimit %q, want %q", n, got, want)
			}
			if got, want := w.Result().Header.Get("RateLimit-Policy"), `"minute";q=100;w=60, "brief";q=50;w=1, "odd";q=3`; got != want {
				t.Errorf("request %d: RateLimit-Policy %q, want %q", n, got, want)
			}
		}
	})
}

func TestQuiet(t *testing.T) {
	s, err := ratelimit.New(ratelimit.Config{Limits: []*ratelimit.Limit{byKey(t, "a", once())}, Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	s.Headers(request(), h)
	if len(h) != 0 {
		t.Errorf("told %v", h)
	}
}

func TestNewRefuses(t *testing.T) {
	a := byKey(t, "a", once())
	tests := []struct {
		name   string
		limits []*ratelimit.Limit
		want   string
	}{
		{"no limit", nil, "0 limits"},
		{"nine limits", slices.Repeat([]*ratelimit.Limit{a}, 9), "9 limits"},
		{"one that is missing", []*ratelimit.Limit{nil}, "limit 0 is missing"},
		{"one twice", []*ratelimit.Limit{a, a}, `limit 1: the name "a" is taken`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := ratelimit.New(ratelimit.Config{Limits: tt.limits}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want one that says %s", err, tt.want)
			}
		})
	}
}

func TestPassingAllocatesNothing(t *testing.T) {
	q := ratelimit.Quota{Count: 1_000_000, Per: time.Second}
	address := newLimit(t, ratelimit.LimitConfig{Name: "address", Quota: q, By: []ratelimit.Part{ratelimit.ByAddress(), ratelimit.ByRoute(), ratelimit.ByHeader("X-Tenant")}})
	s, x := newStage(t, address, byKey(t, "key", q)), request()
	x.Request.Header.Set("X-Tenant", "a")
	if got := testing.AllocsPerRun(100, func() {
		if !s.Check(x).Passed() {
			t.Error("refused")
		}
	}); got != 0 {
		t.Errorf("%v allocations, want none", got)
	}
}

// BenchmarkYardstick is what the others are compared with, on a machine that has
// other work: SHA-256 of 64 bytes.
func BenchmarkYardstick(b *testing.B) {
	var text [64]byte
	for b.Loop() {
		sum := sha256.Sum256(text[:])
		text[0] = sum[0]
	}
}

func BenchmarkCheck(b *testing.B) {
	q := ratelimit.Quota{Count: 1_000_000_000, Per: time.Second}
	address := newLimit(b, ratelimit.LimitConfig{Name: "address", Quota: q, By: []ratelimit.Part{ratelimit.ByAddress()}})
	id := newLimit(b, ratelimit.LimitConfig{Name: "key", Quota: q, By: []ratelimit.Part{ratelimit.ByKey()}})
	for name, limits := range map[string][]*ratelimit.Limit{"one": {address}, "two": {address, id}} {
		s := newStage(b, limits...)
		b.Run(name, func(b *testing.B) {
			x := request()
			b.ReportAllocs()
			for b.Loop() {
				if !s.Check(x).Passed() {
					b.Fatal("refused")
				}
			}
		})
		b.Run(name+" in parallel", func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				x := request()
				for pb.Next() {
					s.Check(x)
				}
			})
		})
	}
}
