package session_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/session/sessiontest"
)

func newStore(tb testing.TB) *session.MemoryStore {
	tb.Helper()
	s, err := session.NewMemoryStore(0)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestMemoryStore(t *testing.T) {
	sessiontest.TestStore(t, func(t *testing.T) session.Store {
		t.Helper()
		return newStore(t)
	})
}

func TestAFullStoreEndsNoLiveSession(t *testing.T) {
	if _, err := session.NewMemoryStore(-1); err == nil {
		t.Error("a store of -1 sessions was made")
	}
	synctest.Test(t, func(t *testing.T) {
		s, err := session.NewMemoryStore(3)
		if err != nil {
			t.Fatal(err)
		}
		record := func(n int, lasts time.Duration) session.Record {
			now := time.Now()
			return session.Record{
				Digest: session.Digest{byte(n)}, User: session.User{Issuer: "password", Subject: fmt.Sprint("user", n)},
				Created: now, LastUsed: now, IdleExpires: now.Add(lasts), Expires: now.Add(lasts),
			}
		}
		for n := 1; n <= 3; n++ {
			if err := s.Create(t.Context(), record(n, time.Duration(n)*time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Create(t.Context(), record(4, time.Hour)); !errors.Is(err, session.ErrFull) {
			t.Errorf("Create in a full store = %v, want ErrFull", err)
		}
		for n := byte(1); n <= 3; n++ {
			if _, err := s.Lookup(t.Context(), session.Digest{n}); err != nil {
				t.Errorf("a live session made room: %v", err)
			}
		}
		<-time.After(time.Minute) // one expires
		if err := s.Create(t.Context(), record(4, time.Hour)); err != nil {
			t.Errorf("Create beside an expired session = %v, want no error", err)
		}
		if err := s.Create(t.Context(), record(5, time.Hour)); !errors.Is(err, session.ErrFull) {
			t.Errorf("Create in a full store = %v, want ErrFull", err)
		}
	})
}
