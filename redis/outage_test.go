package redis_test

import (
	"errors"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/redis"
)

// stage has one limit by keys that store counts.
func stage(tb testing.TB, q ratelimit.Quota, store ratelimit.Store, outage ratelimit.Outage) *ratelimit.Stage {
	tb.Helper()
	l, err := ratelimit.NewLimit(ratelimit.LimitConfig{Name: "a", Quota: q, By: []ratelimit.Part{ratelimit.ByKey()}, Store: store, Outage: outage})
	if err != nil {
		tb.Fatal(err)
	}
	s, err := ratelimit.New(ratelimit.Config{Limits: []*ratelimit.Limit{l}})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func from(key string) *exchange.Exchange {
	x := exchange.New(httptest.NewRequest("GET", "/", nil))
	x.Principal = exchange.Principal{KeyID: key}
	return x
}

// outcomes counts verdicts, and how long they took.
type outcomes struct {
	passed, refused, failed atomic.Int64

	mu   sync.Mutex
	took []time.Duration
}

func (o *outcomes) check(s *ratelimit.Stage, x *exchange.Exchange) exchange.Verdict {
	begin := time.Now()
	v := s.Check(x)
	took := time.Since(begin)
	switch v.Kind() {
	case exchange.Passed:
		o.passed.Add(1)
	case exchange.Failed:
		o.failed.Add(1)
	default:
		o.refused.Add(1)
	}
	o.mu.Lock()
	o.took = append(o.took, took)
	o.mu.Unlock()
	return v
}

// forget forgets how long verdicts took until now.
func (o *outcomes) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.took = nil
}

// p returns the duration below which n per cent are.
func (o *outcomes) p(n int) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	slices.Sort(o.took)
	return o.took[(len(o.took)-1)*n/100]
}

// load sends requests of many keys from a few goroutines until stop.
func load(t *testing.T, stages []*ratelimit.Stage) (o []*outcomes, stop func()) {
	t.Helper()
	var wg sync.WaitGroup
	end := make(chan struct{})
	for _, s := range stages {
		mine := new(outcomes)
		o = append(o, mine)
		for g := range 4 {
			wg.Go(func() {
				for n := 0; ; n++ {
					mine.check(s, from(string(rune('a'+(n+g)%26))))
					select {
					case <-end:
						return
					case <-time.After(time.Millisecond):
					}
				}
			})
		}
	}
	stop = sync.OnceFunc(func() { close(end); wg.Wait() })
	t.Cleanup(stop)
	return o, stop
}

var outages = []ratelimit.Outage{ratelimit.Share, ratelimit.Closed, ratelimit.InsecureOpen} //nolint:gochecknoglobals // of a test

// faults are what is done to s, and how it comes back.
func faults(t *testing.T, s *server) []fault {
	t.Helper()
	return []fault{
		{"paused", func() { s.Signal(t, syscall.SIGSTOP) }, func() { s.Signal(t, syscall.SIGCONT) }},
		{"killed", s.Kill, func() {
			if !s.Restart(t) {
				t.Error("redis-server does not start again")
			}
		}},
	}
}

type fault struct {
	name     string
	down, up func()
}

// A server that is killed, stopped or started again under load: nothing but what the rule
// chose, and the store is asked again when it is back.
func TestServerUnderLoad(t *testing.T) {
	s := startServer(t)
	for _, fault := range faults(t, s) {
		t.Run(fault.name, func(t *testing.T) {
			attack.Case(t, "LIMIT-08", attack.Library, func(t *testing.T) {
				var told logs
				db := openDB(t, func(c *redis.Config) {
					c.Budget, c.Log = 250*time.Millisecond, slog.New(slog.NewTextHandler(&told, nil))
				}, s.Address)
				var stages []*ratelimit.Stage
				for _, o := range outages {
					stages = append(stages, stage(t, ratelimit.Quota{Count: 1_000_000, Per: time.Second}, db.Limits(), o))
				}
				o, stop := load(t, stages)
				passed := func(n int64) func() bool {
					return func() bool { return o[0].passed.Load() > n && o[2].passed.Load() > n }
				}
				waitFor(t, "requests to pass", passed(50))
				fault.down()
				waitFor(t, "the breaker to open", func() bool { return !db.Status().Up })
				before := o[1].failed.Load()
				waitFor(t, "requests to pass without the store", passed(o[0].passed.Load()+50))
				waitFor(t, "requests to fail where that was chosen", func() bool { return o[1].failed.Load() > before })
				fault.up()
				waitFor(t, "the server to be back", func() bool { return db.Status().Up && strings.Contains(told.String(), "answers again") })
				passedClosed := o[1].passed.Load()
				waitFor(t, "requests to pass with the store", func() bool { return o[1].passed.Load() > passedClosed+20 })
				stop()
				for i, choice := range outages {
					if n := o[i].refused.Load(); n != 0 {
						t.Errorf("outage %v: %d were refused far below the limit", choice, n)
					}
					if n := o[i].failed.Load(); n != 0 && choice != ratelimit.Closed {
						t.Errorf("outage %v: %d failed", choice, n)
					}
					t.Logf("outage %v: %d passed, %d failed; p50 %v, p99 %v, longest %v", choice, o[i].passed.Load(), o[i].failed.Load(), o[i].p(50), o[i].p(99), o[i].p(100))
				}
				if strings.Count(told.String(), "does not answer") == 0 {
					t.Errorf("nobody was told: %s", told.String())
				}
			})
		})
	}
}

// The same with the budget that is the default. How long requests take is told and
// not judged: a machine with other work is late in all it does.
func TestServerUnderLoadWithinTheDefaultBudget(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	for _, fault := range faults(t, s) {
		t.Run(fault.name, func(t *testing.T) {
			db := openDB(t, func(c *redis.Config) { c.Budget = 0 }, s.Address)
			o, stop := load(t, []*ratelimit.Stage{stage(t, ratelimit.Quota{Count: 1_000_000, Per: time.Second}, db.Limits(), ratelimit.Share)})
			more := func(n int64) { // requests
				t.Helper()
				want := o[0].passed.Load() + n
				waitFor(t, "requests to pass", func() bool { return o[0].passed.Load() >= want })
			}
			tell := func(when string) {
				t.Helper()
				t.Logf("%s: p50 %v, p99 %v, longest %v", when, o[0].p(50), o[0].p(99), o[0].p(100))
				o[0].forget()
			}
			more(1000)
			tell("with the server")
			fault.down()
			waitFor(t, "the breaker to open", func() bool { return !db.Status().Up })
			more(2000)
			tell("from the moment it is " + fault.name)
			fault.up()
			waitFor(t, "the server to be back", func() bool { return db.Status().Up })
			more(1000)
			stop()
			tell("from its return")
			if failed, refused := o[0].failed.Load(), o[0].refused.Load(); failed != 0 || refused != 0 {
				t.Errorf("%d failed and %d were refused far below the limit", failed, refused)
			}
		})
	}
}

// A server that is there and does not do what it is asked.
func TestServerThatRefuses(t *testing.T) {
	q := ratelimit.Quota{Count: 5, Per: time.Hour}
	spend := func(t *testing.T, s *ratelimit.Stage, key string, n int) *outcomes {
		t.Helper()
		o := new(outcomes)
		for range n {
			o.check(s, from(key))
		}
		return o
	}
	for _, tt := range []struct {
		name     string
		args     []string
		break_   func(t *testing.T, s *server, db *redis.DB)
		mend     func(t *testing.T, s *server)
		exact    bool // the store answers all the same
		oneKey   bool // nobody else is concerned
		freshOne bool // what was counted is lost
	}{
		{
			name: "READONLY", break_: func(t *testing.T, s *server, _ *redis.DB) { t.Helper(); must(t, s, "REPLICAOF", "127.0.0.1", "1") },
			mend: func(t *testing.T, s *server) { t.Helper(); must(t, s, "REPLICAOF", "NO", "ONE") },
		},
		{
			name: "OOM", args: []string{"--maxmemory-policy", "noeviction"},
			break_: func(t *testing.T, s *server, _ *redis.DB) { t.Helper(); must(t, s, "CONFIG", "SET", "maxmemory", "1") },
			mend:   func(t *testing.T, s *server) { t.Helper(); must(t, s, "CONFIG", "SET", "maxmemory", "0") },
		},
		{name: "NOSCRIPT", exact: true, break_: func(t *testing.T, s *server, _ *redis.DB) { t.Helper(); must(t, s, "SCRIPT", "FLUSH") }},
		{name: "flushed", exact: true, freshOne: true, break_: func(t *testing.T, s *server, _ *redis.DB) { t.Helper(); must(t, s, "FLUSHALL") }},
		{
			name: "wrong type", oneKey: true, break_: func(t *testing.T, s *server, _ *redis.DB) {
				t.Helper()
				for _, key := range keys(t, s) {
					must(t, s, "DEL", key)
					must(t, s, "LPUSH", key, "x")
				}
			},
		},
		{
			name: "not what was kept", oneKey: true, break_: func(t *testing.T, s *server, _ *redis.DB) {
				t.Helper()
				for _, key := range keys(t, s) {
					must(t, s, "SET", key, "x")
				}
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			attack.Case(t, "LIMIT-08", attack.Library, func(t *testing.T) {
				s := startServer(t, tt.args...)
				db := openDB(t, nil, s.Address)
				share, closed, open := stage(t, q, db.Limits(), ratelimit.Share), stage(t, q, db.Limits(), ratelimit.Closed), stage(t, q, db.Limits(), ratelimit.InsecureOpen)
				if o := spend(t, share, "k", 2); o.passed.Load() != 2 {
					t.Fatalf("%d of 2 passed", o.passed.Load())
				}
				tt.break_(t, s, db)
				if tt.exact {
					want := int64(3)
					if tt.freshOne {
						want = 5
					}
					if o := spend(t, closed, "k", 10); o.passed.Load() != want || o.failed.Load() != 0 {
						t.Errorf("%d passed and %d failed, want %d and 0", o.passed.Load(), o.failed.Load(), want)
					}
					return
				}
				if o := spend(t, share, "k", 20); o.passed.Load() != 3 || o.failed.Load() != 0 {
					t.Errorf("share: %d passed and %d failed, want the 3 that were left, and 0", o.passed.Load(), o.failed.Load())
				}
				if o := spend(t, closed, "k", 5); o.failed.Load() != 5 {
					t.Errorf("closed: %d of 5 failed", o.failed.Load())
				}
				if o := spend(t, open, "k", 20); o.passed.Load() != 20 {
					t.Errorf("open: %d of 20 passed", o.passed.Load())
				}
				if tt.oneKey {
					if o := spend(t, closed, "other", 10); o.passed.Load() != 5 || o.failed.Load() != 0 {
						t.Errorf("another subject: %d passed and %d failed, want 5 and 0", o.passed.Load(), o.failed.Load())
					}
					return
				}
				tt.mend(t, s)
				waitFor(t, "the store to be asked again", func() bool { return closed.Check(from("again")).Kind() != exchange.Failed })
			})
		})
	}
}

func must(tb testing.TB, s *server, args ...string) {
	tb.Helper()
	if err := s.do(tb, args...).Error(); err != nil {
		tb.Fatal(args[:min(len(args), 4)], err)
	}
}

// keys are the names of all counters.
func keys(t *testing.T, s *server) []string {
	t.Helper()
	all, err := s.do(t, "KEYS", "warder:{limits}:*").AsStrSlice()
	if err != nil || len(all) == 0 {
		t.Fatal("there are no counters", err)
	}
	return all
}

// A server that was never there: nothing waits for it, and it is found when it comes.
func TestServerThatComesLate(t *testing.T) {
	s := startServer(t)
	s.Kill()
	var told logs
	db, err := redis.Open(redis.Config{Addresses: []string{s.Address}, Nodes: 5, Budget: 10 * time.Second, Log: slog.New(slog.NewTextHandler(&told, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	l := stage(t, ratelimit.Quota{Count: 10, Per: time.Hour}, db.Limits(), ratelimit.Share)
	o := new(outcomes)
	for range 20 {
		o.check(l, from("k"))
	}
	if o.passed.Load() != 2 || o.refused.Load() != 18 {
		t.Errorf("%d passed, want a fifth of 10", o.passed.Load())
	}
	if err := db.Limits().Reset(t.Context(), "a", ratelimit.Digest{}, ratelimit.Digest{}); !errors.Is(err, redis.ErrAway) {
		t.Errorf("Reset: %v", err)
	}
	if !s.Restart(t) {
		t.Fatal("redis-server does not start again")
	}
	waitFor(t, "the first connection", func() bool { return db.Status().Up && db.Status().Nodes == 1 })
	for range 20 {
		o.check(l, from("other"))
	}
	if o.passed.Load() != 12 {
		t.Errorf("%d passed, want 10 of another subject", o.passed.Load()-2)
	}
	waitFor(t, "both to be told", func() bool { return strings.Contains(told.String(), "answers again") })
}

// Nodes see each other come and go.
func TestNodes(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	one := openDB(t, nil, s.Address)
	two := openDB(t, nil, s.Address)
	elsewhere := openDB(t, func(c *redis.Config) { c.Prefix = "elsewhere" }, s.Address)
	waitFor(t, "two nodes to see each other", func() bool { return one.Limits().Fleet().Nodes == 2 && two.Limits().Fleet().Nodes == 2 })
	if got := elsewhere.Limits().Fleet().Nodes; got != 1 {
		t.Errorf("another fleet has %d nodes", got)
	}
	if err := two.Close(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "one to be alone", func() bool { return one.Limits().Fleet().Nodes == 1 })
}

// A server that lost its keys knows of nobody, but nodes know of each other still: the
// first that looks sees itself alone, and does not take all of a limit for its share.
func TestNodesOfAnEmptiedServer(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	both := [...]*redis.Limits{openDB(t, nil, s.Address).Limits(), openDB(t, nil, s.Address).Limits()}
	waitFor(t, "two nodes to see each other", func() bool { return both[0].Fleet().Nodes == 2 && both[1].Fleet().Nodes == 2 })
	before := both[0].Fleet().Epoch
	if err := s.do(t, "FLUSHALL").Error(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "both to look again", func() bool {
		one, two := both[0].Fleet(), both[1].Fleet()
		if one.Nodes != 2 || two.Nodes != 2 {
			t.Errorf("divided by %d and %d, want 2", one.Nodes, two.Nodes)
		}
		return one.Epoch != before && two.Epoch != before
	})
}

// What is kept names no subject, and goes when it says nothing any more.
func TestKeys(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	db := openDB(t, nil, s.Address)
	l := stage(t, ratelimit.Quota{Count: 1, Per: 4 * time.Second}, db.Limits(), ratelimit.Closed)
	if v := l.Check(from("canary-4711")); !v.Passed() {
		t.Fatal(v.Err())
	}
	all := keys(t, s)
	if len(all) != 1 || strings.Contains(strings.Join(all, ""), "canary") {
		t.Errorf("keys %q", all)
	}
	waitFor(t, "the counter to expire", func() bool {
		n, err := s.do(t, "EXISTS", all[0]).AsInt64()
		return err == nil && n == 0
	})
}
