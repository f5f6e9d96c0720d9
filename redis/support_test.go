package redis_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/warder-dev/warder/internal/testredis"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/redis"
)

// patience is how long a test waits for what must come, on a machine that is busy.
const patience = 2 * time.Minute

// server is a redis-server of this test alone.
type server struct{ *testredis.Server }

func startServer(tb testing.TB, args ...string) *server {
	tb.Helper()
	return &server{testredis.Start(tb, args...)}
}

// do runs a command as another client.
func (s *server) do(tb testing.TB, args ...string) rueidis.RedisResult {
	tb.Helper()
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{s.Address}, DisableCache: true, ForceSingleClient: true, Dialer: net.Dialer{Timeout: patience}, ConnWriteTimeout: patience})
	if err != nil {
		tb.Fatal(err)
	}
	defer c.Close()
	return c.Do(tb.Context(), c.B().Arbitrary(args...).Build())
}

// logs keeps what is logged.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// openDB opens a DB of its own fleet with a budget that is not the point of the test,
// and waits until it is up.
func openDB(tb testing.TB, change func(*redis.Config), addresses ...string) *redis.DB {
	tb.Helper()
	cfg := redis.Config{Addresses: addresses, Budget: 10 * time.Second, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&cfg)
	}
	db, err := redis.Open(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	waitFor(tb, "the first connection", func() bool { return db.Status().Up })
	return db
}

// waitFor waits until true.
func waitFor(tb testing.TB, what string, true func() bool) {
	tb.Helper()
	for end := time.Now().Add(patience); !true(); {
		if time.Now().After(end) {
			tb.Fatalf("waited %v for %s", patience, what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

// claim is on one limit of a subject's.
func claim(limit string, subject int, q ratelimit.Quota, cost int) ratelimit.Claim {
	if q.Burst == 0 {
		q.Burst = q.Count
	}
	c := ratelimit.Claim{Limit: limit, Quota: q, Cost: cost}
	copy(c.Subject[:], fmt.Sprint("s", subject))
	return c
}
