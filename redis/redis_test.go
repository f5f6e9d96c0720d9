package redis_test

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/redis"
	"github.com/warder-dev/warder/secret"
)

func TestConfigurationsThatAreNone(t *testing.T) {
	good := func() redis.Config {
		return redis.Config{Addresses: []string{"127.0.0.1:1"}, Log: slog.New(slog.DiscardHandler)}
	}
	for _, tt := range []struct {
		name   string
		change func(*redis.Config)
		want   []string
	}{
		{"the zero value", func(c *redis.Config) { *c = redis.Config{} }, []string{"no Addresses", "no logger"}},
		{"an address without a port", func(c *redis.Config) { c.Addresses = []string{"a", ":1", "b:"} }, []string{`"a" is not`, `":1" is not`, `"b:" is not`}},
		{"a prefix with a brace", func(c *redis.Config) { c.Prefix = "a{b}" }, []string{"Prefix"}},
		{"a short key", func(c *redis.Config) { c.HashKey = secret.New("canary") }, []string{"6 bytes, want 16"}},
		{"numbers", func(c *redis.Config) { c.Budget, c.Nodes, c.Database = time.Hour, -1, -1 }, []string{"Budget is 1h", "Nodes is -1", "Database is -1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := good()
			tt.change(&cfg)
			_, err := redis.Open(cfg)
			if err == nil {
				t.Fatal("was accepted")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
					t.Errorf("error %q does not say %s", err, want)
				}
			}
		})
	}
}

// Close ends every goroutine, also while the server is away.
func TestClose(t *testing.T) {
	s := startServer(t)
	before := goleak.IgnoreCurrent()
	for _, away := range []bool{false, true} {
		if away {
			s.Kill()
		}
		db, err := redis.Open(redis.Config{Addresses: []string{s.Address}, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if !away {
			waitFor(t, "the first connection", func() bool { return db.Status().Up })
		}
		_ = db.Limits().Take(t.Context(), []ratelimit.Claim{claim("a", 1, ratelimit.Quota{Count: 1, Per: time.Hour}, 1)}, false)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := db.Limits().Take(t.Context(), []ratelimit.Claim{claim("a", 1, ratelimit.Quota{Count: 1, Per: time.Hour}, 1)}, false); err == nil {
			t.Error("a closed store answers")
		}
		var left error // the driver has some that sleep for a second and end
		for end := time.Now().Add(patience); time.Now().Before(end); {
			if left = goleak.Find(before); left == nil {
				break
			}
		}
		if left != nil {
			t.Error(left)
		}
	}
}

// A server that asks for TLS and a password; a wrong one is told, and not shown.
func TestTLSAndPassword(t *testing.T) {
	dir := t.TempDir()
	ca := testcert.NewCA(t, "test")
	certFile, keyFile := ca.Issue(t, testcert.Leaf{}).Write(t, dir, "server")
	acl := filepath.Join(dir, "users.acl")
	if err := os.WriteFile(acl, []byte("user default off\nuser warder on >right-canary ~warder:* &* +@all\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, "--aclfile", acl)
	s.Kill()
	s.Args = []string{"--aclfile", acl, "--tls-cert-file", certFile, "--tls-key-file", keyFile, "--tls-auth-clients", "no", "--tls-port", fmt.Sprint(s.Port), "--port", "0"}
	if !s.Restart(t) {
		t.Fatal("redis-server does not start with TLS")
	}
	change := func(password string, told *logs) func(*redis.Config) {
		return func(c *redis.Config) {
			c.Username, c.Password = "warder", secret.New(password)
			c.TLS = &tls.Config{RootCAs: ca.Pool(), ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
			if told != nil {
				c.Log = slog.New(slog.NewTextHandler(told, nil))
			}
		}
	}
	db := openDB(t, change("right-canary", nil), s.Address)
	c := []ratelimit.Claim{claim("a", 1, ratelimit.Quota{Count: 1, Per: time.Hour}, 1)}
	if err := db.Limits().Take(t.Context(), c, false); err != nil || !c[0].OK {
		t.Errorf("over TLS: %v %v", c[0].OK, err)
	}
	var told logs
	cfg := redis.Config{Addresses: []string{s.Address}}
	change("wrong-canary", &told)(&cfg)
	other, err := redis.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	waitFor(t, "the wrong password to be told", func() bool { return strings.Contains(told.String(), "WRONGPASS") })
	if strings.Contains(told.String(), "canary") {
		t.Errorf("the password is shown: %s", told.String())
	}
}

// Three nodes with leases, on a real server: no more than the limit and what they
// may hold.
func TestLeasedNodes(t *testing.T) {
	const nodes, lease = 3, 50
	s := startServer(t)
	q := ratelimit.Quota{Count: 2000, Per: 24 * time.Hour}
	all := new(outcomes)
	var wg sync.WaitGroup
	for range nodes {
		db := openDB(t, nil, s.Address)
		l, err := ratelimit.NewLimit(ratelimit.LimitConfig{
			Name: "a", Quota: q, By: []ratelimit.Part{ratelimit.ByKey()}, Store: db.Limits(), Outage: ratelimit.Closed, Lease: lease,
		})
		if err != nil {
			t.Fatal(err)
		}
		stage, err := ratelimit.New(ratelimit.Config{Limits: []*ratelimit.Limit{l}})
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			wg.Go(func() {
				for range 1000 {
					all.check(stage, from("k"))
				}
			})
		}
	}
	wg.Wait()
	// Nothing refills in a test's time, so what passes was counted; what is held is not used.
	if got := int(all.passed.Load()); got > q.Count || got < q.Count-nodes*lease || all.failed.Load() != 0 {
		t.Errorf("%d passed and %d failed, want %d to %d and none", got, all.failed.Load(), q.Count-nodes*lease, q.Count)
	} else {
		t.Logf("%d of %d passed", got, q.Count)
	}
}
