// Package ratelimittest is the contract of [ratelimit.Store] as tests, and an
// [Oracle] of what is right. Every implementation runs [TestStore].
package ratelimittest

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warder-dev/warder/ratelimit"
)

// TestStore tests the store that open returns. open is called once per subtest and
// gives an empty store each time; it closes it with t.Cleanup.
func TestStore(t *testing.T, open func(t *testing.T) ratelimit.Store) {
	t.Helper()
	for _, r := range []struct {
		name  string
		check func(t *testing.T, s ratelimit.Store)
	}{
		{"a subject has its burst and no more", aBurst},
		{"what is owed is exact", debts},
		{"a cost counts as many", costs},
		{"time refills", refills},
		{"subjects and limits are apart", apart},
		{"all or none", allOrNone},
		{"alone counts when the others pass, and refuses nobody", alone},
		{"forced counts always, up to a burst beyond", forced},
		{"dry counts nothing", dry},
		{"reset forgets, and begins an epoch", resets},
		{"at once, exactly as many as there are", atOnce},
		{"at once, two limits or none", pairsAtOnce},
		{"claims that are none", wrongClaims},
	} {
		t.Run(r.name, func(t *testing.T) { r.check(t, open(t)) })
	}
}

// slow is a quota that gives nothing back while a test runs.
func slow(burst int) ratelimit.Quota {
	return ratelimit.Quota{Count: 1, Per: 24 * time.Hour, Burst: burst}
}

// claim is on a limit by a subject, for one.
func claim(limit, subject string, q ratelimit.Quota) ratelimit.Claim {
	if q.Burst == 0 {
		q.Burst = q.Count
	}
	c := ratelimit.Claim{Limit: limit, Quota: q, Cost: 1}
	copy(c.Subject[:], subject)
	return c
}

// take sends claims and returns the answers.
func take(t *testing.T, s ratelimit.Store, dry bool, claims ...ratelimit.Claim) []ratelimit.Claim {
	t.Helper()
	if err := s.Take(t.Context(), claims, dry); err != nil {
		t.Fatal(err)
	}
	return claims
}

// want takes c and fails unless it is answered so.
func want(t *testing.T, s ratelimit.Store, c ratelimit.Claim, ok bool) ratelimit.Claim {
	t.Helper()
	got := take(t, s, false, c)[0]
	if got.OK != ok {
		t.Fatalf("limit %q, cost %d, kind %d: OK = %v, want %v (owed: %v)", c.Limit, c.Cost, c.Kind, got.OK, ok, got.Debt)
	}
	return got
}

func aBurst(t *testing.T, s ratelimit.Store) {
	for n := range 5 {
		want(t, s, claim("a", "x", slow(3)), n < 3)
	}
}

func debts(t *testing.T, s ratelimit.Store) {
	q := ratelimit.Quota{Count: 7, Per: 24 * time.Hour, Burst: 7}
	first := want(t, s, claim("a", "x", q), true)
	if first.Debt != 24*time.Hour/7 || first.Fraction != int(24*time.Hour%7) {
		t.Errorf("one of seven a day is owed as %v and %d/7 ns, want %v and %d/7", first.Debt, first.Fraction, 24*time.Hour/7, 24*time.Hour%7)
	}
	for range 6 {
		want(t, s, claim("a", "x", q), true)
	}
	before := want(t, s, claim("a", "x", q), false)
	if before.Debt > 24*time.Hour || before.Debt <= 24*time.Hour*6/7 {
		t.Errorf("after the whole burst %v is owed", before.Debt)
	}
	if after := want(t, s, claim("a", "x", q), false); after.Debt > before.Debt {
		t.Errorf("a refusal raised what is owed from %v to %v", before.Debt, after.Debt)
	}
	if fresh := take(t, s, true, claim("a", "y", q))[0]; fresh.Debt != 0 || fresh.Fraction != 0 || !fresh.OK {
		t.Errorf("a fresh subject: %+v", fresh)
	}
}

func costs(t *testing.T, s ratelimit.Store) {
	c := claim("a", "x", slow(10))
	for _, step := range []struct {
		cost int
		ok   bool
	}{{4, true}, {4, true}, {4, false}, {2, true}, {1, false}} {
		c.Cost = step.cost
		want(t, s, c, step.ok)
	}
}

// The store's clock is asked, so the wait may only be too long for what is left.
func refills(t *testing.T, s ratelimit.Store) {
	c := claim("a", "x", ratelimit.Quota{Count: 1, Per: 50 * time.Millisecond})
	for n := range 5 {
		got := want(t, s, c, true)
		if got.Debt != 50*time.Millisecond {
			t.Fatalf("request %d: owed %v, want 50 ms: the burst was whole", n, got.Debt)
		}
		<-time.After(got.Debt + time.Millisecond)
	}
}

func apart(t *testing.T, s ratelimit.Store) {
	for _, c := range []ratelimit.Claim{claim("a", "x", slow(1)), claim("a", "y", slow(1)), claim("b", "x", slow(1))} {
		want(t, s, c, true)
		want(t, s, c, false)
	}
}

func allOrNone(t *testing.T, s ratelimit.Store) {
	wide, narrow := claim("wide", "x", slow(3)), claim("narrow", "y", slow(1))
	if got := take(t, s, false, wide, narrow); !got[0].OK || !got[1].OK {
		t.Fatalf("the first request: %+v", got)
	}
	for range 5 {
		if got := take(t, s, false, wide, narrow); !got[0].OK || got[1].OK {
			t.Fatalf("over the narrow limit: %v and %v, want true and false", got[0].OK, got[1].OK)
		}
	}
	want(t, s, wide, true)
	want(t, s, wide, true)
	want(t, s, wide, false)
}

func alone(t *testing.T, s ratelimit.Store) {
	enforced, tried := claim("enforced", "x", slow(3)), claim("tried", "x", slow(1))
	tried.Kind = ratelimit.Alone
	for n, ok := range []bool{true, true, true, false} {
		got := take(t, s, false, enforced, tried)
		if got[0].OK != ok || got[1].OK != (n == 0) {
			t.Errorf("request %d: %v and %v, want %v and %v", n, got[0].OK, got[1].OK, ok, n == 0)
		}
	}
	other := claim("tried", "y", slow(1))
	other.Kind = ratelimit.Alone
	take(t, s, false, enforced, other) // refused
	want(t, s, other, true)            // so it was not counted
}

func forced(t *testing.T, s ratelimit.Store) {
	c := claim("a", "x", slow(4))
	c.Kind, c.Cost = ratelimit.Forced, 3
	want(t, s, c, true)
	for range 5 {
		want(t, s, c, false)
	}
	if got := take(t, s, true, claim("a", "x", slow(4)))[0]; got.OK || got.Debt > 8*24*time.Hour || got.Debt < 7*24*time.Hour {
		t.Errorf("owed %v, want two bursts of 4 days", got.Debt)
	}
}

func dry(t *testing.T, s ratelimit.Store) {
	for range 3 {
		if got := take(t, s, true, claim("a", "x", slow(1)))[0]; !got.OK || got.Debt != 0 {
			t.Fatalf("a dry request was counted: %+v", got)
		}
	}
	want(t, s, claim("a", "x", slow(1)), true)
	if got := take(t, s, true, claim("a", "x", slow(1)))[0]; got.OK {
		t.Error("a dry request is not judged")
	}
}

func resets(t *testing.T, s ratelimit.Store) {
	c := claim("a", "x", slow(1))
	want(t, s, c, true)
	want(t, s, claim("a", "y", slow(1)), true)
	before := s.Fleet()
	if before.Nodes < 1 {
		t.Errorf("the fleet has %d nodes", before.Nodes)
	}
	if err := s.Reset(t.Context(), "a", c.Subject, c.Near); err != nil {
		t.Fatal(err)
	}
	if err := s.Reset(t.Context(), "none", c.Subject, c.Near); err != nil {
		t.Errorf("a subject that spent nothing: %v", err)
	}
	if s.Fleet().Epoch == before.Epoch {
		t.Error("the epoch is the same")
	}
	want(t, s, c, true)
	want(t, s, claim("a", "y", slow(1)), false)
}

func atOnce(t *testing.T, s ratelimit.Store) {
	const limit, callers = 100, 20
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range 10 * limit / callers {
				c := []ratelimit.Claim{claim("a", "x", slow(limit))}
				if err := s.Take(t.Context(), c, false); err != nil {
					t.Error(err)
				} else if c[0].OK {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if got := passed.Load(); got != limit {
		t.Errorf("%d of %d passed, want %d", got, 10*limit, limit)
	}
}

func pairsAtOnce(t *testing.T, s ratelimit.Store) {
	var passed atomic.Int64
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for n := range 50 {
				key := fmt.Sprint("k", (g+n)%2)
				c := []ratelimit.Claim{claim("owner", "o", slow(100)), claim("key", key, slow(60))}
				if g%2 == 0 {
					c[0], c[1] = c[1], c[0]
				}
				if err := s.Take(t.Context(), c, false); err != nil {
					t.Error(err)
				} else if c[0].OK && c[1].OK {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if got := passed.Load(); got != 100 {
		t.Errorf("%d passed, want 100: 60 of each key, together 100", got)
	}
}

func wrongClaims(t *testing.T, s ratelimit.Store) {
	change := func(f func(*ratelimit.Claim)) ratelimit.Claim {
		c := claim("a", "x", slow(2))
		f(&c)
		return c
	}
	for name, c := range map[string]ratelimit.Claim{
		"LIMIT-09: no cost":                change(func(c *ratelimit.Claim) { c.Cost = 0 }),
		"LIMIT-09: a negative cost":        change(func(c *ratelimit.Claim) { c.Cost = -1 }),
		"LIMIT-09: a cost above the burst": change(func(c *ratelimit.Claim) { c.Cost = 3 }),
		"a quota that is none":             change(func(c *ratelimit.Claim) { c.Quota.Per = 0 }),
		"a quota that takes too long":      change(func(c *ratelimit.Claim) { c.Quota = ratelimit.Quota{Count: 1, Per: 366 * 24 * time.Hour, Burst: 1e9} }),
	} {
		if err := s.Take(t.Context(), []ratelimit.Claim{c}, false); err == nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), string(c.Subject[:1])+"\x00") {
			t.Errorf("%s: the error shows the subject: %v", name, err)
		}
	}
	many := make([]ratelimit.Claim, 17)
	for i := range many {
		many[i] = claim(fmt.Sprint("l", i), "x", slow(1))
	}
	if err := s.Take(t.Context(), many, false); err == nil {
		t.Error("17 claims at once: no error")
	}
	want(t, s, claim("a", "x", slow(2)), true)
}
