package postgres_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/idempotency"
	"github.com/warder-dev/warder/postgres"
)

// Two nodes are one store: of the same request to both one begins, and both are told
// its answer. The oldest attempts of a caller go, whichever node begins the next.
func TestAttemptsOfTwoNodes(t *testing.T) {
	url := newURL(t)
	const most, keys = 5, 40
	nodes := [2]*postgres.Attempts{open(t, url).Attempts(most), open(t, url).Attempts(most)}
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for n := range keys {
		a := idempotency.Attempt{Caller: "ada", Key: fmt.Sprint(n), Request: [32]byte{1}}
		var begun [2]error
		var both sync.WaitGroup
		for i, node := range nodes {
			both.Go(func() { _, begun[i] = node.Begin(t.Context(), a, now.Add(time.Duration(n)*time.Second), time.Hour) })
		}
		both.Wait()
		first := 0
		if begun[0] != nil {
			first = 1
		}
		if begun[first] != nil || !errors.Is(begun[1-first], idempotency.ErrKnown) {
			t.Fatalf("both nodes at once: %v, want one to begin", begun)
		}
		if err := nodes[first].Finish(t.Context(), a, nil); err != nil {
			t.Fatal(err)
		}
		if told, err := nodes[1-first].Begin(t.Context(), a, now, time.Hour); !errors.Is(err, idempotency.ErrKnown) || !told.Finished || len(told.Answer) != 0 {
			t.Errorf("the other node is told %+v, %v, want an answer of nothing", told, err)
		}
	}
	const kept = `SELECT string_agg(key, ' ' ORDER BY key::int) FROM warder.attempts`
	if got, want := pool.Server(t).Query(t, database(url), kept), "35 36 37 38 39"; got != want {
		t.Errorf("the attempts %s are kept, want %s", got, want)
	}
	// Those whose life is over go with the next one of anybody.
	if _, err := nodes[0].Begin(t.Context(), idempotency.Attempt{Caller: "bob", Key: "k"}, now.Add(2*time.Hour), time.Hour); err != nil {
		t.Fatal(err)
	}
	const left = `SELECT string_agg(caller, ' ') FROM warder.attempts`
	if got := pool.Server(t).Query(t, database(url), left); got != "bob" {
		t.Errorf("the attempts of %s are kept, want those of bob", got)
	}
}

func TestAttemptsRefuseWhatNoColumnTakes(t *testing.T) {
	s := open(t, newURL(t)).Attempts(0)
	for _, a := range []idempotency.Attempt{{}, {Caller: "a"}, {Key: "k"}, {Caller: "a\x00", Key: "k"}, {Caller: "a", Key: "\xff"}} {
		_, begin := s.Begin(t.Context(), a, time.Now(), time.Hour)
		for _, err := range []error{begin, s.Finish(t.Context(), a, nil), s.Forget(t.Context(), a)} {
			if err == nil || errors.Is(err, idempotency.ErrKnown) {
				t.Errorf("%q, %q: %v, want an error", a.Caller, a.Key, err)
			}
		}
	}
}
