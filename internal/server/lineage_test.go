package server_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/server"
	"github.com/warder-dev/warder/internal/wire"
)

// A rewindable store says that it went back when a test wants it.
type rewindable struct {
	*watchedStore
	rewinds atomic.Uint64
}

func (s *rewindable) Rewinds() uint64 { return s.rewinds.Load() }

// TestAChangeThatWasGoneBeforeItsEntryWasSeen: the feed of keys has seen a change, and the
// database went back before the audit log was looked at. The gateway answers 503, and
// keeps that there was one entry more, which no database has.
func TestAChangeThatWasGoneBeforeItsEntryWasSeen(t *testing.T) {
	attack.Case(t, "FLEET-15", attack.Gateway, func(t *testing.T) {
		log := new(audit.MemoryStore)
		entry, err := log.Append(t.Context(), audit.Event{At: time.Unix(1, 0), Actor: "a", Source: "s", Op: "o", Kind: "k", Subject: "x"})
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var kept audit.Head
		keep := func(h audit.Head) error {
			mu.Lock()
			defer mu.Unlock()
			kept = h
			return nil
		}
		store := new(rewindable)
		p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{
			seen:  &server.SeenOptions{Store: log, Last: entry.Head(), Keep: keep},
			store: func(s apikey.Store) apikey.Store { store.watchedStore = watch(s); return store },
		})
		if got := p.get(t, "/", p.key).StatusCode; got != http.StatusOK {
			t.Fatalf("a good key gets %d", got)
		}
		store.rewinds.Add(1)
		eventually(t, func() (int, bool) {
			got := p.get(t, "/", p.key).StatusCode
			return got, got == http.StatusServiceUnavailable
		})
		if _, err := log.Append(t.Context(), audit.Event{At: time.Unix(2, 0), Actor: "a", Source: "s", Op: "o", Kind: "k", Subject: "y"}); err != nil {
			t.Fatal(err) // another history grows to the same number
		}
		for range 30 {
			if got := p.get(t, "/", p.key).StatusCode; got != http.StatusServiceUnavailable {
				t.Fatalf("a key gets %d after the database went back, want 503", got)
			}
			<-time.After(20 * time.Millisecond)
		}
		mu.Lock()
		defer mu.Unlock()
		if holds, err := audit.Holds(t.Context(), log, kept); err != nil || holds || kept.Seq != entry.Seq+1 {
			t.Errorf("kept is %s, which the database has: %v, %v; want one entry more than was seen, which none has", kept.Name(), holds, err)
		}
	})
}
