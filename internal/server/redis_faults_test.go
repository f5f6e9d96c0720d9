package server_test

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testredis"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/redis"
)

const storeFaults = `
redis: {addresses: ["127.0.0.1:1"], budget: 10s}
rate_limits:
  share: {count: 3, per: 366d, by: ["header:X-Who"], store: redis}
  closed: {count: 3, per: 366d, by: ["header:X-Who"], store: redis, on_store_failure: closed}
  open: {count: 2, per: 366d, by: ["header:X-Who"], store: redis, on_store_failure: insecure_open}
routes:
  - {match: "/share", upstream: api, rate_limits: [share]}
  - {match: "/closed", upstream: api, rate_limits: [closed]}
  - {match: "/open", upstream: api, rate_limits: [open]}
`

// A link passes on what two ends send, late by what it is told.
type link struct {
	listener net.Listener
	to       string
	late     atomic.Int64 // nanoseconds
}

func newLink(t *testing.T, to string) *link {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{listener: listener, to: to}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				_ = near.Close()
				continue
			}
			for _, ends := range [][2]net.Conn{{near, far}, {far, near}} {
				go l.pass(ends[0], ends[1])
			}
		}
	}()
	return l
}

func (l *link) pass(from, to net.Conn) {
	defer func() { _, _ = from.Close(), to.Close() }()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		<-time.After(time.Duration(l.late.Load()))
		if _, wrong := to.Write(b[:n]); errors.Join(err, wrong) != nil {
			return
		}
	}
}

// What becomes of requests is what each limit says, whatever is wrong with the store;
// and nothing of it is left when the store is well again.
func TestFaultsOfTheStoreThroughTheGateway(t *testing.T) {
	s := testredis.Start(t)
	slow := newLink(t, s.Address)
	run := func(t *testing.T, args ...string) {
		t.Helper()
		c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{s.Address}, DisableCache: true, ForceSingleClient: true, Dialer: net.Dialer{Timeout: patience}, ConnWriteTimeout: patience})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Do(t.Context(), c.B().Arbitrary(args...).Build()).Error(); err != nil {
			t.Fatal(args, err)
		}
	}
	const allKeys = "for _, k in ipairs(redis.call('KEYS', 'warder:{*}:*:*')) do redis.call('DEL', k) redis.call('LPUSH', k, 'x') end return 1"
	open := func(address string, budget time.Duration, yaml string) *program {
		db, err := redis.Open(redis.Config{Addresses: []string{address}, Budget: budget, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		eventually(t, func() (struct{}, bool) { return struct{}{}, db.Status().Up })
		return start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{yaml: yaml, limit: db.Limits()})
	}
	patient := open(s.Address, 10*time.Second, storeFaults)
	// here an answer may be late without a fault: then it was counted for nothing
	hasty := open(slow.listener.Addr().String(), 50*time.Millisecond, strings.Replace(storeFaults, "closed: {count: 3,", "closed: {count: 1000000000,", 1))
	for _, tt := range []struct {
		name    string
		p       *program
		down    func(t *testing.T)
		up      func(t *testing.T)
		exact   []int // what who had one of three gets, of a store that answers
		oneself bool  // nobody else is concerned
	}{
		{name: "READONLY", p: patient, down: func(t *testing.T) { t.Helper(); run(t, "REPLICAOF", "127.0.0.1", "1") }, up: func(t *testing.T) { t.Helper(); run(t, "REPLICAOF", "NO", "ONE") }},
		{name: "OOM", p: patient, down: func(t *testing.T) { t.Helper(); run(t, "CONFIG", "SET", "maxmemory", "1") }, up: func(t *testing.T) { t.Helper(); run(t, "CONFIG", "SET", "maxmemory", "0") }},
		{name: "a wrong type", p: patient, oneself: true, down: func(t *testing.T) { t.Helper(); run(t, "EVAL", allKeys, "0") }, up: func(*testing.T) {}},
		{name: "NOSCRIPT", p: patient, down: func(t *testing.T) { t.Helper(); run(t, "SCRIPT", "FLUSH") }, exact: []int{200, 200, 429}},
		{name: "flushed", p: patient, down: func(t *testing.T) { t.Helper(); run(t, "FLUSHALL") }, exact: []int{200, 200, 200, 429}},
		{name: "200 ms slow", p: hasty, down: func(*testing.T) { slow.late.Store(int64(200 * time.Millisecond)) }, up: func(*testing.T) { slow.late.Store(0) }},
		{name: "paused", p: hasty, down: func(t *testing.T) { t.Helper(); s.Signal(t, syscall.SIGSTOP) }, up: func(t *testing.T) { t.Helper(); s.Signal(t, syscall.SIGCONT) }},
	} {
		attack.Case(t, "LIMIT-08", attack.Gateway, func(t *testing.T) {
			t.Log(tt.name)
			ask := func(path, who string, n int) (all []int) {
				t.Helper()
				for range n {
					r := newRequest(t, "http://"+tt.p.gateway+path)
					r.Header.Set("X-API-Key", tt.p.key)
					r.Header.Set("X-Who", who)
					response := do(t, r)
					all = append(all, response.StatusCode)
					if text, err := io.ReadAll(response.Body); err != nil || strings.Contains(strings.ToLower(string(text)), "redis") {
						t.Errorf("the client reads %s, %v", text, err)
					}
				}
				return all
			}
			me, other := "me, "+tt.name, "another, "+tt.name
			eventually(t, func() (struct{}, bool) { return struct{}{}, ask("/closed", me, 1)[0] == 200 })
			eventually(t, func() (struct{}, bool) { return struct{}{}, ask("/share", me, 1)[0] == 429 })
			ask("/open", me, 1)
			tt.down(t)
			if tt.exact != nil {
				wantStatuses(t, "a store that answers", ask("/closed", me, len(tt.exact)), tt.exact...)
				return
			}
			wantStatuses(t, "closed", ask("/closed", me, 4), 503, 503, 503, 503)
			wantStatuses(t, "open", ask("/open", me, 4), 200, 200, 200, 200)
			wantStatuses(t, "share: what was spent stays so", ask("/share", me, 2), 429, 429)
			if tt.oneself {
				wantStatuses(t, "another, whose counter is well", ask("/closed", other, 4), 200, 200, 200, 429)
			} else {
				wantStatuses(t, "another", append(ask("/closed", other, 1), ask("/open", other, 3)...), 503, 200, 200, 200)
				if all := ask("/share", other, 5); all[0] != 200 || all[4] != 429 {
					t.Errorf("another, in this process: %v", all)
				}
			}
			tt.up(t)
			eventually(t, func() (struct{}, bool) { return struct{}{}, ask("/closed", "again, "+tt.name, 1)[0] == 200 })
		})
	}
}
