package redis_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/redis"
)

// patience is how long a test waits for what must come, on a machine that is busy.
const patience = 2 * time.Minute

// server is a redis-server of this test alone.
type server struct {
	address string
	port    int
	dir     string
	bus     bool // it is of a cluster
	args    []string
	cmd     *exec.Cmd
	ended   chan struct{}
}

// startServer starts redis-server on a free port. It is killed when the test ends.
func startServer(tb testing.TB, args ...string) *server {
	tb.Helper()
	s := &server{dir: tb.TempDir(), args: args, bus: slices.Contains(args, "--cluster-enabled")}
	for range 20 { // somebody else may take the port between
		s.port = freePort(tb)
		s.address = "127.0.0.1:" + strconv.Itoa(s.port)
		if s.start(tb) {
			tb.Cleanup(s.kill)
			return s
		}
	}
	tb.Fatal("redis-server does not start")
	return nil
}

func freePort(tb testing.TB) int {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port //nolint:errcheck // of a listener for tcp
}

// start starts the process and waits until it answers; false when it ends instead.
func (s *server) start(tb testing.TB) bool {
	tb.Helper()
	args := append([]string{"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", s.dir, "--loglevel", "warning"}, s.args...)
	if s.bus {
		args = append(args, "--cluster-port", strconv.Itoa(freePort(tb)))
	}
	var log bytes.Buffer
	s.cmd = exec.CommandContext(context.WithoutCancel(tb.Context()), "redis-server", args...)
	s.cmd.Stdout, s.cmd.Stderr = &log, &log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		tb.Fatalf("redis-server: %v (package redis-server, see .ci/needs)", err)
	}
	s.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait()
		close(ended)
	}(s.cmd, s.ended)
	for end := time.Now().Add(patience); time.Now().Before(end); {
		select {
		case <-s.ended:
			tb.Logf("redis-server ended: %s", log.String())
			return false
		case <-time.After(5 * time.Millisecond):
		}
		if conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(tb.Context(), "tcp", s.address); err == nil {
			_ = conn.Close()
			return true
		}
	}
	return false
}

func (s *server) signal(tb testing.TB, sig os.Signal) {
	tb.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		tb.Fatal(err)
	}
}

// kill ends the process at once and waits for it.
func (s *server) kill() {
	_ = s.cmd.Process.Signal(syscall.SIGCONT)
	_ = s.cmd.Process.Kill()
	<-s.ended
}

// do runs a command as another client.
func (s *server) do(tb testing.TB, args ...string) rueidis.RedisResult {
	tb.Helper()
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{s.address}, DisableCache: true, ForceSingleClient: true, Dialer: net.Dialer{Timeout: patience}, ConnWriteTimeout: patience})
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
