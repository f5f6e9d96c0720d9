package apikey_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
)

func TestRevokedWhileVerifying(t *testing.T) {
	attack.Case(t, "KEY-35", attack.Library, func(t *testing.T) {
		for _, cached := range []bool{true, false} {
			h := newStoreHouse(t)
			record, good := h.create(t, "a")
			applied := make(chan apikey.Revision, 100)
			cfg := apikey.VerifierConfig{Store: h.store, Peppers: h.peppers, Poll: time.Millisecond, Applied: func(r apikey.Revision) { applied <- r }}
			if !cached {
				cfg.Store = plainStore{h.store}
			}
			v := newVerifier(t, cfg)
			var receipt atomic.Bool
			var passed atomic.Int64
			var wg sync.WaitGroup
			stop := make(chan struct{})
			for range 100 {
				wg.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						after := receipt.Load()
						_, err := v.Verify(t.Context(), good)
						if err == nil {
							passed.Add(1)
						}
						if err == nil && after {
							t.Error("passed after the receipt")
							return
						}
					}
				})
			}
			eventually(t, func() bool { return passed.Load() > 1000 })
			revoked, err := h.issuer.Revoke(t.Context(), by(), record.ID, "leaked")
			if err != nil {
				t.Error(err)
			}
			for cached && <-applied < revoked.Revision {
				continue
			}
			receipt.Store(true)
			pause(50 * time.Millisecond)
			close(stop)
			wg.Wait()
		}
	})
}

func TestStaleLookupIsNeverStored(t *testing.T) {
	attack.Case(t, "KEY-35", attack.Library, func(t *testing.T) {
		h := newHouse(t)
		record, good := h.create(t, "a")
		read, release := make(chan struct{}), make(chan struct{})
		var slowed atomic.Bool
		slow := func(apikey.ID) {
			if slowed.CompareAndSwap(false, true) {
				close(read)
				<-release
			}
		}
		h.store.after.Store(&slow)
		early := make(chan string, 1)
		go func() { early <- verify(h.verifier, good) }()
		<-read // the record is read, and not yet returned
		if _, err := h.issuer.Revoke(t.Context(), by(), record.ID, ""); err != nil {
			t.Fatal(err)
		}
		h.verifier.Invalidate(record.ID)
		wantReason(t, "does not join the stale look-up", verify(h.verifier, good), "revoked")
		close(release)
		wantReason(t, "does not believe the stale look-up", <-early, "revoked")
		wantReason(t, "the stale record was not stored", verify(h.verifier, good), "revoked")
	})
}

func TestTwoVerifiersOneFeed(t *testing.T) {
	attack.Case(t, "KEY-36", attack.Library, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			other := newVerifier(t, apikey.VerifierConfig{Store: h.store, Peppers: h.peppers})
			verifiers := []*apikey.Verifier{h.verifier, other}
			old, text := h.create(t, "a")
			imported := old
			imported.ID = "zz0000000000"
			for _, v := range verifiers {
				wantReason(t, "before", verify(v, text), "")
				wantReason(t, "before", verify(v, unknownKey(0)), "unknown")
			}
			revoked, err := h.issuer.Revoke(t.Context(), by(), old.ID, "leaked")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.store.Apply(t.Context(), apikey.Change{Actor: "t", Source: "cli", Op: apikey.OpCreate, At: time.Now(), After: &imported}); err != nil {
				t.Fatal(err)
			}
			pause(time.Second)
			for _, v := range verifiers {
				wantReason(t, "1 s after the revocation", verify(v, text), "revoked")
				wantReason(t, "1 s after the creation", verify(v, unknownKey(0)), "wrong-secret")
				if v.Applied() <= revoked.Revision {
					t.Errorf("Applied = %d, want more than %d", v.Applied(), revoked.Revision)
				}
			}
		})
	})
}

func TestSilentFeedEndsTrust(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		record, good := h.create(t, "a")
		pause(time.Second)
		wantReason(t, "cached", verify(h.verifier, good), "")
		down := func(context.Context) error { return errDown }
		h.store.feed.Store(&down)
		if _, err := h.issuer.Revoke(t.Context(), by(), record.ID, ""); err != nil {
			t.Fatal(err)
		}
		pause(4 * time.Second)
		wantReason(t, "within Freshness the cache is trusted", verify(h.verifier, good), "")
		pause(1100 * time.Millisecond)
		wantReason(t, "beyond it the store is asked", verify(h.verifier, good), "revoked")
		fail := func(context.Context, apikey.ID) error { return errDown }
		h.store.before.Store(&fail)
		wantReason(t, "and when it does not answer, nobody passes", verify(h.verifier, good), "error")
		h.store.before.Store(nil)
		h.store.feed.Store(nil)
		pause(time.Second)
		before := h.store.lookups.Load()
		wantReason(t, "the feed is back", verify(h.verifier, good), "revoked")
		wantReason(t, "the feed is back", verify(h.verifier, good), "revoked")
		if got := h.store.lookups.Load() - before; got > 1 {
			t.Errorf("%d look-ups, want 1 at most", got)
		}
	})
}

// swapped is a store that can be put back to an older copy.
type swapped struct {
	mu sync.Mutex
	*countingStore
}

func (s *swapped) now() *countingStore {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.countingStore
}

func (s *swapped) Lookup(ctx context.Context, id apikey.ID) (apikey.Record, error) {
	return s.now().Lookup(ctx, id)
}

func (s *swapped) Revision(ctx context.Context) (apikey.Revision, error) {
	return s.now().Revision(ctx)
}

func (s *swapped) Changes(ctx context.Context, after apikey.Revision, limit int) ([]apikey.ID, apikey.Revision, error) {
	return s.now().Changes(ctx, after, limit)
}

func TestRestoredBackupDropsTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newStoreHouse(t)
		store := &swapped{countingStore: h.store}
		_, good := h.create(t, "a")
		_, _ = h.create(t, "b")
		v := newVerifier(t, apikey.VerifierConfig{Store: store, Peppers: h.peppers})
		wantReason(t, "before", verify(v, good), "")
		store.mu.Lock()
		store.countingStore = new(countingStore)
		store.mu.Unlock()
		pause(time.Second)
		wantReason(t, "the restored store has no such key", verify(v, good), "unknown")
		if v.Applied() != 0 {
			t.Errorf("Applied = %d, want 0", v.Applied())
		}
	})
}
