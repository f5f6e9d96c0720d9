package sqlite_test

import (
	"errors"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/idempotency"
	"github.com/warder-dev/warder/internal/idempotency/idempotencytest"
)

func TestAttempts(t *testing.T) {
	idempotencytest.TestStore(t, func(t *testing.T, most int) idempotency.Store {
		t.Helper()
		return open(t, newPath(t)).Attempts(most)
	})
}

func TestAttemptsOutliveTheProcess(t *testing.T) {
	path, a, now := newPath(t), idempotency.Attempt{Caller: "ada", Key: "k"}, time.Now()
	first := open(t, path)
	if _, err := first.Attempts(0).Begin(t.Context(), a, now, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := first.Attempts(0).Finish(t.Context(), a, []byte("done")); err != nil {
		t.Fatal(err)
	}
	told, err := open(t, path).Attempts(0).Begin(t.Context(), a, now, time.Hour)
	if !errors.Is(err, idempotency.ErrKnown) || string(told.Answer) != "done" {
		t.Errorf("another process is told %+v, %v", told, err)
	}
}

func TestAttemptsRefuseWhatNoColumnTakes(t *testing.T) {
	s := open(t, newPath(t)).Attempts(0)
	for _, a := range []idempotency.Attempt{{}, {Caller: "a"}, {Key: "k"}, {Caller: "a\x00", Key: "k"}, {Caller: "a", Key: "\xff"}} {
		if _, err := s.Begin(t.Context(), a, time.Now(), time.Hour); err == nil || errors.Is(err, idempotency.ErrKnown) {
			t.Errorf("%q, %q: %v, want an error", a.Caller, a.Key, err)
		}
	}
}
