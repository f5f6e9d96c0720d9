// Package idempotencytest tests stores of attempts.
package idempotencytest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/idempotency"
)

const (
	life = time.Hour
	most = 20
)

// TestStore tests what [idempotency.Store] promises. fresh returns an empty store
// that keeps most attempts of one caller.
func TestStore(t *testing.T, fresh func(t *testing.T, most int) idempotency.Store) {
	t.Helper()
	t.Run("answer", func(t *testing.T) { testAnswer(t, fresh(t, most)) })
	t.Run("forget", func(t *testing.T) { testForget(t, fresh(t, most)) })
	t.Run("life", func(t *testing.T) { testLife(t, fresh(t, most)) })
	t.Run("many at once", func(t *testing.T) { testAtOnce(t, fresh(t, most)) })
	t.Run("bound", func(t *testing.T) { testBound(t, fresh(t, most)) })
}

func attempt(caller, key string, request byte) idempotency.Attempt {
	return idempotency.Attempt{Caller: caller, Key: key, Request: [32]byte{request}}
}

func begin(t *testing.T, s idempotency.Store, a idempotency.Attempt, now time.Time, want error) idempotency.Told {
	t.Helper()
	told, err := s.Begin(t.Context(), a, now, life)
	if !errors.Is(err, want) || want == nil && err != nil {
		t.Fatalf("Begin(%q, %q) = %v, want %v", a.Caller, a.Key, err, want)
	}
	return told
}

func testAnswer(t *testing.T, s idempotency.Store) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	a := attempt("ada", "k", 1)
	begin(t, s, a, now, nil)
	told := begin(t, s, attempt("ada", "k", 2), now.Add(time.Second), idempotency.ErrKnown)
	if told.Finished || told.Request != a.Request || !told.Began.Equal(now) {
		t.Errorf("an attempt under way is told as %+v", told)
	}
	begin(t, s, attempt("bob", "k", 3), now, nil)
	answer := []byte("{\"a\":\"'; DROP TABLE keys; --\"}")
	if err := s.Finish(t.Context(), a, answer); err != nil {
		t.Fatal(err)
	}
	if err := s.Finish(t.Context(), attempt("ada", "k", 2), []byte("another")); err != nil {
		t.Fatal(err)
	}
	if err := s.Finish(t.Context(), attempt("nobody", "k", 2), []byte("another")); err != nil {
		t.Fatal(err)
	}
	told = begin(t, s, a, now, idempotency.ErrKnown)
	if !told.Finished || string(told.Answer) != string(answer) {
		t.Errorf("a finished attempt is told as %+v", told)
	}
	if told = begin(t, s, attempt("bob", "k", 3), now, idempotency.ErrKnown); told.Finished {
		t.Error("another caller's attempt has the answer")
	}
}

func testForget(t *testing.T, s idempotency.Store) {
	now := time.Now()
	a := attempt("ada", "k", 1)
	begin(t, s, a, now, nil)
	if err := s.Forget(t.Context(), attempt("ada", "k", 2)); err != nil {
		t.Fatal(err)
	}
	begin(t, s, a, now, idempotency.ErrKnown)
	if err := s.Forget(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	begin(t, s, attempt("ada", "k", 2), now, nil)
}

func testLife(t *testing.T, s idempotency.Store) {
	now := time.Now()
	a := attempt("ada", "k", 1)
	begin(t, s, a, now, nil)
	begin(t, s, attempt("ada", "other", 1), now.Add(life-time.Second), nil)
	begin(t, s, a, now.Add(life-time.Millisecond), idempotency.ErrKnown)
	begin(t, s, attempt("ada", "k", 2), now.Add(life), nil)
	if told := begin(t, s, a, now.Add(life), idempotency.ErrKnown); told.Request != [32]byte{2} {
		t.Error("the attempt is still the old one")
	}
	begin(t, s, attempt("ada", "other", 1), now.Add(life), idempotency.ErrKnown)
}

func testAtOnce(t *testing.T, s idempotency.Store) {
	const many = 50
	var all sync.WaitGroup
	begun := make(chan struct{}, many)
	now := time.Now()
	for range many {
		all.Go(func() {
			if _, err := s.Begin(t.Context(), attempt("ada", "k", 1), now, life); err == nil {
				begun <- struct{}{}
			} else if !errors.Is(err, idempotency.ErrKnown) {
				t.Errorf("Begin = %v", err)
			}
		})
	}
	all.Wait()
	if len(begun) != 1 {
		t.Errorf("%d of %d attempts at once began, want 1", len(begun), many)
	}
}

func testBound(t *testing.T, s idempotency.Store) {
	now := time.Now()
	begin(t, s, attempt("bob", "0", 1), now, nil)
	for i := range most + 1 {
		begin(t, s, attempt("ada", fmt.Sprint(i), 1), now.Add(time.Duration(i)*time.Millisecond), nil)
	}
	begin(t, s, attempt("ada", "1", 1), now, idempotency.ErrKnown)
	begin(t, s, attempt("ada", fmt.Sprint(most), 1), now, idempotency.ErrKnown)
	begin(t, s, attempt("bob", "0", 1), now, idempotency.ErrKnown)
	begin(t, s, attempt("ada", "0", 1), now.Add(time.Minute), nil) // it was forgotten
}
