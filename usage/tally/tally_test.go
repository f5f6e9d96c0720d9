package tally_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/usage/tally"
)

// A shelf is a store that only adds up.
type shelf struct {
	tally.Reader
	mu        sync.Mutex
	fails     error
	counts    map[string]int64 // "minute key route outcome"
	secrets   map[string]time.Time
	scopes    map[string]time.Time
	addresses map[string]int64
	pruned    int
}

func newShelf() *shelf {
	return &shelf{counts: map[string]int64{}, secrets: map[string]time.Time{}, scopes: map[string]time.Time{}, addresses: map[string]int64{}}
}

func (s *shelf) Add(_ context.Context, b *tally.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails != nil {
		return s.fails
	}
	for _, c := range b.Counts {
		s.counts[fmt.Sprintf("%s %s %s %s", b.Minute.Format("15:04"), c.Key, c.Route, c.Outcome)] += c.N
	}
	for _, u := range b.Secrets {
		s.secrets[fmt.Sprintf("%s %d", u.Key, u.Secret)] = u.At
	}
	for _, u := range b.Scopes {
		s.scopes[u.Key+" "+u.Scope] = b.Minute
	}
	for _, a := range b.Addresses {
		s.addresses[a.Key+" "+a.Prefix.String()] += a.N
	}
	return nil
}

func (s *shelf) Prune(context.Context, time.Time, tally.Retention) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pruned++
	return nil
}

func (s *shelf) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = err
}

// text is the counts, sorted.
func (s *shelf) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for line, n := range s.counts {
		lines = append(lines, fmt.Sprintf("%s %d", line, n))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (s *shelf) total() (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.counts {
		n += c
	}
	return n
}

func newTally(tb testing.TB, cfg tally.Config) *tally.Tally {
	tb.Helper()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	t, err := tally.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// request is one of a key; "" is nobody's.
func request(key, route, client string) *exchange.Exchange {
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	x.Route, x.Client = route, netip.MustParseAddr(client)
	if key != "" {
		x.Principal = exchange.Principal{Issuer: "warder", Subject: key, KeyID: key, SecretNumber: 1}
	}
	return x
}

func passed(status int) exchange.Outcome {
	return exchange.Outcome{Trace: exchange.Trace{Verdict: exchange.Pass()}, Status: status}
}

func refused(t problem.Type) exchange.Outcome {
	p := problem.New(t, "")
	return exchange.Outcome{Trace: exchange.Trace{Verdict: exchange.Refuse(p, ""), Stage: "x"}, Status: p.Type.Status()}
}

func TestOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		c := newTally(t, tally.Config{Store: s})
		for _, o := range []exchange.Outcome{
			passed(200), passed(304), passed(101), passed(404), passed(429), passed(502), refused(problem.Unauthorized), refused(problem.Forbidden), refused(problem.InsufficientScope),
			refused(problem.RateLimited), refused(problem.CreditsExhausted), refused(problem.NotFound),
			{Trace: exchange.Trace{Verdict: exchange.Fail(errors.New("away"))}, Status: 503},
			{Trace: exchange.Trace{Verdict: exchange.Answer(http.NotFoundHandler(), "preflight")}, Status: 204},
			{Trace: exchange.Trace{Verdict: exchange.Pass()}, Status: 200, Aborted: true},
		} {
			c.Done(request("k", "/r", "192.0.2.1"), o)
		}
		dry := request("k", "/r", "192.0.2.1")
		dry.Dry = true
		c.Done(dry, passed(200))
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		want := []string{
			"aborted 1", "answered 1", "client-error 2", "forbidden 2", "limited 2", "ok 3", "refused 1", "server-error 1", "unauthenticated 1", "unavailable 1",
		}
		for i := range want {
			want[i] = "00:00 k /r " + want[i]
		}
		if got := s.text(); got != strings.Join(want, "\n") {
			t.Errorf("counts:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
		}
	})
}

func TestCountsGoToTheirMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		c := newTally(t, tally.Config{Store: s, Scopes: func(route string) []string { return map[string][]string{"/r": {"orders:read"}}[route] }})
		wait := func(d time.Duration) { time.Sleep(d); synctest.Wait() } //nolint:forbidigo // of a bubble: no time passes
		wait(5 * time.Second)
		c.Done(request("k", "/r", "192.0.2.1"), passed(200))
		wait(4 * time.Second)
		if got := s.text(); got != "" {
			t.Errorf("before the flush: %s", got)
		}
		wait(2 * time.Second)
		if got := s.text(); got != "00:00 k /r ok 1" {
			t.Errorf("after the flush: %s", got)
		}
		c.Done(request("k", "/r", "192.0.2.1"), passed(200))
		wait(46 * time.Second) // 57 s
		c.Done(request("k", "/r", "2001:db8::1"), passed(200))
		c.Done(request("k", "/r", "2001:db8::2"), passed(200))
		c.Done(request("j", "/r", "192.0.2.1"), refused(problem.InsufficientScope))
		c.Done(request("", "", "192.0.2.1"), refused(problem.Unauthorized))
		second := request("k", "/q", "192.0.2.1")
		second.Principal.SecretNumber = 2
		wait(8 * time.Second) // 1 min 5 s
		second.Start = time.Now()
		c.Done(second, passed(200))
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		want := "00:00   unauthenticated 1\n00:00 j /r forbidden 1\n00:00 k /r ok 4\n00:01 k /q ok 1"
		if got := s.text(); got != want {
			t.Errorf("counts:\n%s\nwant:\n%s", got, want)
		}
		if len(s.secrets) != 3 || s.secrets["k 1"].Minute() != 0 || s.secrets["k 2"].Minute() != 1 || s.secrets["k 2"].Second() != 0 {
			t.Errorf("secrets: %v", s.secrets)
		}
		if len(s.scopes) != 1 || s.scopes["k orders:read"].IsZero() { // j was refused: it needed what it lacked
			t.Errorf("scopes: %v", s.scopes)
		}
		if s.addresses["k 192.0.2.1/32"] != 3 || s.addresses["k 2001:db8::/64"] != 2 || s.addresses["j 192.0.2.1/32"] != 1 || len(s.addresses) != 3 {
			t.Errorf("addresses: %v", s.addresses)
		}
		if s.pruned == 0 {
			t.Error("nothing was ever removed")
		}
	})
}

// A store that is away gets the counts when it is back, as long as they fit.
func TestAStoreThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		s.fail(errors.New("away"))
		var log bytes.Buffer
		c := newTally(t, tally.Config{Store: s, Log: slog.New(slog.NewTextHandler(&log, nil))})
		for range 12 {
			c.Done(request("k", "/r", "192.0.2.1"), passed(200))
			time.Sleep(10 * time.Second) //nolint:forbidigo // of a bubble: no time passes
		}
		synctest.Wait()
		if s.total() != 0 || c.Lost() != 0 || !strings.Contains(log.String(), "usage was not written") {
			t.Errorf("%d counts, %d lost, log: %s", s.total(), c.Lost(), log.String())
		}
		s.fail(nil)
		time.Sleep(10 * time.Second) //nolint:forbidigo // of a bubble: no time passes
		synctest.Wait()
		if s.total() != 12 || c.Lost() != 0 {
			t.Errorf("%d counts, %d lost, want all 12", s.total(), c.Lost())
		}
		s.fail(errors.New("away"))
		for range 800 {
			c.Done(request("k", "/r", "192.0.2.1"), passed(200))
			time.Sleep(10 * time.Second) //nolint:forbidigo // of a bubble: no time passes
		}
		synctest.Wait()
		if err := c.Close(); err == nil || c.Lost() == 0 {
			t.Errorf("Close = %v with %d lost, want an error and a bound; %d written", err, c.Lost(), s.total())
		}
	})
}

// A key that is used from everywhere is told by its most frequent addresses.
func TestFrequentAddressesAreFound(t *testing.T) {
	s := newShelf()
	c := newTally(t, tally.Config{Store: s})
	for n := range 10_000 {
		client := fmt.Sprintf("198.51.%d.%d", n/250%250, n%250)
		if n%4 == 0 {
			client = "192.0.2.1"
		}
		c.Done(request("k", "/r", client), passed(200))
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if n := s.addresses["k 192.0.2.1/32"]; n < 2500 || n > 4000 || len(s.addresses) > 64 {
		t.Errorf("the frequent address has %d of %d addresses, want about 2500", n, len(s.addresses))
	}
}

// TestMemoryIsFlat: a million keys take no more than those that have a place.
func TestMemoryIsFlat(t *testing.T) {
	keys := 1_000_000
	if raceEnabled {
		keys = 100_000
	}
	const cells = 4096
	s := newShelf()
	c := newTally(t, tally.Config{Store: s, Cells: cells, Flush: time.Minute})
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	x, before := request("k", "/r", "192.0.2.1"), heap()
	for n := range keys {
		x.Principal.KeyID, x.Route = fmt.Sprintf("k%011d", n), fmt.Sprintf("/r/%d", n%1000)
		c.Done(x, passed(200))
	}
	if after := heap(); after > before && after-before > cells*2048 {
		t.Errorf("%d keys take %d bytes, want %d at most", keys, after-before, cells*2048)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if int64(keys) != s.total() || len(s.counts) > 3*cells || c.Overflowed() == 0 {
		t.Errorf("%d requests in %d rows, %d beyond the bound; want %d requests in %d rows at most", s.total(), len(s.counts), c.Overflowed(), keys, 3*cells)
	}
}

func TestDoneAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	c := newTally(t, tally.Config{Store: newShelf()})
	defer c.Close()
	x, nobody, o := request("k", "/r", "2001:db8::1"), request("", "/r", "192.0.2.1"), passed(200)
	c.Done(x, o)
	c.Done(nobody, o)
	if n := testing.AllocsPerRun(1000, func() { c.Done(x, o); c.Done(nobody, o) }); n != 0 {
		t.Errorf("Done makes %v allocations, want none", n)
	}
}

func BenchmarkDone(b *testing.B) {
	for _, keys := range []int{1, 1000} {
		b.Run(fmt.Sprintf("%d keys", keys), func(b *testing.B) {
			c := newTally(b, tally.Config{Store: newShelf()})
			defer c.Close()
			all := make([]*exchange.Exchange, keys)
			for i := range all {
				all[i] = request(fmt.Sprintf("k%011d", i), "/r", "192.0.2.1")
			}
			o := passed(200)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				c.Done(all[i%keys], o)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	_, err := tally.New(tally.Config{Flush: time.Millisecond, Cells: 1, Keep: tally.Retention{Minutes: 1}})
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("New = %v, want three errors at once", err)
	}
}
