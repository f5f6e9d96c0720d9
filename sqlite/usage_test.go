package sqlite_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/warder-dev/warder/usage/tally"
	"github.com/warder-dev/warder/usage/tally/tallytest"
)

func TestUsage(t *testing.T) {
	tallytest.TestStore(t, func(t *testing.T) tally.Store { t.Helper(); return open(t, newPath(t)).Usage() })
}

func BenchmarkAddUsage(b *testing.B) {
	store := open(b, newPath(b)).Usage()
	batch := &tally.Batch{}
	for n := range 625 {
		key := fmt.Sprintf("k%011d", n)
		batch.Counts = append(batch.Counts, tally.Count{Key: key, Route: "/orders/", N: 3})
		batch.Secrets = append(batch.Secrets, tally.SecretUse{Key: key, Secret: 1, At: time.Unix(1_800_000_000, 0)})
	}
	at := time.Unix(1_800_000_000, 0).UTC()
	for b.Loop() {
		batch.Minute = at
		if err := store.Add(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		at = at.Add(time.Minute)
	}
}
