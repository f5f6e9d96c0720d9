package bruteforce_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/bruteforce"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/problem"
)

func newGuard(tb testing.TB, change ...func(*bruteforce.Config)) *bruteforce.Guard {
	tb.Helper()
	cfg := bruteforce.Config{Claim: func(x *exchange.Exchange) string { return x.Request.Header.Get("X-Claim") }}
	for _, f := range change {
		f(&cfg)
	}
	g, err := bruteforce.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

// try sends a credential for id from an address, which is right or wrong in the
// way that reason names, and returns what came of it: "passed", "wrong", or how
// long the guard wants to wait.
func try(tb testing.TB, g *bruteforce.Guard, from, id, reason string) string {
	tb.Helper()
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	x.Client = netip.MustParseAddr(from)
	x.Request.Header.Set("X-Claim", id)
	v := g.Check(x)
	if p := v.Problem(); p != nil {
		g.Done(x, exchange.Outcome{Trace: exchange.Trace{Verdict: v, Stage: "guard"}, Status: p.Type.Status(), Reason: v.Reason()})
		return p.Header.Get("Retry-After")
	}
	if reason == "" {
		x.Principal = exchange.Principal{Issuer: "warder", Subject: id, KeyID: id}
		g.Done(x, exchange.Outcome{Trace: exchange.Trace{Verdict: exchange.Pass()}, Status: http.StatusOK})
		return "passed"
	}
	g.Done(x, exchange.Outcome{
		Trace: exchange.Trace{Verdict: exchange.Refuse(problem.New(problem.Unauthorized, ""), reason), Stage: "authn"}, Status: http.StatusUnauthorized, Reason: reason,
	})
	return "wrong"
}

func want(tb testing.TB, what, got, want string) {
	tb.Helper()
	if got != want {
		tb.Errorf("%s: %s, want %s", what, got, want)
	}
}

const (
	attacker = "198.51.100.1"
	home     = "192.0.2.1"
)

func TestTheDelaysGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t)
		for n := range 11 {
			want(t, fmt.Sprintf("guess %d", n), try(t, g, attacker, "victim", "wrong-secret"), "wrong")
		}
		for n, delay := range []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900} {
			want(t, "too soon", try(t, g, attacker, "victim", "wrong-secret"), fmt.Sprint(delay))
			want(t, "too soon, with the right one", try(t, g, attacker, "victim", ""), fmt.Sprint(delay))
			<-time.After(time.Duration(delay)*time.Second - time.Nanosecond)
			want(t, "a moment too soon", try(t, g, attacker, "victim", "wrong-secret"), "1")
			<-time.After(time.Nanosecond)
			want(t, fmt.Sprintf("guess %d, in time", n), try(t, g, attacker, "victim", "wrong-secret"), "wrong")
		}
		<-time.After(time.Hour)
		want(t, "an hour later", try(t, g, attacker, "victim", "wrong-secret"), "wrong")
		want(t, "all is forgotten", try(t, g, attacker, "victim", "wrong-secret"), "wrong")
	})
}

func TestWhatIsNoGuess(t *testing.T) {
	g := newGuard(t)
	for range 200 {
		for _, reason := range []string{"no-credential", "malformed", "expired", "revoked", "disabled", "audience"} {
			want(t, reason, try(t, g, attacker, "k", reason), "wrong")
		}
		want(t, "a stale session", try(t, g, attacker, "", "unknown"), "wrong")
		x := exchange.New(httptest.NewRequest(http.MethodGet, "/", http.NoBody))
		x.Client = netip.MustParseAddr(attacker)
		g.Done(x, exchange.Outcome{Trace: exchange.Trace{Verdict: exchange.Pass()}, Status: http.StatusUnauthorized}) // an upstream's own
		x.Dry = true
		g.Done(x, exchange.Outcome{Status: http.StatusUnauthorized, Reason: "wrong-secret"})
		x.Client, x.Dry = netip.Addr{}, false // over a Unix socket
		g.Done(x, exchange.Outcome{Status: http.StatusUnauthorized, Reason: "wrong-secret"})
		if !g.Check(x).Passed() {
			t.Fatal("somebody without an address was refused")
		}
	}
	if g.Remembered() != 0 {
		t.Errorf("%d are remembered", g.Remembered())
	}
}

// One address that tries many ids waits as well, in whichever of its 2^64 forms.
func TestASpray(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t)
		for n := range 31 {
			want(t, "a guess", try(t, g, fmt.Sprintf("2001:db8::%x", n), fmt.Sprint("k", n), "unknown"), "wrong")
		}
		want(t, "the next", try(t, g, "2001:db8::ffff", "k99", "unknown"), "1")
		want(t, "another network", try(t, g, "2001:db8:1::1", "k99", "unknown"), "wrong")
	})
}

func TestNobodyIsLockedOut(t *testing.T) {
	attack.Case(t, "LIMIT-13", attack.Library, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := newGuard(t)
			want(t, "the victim, before", try(t, g, home, "victim", ""), "passed")
			for n := range 3000 { // from many addresses, and from the victim's own, which it shares
				try(t, g, fmt.Sprintf("198.51.%d.%d", n/250, n%250), "victim", "wrong-secret")
				try(t, g, home, fmt.Sprint("k", n), "wrong-secret")
			}
			want(t, "from its own address", try(t, g, home, "victim", ""), "passed")
			want(t, "from a new one", try(t, g, "203.0.113.9", "victim", ""), "passed")
			want(t, "the attacker, next to the victim", try(t, g, home, "k1", "wrong-secret"), "1")
			want(t, "a new address that guesses at a besieged key", try(t, g, "203.0.113.1", "victim", "wrong-secret"), "wrong")
			want(t, "again", try(t, g, "203.0.113.1", "victim", "wrong-secret"), "wrong")
			want(t, "and again", try(t, g, "203.0.113.1", "victim", "wrong-secret"), "1")
		})
	})
}

// A right credential in between buys no further guesses at another's.
func TestASuccessFreesNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t)
		guesses := 0
		for range 100 {
			if try(t, g, attacker, "victim", "wrong-secret") == "wrong" {
				guesses++
			}
			want(t, "the attacker's own key", try(t, g, attacker, "own", ""), "passed")
		}
		if guesses != 11 {
			t.Errorf("%d guesses at once, want 11", guesses)
		}
		g.Forget(netip.MustParseAddr(attacker), "victim")
		want(t, "forgiven by hand", try(t, g, attacker, "victim", "wrong-secret"), "wrong")
	})
}

func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const capacity = 1600
		g := newGuard(t, func(c *bruteforce.Config) { c.Capacity = capacity })
		for range 40 {
			try(t, g, attacker, "victim", "wrong-secret")
			<-time.After(time.Second)
		}
		before := try(t, g, attacker, "victim", "wrong-secret")
		for n := range 20 * capacity {
			try(t, g, fmt.Sprintf("10.%d.%d.%d", n>>16, n>>8&255, n&255), fmt.Sprint("k", n), "unknown")
		}
		if got := g.Remembered(); got > capacity {
			t.Errorf("%d are remembered, want at most %d", got, capacity)
		}
		want(t, "who had to wait before the flood", try(t, g, attacker, "victim", "wrong-secret"), before)
	})
}

// 100 bytes for each are promised.
func TestMemory(t *testing.T) {
	const n = 50_000
	g := newGuard(t, func(c *bruteforce.Config) { c.Claim, c.Capacity = nil, 2*n })
	const forged = "signature"
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range n {
		x.Client = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		g.Done(x, exchange.Outcome{Status: http.StatusUnauthorized, Reason: forged})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if got := float64(after.HeapAlloc-before.HeapAlloc) / n; got > 100 || g.Remembered() != n {
		t.Errorf("%.0f bytes for each of %d", got, g.Remembered())
	}
}

func TestShadow(t *testing.T) {
	told := 0
	g := newGuard(t, func(c *bruteforce.Config) {
		c.Shadow, c.Shadowed = true, func(*exchange.Exchange, string) { told++ }
	})
	for range 20 {
		want(t, "a guess", try(t, g, attacker, "victim", "wrong-secret"), "wrong")
	}
	if told != 9 || g.Refused() != 0 {
		t.Errorf("told of %d, %d refused", told, g.Refused())
	}
}

func TestConfigsThatAreNone(t *testing.T) {
	_, err := bruteforce.New(bruteforce.Config{
		Address: bruteforce.Rule{Free: -1, Delay: 1, Longest: 1, Forget: 1}, Pair: bruteforce.Rule{Free: 1, Delay: time.Second, Longest: time.Minute, Forget: time.Second},
		Besieged: -1, Capacity: 1, Shadow: true,
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, part := range []string{"Address.Free is -1", "Pair.Forget is 1s", "Besieged is -1", "Capacity is 1,", "no Shadowed"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %q", err, part)
		}
	}
}

func TestPassingAllocatesNothing(t *testing.T) {
	g := newGuard(t)
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	x.Client = netip.MustParseAddr(home)
	x.Principal.KeyID = "k"
	if got := testing.AllocsPerRun(100, func() {
		g.Check(x)
		g.Done(x, exchange.Outcome{Status: http.StatusOK})
	}); got != 0 {
		t.Errorf("%v allocations, want none", got)
	}
}

func BenchmarkGuard(b *testing.B) {
	g := newGuard(b)
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	x.Client = netip.MustParseAddr(home)
	x.Principal.KeyID = "k"
	b.ReportAllocs()
	for b.Loop() {
		g.Check(x)
		g.Done(x, exchange.Outcome{Status: http.StatusOK})
	}
}
