package usage_test

import (
	"errors"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/apikey/apikeytest"
	"github.com/warder-dev/warder/usage"
	"github.com/warder-dev/warder/usage/usagetest"
)

func TestMemoryStore(t *testing.T) {
	usagetest.TestStore(t, func(*testing.T) usage.Store { return new(usage.MemoryStore) })
}

func TestMemoryStoreOfOwners(t *testing.T) {
	usagetest.TestOwners(t, func(*testing.T) (usage.Store, func(t *testing.T, id, owner string)) {
		keys := new(apikey.MemoryStore)
		return &usage.MemoryStore{HoldOwner: keys.HoldOwner}, func(t *testing.T, id, owner string) {
			t.Helper()
			apikeytest.Own(t, keys, apikey.ID(id), owner)
		}
	})
	alone := usage.Change{Actor: "a", Source: "s", At: time.Now(), Subject: usage.Subject{Kind: usage.Key, ID: "a"}, Op: usage.OpSet, Owner: "acme"}
	if _, err := new(usage.MemoryStore).Apply(t.Context(), alone); !errors.Is(err, usage.ErrOtherOwner) {
		t.Errorf("Apply without keys = %v, want %v", err, usage.ErrOtherOwner)
	}
}
