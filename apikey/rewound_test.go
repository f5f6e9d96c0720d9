package apikey_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
)

// TestAStoreThatWentBackIsNotBelieved puts a store back to before a revocation: as
// long as nobody says that this is meant, nobody is verified, also not the keys that
// were remembered, and then the store is believed as it is.
func TestAStoreThatWentBackIsNotBelieved(t *testing.T) {
	attack.Case(t, "FLEET-15", attack.Library, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newStoreHouse(t)
			old, good := h.create(t, "a")
			_, other := h.create(t, "b")
			store := &swapped{countingStore: h.store}
			var meant atomic.Bool
			var asked atomic.Int64
			v := newVerifier(t, apikey.VerifierConfig{Store: store, Peppers: h.peppers, LegacyFormats: []string{apikey.FormatText}, Rewound: func(context.Context) error {
				asked.Add(1)
				if !meant.Load() {
					return errors.New("an older backup")
				}
				return nil
			}})
			if _, err := h.issuer.Revoke(t.Context(), by(), old.ID, "leaked"); err != nil {
				t.Fatal(err)
			}
			pause(time.Second)
			wantReason(t, "before", verify(v, good), "revoked")
			wantReason(t, "before", verify(v, other), "")
			if got := asked.Load(); got != 0 {
				t.Errorf("it was asked %d times before anything went back", got)
			}
			backup := new(countingStore)
			if _, err := backup.Apply(t.Context(), apikey.Change{Actor: "t", Source: "cli", Op: apikey.OpCreate, At: time.Now(), After: &old}); err != nil {
				t.Fatal(err)
			}
			store.mu.Lock()
			store.countingStore = backup
			store.mu.Unlock()
			pause(time.Second)
			for range 3 {
				wantReason(t, "the revoked key", verify(v, good), "error")
				wantReason(t, "another key", verify(v, other), "error")
				wantReason(t, "an unknown key", verify(v, unknownKey(0)), "error")
				wantReason(t, "an imported text", verify(v, "imported-text-of-another-system"), "error")
				pause(time.Second)
			}
			if v.Fresh() {
				t.Error("it is fresh, want that it does not believe the store")
			}
			meant.Store(true)
			pause(time.Second)
			wantReason(t, "the backup is meant", verify(v, good), "")
			wantReason(t, "the backup is meant", verify(v, other), "unknown")
			if !v.Fresh() {
				t.Error("it is not fresh, want that it follows the store again")
			}
		})
	})
}
