package apikey_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/apikey"
)

func TestWhatIsKeptElsewhereEndsWithTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.create(t, "a")
		pause(time.Second)
		if left := time.Until(h.verifier.FreshUntil()); left < 4*time.Second || left > 5*time.Second {
			t.Errorf("%s are left, want 5s after the newest poll, less than a poll ago", left)
		}
		down := func(context.Context) error { return errDown }
		h.store.feed.Store(&down)
		pause(3 * time.Second)
		end := h.verifier.FreshUntil()
		pause(time.Until(end) + time.Millisecond)
		if h.verifier.Fresh() || h.verifier.FreshUntil() != end {
			t.Errorf("after %s the cache is believed, or its end has moved to %s while nobody answered", end, h.verifier.FreshUntil())
		}
	})
	plain := newVerifier(t, apikey.VerifierConfig{Store: plainStore{newStoreHouse(t).store}, Peppers: newStoreHouse(t).peppers})
	if until := plain.FreshUntil(); !until.IsZero() {
		t.Errorf("a store that nobody follows: until %s, want never", until)
	}
}
