// Package redis_test puts a broken network between warder and a real Redis
// server: toxiproxy's, which delays, cuts and swallows what it forwards.
package redis_test

import (
	"log/slog"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testredis"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/redis"
)

// patience is how long a test waits for what must come, on a machine that is busy.
const patience = 2 * time.Minute

func waitFor(t *testing.T, what string, true func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !true(); {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", patience, what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

// node is a stage with one limit, and what became of the requests that it got.
type node struct {
	stage                   *ratelimit.Stage
	passed, refused, failed atomic.Int64

	mu   sync.Mutex
	took []time.Duration
}

func newNode(t *testing.T, store ratelimit.Store, outage ratelimit.Outage) *node {
	t.Helper()
	l, err := ratelimit.NewLimit(ratelimit.LimitConfig{
		Name: "a", Quota: ratelimit.Quota{Count: 1_000_000, Per: time.Second}, By: []ratelimit.Part{ratelimit.ByKey()}, Store: store, Outage: outage,
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := ratelimit.New(ratelimit.Config{Limits: []*ratelimit.Limit{l}})
	if err != nil {
		t.Fatal(err)
	}
	return &node{stage: s}
}

// load sends requests from n goroutines until stop.
func (n *node) load(t *testing.T, many int) (stop func()) {
	t.Helper()
	end := make(chan struct{})
	var wg sync.WaitGroup
	for g := range many {
		wg.Go(func() {
			for i := 0; ; i++ {
				x := exchange.New(httptest.NewRequest("GET", "/", nil))
				x.Principal.KeyID = strconv.Itoa((g + i) % 30)
				n.check(x)
				select {
				case <-end:
					return
				case <-time.After(time.Millisecond):
				}
			}
		})
	}
	stop = sync.OnceFunc(func() { close(end); wg.Wait() })
	t.Cleanup(stop)
	return stop
}

func (n *node) check(x *exchange.Exchange) {
	begin := time.Now()
	v := n.stage.Check(x)
	took := time.Since(begin)
	switch v.Kind() {
	case exchange.Passed:
		n.passed.Add(1)
	case exchange.Failed:
		n.failed.Add(1)
	default:
		n.refused.Add(1)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.took = append(n.took, took)
}

// forget forgets how long requests took until now.
func (n *node) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.took = nil
}

// p returns the duration below which so many of a thousand are.
func (n *node) p(thousandth int) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	slices.Sort(n.took)
	if len(n.took) == 0 {
		return 0
	}
	return n.took[(len(n.took)-1)*thousandth/1000]
}

// A link that is slow, silent or cut under load: no request fails but by choice,
// and none waits for it longer than its budget; when it is well, the store is
// asked again.
func TestBrokenLinks(t *testing.T) {
	address := testredis.Start(t).Address
	for _, tt := range []struct{ name, toxic string }{
		{"400 ms slow", `{"name":"x","type":"latency","stream":"downstream","attributes":{"latency":400,"jitter":20}}`},
		{"answers swallowed", `{"name":"x","type":"timeout","stream":"downstream","attributes":{"timeout":0}}`},
		{"requests swallowed", `{"name":"x","type":"timeout","stream":"upstream","attributes":{"timeout":0}}`},
		{"reset again and again", `{"name":"x","type":"reset_peer","stream":"downstream","attributes":{"timeout":0}}`},
		{"cut in the middle of answers", `{"name":"x","type":"limit_data","stream":"downstream","attributes":{"bytes":1000}}`},
		{"one byte at a time", `{"name":"x","type":"bandwidth","stream":"downstream","attributes":{"rate":0}}`},
	} {
		attack.Case(t, "LIMIT-08", attack.Library, func(t *testing.T) {
			t.Log(tt.name)
			proxy := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop()), "redis", "127.0.0.1:0", address)
			if err := proxy.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(proxy.Stop)
			db, err := redis.Open(redis.Config{Addresses: []string{proxy.Listen}, Budget: 100 * time.Millisecond, Prefix: "t" + strconv.FormatInt(time.Now().UnixNano(), 36), Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			waitFor(t, "the first connection", func() bool { return db.Status().Up })
			share, closed, open := newNode(t, db.Limits(), ratelimit.Share), newNode(t, db.Limits(), ratelimit.Closed), newNode(t, db.Limits(), ratelimit.InsecureOpen)
			nodes := []*node{share, closed, open}
			for _, n := range nodes {
				n.load(t, 8)
			}
			waitFor(t, "requests to pass", func() bool { return closed.passed.Load() > 100 })
			for _, n := range nodes {
				n.forget()
			}
			if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(tt.toxic)); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "the breaker to open", func() bool { return !db.Status().Up })
			before := share.passed.Load()
			waitFor(t, "requests to pass without the store", func() bool { return share.passed.Load() > before+500 })
			for i, n := range nodes {
				t.Logf("outage %d: p50 %v, p99 %v, p99.9 %v, longest %v; %d failed", i, n.p(500), n.p(990), n.p(999), n.p(1000), n.failed.Load())
			}
			if err := proxy.Toxics.RemoveToxic(t.Context(), "x"); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "the link to be well", func() bool { return db.Status().Up })
			passed := closed.passed.Load()
			waitFor(t, "requests to pass with the store", func() bool { return closed.passed.Load() > passed+100 })
			if n := share.failed.Load() + open.failed.Load(); n != 0 {
				t.Errorf("%d failed where that was not chosen", n)
			}
			if n := share.refused.Load() + open.refused.Load() + closed.refused.Load(); n != 0 {
				t.Errorf("%d were refused far below the limit", n)
			}
			if closed.failed.Load() == 0 {
				t.Error("nobody failed where that was chosen")
			}
		})
	}
}
