package ratelimit_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/ratelimit"
)

func yearly(count int) ratelimit.Quota {
	return ratelimit.Quota{Count: count, Per: 366 * 24 * time.Hour}
}

// gold is a plan of one owner.
func gold(count int) ratelimit.Plan {
	return ratelimit.Plan{Name: "gold", Quota: yearly(count), For: func(x *exchange.Exchange) bool { return x.Principal.Owner == "gold" }}
}

func owner(name string) func(*exchange.Exchange) {
	return func(x *exchange.Exchange) { x.Principal.Owner = name }
}

// until returns how many of x pass before one is refused.
func until(tb testing.TB, s *ratelimit.Stage, x *exchange.Exchange) (n int) {
	tb.Helper()
	for ; n < 1000 && passes(tb, s, x); n++ {
		continue
	}
	return n
}

func TestPlans(t *testing.T) {
	l := newLimit(t, ratelimit.LimitConfig{Name: "a", Quota: yearly(4), By: []ratelimit.Part{ratelimit.ByKey()}, Plans: []ratelimit.Plan{gold(9)}})
	s := newStage(t, l, byKey(t, "b", yearly(50)))
	h := http.Header{}
	s.Headers(request(owner("gold")), h)
	if got, want := h.Get("RateLimit-Policy"), `"a";q=9;w=31622400, "b";q=50;w=31622400`; got != want {
		t.Errorf("RateLimit-Policy %q, want %q", got, want)
	}
	for _, tt := range []struct {
		key, owner string
		want       int
	}{{"k1", "acme", 4}, {"k2", "gold", 9}, {"k3", "gold", 9}, {"k1", "acme", 0}} {
		if got := until(t, s, request(key(tt.key), owner(tt.owner))); got != tt.want {
			t.Errorf("%s of %s: %d passed, want %d", tt.key, tt.owner, got, tt.want)
		}
	}
	dear, err := l.WithCost(4)
	if err != nil {
		t.Fatal(err)
	}
	if got := until(t, newStage(t, dear), request(key("k4"), owner("gold"))); got != 2 {
		t.Errorf("at a cost of 4 %d of gold passed, want 2", got)
	}
	if got := until(t, s, request(key("k4"), owner("gold"))); got != 1 {
		t.Errorf("after that %d passed, want the one that is left", got)
	}
	for _, cost := range []int{-1, 0, 5} {
		if _, err := l.WithCost(cost); err == nil {
			t.Errorf("LIMIT-09: a cost of %d was accepted", cost)
		}
	}
}

func TestPlansThatAreNone(t *testing.T) {
	always := func(*exchange.Exchange) bool { return true }
	for want, plans := range map[string][]ratelimit.Plan{
		"plan 0: want a Name":  {{Quota: yearly(1), For: always}},
		"plan 1: want a Name":  {gold(9), gold(9)},
		`plan "a" has no For`:  {{Name: "a", Quota: yearly(1)}},
		"the quota's Count is": {{Name: "a", For: always}},
		"the Cost is 2, more":  {{Name: "a", Quota: yearly(1), For: always}},
		"17 Plans":             slices.Repeat([]ratelimit.Plan{gold(9)}, 17),
	} {
		_, err := ratelimit.NewLimit(ratelimit.LimitConfig{Name: "l", Quota: yearly(5), Cost: 2, By: []ratelimit.Part{ratelimit.ByKey()}, Plans: plans})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want one that says %s", err, want)
		}
	}
}

// What the handler says that a request came to is counted then, never less than
// was counted already, and never so much that the wait has no bound.
func TestCostsThatAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimit(t, ratelimit.LimitConfig{Name: "tokens", Quota: ratelimit.Quota{Count: 60, Per: time.Minute}, By: []ratelimit.Part{ratelimit.ByKey()}, Cost: 5, CostHeader: "x-cost"})
		var bad []string
		s, err := ratelimit.New(ratelimit.Config{Limits: []*ratelimit.Limit{l}, BadCost: func(_ *exchange.Exchange, name string) { bad = append(bad, name) }})
		if err != nil {
			t.Fatal(err)
		}
		tell := func(costs ...string) string {
			h := http.Header{"X-Cost": costs}
			s.Headers(request(), h)
			if h["X-Cost"] != nil {
				t.Errorf("%q stays in the answer", costs)
			}
			text, _, _ := strings.Cut(strings.TrimPrefix(h.Get("RateLimit"), `"tokens";r=`), ";")
			return text
		}
		for _, tt := range []struct{ told, want string }{
			{"3", "55"}, {"15", "45"}, {"-20", "45"}, {"1e3", "45"}, {" 9", "45"}, {"+9", "45"}, {"", "45"}, {"9223372036854775808", "45"}, {"1000000001", "45"},
		} {
			if tt.told == "3" && !passes(t, s, request()) {
				t.Fatal("refused")
			}
			if got := tell(tt.told); got != tt.want {
				t.Errorf("told of %q: %s are left, want %s", tt.told, got, tt.want)
			}
		}
		if got := tell("20", "20"); got != "45" {
			t.Errorf("told of two costs: %s are left", got)
		}
		if len(bad) != 8 {
			t.Errorf("LIMIT-09: %d bad costs, want 8", len(bad))
		}
		for range 50 { // 50 requests at once, each of a whole burst and more
			tell("999999999")
		}
		if got := retryAfter(t, s, request()); got > 65*time.Second {
			t.Errorf("the wait is %v, want at most twice the burst less what one request takes", got)
		}
		<-time.After(retryAfter(t, s, request()))
		if !passes(t, s, request()) {
			t.Error("refused when told to come")
		}
	})
}

func TestLegacyFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		narrow, wide := byKey(t, "narrow", ratelimit.Quota{Count: 10, Per: time.Second, Burst: 3}), byKey(t, "wide", ratelimit.Quota{Count: 5, Per: time.Minute})
		inner, err := ratelimit.New(ratelimit.Config{Limits: []*ratelimit.Limit{narrow, wide}, Legacy: true, Quiet: true, Replace: true})
		if err != nil {
			t.Fatal(err)
		}
		outer, err := ratelimit.New(ratelimit.Config{Limits: []*ratelimit.Limit{byKey(t, "outer", yearly(100))}, Legacy: true})
		if err != nil {
			t.Fatal(err)
		}
		if !passes(t, inner, request()) {
			t.Fatal("refused")
		}
		h := http.Header{"X-Ratelimit-Limit": {"7"}, "X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"9"}, "Ratelimit": {"x"}, "Ratelimit-Policy": {"x"}}
		inner.Headers(request(), h)
		outer.Headers(request(), h)
		for name, want := range map[string]string{
			"X-RateLimit-Limit": "3", "X-RateLimit-Remaining": "2", "X-RateLimit-Reset": "1", "RateLimit": `"outer";r=100;t=0`, "RateLimit-Policy": `"outer";q=100;w=31622400`,
		} {
			if got := strings.Join(h.Values(name), "|"); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	})
}

func TestNear(t *testing.T) {
	l := newLimit(t, ratelimit.LimitConfig{Name: "soft", Quota: yearly(10), By: []ratelimit.Part{ratelimit.ByKey()}, Soft: true})
	s := newStage(t, l, byKey(t, "hard", yearly(9)))
	for n := range 9 {
		x := request()
		if !passes(t, s, x) {
			t.Fatal("refused")
		}
		if got, want := x.NearLimit == "soft", n >= 7; got != want {
			t.Errorf("request %d: near %q", n, x.NearLimit)
		}
	}
}

// Whoever is told of subjects that are near is told of each limit, with the quota
// that the subject has, and never of a request that is not counted.
func TestNearIsTold(t *testing.T) {
	soft := func(name string, by ratelimit.Part) *ratelimit.Limit {
		return newLimit(t, ratelimit.LimitConfig{Name: name, Quota: yearly(10), By: []ratelimit.Part{by}, Soft: true, Plans: []ratelimit.Plan{gold(20)}})
	}
	told := map[string]int{}
	s, err := ratelimit.New(ratelimit.Config{
		Limits: []*ratelimit.Limit{soft("key", ratelimit.ByKey()), soft("owner", ratelimit.ByOwner())},
		Near: func(x *exchange.Exchange, l *ratelimit.Limit) {
			d, ok := l.Digest(x)
			if !ok {
				t.Error("a subject that is counted has no digest")
			}
			told[fmt.Sprintf("%s %d %x", l.Name(), l.Quota().Count, d)]++
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 40 {
		x := request(key(fmt.Sprint("k", n%2)), owner("silver"))
		s.Check(x)
		x.Dry = true
		s.Check(x)
	}
	for range 21 {
		s.Check(request(key("k"), owner("gold")))
	}
	var counts []string
	for what, n := range told {
		counts = append(counts, fmt.Sprint(strings.Fields(what)[:2], n))
	}
	slices.Sort(counts)
	// Five of ten of each key are those of the owner, of whom the last three are near.
	if got, want := strings.Join(counts, " "), "[key 20] 5 [owner 10] 3 [owner 20] 5"; got != want {
		t.Errorf("told of %s, want %s", got, want)
	}
}

func TestBypass(t *testing.T) {
	s, err := ratelimit.New(ratelimit.Config{Limits: []*ratelimit.Limit{byKey(t, "a", once())}, Bypass: func(x *exchange.Exchange) bool { return x.Principal.KeyID == "free" }})
	if err != nil {
		t.Fatal(err)
	}
	if got := until(t, s, request(key("free"))); got != 1000 {
		t.Errorf("%d passed", got)
	}
	h := http.Header{}
	if s.Headers(request(key("free")), h); len(h) != 0 {
		t.Errorf("whom nobody counts is told %v", h)
	}
	if got := until(t, s, request()); got != 1 {
		t.Errorf("%d of another passed, want 1", got)
	}
}

func TestResetAndOverride(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimit(t, ratelimit.LimitConfig{Name: "a", Quota: yearly(4), By: []ratelimit.Part{ratelimit.ByKey()}, Plans: []ratelimit.Plan{gold(9)}})
		s := newStage(t, l)
		mine, theirs := request(key("k1")), request(key("k2"), owner("gold"))
		for range 2 {
			if a, b := until(t, s, mine), until(t, s, theirs); a != 4 || b != 9 {
				t.Fatalf("%d and %d passed, want 4 and 9", a, b)
			}
			for _, x := range []*exchange.Exchange{mine, theirs} {
				subject, ok := l.Subject(x)
				again, err := ratelimit.ParseSubject(subject.String())
				if !ok || err != nil || again != subject || !l.Reset(subject) || l.Reset(subject) {
					t.Fatalf("subject %v %v, again %v %v", subject, ok, again, err)
				}
			}
		}
		if !ratelimit.Sound(l) {
			t.Error("the table's parts do not agree")
		}
		subject, _ := l.Subject(mine)
		if err := l.Override(subject, ratelimit.Quota{Count: 2, Per: time.Hour}, time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if got := until(t, s, mine); got != 2 {
			t.Errorf("%d passed by hand, want 2", got)
		}
		if standing, ok := l.Standing(mine); !ok || standing.Left != 0 || standing.Wait != 30*time.Minute || standing.Quota.Count != 2 {
			t.Errorf("it stands at %+v", standing)
		}
		<-time.After(time.Minute)
		if got := until(t, s, mine); got != 4 {
			t.Errorf("%d passed afterwards, want the limit's own 4", got)
		}
		if err := l.Override(subject, yearly(3), time.Time{}); err != nil {
			t.Fatal(err)
		}
		if got := until(t, s, mine); got != 3 {
			t.Errorf("%d passed by hand, want 3", got)
		}
		if err := l.Override(subject, ratelimit.Quota{}, time.Time{}); err != nil {
			t.Fatal(err)
		}
		if got := until(t, s, mine); got != 0 {
			t.Errorf("%d passed after the override was taken away, want none: the limit's own are spent", got)
		}
		if err := l.Override(subject, ratelimit.Quota{Count: -1}, time.Time{}); err == nil {
			t.Error("a quota that is none was accepted")
		}
		refused := errors.New("refused")
		asked := 0
		before := func() error { asked++; return refused }
		if err := l.OverrideAfter(subject, ratelimit.Quota{Count: -1}, time.Time{}, before); err == nil || asked != 0 {
			t.Errorf("before a quota that is none it asked %d times: %v", asked, err)
		}
		if err := l.OverrideAfter(subject, yearly(7), time.Time{}, before); !errors.Is(err, refused) || asked != 1 {
			t.Errorf("refused: %v, asked %d times", err, asked)
		}
		if standing, _ := l.Standing(mine); standing.Quota.Count != 4 {
			t.Errorf("an override was made that was refused: %+v", standing.Quota)
		}
		for n := range ratelimit.Subject(1001) {
			if err := l.Override(n, yearly(1), time.Time{}); (err != nil) != (n == 1000) {
				t.Fatalf("override %d: %v", n, err)
			}
		}
	})
}

func TestTop(t *testing.T) {
	l := newLimit(t, ratelimit.LimitConfig{Name: "a", Quota: once(), By: []ratelimit.Part{ratelimit.ByAddress(), ratelimit.ByHeader("X-Secret"), ratelimit.ByKey()}})
	s := newStage(t, l)
	noisy := request(from("2001:db8::1"), func(x *exchange.Exchange) { x.Request.Header.Set("X-Secret", "hunter2") })
	for range 500 {
		s.Check(noisy)
	}
	for n := range 3000 { // others, each twice: once refused
		x := request(from(fmt.Sprintf("10.0.%d.%d", n/250, n%250)))
		s.Check(x)
		s.Check(x)
	}
	top := l.Top(10)
	if len(top) != 10 || top[0].Who != "address=2001:db8::/64 header:X-Secret key=k1" || top[0].Times != 499 || top[0].Over != 0 {
		t.Errorf("the first of %d is %+v", len(top), top[0])
	}
	for _, r := range top[1:] {
		if r.Times-r.Over != 1 {
			t.Errorf("%+v, want one refusal beyond doubt", r)
		}
	}
	if got := len(l.Top(1000)); got != 64 {
		t.Errorf("%d are remembered, want 64", got)
	}
	if c := l.Counts(); c != (ratelimit.Counts{Passed: 3001, Refused: 3499}) || l.Remembered() != 3001 {
		t.Errorf("counted %+v of %d", c, l.Remembered())
	}
	subject, _ := l.Subject(noisy)
	if l.Reset(subject); l.Top(1)[0].Subject == subject {
		t.Error("who was forgiven is still listed")
	}
}
