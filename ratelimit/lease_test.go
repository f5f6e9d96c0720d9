package ratelimit_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/ratelimit"
)

// excess returns by how much times, at which one unit passed each, exceed the
// quota in the worst span of time, in units, rounded up.
func excess(q ratelimit.Quota, times []time.Duration) int64 {
	slices.Sort(times)
	// (j-i+1) - Count/Per·(tj-ti), all times Per
	per, count := int64(q.Per), int64(q.Count)
	best, least := int64(0), int64(0)
	for i, at := range times {
		level := int64(i)*per - count*int64(at)
		if i == 0 || level < least {
			least = level
		}
		best = max(best, level-least+per)
	}
	return (best - int64(q.Burst)*per + per - 1) / per
}

func TestExcess(t *testing.T) {
	q := ratelimit.Quota{Count: 1, Per: time.Second, Burst: 2}
	for _, tt := range []struct {
		times []time.Duration
		want  int64
	}{
		{[]time.Duration{0, 0}, 0},
		{[]time.Duration{0, 0, 0}, 1},
		{[]time.Duration{0, 0, time.Second, 2 * time.Second}, 0},
		{[]time.Duration{0, time.Hour, time.Hour, time.Hour, time.Hour + 500*time.Millisecond}, 2},
	} {
		if got := excess(q, tt.times); got != tt.want {
			t.Errorf("%v: %d, want %d", tt.times, got, tt.want)
		}
	}
}

// A fleet is nodes with clocks of their own and one store that takes its time.
type fleet struct {
	stages []*ratelimit.Stage
	limits []*ratelimit.Limit
	begin  time.Time
	mu     sync.Mutex
	times  []time.Duration
	sent   int
}

func newFleet(t *testing.T, r *rand.Rand, nodes, lease int, q ratelimit.Quota) (*fleet, *flaky) {
	t.Helper()
	store := newFlaky(t)
	store.delay = time.Millisecond
	f := &fleet{begin: time.Now()}
	for range nodes {
		l := stored(t, "a", q, store, func(c *ratelimit.LimitConfig) { c.Lease = lease })
		f.limits = append(f.limits, l)
		f.stages = append(f.stages, newStage(t, l))
	}
	f.skew(r)
	return f, store
}

// skew sets each node's clock up to two seconds fast or slow.
func (f *fleet) skew(r *rand.Rand) {
	for _, l := range f.limits {
		ratelimit.SetClock(l, f.begin.Add(-time.Hour+time.Duration(r.Int64N(int64(4*time.Second)))-2*time.Second))
	}
}

// load sends requests of one subject to every node for d, in bursts and pauses, and
// notes when one passes.
func (f *fleet) load(t *testing.T, seed uint64, d, gap time.Duration) {
	t.Helper()
	var wg sync.WaitGroup
	for i, s := range f.stages {
		for g := range 2 {
			r := rand.New(rand.NewPCG(seed, uint64(10*i+g)))
			wg.Go(func() {
				x := request()
				for end := time.Now().Add(d); time.Now().Before(end); {
					<-time.After(time.Duration(r.Int64N(int64(2 * gap))))
					for range 1 + r.IntN(3) {
						f.note(passes(t, s, x))
					}
					if r.IntN(200) == 0 {
						<-time.After(time.Duration(r.Int64N(int64(3 * time.Second))))
					}
				}
			})
		}
	}
	wg.Wait()
	synctest.Wait()
}

func (f *fleet) note(passed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent++
	if passed {
		f.times = append(f.times, time.Since(f.begin))
	}
}

// In any span of time the nodes together admit no more than the limit and what each may hold,
// whatever their clocks show; and not much less than the limit either.
func TestLeasesKeepTheirBound(t *testing.T) {
	for nodes := 2; nodes <= 8; nodes++ {
		for _, lease := range []int{1, 5, 40} {
			t.Run(fmt.Sprintf("%d nodes, lease %d", nodes, lease), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					q := ratelimit.Quota{Count: 200, Per: time.Second, Burst: 400}
					r := rand.New(rand.NewPCG(uint64(nodes), uint64(lease)))
					f, store := newFleet(t, r, nodes, lease, q)
					f.load(t, 1, 5*time.Second, time.Duration(nodes)*5*time.Millisecond)
					f.skew(r) // clocks are set
					f.load(t, 2, 5*time.Second, time.Duration(nodes)*5*time.Millisecond)
					for i, l := range f.limits {
						if got := ratelimit.Leased(l); got > uint64(lease) {
							t.Errorf("node %d holds %d units, want at most %d", i, got, lease)
						}
					}
					over, most := excess(q, f.times), int64(nodes*lease)
					if over > most {
						t.Errorf("in some span of time %d more than the limit passed, want at most %d", over, most)
					}
					passed, all := len(f.times), q.Burst+int(time.Since(f.begin)*time.Duration(q.Count)/q.Per)
					if passed < min(all, f.sent)*6/10 {
						t.Errorf("%d of %d passed, want more: the limit would let %d pass", passed, f.sent, all)
					}
					t.Logf("excess %d of at most %d; %d of %d passed, the limit is %d; the store was asked %d times", over, most, passed, f.sent, all, store.asked.Load())
				})
			})
		}
	}
}

// The worst that leases can do: all nodes hold what they may, the burst becomes
// whole, and then all is spent at once.
func TestLeasesAtTheirWorst(t *testing.T) {
	for nodes := 2; nodes <= 8; nodes++ {
		t.Run(fmt.Sprint(nodes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const lease = 40
				q := ratelimit.Quota{Count: 1000, Per: time.Second, Burst: 400}
				r := rand.New(rand.NewPCG(uint64(nodes), 9))
				f, _ := newFleet(t, r, nodes, lease, q)
				f.each(func(s *ratelimit.Stage) {
					for range 2000 / nodes {
						f.note(passes(t, s, request()))
						<-time.After(time.Duration(nodes) * 1250 * time.Microsecond) // together 800 in a second
					}
				})
				<-time.After(time.Second)
				f.skew(r) // clocks are set
				f.each(func(s *ratelimit.Stage) {
					for begin := time.Now(); time.Since(begin) < 20*time.Millisecond; {
						passed := passes(t, s, request())
						if f.note(passed); !passed {
							<-time.After(time.Millisecond)
						}
					}
				})
				got := excess(q, f.times)
				if got > int64(nodes*lease) || got == 0 {
					t.Errorf("%d more than the limit passed, want 1 to %d", got, nodes*lease)
				}
				t.Logf("excess %d of at most %d", got, nodes*lease)
			})
		})
	}
}

// each runs f for all nodes at once.
func (f *fleet) each(run func(*ratelimit.Stage)) {
	var wg sync.WaitGroup
	for _, s := range f.stages {
		wg.Go(func() { run(s) })
	}
	wg.Wait()
	synctest.Wait()
}

// Without a bound on what they hold, nodes would exceed it: the measure sees that.
func TestLeasesBeyondTheBoundAreSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := ratelimit.Quota{Count: 200, Per: time.Second, Burst: 400}
		f := &fleet{begin: time.Now()}
		for range 4 { // nodes that share nothing
			f.stages = append(f.stages, newStage(t, stored(t, "a", q, newFlaky(t))))
		}
		f.load(t, 1, 5*time.Second, 10*time.Millisecond)
		if got := excess(q, f.times); got <= 4*40 {
			t.Errorf("nodes that share nothing exceeded the limit by %d", got)
		}
	})
}

// The faster a subject comes, the more is leased, and the seldomer the store is asked.
func TestLeasesGoByTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFlaky(t)
		store.delay = time.Millisecond
		l := stored(t, "a", ratelimit.Quota{Count: 10_000, Per: time.Second}, store, lease(1000))
		s := newStage(t, l)
		send := func(n int, every time.Duration) int64 {
			before := store.asked.Load()
			for range n {
				if !passes(t, s, request()) {
					t.Fatal("refused")
				}
				<-time.After(every)
			}
			synctest.Wait()
			return store.asked.Load() - before
		}
		if got := send(20, 5*time.Second); got != 20 {
			t.Errorf("a slow subject was asked for %d times of 20, want each time: nothing is held for it", got)
		}
		if got := ratelimit.Leased(l); got > 1 {
			t.Errorf("%d units are held for a slow subject", got)
		}
		if got := send(2000, time.Millisecond); got > 60 {
			t.Errorf("a fast subject was asked for %d times of 2000", got)
		}
		if got := ratelimit.Leased(l); got < 100 || got > 1000 {
			t.Errorf("%d units are held for a fast subject, want 100 to 1000", got)
		}
	})
}

// What is leased is spent when the store is away, and then the rule holds.
func TestLeasesInAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFlaky(t)
		l := stored(t, "a", ratelimit.Quota{Count: 1000, Per: time.Second}, store, lease(50), outage(ratelimit.Closed))
		s := newStage(t, l)
		for range 300 {
			passes(t, s, request())
			<-time.After(time.Millisecond)
		}
		synctest.Wait()
		store.away.Store(true)
		held, passed := int(ratelimit.Leased(l)), 0
		for s.Check(request()).Passed() {
			passed++
		}
		if held == 0 || passed != held {
			t.Errorf("%d passed with %d units held", passed, held)
		}
		if v := s.Check(request()); v.Kind() != exchange.Failed {
			t.Errorf("then got %v", v.Kind())
		}
		synctest.Wait()
		if got := ratelimit.Leased(l); got != 0 {
			t.Errorf("%d units are held afterwards", got)
		}
	})
}

// A request that one limit refuses gives back what it took of the others' leases.
func TestLeasesAreGivenBack(t *testing.T) {
	store := newFlaky(t)
	wide := stored(t, "wide", ratelimit.Quota{Count: 3, Per: time.Hour}, store, lease(1))
	narrow := byKey(t, "narrow", once()) // in memory
	both, alone := newStage(t, wide, narrow), newStage(t, wide)
	if !passes(t, both, request()) {
		t.Fatal("the first request was refused")
	}
	for range 5 {
		if v := both.Check(request()); v.Reason() != "limit:narrow" {
			t.Fatalf("got %q", v.Reason())
		}
	}
	if got := count(t, alone, 5, anyone); got < 1 || got > 2 {
		t.Errorf("%d more passed the wide limit alone, want 2, or 1 when a unit lapsed", got)
	}
}

func TestHoldingLeasesAllocatesNothing(t *testing.T) {
	s, x := warmLease(t)
	if got := testing.AllocsPerRun(100, func() {
		if !s.Check(x).Passed() {
			t.Error("refused")
		}
	}); got > 0.2 { // what is brought in the background is
		t.Errorf("%v allocations, want none", got)
	}
}

// warmLease is a stage that holds a lease for the request.
func warmLease(tb testing.TB) (*ratelimit.Stage, *exchange.Exchange) {
	tb.Helper()
	l := stored(tb, "a", ratelimit.Quota{Count: 1_000_000_000, Per: time.Second}, newMemory(tb, 1000), lease(10_000_000))
	s, x := newStage(tb, l), request()
	for range 100_000 {
		if !passes(tb, s, x) {
			tb.Fatal("refused")
		}
	}
	return s, x
}

func BenchmarkLeased(b *testing.B) {
	s, x := warmLease(b)
	b.ReportAllocs()
	for b.Loop() {
		if !s.Check(x).Passed() {
			b.Fatal("refused")
		}
	}
}
