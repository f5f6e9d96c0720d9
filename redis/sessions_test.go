package redis_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/warder-dev/warder/redis"
	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/session/sessiontest"
)

func TestSessions(t *testing.T) { keepsSessions(t, startServer(t)) }

func keepsSessions(t *testing.T, s *server) {
	t.Helper()
	n := 0
	sessiontest.TestStore(t, func(t *testing.T) session.Store {
		t.Helper()
		n++
		return openDB(t, func(c *redis.Config) { c.Prefix = fmt.Sprint("test", n) }, s.Address).Sessions()
	})
}

func aSession(n byte) session.Record {
	now := time.Now().UTC().Truncate(time.Microsecond)
	r := session.Record{User: session.User{Issuer: "password", Subject: "canary-ada", AuthenticatedAt: now}, Created: now, LastUsed: now, IdleExpires: now.Add(time.Hour), Expires: now.Add(time.Hour)}
	r.Digest[0], r.Digest[1] = n, 1
	return r
}

// What ended leaves nothing, and what is there names nobody in its keys.
func TestSessionsLeaveNothing(t *testing.T) {
	s := startServer(t)
	store := openDB(t, nil, s.Address).Sessions()
	r := aSession(1)
	if err := store.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	r.Revision = 1
	after := r
	after.Digest[0], after.Former = 2, session.Former{Digest: r.Digest, Until: r.Expires, User: r.User}
	if err := store.Replace(t.Context(), r, after); err != nil {
		t.Fatal(err)
	}
	kept := func() []string {
		all, err := s.do(t, "KEYS", "warder:{sessions}:*").AsStrSlice()
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if all := kept(); len(all) != 4 || strings.Contains(strings.Join(all, " "), "canary") {
		t.Errorf("keys %q, want four that name nobody", all)
	}
	if err := store.Delete(t.Context(), r.Digest); err != nil {
		t.Fatal(err)
	}
	if all := kept(); len(all) != 0 {
		t.Errorf("keys %q are left", all)
	}
}

// Without an answer there is an error that is none of the store's own.
func TestSessionsWithoutAServer(t *testing.T) {
	s := startServer(t)
	store := openDB(t, nil, s.Address).Sessions()
	away, err := redis.Open(redis.Config{Addresses: []string{"127.0.0.1:1"}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = away.Close() })
	if _, err := away.Sessions().Lookup(t.Context(), session.Digest{1}); !errors.Is(err, redis.ErrAway) {
		t.Errorf("before the first connection: %v", err)
	}
	must(t, s, "CONFIG", "SET", "maxmemory", "1")
	if err := store.Create(t.Context(), aSession(1)); !errors.Is(err, session.ErrFull) {
		t.Errorf("without memory: %v, want ErrFull", err)
	}
	must(t, s, "CONFIG", "SET", "maxmemory", "0")
	s.Signal(t, syscall.SIGSTOP)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := store.Lookup(ctx, session.Digest{1}); err == nil || errors.Is(err, session.ErrNotFound) {
		t.Errorf("paused: %v", err)
	}
	s.Signal(t, syscall.SIGCONT)
	waitFor(t, "an answer", func() bool {
		_, err := store.Lookup(t.Context(), session.Digest{1})
		return errors.Is(err, session.ErrNotFound)
	})
}
