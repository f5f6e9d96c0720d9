package main

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testpostgres"
	"github.com/warder-dev/warder/internal/wire"
)

// startFleet starts nodes of one database.
func startFleet(t *testing.T, nodes int) (fleet []*served) {
	t.Helper()
	c := startCluster(t, testpostgres.Options{})
	c.owner(t, 0, "migrate", "up", "--app-role", "warder_app")
	upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	for range nodes {
		fleet = append(fleet, c.node(t, upstream.URL()))
	}
	return fleet
}

// makeKeys makes n keys.
func makeKeys(t *testing.T, c *client.Client, n int) (made []client.KeyMade) {
	t.Helper()
	const atOnce = 100
	for len(made) < n {
		got, err := c.CreateKeys(t.Context(), client.CreateKeysParams{IdempotencyKey: rand.Text()}, client.CreateKeysRequest{Keys: make([]client.KeySpec, min(n-len(made), atOnce))})
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, got.Value.Keys...)
	}
	return made
}

// A keyHolder asks over connections that it keeps.
type keyHolder struct{ client *http.Client }

func newKeyHolder(t *testing.T) keyHolder {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 8}
	t.Cleanup(transport.CloseIdleConnections)
	return keyHolder{&http.Client{Transport: transport, Timeout: time.Minute}}
}

// status is what a node answers a key; 0 if nothing.
func (c keyHolder) status(t *testing.T, node *served, key string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+node.gateway+"/", http.NoBody)
	if err != nil {
		return 0
	}
	r.Header.Set("X-API-Key", key)
	answer, err := c.client.Do(r)
	if err != nil {
		return 0
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

// TestRevocationsUnderLoad revokes a thousand keys through three nodes at once, while
// all of them serve others.
func TestRevocationsUnderLoad(t *testing.T) {
	attack.Case(t, "FLEET-01", attack.Gateway, func(t *testing.T) {
		const revocations, revokers, loaders = 1000, 6, 2
		fleet := startFleet(t, 3)
		keys, others := makeKeys(t, fleet[0].api(t), revocations), makeKeys(t, fleet[0].api(t), 50)
		var over atomic.Bool
		var load sync.WaitGroup
		var served atomic.Int64
		for i := range loaders {
			c := newKeyHolder(t)
			load.Go(func() {
				for n := i; !over.Load(); n++ {
					if got := c.status(t, fleet[n%len(fleet)], others[n%len(others)].Text.Reveal()); got != http.StatusOK {
						t.Errorf("a key that nobody revoked got %d", got)
						return
					}
					served.Add(1)
				}
			})
		}
		var next atomic.Int64
		var mu sync.Mutex
		var took []time.Duration
		incomplete := 0
		var work sync.WaitGroup
		for i := range revokers {
			api, c := fleet[i%len(fleet)].api(t), newKeyHolder(t)
			work.Go(func() {
				for n := int(next.Add(1)) - 1; n < len(keys); n = int(next.Add(1)) - 1 {
					key := keys[n].Text.Reveal()
					for _, node := range fleet { // each remembers it
						if got := c.status(t, node, key); got != http.StatusOK {
							t.Errorf("a good key got %d", got)
						}
					}
					began := time.Now()
					got, err := api.RevokeKey(t.Context(), keys[n].Key.ID, client.RevokeKeyParams{Wait: "30s"}, client.RevokeKeyRequest{Reason: "superseded"})
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					took = append(took, time.Since(began))
					mu.Unlock()
					if !got.Value.Receipt.Complete || got.Value.Receipt.Nodes != 3 {
						mu.Lock()
						incomplete++
						mu.Unlock()
						continue
					}
					for _, node := range fleet {
						if got := c.status(t, node, key); got != http.StatusUnauthorized {
							t.Errorf("after a complete receipt a node answers %d", got)
						}
					}
				}
			})
		}
		work.Wait()
		over.Store(true)
		load.Wait()
		if incomplete > 0 || len(took) != revocations || served.Load() < 100 {
			t.Errorf("%d of %d receipts were not complete; %d requests of others were served", incomplete, len(took), served.Load())
		}
		slices.Sort(took)
		t.Logf("%d requests beside; a receipt took %v at the middle, %v at 99 %%, %v at most", served.Load(), took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
	})
}

// TestANodeThatStoodStill stops a node for ten seconds, in which a key is revoked: the
// node's next answers come from what holds now.
func TestANodeThatStoodStill(t *testing.T) {
	attack.Case(t, "FLEET-02", attack.Gateway, func(t *testing.T) {
		fleet := startFleet(t, 2)
		still, api := fleet[1], fleet[0].api(t)
		keys, c := makeKeys(t, api, 2), newKeyHolder(t)
		revoked, good := keys[0].Text.Reveal(), keys[1].Text.Reveal()
		for range 3 {
			if got := c.status(t, still, revoked); got != http.StatusOK {
				t.Fatalf("a good key got %d", got)
			}
		}
		if err := still.process.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		stopped := time.Now()
		got, err := api.RevokeKey(t.Context(), keys[0].Key.ID, client.RevokeKeyParams{Wait: "2s"}, client.RevokeKeyRequest{Reason: "key-compromise"})
		if err != nil {
			t.Fatal(err)
		}
		if r := got.Value.Receipt; r.Complete || len(r.Missing) != 1 {
			t.Errorf("the receipt is %+v, want that it misses one node", r)
		}
		waiting := make([]*wire.Client, 20) // their requests lie in its sockets when it goes on
		for i := range waiting {
			waiting[i] = lasting(t, still.gateway)
			waiting[i].Send("GET / HTTP/1.1\r\nHost: " + still.gateway + "\r\nX-API-Key: " + revoked + "\r\n\r\n")
		}
		<-time.After(time.Until(stopped.Add(10 * time.Second)))
		if err := still.process.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		var statuses []string
		for _, w := range waiting {
			answer, _ := w.Response(http.MethodGet)
			if answer.StatusCode != http.StatusUnauthorized && answer.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("a key that was revoked while the node stood still got %d", answer.StatusCode)
			}
			statuses = append(statuses, fmt.Sprint(answer.StatusCode))
		}
		t.Log(strings.Join(statuses, " "))
		eventually(t, "200 for a good key", func() bool { return c.status(t, still, good) == http.StatusOK })
		eventually(t, "401 for the revoked one", func() bool { return c.status(t, still, revoked) == http.StatusUnauthorized })
	})
}

// balanced starts HAProxy in front of nodes, which it asks at their health listeners.
func balanced(t *testing.T, nodes map[string]string) string {
	t.Helper()
	name, err := exec.LookPath("haproxy")
	if err != nil {
		name = "/usr/sbin/haproxy" // not on every user's PATH
	}
	addr := wire.FreeAddress(t)
	cfg := "defaults\n  mode http\n  timeout check 30s\n  timeout connect 10s\n  timeout client 60s\n  timeout server 60s\n  retries 3\n  option redispatch\n" +
		"frontend f\n  bind " + addr + "\n  default_backend b\n" +
		"backend b\n  option httpchk GET /readyz\n  retry-on conn-failure empty-response\n"
	for gateway, health := range nodes {
		_, port, _ := strings.Cut(health, ":")
		cfg += "  server s" + port + " " + gateway + " check addr 127.0.0.1 port " + port + " inter 200ms fall 1 rise 1\n"
	}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	writeFile(t, file, cfg, 0o600)
	cmd := exec.CommandContext(t.Context(), name, "-db", "-f", file)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return addr
}

// TestRestartsOneAfterTheOther restarts and reloads each node of a fleet behind a
// balancer, under load: no request fails.
func TestRestartsOneAfterTheOther(t *testing.T) {
	attack.Case(t, "FLEET-10", attack.Gateway, func(t *testing.T) {
		const rounds, clients = 2, 4
		c := startCluster(t, testpostgres.Options{})
		c.owner(t, 0, "migrate", "up", "--app-role", "warder_app")
		upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
		writeFile(t, filepath.Join(c.folder, "fleet.yaml"), "timeouts: {shutdown_delay: 2s}\n", 0o600)
		fleet, addresses := map[string]*served{}, map[string]string{}
		begin := func(gateway, health string) {
			s := c.node(t, upstream.URL(), "--admin-listen", "off", "--config", "fleet.yaml", "--listen", gateway, "--health-listen", health)
			fleet[gateway], addresses[gateway] = s, health
		}
		for range 3 {
			begin(wire.FreeAddress(t), wire.FreeAddress(t))
		}
		out, _ := c.app(t, 0, "keys", "create", "--output", "secret")
		front := &served{gateway: balanced(t, addresses)}
		holder := newKeyHolder(t)
		key := strings.TrimSpace(out)
		eventually(t, "an answer through the balancer", func() bool { return holder.status(t, front, key) == http.StatusOK })

		var over atomic.Bool
		var answered, failed atomic.Int64
		var load sync.WaitGroup
		for range clients {
			holder := newKeyHolder(t)
			load.Go(func() {
				for !over.Load() {
					if got := holder.status(t, front, key); got != http.StatusOK {
						failed.Add(1)
						t.Errorf("a request got %d", got)
						return
					}
					answered.Add(1)
				}
			})
		}
		ready := func(health string) bool {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+health+"/readyz", http.NoBody)
			if err != nil {
				return false
			}
			w, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				return false
			}
			_ = w.Body.Close()
			return w.StatusCode == http.StatusOK
		}
		for range rounds {
			for gateway, health := range addresses {
				if err := fleet[gateway].process.Process.Signal(syscall.SIGHUP); err != nil {
					t.Fatal(err)
				}
				if err := fleet[gateway].process.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
				if err := fleet[gateway].process.Wait(); err != nil {
					t.Errorf("a node ended with %v", err)
				}
				begin(gateway, health)
				eventually(t, "ready again", func() bool { return ready(health) })
				<-time.After(time.Second) // the balancer asks five times in it
			}
		}
		over.Store(true)
		load.Wait()
		t.Logf("%d requests were answered during %d restarts, %d failed", answered.Load(), rounds*len(fleet), failed.Load())
	})
}
