package apikey_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
)

// TestTheCacheIsBelievedForTheLease: whoever revokes waits for a node for as long
// as its lease lasts, so the node believes its cache for no longer, even if it
// still follows the feed.
func TestTheCacheIsBelievedForTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		_, good := h.create(t, "a")
		var announced atomic.Pointer[time.Time]
		now := time.Now()
		announced.Store(&now)
		v := newVerifier(t, apikey.VerifierConfig{
			Store: h.store, Peppers: h.peppers, Lease: func() time.Time { return *announced.Load() },
		})
		pause(time.Second)
		wantReason(t, "cached", verify(v, good), "")
		before := h.store.lookups.Load()
		pause(3 * time.Second)
		wantReason(t, "within the lease", verify(v, good), "")
		if got := h.store.lookups.Load() - before; got != 0 {
			t.Errorf("%d look-ups within the lease, want none", got)
		}
		pause(2 * time.Second)
		wantReason(t, "beyond it", verify(v, good), "")
		if got := h.store.lookups.Load() - before; got != 1 {
			t.Errorf("%d look-ups beyond the lease, want 1", got)
		}
		again := time.Now() // not now: the follower may be reading that one
		announced.Store(&again)
		pause(time.Second)
		before = h.store.lookups.Load()
		wantReason(t, "announced again", verify(v, good), "")
		wantReason(t, "announced again", verify(v, good), "")
		if got := h.store.lookups.Load() - before; got > 1 {
			t.Errorf("%d look-ups after the next announcement, want 1 at most", got)
		}
	})
}

// TestAStoreThatWentBackIsForgotten: when the feed says so, nothing that was
// cached holds, and what was applied before is taken back.
func TestAStoreThatWentBackIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		record, good := h.create(t, "a")
		var applied atomic.Int64
		store := &rewindable{countingStore: h.store}
		v := newVerifier(t, apikey.VerifierConfig{
			Store: store, Peppers: h.peppers, Applied: func(r apikey.Revision) { applied.Store(int64(r)) },
		})
		pause(time.Second)
		wantReason(t, "cached", verify(v, good), "")
		store.restore(func() { // to another history that is just as long
			h.change(t, record.ID, apikey.OpRevoke, func(r *apikey.Record) { r.Revoked = time.Now() })
		})
		pause(time.Second)
		wantReason(t, "after the store went back", verify(v, good), "revoked")
		if got := applied.Load(); got != 1 {
			t.Errorf("applied = %d, want 1, the revision of the other history", got)
		}
	})
}

// rewindable is a store whose newest revision does not move, whatever is changed.
type rewindable struct {
	*countingStore
	rewinds atomic.Uint64
}

func (s *rewindable) restore(change func()) { change(); s.rewinds.Add(1) }

func (s *rewindable) Rewinds() uint64 { return s.rewinds.Load() }

func (s *rewindable) Revision(ctx context.Context) (apikey.Revision, error) {
	rev, err := s.countingStore.Revision(ctx)
	return min(rev, 1), err
}

// TestALateLookUpIsNotBelieved: a process that was stopped in the middle of a
// look-up knows nothing of what was changed meanwhile.
func TestALateLookUpIsNotBelieved(t *testing.T) {
	attack.Case(t, "KEY-35", attack.Library, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			_, good := h.create(t, "a")
			v := newVerifier(t, apikey.VerifierConfig{Store: plainStore{h.store}, Peppers: h.peppers})
			late := func(apikey.ID) { pause(3 * time.Second) } // read before, answered after
			h.store.after.Store(&late)
			wantReason(t, "an answer after the bound", verify(v, good), "error")
			h.store.after.Store(nil)
			wantReason(t, "an answer in time", verify(v, good), "")
		})
	})
}
