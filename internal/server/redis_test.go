package server_test

import (
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testredis"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/redis"
)

// openRedis connects to the server and waits until it answers.
func openRedis(t *testing.T, address string) ratelimit.Store {
	t.Helper()
	db, err := redis.Open(redis.Config{Addresses: []string{address}, Budget: 10 * time.Second, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	eventually(t, func() (struct{}, bool) { return struct{}{}, db.Status().Up })
	return db.Limits()
}

const sharedLimits = `
redis: {addresses: ["127.0.0.1:1"], budget: 10s}
rate_limits:
  exact: {count: 10, per: 366d, by: [owner], store: redis}
  strict: {count: 10, per: 366d, by: [owner], store: redis, on_store_failure: closed}
  open: {count: 1, per: 366d, by: [owner], store: redis, on_store_failure: insecure_open}
  near: {count: 400, per: 366d, by: [owner], store: leased, lease: 5}
routes:
  - {match: "/exact", upstream: api, rate_limits: [exact]}
  - {match: "/strict", upstream: api, rate_limits: [strict]}
  - {match: "/open", upstream: api, rate_limits: [open]}
  - {match: "/near", upstream: api, rate_limits: [near]}
`

// Two gateways that share a server count as one, and keep to what their limits
// say when it is gone.
func TestLimitsThatTwoGatewaysShare(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	shared := testredis.Start(t)
	var nodes [2]*program
	for i := range nodes {
		nodes[i] = start(t, upstream.URL(), settings{yaml: sharedLimits, limit: openRedis(t, shared.Address)})
	}
	attack.Case(t, "LIMIT-04", attack.Gateway, func(t *testing.T) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		passed := 0
		for n := range 100 {
			wg.Go(func() {
				p := nodes[n%2]
				r := newGet(t, "http://"+p.gateway+"/exact")
				r.Header.Set("X-API-Key", p.key)
				if status := do(t, r).StatusCode; status == 200 {
					mu.Lock()
					passed++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if passed != 10 {
			t.Errorf("%d of 100 at once passed, want 10", passed)
		}
	})
	t.Run("leased", func(t *testing.T) {
		for _, p := range nodes {
			wantStatuses(t, "leased", p.statuses(t, "/near", p.key, 5), 200, 200, 200, 200, 200)
		}
	})
	wantStatuses(t, "one", nodes[0].statuses(t, "/strict", nodes[0].key, 1), 200)
	shared.Kill()
	attack.Case(t, "LIMIT-08", attack.Gateway, func(t *testing.T) {
		for _, p := range nodes {
			wantStatuses(t, "closed", p.statuses(t, "/strict", p.key, 2), 503, 503)
			wantStatuses(t, "open", p.statuses(t, "/open", p.key, 3), 200, 200, 200)
			wantStatuses(t, "share: what was spent stays so", p.statuses(t, "/exact", p.key, 1), 429)
		}
	})
}
