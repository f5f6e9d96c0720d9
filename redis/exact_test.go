package redis_test

import (
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/ratelimit/ratelimittest"
	"github.com/warder-dev/warder/redis"
)

// scripted is a store whose server has a clock that the test sets.
type scripted struct {
	client rueidis.Client
	limits *redis.Limits
	now    int64 // microseconds
}

func newScripted(tb testing.TB) *scripted {
	tb.Helper()
	s := startServer(tb)
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{s.Address}, DisableCache: true, Dialer: net.Dialer{Timeout: patience}, ConnWriteTimeout: patience})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(client.Close)
	return &scripted{client, openDB(tb, nil, s.Address).Limits(), time.Now().UnixMicro()}
}

func (s *scripted) take(tb testing.TB, dry bool, claims ...ratelimit.Claim) []ratelimit.Claim {
	tb.Helper()
	if err := redis.TakeAt(tb.Context(), s.client, s.limits, s.now, claims, dry); err != nil {
		tb.Fatal(err)
	}
	return claims
}

// Any sequence of requests, by several limits at once, of every kind: the script
// admits what exact numbers admit, and owes what they owe, to the fraction.
func TestAgainstTheOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	quotas := []ratelimit.Quota{
		{Count: 1, Per: time.Second, Burst: 1},
		{Count: 3, Per: time.Second, Burst: 3},
		{Count: 7, Per: time.Minute, Burst: 2},
		{Count: 1000, Per: time.Hour, Burst: 5000},
		{Count: 1_000_000_000, Per: time.Millisecond, Burst: 1_000_000_000},
		{Count: 999_999_937, Per: 366 * 24 * time.Hour, Burst: 1},
		{Count: 1, Per: 366 * 24 * time.Hour, Burst: 10},
		{Count: 1_000_000_000, Per: 366 * 24 * time.Hour, Burst: 1_000_000_000},
	}
	for range 16 {
		quotas = append(quotas, ratelimit.Quota{Count: 1 + r.IntN(1000), Per: time.Duration(1 + r.Int64N(int64(time.Hour))), Burst: 1 + r.IntN(50)})
	}
	s := newScripted(t)
	for i := range quotas {
		some := []ratelimit.Quota{quotas[i], quotas[r.IntN(len(quotas))], quotas[r.IntN(len(quotas))]}
		oracles := []*ratelimittest.Oracle{ratelimittest.NewOracle(some[0]), ratelimittest.NewOracle(some[1]), ratelimittest.NewOracle(some[2])}
		interval := int64(some[0].Per)/int64(some[0].Count)/1000 + 1
		for range 150 {
			if r.IntN(3) > 0 {
				s.now += r.Int64N(3 * interval)
			}
			claims := make([]ratelimit.Claim, 1+r.IntN(3))
			for j := range claims {
				q := some[j]
				claims[j] = claim(string(rune('a'+j)), i, q, 1)
				if r.IntN(4) == 0 {
					claims[j].Cost = 1 + r.IntN(q.Burst)
				}
				claims[j].Kind = []ratelimit.ClaimKind{ratelimit.Together, ratelimit.Together, ratelimit.Together, ratelimit.Alone, ratelimit.Forced}[r.IntN(5)]
			}
			against(t, s, claims, oracles, r.IntN(8) == 0)
		}
	}
}

// against takes claims and compares every answer with the oracles'.
func against(t *testing.T, s *scripted, claims []ratelimit.Claim, oracles []*ratelimittest.Oracle, dry bool) {
	t.Helper()
	now, pass := s.now*1000, true
	would := make([]bool, len(claims))
	for j, c := range claims {
		would[j] = oracles[j].Would(now, c.Cost)
		pass = pass && (would[j] || c.Kind != ratelimit.Together)
	}
	s.take(t, dry, claims...)
	for j, c := range claims {
		switch {
		case dry:
		case c.Kind == ratelimit.Forced:
			oracles[j].Force(now, c.Cost)
		case pass && would[j]:
			oracles[j].Count(now, c.Cost)
		}
		debt, fraction := oracles[j].Debt(now)
		if c.OK != would[j] || c.Debt != debt || c.Fraction != fraction {
			t.Fatalf("at %d, %+v: OK %v, owed %d and %d; want %v, %d and %d", s.now, c, c.OK, c.Debt, c.Fraction, would[j], debt, fraction)
		}
	}
}

// The same by the server's own clock, and through everything that is between.
func TestAgainstTheOracleByTheServersClock(t *testing.T) { againstTheOracle(t, startServer(t)) }

func againstTheOracle(t *testing.T, s *server) {
	t.Helper()
	r := rand.New(rand.NewPCG(7, 8))
	store := openDB(t, nil, s.Address).Limits()
	for i, q := range []ratelimit.Quota{{Count: 10_000, Per: 7 * time.Second, Burst: 3}, {Count: 300, Per: time.Second, Burst: 40}, {Count: 999_983, Per: time.Minute, Burst: 7}} {
		o := ratelimittest.NewOracle(q)
		for range 400 {
			c := []ratelimit.Claim{claim("a", i, q, 1+r.IntN(3))}
			now, err := redis.TakeTold(t.Context(), store, c)
			if err != nil {
				t.Fatal(err)
			}
			would := o.Would(now*1000, c[0].Cost)
			if would {
				o.Count(now*1000, c[0].Cost)
			}
			if debt, fraction := o.Debt(now * 1000); c[0].OK != would || c[0].Debt != debt || c[0].Fraction != fraction {
				t.Fatalf("%+v at %d: %+v, want %v, %v and %d", q, now, c[0], would, debt, fraction)
			}
			if r.IntN(8) == 0 {
				<-time.After(time.Duration(r.Int64N(int64(2 * time.Millisecond))))
			}
		}
	}
}

// 100.0% of the rate is never refused, 101% is within the burst.
func TestRate(t *testing.T) {
	s := newScripted(t)
	q := ratelimit.Quota{Count: 7, Per: time.Second, Burst: 7}
	start := s.now
	for n := range int64(7 * 10 * 5) {
		s.now = start + (n*1_000_000+6)/7 // the first microsecond at which it is due
		if !s.take(t, false, claim("a", 1, q, 1))[0].OK {
			t.Fatalf("LIMIT-01: request %d was refused", n)
		}
	}
	q = ratelimit.Quota{Count: 100, Per: time.Second, Burst: 5}
	n := 0
	for ; s.take(t, false, claim("b", 1, q, 1))[0].OK; n++ {
		s.now += 1_000_000 / 101
	}
	if n < 5 || n > 5*101 {
		t.Errorf("LIMIT-01: request %d was the first to be refused, want one of the first 505", n)
	}
}

// A server's clock that is set back locks nobody out for longer than two bursts
// take, and one that is set forward gives one burst.
func TestTheServersClock(t *testing.T) {
	attack.Case(t, "LIMIT-05", attack.Library, theServersClock)
}

func theServersClock(t *testing.T) {
	t.Helper()
	s := newScripted(t)
	s.now += 7_200_000_000 // the server itself forgets by its own clock, which must not come first here
	q := ratelimit.Quota{Count: 1, Per: time.Second, Burst: 3}
	spend := func() (passed int) {
		for range 10 {
			if s.take(t, false, claim("a", 1, q, 1))[0].OK {
				passed++
			}
		}
		return passed
	}
	if got := spend(); got != 3 {
		t.Fatalf("%d passed, want 3", got)
	}
	s.now -= 3_600_000_000
	if got := s.take(t, false, claim("a", 1, q, 1))[0]; got.OK || got.Debt > 6*time.Second+2*time.Microsecond {
		t.Errorf("set back by an hour: passes %v, owed %v, want at most two bursts of 3 s", got.OK, got.Debt)
	}
	s.now += 4_100_000
	if got := spend(); got != 1 {
		t.Errorf("4.1 seconds later %d passed, want 1", got)
	}
	s.now += 3_600_000_000
	if got := spend(); got != 3 {
		t.Errorf("set forward by an hour %d passed, want 3", got)
	}
}

// Another quota for a subject that is known takes what it owes along.
func TestAnotherQuota(t *testing.T) {
	s := newScripted(t)
	before := claim("a", 1, ratelimit.Quota{Count: 3, Per: time.Second, Burst: 3}, 2)
	s.take(t, false, before)
	after := s.take(t, true, claim("a", 1, ratelimit.Quota{Count: 7, Per: time.Second, Burst: 7}, 1))[0]
	if want := 666_667 * time.Microsecond; after.Debt != want || after.Fraction != 0 {
		t.Errorf("owed %v and %d, want %v: two thirds of a second, rounded up", after.Debt, after.Fraction, want)
	}
	small := s.take(t, false, claim("a", 1, ratelimit.Quota{Count: 1000, Per: time.Second, Burst: 1}, 1))[0]
	if small.OK || small.Debt > 3*time.Millisecond {
		t.Errorf("a smaller quota: passes %v, owed %v, want at most two of its bursts", small.OK, small.Debt)
	}
}
