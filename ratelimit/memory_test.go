package ratelimit_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/ratelimit/ratelimittest"
)

func newMemory(tb testing.TB, capacity int) *ratelimit.Memory {
	tb.Helper()
	m, err := ratelimit.NewMemory(capacity)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func TestMemoryStore(t *testing.T) {
	ratelimittest.TestStore(t, func(t *testing.T) ratelimit.Store {
		t.Helper()
		return newMemory(t, 1000)
	})
}

func TestMemoriesThatAreNone(t *testing.T) {
	for _, n := range []int{0, -1, 1<<24 + 1} {
		if _, err := ratelimit.NewMemory(n); err == nil {
			t.Errorf("a capacity of %d was accepted", n)
		}
	}
	m := newMemory(t, 1)
	for n := range 1025 {
		c := []ratelimit.Claim{{Limit: fmt.Sprint(n), Quota: ratelimit.Quota{Count: 1, Per: time.Second, Burst: 1}, Cost: 1}}
		if err := m.Take(t.Context(), c, false); (err == nil) != (n < 1024) {
			t.Errorf("limit %d: %v", n, err)
		}
	}
}

// A full memory refuses who is new, together with what is asked beside it.
func TestMemoryThatIsFull(t *testing.T) {
	m := newMemory(t, 2)
	q := ratelimit.Quota{Count: 1, Per: time.Hour, Burst: 1}
	other := ratelimit.Claim{Limit: "b", Quota: ratelimit.Quota{Count: 5, Per: time.Hour, Burst: 5}, Cost: 1}
	for n := range byte(4) {
		c := []ratelimit.Claim{other, {Limit: "a", Subject: ratelimit.Digest{n}, Quota: q, Cost: 1}}
		if err := m.Take(t.Context(), c, false); err != nil || c[1].OK != (n < 2) || !c[0].OK {
			t.Errorf("subject %d: %v and %v, %v", n, c[0].OK, c[1].OK, err)
		}
	}
	c := []ratelimit.Claim{other}
	if err := m.Take(t.Context(), c, true); err != nil || c[0].Debt > 24*time.Minute {
		t.Errorf("the other limit owes %v, %v, want that of the two that passed", c[0].Debt, err)
	}
}

// Any sequence of requests, by several limits at once: what exact numbers admit.
func TestMemoryAgainstTheOracle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(11, 12))
		for range 40 {
			m := newMemory(t, 100)
			begin := time.Now()
			var quotas [3]ratelimit.Quota
			var oracles [3]*ratelimittest.Oracle
			for i := range quotas {
				quotas[i] = ratelimit.Quota{Count: 1 + r.IntN(1000), Per: time.Duration(1+r.Int64N(int64(time.Hour)/1e6)) * time.Millisecond, Burst: 1 + r.IntN(50)}
				oracles[i] = ratelimittest.NewOracle(quotas[i])
			}
			for range 200 {
				if r.IntN(3) > 0 {
					<-time.After(time.Duration(1 + r.Int64N(3*int64(quotas[0].Per)/int64(quotas[0].Count)+1)))
				}
				claims := make([]ratelimit.Claim, 1+r.IntN(3))
				now, pass := int64(time.Since(begin)), true
				var would [3]bool
				for i := range claims {
					claims[i] = ratelimit.Claim{Limit: string(rune('a' + i)), Quota: quotas[i], Cost: 1 + r.IntN(quotas[i].Burst), Kind: ratelimit.ClaimKind(r.IntN(3))}
					would[i] = oracles[i].Would(now, claims[i].Cost)
					pass = pass && (would[i] || claims[i].Kind != ratelimit.Together)
				}
				if err := m.Take(t.Context(), claims, false); err != nil {
					t.Fatal(err)
				}
				for i := range claims {
					c := &claims[i]
					if c.Kind == ratelimit.Forced {
						oracles[i].Force(now, c.Cost)
					} else if pass && would[i] {
						oracles[i].Count(now, c.Cost)
					}
					if debt, fraction := oracles[i].Debt(now); c.OK != would[i] || c.Debt != debt || c.Fraction != fraction {
						t.Fatalf("%+v: want %v, %d and %d", c, would[i], debt, fraction)
					}
				}
			}
		}
	})
}

// Whoever has a plan or a quota of its own leaves the others' counts alone.
func TestMemoryKeepsQuotasApart(t *testing.T) {
	m, err := ratelimit.NewMemory(100)
	if err != nil {
		t.Fatal(err)
	}
	s := newStage(t, newLimit(t, ratelimit.LimitConfig{
		Name: "a", Quota: yearly(4), By: []ratelimit.Part{ratelimit.ByKey()}, Plans: []ratelimit.Plan{gold(9)}, Store: m,
	}))
	passed := map[string]int{}
	for range 20 {
		for name, x := range map[string]*exchange.Exchange{"plain": request(key("k1")), "plan": request(key("k2"), owner("gold")), "own": request(key("k3"), brings(own("a", 6)))} {
			if passes(t, s, x) {
				passed[name]++
			}
		}
	}
	if want := map[string]int{"plain": 4, "plan": 9, "own": 6}; !maps.Equal(passed, want) {
		t.Errorf("passed %v, want %v", passed, want)
	}
}
