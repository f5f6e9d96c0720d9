package ratelimit_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/ratelimit"
)

// once is a quota whose second request is refused for a long time.
func once() ratelimit.Quota { return ratelimit.Quota{Count: 1, Per: time.Hour} }

func TestSubjects(t *testing.T) {
	header := func(lines ...string) func(*exchange.Exchange) {
		return func(x *exchange.Exchange) { x.Request.Header["X-Tenant"] = lines }
	}
	claims := func(c map[string]any) func(*exchange.Exchange) {
		return func(x *exchange.Exchange) { x.Principal.Claims = c }
	}
	owner := func(o string) func(*exchange.Exchange) {
		return func(x *exchange.Exchange) { x.Principal.Owner = o }
	}
	both := func(a, b func(*exchange.Exchange)) func(*exchange.Exchange) {
		return func(x *exchange.Exchange) { a(x); b(x) }
	}
	issuer := func(i, s string) func(*exchange.Exchange) {
		return func(x *exchange.Exchange) { x.Principal.Issuer, x.Principal.Subject = i, s }
	}
	route := func(r, path string) func(*exchange.Exchange) {
		return func(x *exchange.Exchange) { x.Route, x.Path = r, path }
	}
	nobody := func(x *exchange.Exchange) { x.Client = netip.Addr{} }
	one := func(p ratelimit.Part) []ratelimit.Part { return []ratelimit.Part{p} }
	tests := []struct {
		name string
		by   []ratelimit.Part
		a, b func(*exchange.Exchange)
		same bool
	}{
		{"an address", one(ratelimit.ByAddress()), from("192.0.2.1"), from("192.0.2.2"), false},
		{"an address, mapped", one(ratelimit.ByAddress()), from("192.0.2.1"), from("::ffff:192.0.2.1"), true},
		{"LIMIT-03: one network of 64 bits", one(ratelimit.ByAddress()), from("2001:db8:0:1::1"), from("2001:db8:0:1:ffff:ffff:ffff:ffff"), true},
		{"two networks of 64 bits", one(ratelimit.ByAddress()), from("2001:db8:0:1::1"), from("2001:db8:0:2::1"), false},
		{"a zone is nobody else", one(ratelimit.ByAddress()), from("fe80::1%eth0"), from("fe80::1%eth1"), true},
		{"no address is one subject", one(ratelimit.ByAddress()), nobody, nobody, true},
		{"no address is not the address of nothing", one(ratelimit.ByAddress()), nobody, from("::"), false},
		{"LIMIT-03: keys of one owner, by key", one(ratelimit.ByKey()), key("k1"), key("k2"), false},
		{"LIMIT-03: keys of one owner, by owner", one(ratelimit.ByOwner()), both(key("k1"), owner("o")), both(key("k2"), owner("o")), true},
		{"no owner is one subject", one(ratelimit.ByOwner()), owner(""), both(key("k2"), owner("")), true},
		{"one subject of two issuers", ratelimit.ByPrincipal(), issuer("a", "x"), issuer("b", "x"), false},
		{"LIMIT-16: issuer and subject that read alike", ratelimit.ByPrincipal(), issuer("a", "bc"), issuer("ab", "c"), false},
		{"a missing part moves none", ratelimit.ByPrincipal(), issuer("a", ""), issuer("", "a"), false},
		{"a route", one(ratelimit.ByRoute()), route("GET /a/", "/a/1"), route("GET /b/", "/b/1"), false},
		{"LIMIT-11: every path of a route", one(ratelimit.ByRoute()), route("GET /a/", "/a/1"), route("GET /a/", "/a/2"), true},
		{"LIMIT-11: every path of none", one(ratelimit.ByRoute()), route("", "/x"), route("", "/y"), true},
		{"a field", one(ratelimit.ByHeader("x-tenant")), header("a"), header("b"), false},
		{"an empty field is there", one(ratelimit.ByHeader("X-Tenant")), header(""), header(), false},
		{"LIMIT-16: lines that read alike", one(ratelimit.ByHeader("X-Tenant")), header("ab", "c"), header("a", "bc"), false},
		{"the order of lines", one(ratelimit.ByHeader("X-Tenant")), header("a", "b"), header("b", "a"), false},
		{"a claim", one(ratelimit.ByClaim("org", "id")), claims(map[string]any{"org": map[string]any{"id": "1"}}), claims(map[string]any{"org": map[string]any{"id": "2"}}), false},
		{"a number that reads like a text", one(ratelimit.ByClaim("id")), claims(map[string]any{"id": "1"}), claims(map[string]any{"id": 1.0}), false},
		{"a number of either reader", one(ratelimit.ByClaim("id")), claims(map[string]any{"id": json.Number("1")}), claims(map[string]any{"id": 1.0}), true},
		{"what is no value is none", one(ratelimit.ByClaim("id")), claims(map[string]any{"id": []any{"1"}}), claims(nil), true},
		{"booleans", one(ratelimit.ByClaim("id")), claims(map[string]any{"id": true}), claims(map[string]any{"id": "true"}), false},
		{"two parts", []ratelimit.Part{ratelimit.ByAddress(), ratelimit.ByRoute()}, both(from("192.0.2.1"), route("a", "")), both(from("192.0.2.1"), route("b", "")), false},
		{"a part of the user's own", one(ratelimit.ByFunc("length", func(x *exchange.Exchange) (string, bool) { return fmt.Sprint(len(x.Route)), true })), route("a", ""), route("b", ""), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStage(t, newLimit(t, ratelimit.LimitConfig{Name: "a", Quota: once(), By: tt.by}))
			if !passes(t, s, request(tt.a)) {
				t.Fatal("the first request was refused")
			}
			if got := !passes(t, s, request(tt.b)); got != tt.same {
				t.Errorf("the same subject = %v, want %v", got, tt.same)
			}
			store := newMemory(t, 10) // knows subjects by their digests
			one := newStage(t, newLimit(t, ratelimit.LimitConfig{Name: "a", Quota: once(), By: tt.by, Store: store}))
			two := newStage(t, newLimit(t, ratelimit.LimitConfig{Name: "a", Quota: once(), By: tt.by, Store: store}))
			if !passes(t, one, request(tt.a)) {
				t.Fatal("the first request of two nodes was refused")
			}
			if got := !passes(t, two, request(tt.b)); got != tt.same {
				t.Errorf("the same subject to two nodes = %v, want %v", got, tt.same)
			}
		})
	}
}

func TestMissingParts(t *testing.T) {
	anonymous := func(x *exchange.Exchange) { x.Principal = exchange.Principal{} }
	for _, skip := range []bool{false, true} {
		s := newStage(t, newLimit(t, ratelimit.LimitConfig{Name: "a", Quota: once(), By: []ratelimit.Part{ratelimit.ByKey()}, SkipMissing: skip}))
		if !passes(t, s, request(anonymous)) || passes(t, s, request(anonymous)) != skip {
			t.Errorf("SkipMissing %v: the second request without a key passes = %v", skip, !skip)
		}
		h := http.Header{}
		s.Headers(request(anonymous), h)
		if got := h.Get("RateLimit") == ""; got != skip {
			t.Errorf("SkipMissing %v: nothing is told = %v", skip, got)
		}
	}
}

func TestLimitsThatAreNone(t *testing.T) {
	by := []ratelimit.Part{ratelimit.ByAddress()}
	tests := []struct {
		name string
		cfg  ratelimit.LimitConfig
		want []string
	}{
		{"the zero value", ratelimit.LimitConfig{}, []string{"want a Name", "Count is 0", "0 parts in By"}},
		{"a name with a quote", ratelimit.LimitConfig{Name: `a"b`, Quota: once(), By: by}, []string{`limit "a\"b": want a Name`}},
		{"LIMIT-09: a negative cost", ratelimit.LimitConfig{Name: "a", Quota: once(), By: by, Cost: -1}, []string{"Cost is -1"}},
		{"LIMIT-09: a cost above the burst", ratelimit.LimitConfig{Name: "a", Quota: once(), By: by, Cost: 2}, []string{"Cost is 2, want 1 to the burst, 1"}},
		{"no capacity", ratelimit.LimitConfig{Name: "a", Quota: once(), By: by, Capacity: -1}, []string{"Capacity is -1"}},
		{"too much capacity", ratelimit.LimitConfig{Name: "a", Quota: once(), By: by, Capacity: 1<<24 + 1}, []string{"Capacity is 16777217"}},
		{"parts that are none", ratelimit.LimitConfig{Name: "a", Quota: once(), By: []ratelimit.Part{{}, ratelimit.ByHeader(""), ratelimit.ByClaim(), ratelimit.ByClaim("a", ""), ratelimit.ByFunc("x", nil)}}, []string{"part 0", "part 1", "part 2", "part 3", "part 4"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ratelimit.NewLimit(tt.cfg)
			if err == nil {
				t.Fatal("was accepted")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %s", err, want)
				}
			}
		})
	}
}

// At its capacity a table lets go of who loses nothing, then of who has spent
// least, and never of who is over the limit.
func TestCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimit(t, ratelimit.LimitConfig{Name: "a", Quota: ratelimit.Quota{Count: 2, Per: time.Hour}, By: []ratelimit.Part{ratelimit.ByKey()}, Capacity: 3})
		s := newStage(t, l)
		spend := func(id string, n int) (passed int) {
			for range n {
				if passes(t, s, request(key(id))) {
					passed++
				}
			}
			return passed
		}
		spend("over", 3)
		spend("half", 1)
		<-time.After(time.Minute)
		spend("later", 1)
		if got := spend("new", 2); got != 2 {
			t.Errorf("a new subject passed %d times, want 2 in the place of who has spent least", got)
		}
		if got := spend("over", 1) + spend("new", 1); got != 0 {
			t.Errorf("those over the limit passed %d times", got)
		}
		if got := spend("half", 2); got != 2 { // it was let go, and takes the place of later
			t.Errorf("who was let go passed %d times, want a whole burst of 2", got)
		}
		if got := spend("other", 1); got != 0 || retryAfter(t, s, request(key("other"))) < time.Second {
			t.Error("there was room while all are over the limit")
		}
		if got := ratelimit.Remembered(l); got != 3 {
			t.Errorf("%d are remembered, want 3", got)
		}
		<-time.After(time.Hour)
		if got := spend("other", 3); got != 2 {
			t.Errorf("after an hour a new subject passed %d times, want 2", got)
		}
	})
}

// A table of many shards is one: room in any of them is room.
func TestCapacityOfManyShards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const capacity = 5000
		l := newLimit(t, ratelimit.LimitConfig{Name: "a", Quota: once(), By: []ratelimit.Part{ratelimit.ByKey()}, Capacity: capacity})
		s := newStage(t, l)
		passed := 0
		for n := range capacity + 500 {
			if passes(t, s, request(key(fmt.Sprint("k", n)))) {
				passed++
			}
		}
		if passed != capacity || ratelimit.Remembered(l) != capacity || !ratelimit.Sound(l) {
			t.Errorf("%d passed and %d are remembered, want %d: whoever came first is over the limit", passed, ratelimit.Remembered(l), capacity)
		}
		for n := range capacity {
			if passes(t, s, request(key(fmt.Sprint("k", n)))) {
				t.Fatalf("k%d was forgotten over its limit", n)
			}
		}
		<-time.After(2 * time.Hour) // all are whole again
		for n := range capacity {
			if !passes(t, s, request(key(fmt.Sprint("n", n)))) {
				t.Fatalf("n%d found no room", n)
			}
		}
		if got := ratelimit.Remembered(l); got > capacity || !ratelimit.Sound(l) {
			t.Errorf("%d are remembered, want at most %d", got, capacity)
		}
	})
}

// 100 bytes for each subject are promised.
func TestMemory(t *testing.T) {
	subjects := 300_000
	if raceEnabled {
		subjects = 30_000
	}
	l := newLimit(t, ratelimit.LimitConfig{Name: "a", Quota: ratelimit.Quota{Count: 10, Per: 366 * 24 * time.Hour}, By: []ratelimit.Part{ratelimit.ByAddress()}, Capacity: subjects})
	s, x := newStage(t, l), request()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for n := range subjects {
		x.Client = netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
		if !passes(t, s, x) {
			t.Fatal("refused")
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if got := float64(after.HeapAlloc-before.HeapAlloc) / float64(subjects); got > 100 || ratelimit.Remembered(l) != subjects {
		t.Errorf("%.0f bytes for each of %d subjects, want at most 100", got, ratelimit.Remembered(l))
	} else {
		t.Logf("%.0f bytes for each subject", got)
	}
}

// Requests at once are counted one by one, by two limits or by none, in stages
// that name them in either order.
func TestAtOnce(t *testing.T) {
	long := ratelimit.Quota{Count: 100, Per: 366 * 24 * time.Hour}
	a := newLimit(t, ratelimit.LimitConfig{Name: "a", Quota: long, By: []ratelimit.Part{ratelimit.ByOwner()}})
	b := newLimit(t, ratelimit.LimitConfig{Name: "b", Quota: ratelimit.Quota{Count: 60, Per: long.Per}, By: []ratelimit.Part{ratelimit.ByKey()}})
	stages := []*ratelimit.Stage{newStage(t, a, b), newStage(t, b, a)}
	var passed [2]atomic.Int64
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for n := range 100 {
				k := (g + n) % 2
				if passes(t, stages[g%2], request(key(fmt.Sprint("k", k)))) {
					passed[k].Add(1)
				}
			}
		})
	}
	wg.Wait()
	if one, two := passed[0].Load(), passed[1].Load(); one+two != 100 || one > 60 || two > 60 || !ratelimit.Sound(a) || !ratelimit.Sound(b) {
		t.Errorf("%d and %d passed, want 100 together and at most 60 each", one, two)
	}
}

// Many who compete for little room leave the table whole.
func TestRoomAtOnce(t *testing.T) {
	l := newLimit(t, ratelimit.LimitConfig{Name: "a", Quota: ratelimit.Quota{Count: 1000, Per: time.Second, Burst: 2}, By: []ratelimit.Part{ratelimit.ByKey()}, Capacity: 5000})
	s := newStage(t, l)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for n := range 5000 {
				s.Check(request(key(fmt.Sprint(g, n%3000))))
			}
		})
	}
	wg.Wait()
	if !ratelimit.Sound(l) {
		t.Error("the table's parts do not agree")
	}
}
