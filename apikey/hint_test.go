package apikey_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/apikey"
)

// A hintingStore counts how often it is asked for its revision, and gives hints.
type hintingStore struct {
	apikey.MemoryStore
	polls atomic.Int64
	hints chan struct{}
}

func (s *hintingStore) Revision(ctx context.Context) (apikey.Revision, error) {
	s.polls.Add(1)
	return s.MemoryStore.Revision(ctx)
}

func (s *hintingStore) News(context.Context) <-chan struct{} { return s.hints }

// hint gives one, unless one is waiting.
func (s *hintingStore) hint() {
	select {
	case s.hints <- struct{}{}:
	default:
	}
}

func TestAHintIsFollowedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &hintingStore{hints: make(chan struct{}, 1)}
		peppers, _ := newPeppers(t, 1)
		v, err := apikey.NewVerifier(apikey.VerifierConfig{Store: store, Peppers: peppers, Poll: time.Minute, Freshness: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		wait := func(d time.Duration) { <-time.After(d); synctest.Wait() }
		wait(time.Second)
		begin := store.polls.Load()
		store.hint()
		wait(time.Millisecond)
		if got := store.polls.Load() - begin; got != 1 {
			t.Errorf("%d polls in the millisecond after a hint, want 1", got)
		}
		begin = store.polls.Load()
		for range 1000 { // as fast as somebody may notify
			store.hint()
			wait(time.Millisecond)
		}
		if got := store.polls.Load() - begin; got < 90 || got > 101 {
			t.Errorf("%d polls in a second of hints, want 100", got)
		}
		wait(20 * time.Millisecond) // that of the last hint
		begin = store.polls.Load()
		wait(2*time.Minute + time.Second)
		if got := store.polls.Load() - begin; got != 2 {
			t.Errorf("%d polls in two minutes without a hint, want 2", got)
		}
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
}
