package server_test

import (
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testredis"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/redis"
	"github.com/warder-dev/warder/usage"
)

const lostLimits = `
redis: {addresses: ["127.0.0.1:1"], budget: 10s}
credits: {cost: 0, by: owner}
rate_limits:
  exact: {count: 10, per: 366d, by: [owner], store: redis}
  strict: {count: 10, per: 366d, by: [owner], store: redis, on_store_failure: closed}
  open: {count: 10, per: 366d, by: [owner], store: redis, on_store_failure: insecure_open}
  near: {count: 40, per: 366d, by: [owner], store: leased, lease: 5}
  barred: {count: 1000000, per: 366d, by: [owner], store: redis, on_store_failure: closed}
  free: {count: 1, per: 366d, by: [owner], store: redis, on_store_failure: insecure_open}
  half: {count: 10, per: 366d, by: [owner], store: redis}
routes:
  - {match: "/barred", upstream: api, rate_limits: [barred]}
  - {match: "/free", upstream: api, rate_limits: [free]}
  - {match: "/half", upstream: api, rate_limits: [half]}
  - {match: "/exact", upstream: api, rate_limits: [exact]}
  - {match: "/strict", upstream: api, rate_limits: [strict]}
  - {match: "/open", upstream: api, rate_limits: [open]}
  - {match: "/near", upstream: api, rate_limits: [near]}
  - {match: "/paid", upstream: api, credits: {cost: 1}}
`

// crowd sends n requests for a path to both programs at once, and counts the answers.
func crowd(t *testing.T, nodes [2]*program, path string, n int) map[int]int {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	statuses := map[int]int{}
	for i := range n {
		p := nodes[i%2]
		all.Go(func() {
			got := p.get(t, path, p.key).StatusCode
			mu.Lock()
			defer mu.Unlock()
			statuses[got]++
		})
	}
	all.Wait()
	return statuses
}

// tell sends the server a command without an answer of interest but OK.
func tell(t *testing.T, address, command string) {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	answer := make([]byte, 5)
	if _, err := c.Write([]byte(command + "\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(answer); err != nil || string(answer) != "+OK\r\n" {
		t.Fatalf("%s: %q, %v", command, answer, err)
	}
}

// TestTheStoreOfLimitsIsLost empties, kills and replaces the Redis that two gateways
// share, while both serve: each limit keeps to its rule, and credits, which are not in
// Redis, are neither sold twice nor lost.
func TestTheStoreOfLimitsIsLost(t *testing.T) {
	attack.Case(t, "FLEET-08", attack.Gateway, func(t *testing.T) {
		upstream := wire.Listen(t, wire.Answer(wire.OK))
		shared := testredis.Start(t)
		var nodes [2]*program
		var stores [2]*redis.DB
		for i := range nodes {
			db, err := redis.Open(redis.Config{Addresses: []string{shared.Address}, Budget: 10 * time.Second, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			stores[i] = db
			s := settings{yaml: lostLimits, limit: db.Limits()}
			if i > 0 {
				s.flags = map[string]string{"db": filepath.Join(nodes[0].folder, "warder.db")}
			}
			nodes[i] = start(t, upstream.URL(), s)
		}
		connected := func() {
			t.Helper()
			eventually(t, func() (struct{}, bool) { return struct{}{}, stores[0].Status().Up && stores[1].Status().Up })
		}
		acme := usage.Subject{Kind: usage.Owner, ID: "acme"}
		const credits = 300
		nodes[0].giveCredits(t, acme, credits, usage.Refill{})
		var over atomic.Bool
		var paid, unpaid, other atomic.Int64
		var load sync.WaitGroup
		for i := range 4 {
			p := nodes[i%2]
			load.Go(func() {
				for !over.Load() {
					switch p.get(t, "/paid", p.key).StatusCode {
					case 200:
						paid.Add(1)
					case 429:
						unpaid.Add(1)
					default:
						other.Add(1)
					}
					<-time.After(5 * time.Millisecond)
				}
			})
		}
		const asked = 60
		// anew asks beyond each limit. Since Redis had nothing at most the count passes; for
		// leased, a lease of each node more. None does where the nodes remember a refusal.
		anew := func(when string) {
			t.Helper()
			for path, most := range map[string]int{"/exact": 10, "/strict": 10, "/open": 10, "/near": 50} {
				got := crowd(t, nodes, path, asked)
				if got[200] > most || got[200]+got[429] != asked {
					t.Errorf("%s: %s is answered %v, want 200 at most %d times and 429 else", when, path, got, most)
				}
			}
		}
		connected()
		eventually(t, func() (struct{}, bool) {
			return struct{}{}, stores[0].Status().Nodes == 2 && stores[1].Status().Nodes == 2
		})
		anew("from the beginning")
		if got := crowd(t, nodes, "/half", 4); got[200] != 4 {
			t.Errorf("below the limit: %v", got)
		}
		tell(t, shared.Address, "FLUSHALL")
		if got := crowd(t, nodes, "/half", asked); got[200] > 10 || got[200] < 6 || got[200]+got[429] != asked {
			t.Errorf("emptied in the middle of a limit: %v, want 200 at most 10 times, and as often as was left", got)
		}
		anew("emptied")

		shared.Kill()
		if got := crowd(t, nodes, "/exact", asked); got[200] > 10 || got[200]+got[429] != asked {
			t.Errorf("killed, shared: %v, want 200 at most 10 times and 429 else", got)
		}
		if got := crowd(t, nodes, "/near", asked); got[200] > 50 || got[200]+got[429] != asked {
			t.Errorf("killed, leased: %v, want 200 at most 50 times and 429 else", got)
		}
		if got := crowd(t, nodes, "/barred", asked); got[503] != asked {
			t.Errorf("killed, closed: %v, want 503", got)
		}
		if got := crowd(t, nodes, "/free", asked); got[200] != asked {
			t.Errorf("killed, open: %v, want 200", got)
		}
		if !shared.Restart(t) { // at the same address, with nothing in it
			t.Fatal("redis-server does not start again")
		}
		connected()
		// Connections to the one before are found dead one after the other.
		eventually(t, func() (map[int]int, bool) { got := crowd(t, nodes, "/barred", asked); return got, got[200] == asked })
		anew("replaced")
		eventually(t, func() (struct{}, bool) { return struct{}{}, unpaid.Load() > 20 })
		over.Store(true)
		load.Wait()
		if paid.Load() != credits || other.Load() != 0 {
			t.Errorf("%d of %d credits were taken, and %d requests were answered otherwise than 200 and 429", paid.Load(), credits, other.Load())
		}
		n := 0
		for _, line := range requestLines(upstream) {
			if strings.Contains(line, "/paid") {
				n++
			}
		}
		if n != credits {
			t.Errorf("the upstream saw %d requests that cost credits, want %d", n, credits)
		}
		for _, p := range nodes {
			if err := p.stop(); err != nil {
				t.Error(err)
			}
		}
		if spent, left := nodes[0].spent(t, acme); spent != credits || left != 0 {
			t.Errorf("%d credits were spent and %d are left, want %d and 0", spent, left, credits)
		}
	})
}
