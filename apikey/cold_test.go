package apikey_test

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
)

// A meter counts the reads of one node.
type meter struct {
	*countingStore
	mu    sync.Mutex
	reads map[apikey.ID]int
	now   int // under way
	most  int
}

func (m *meter) Lookup(ctx context.Context, id apikey.ID) (apikey.Record, error) {
	m.mu.Lock()
	m.reads[id]++
	m.now++
	m.most = max(m.most, m.now)
	m.mu.Unlock()
	pause(10 * time.Millisecond) // the clock of synctest
	defer func() { m.mu.Lock(); m.now--; m.mu.Unlock() }()
	return m.countingStore.Lookup(ctx, id)
}

// TestAFleetThatStartsCold starts nodes without anything in memory, while the holders of
// many keys, and of keys that do not exist, ask each of them at once and again: a node
// reads each id once, and no more than 256 at a time.
func TestAFleetThatStartsCold(t *testing.T) {
	attack.Case(t, "FLEET-14", attack.Library, func(t *testing.T) {
		const nodes, keys, unknown, holders, atOnce = 3, 2000, 500, 8, 256
		synctest.Test(t, func(t *testing.T) {
			h := newStoreHouse(t)
			texts := make([]string, 0, keys+unknown)
			for i := range keys {
				_, text := h.create(t, "owner "+strconv.Itoa(i))
				texts = append(texts, text)
			}
			for i := range unknown {
				texts = append(texts, unknownKey(i))
			}
			var failed, passed atomic.Int64
			var asking sync.WaitGroup
			meters := make([]*meter, nodes)
			for n := range meters {
				meters[n] = &meter{countingStore: h.store, reads: map[apikey.ID]int{}}
				v := newVerifier(t, apikey.VerifierConfig{Store: meters[n], Peppers: h.peppers})
				for i, text := range texts {
					for range holders {
						asking.Go(func() {
							switch got := verify(v, text); {
							case i < keys && got == "":
								passed.Add(1)
							case i >= keys && got == "unknown":
							default:
								failed.Add(1)
							}
						})
					}
				}
			}
			asking.Wait()
			if failed.Load() > 0 || passed.Load() != nodes*keys*holders {
				t.Errorf("%d passed, %d were answered otherwise than they should", passed.Load(), failed.Load())
			}
			for n, m := range meters {
				for id, reads := range m.reads {
					if reads != 1 {
						t.Fatalf("node %d read %s %d times", n, id, reads)
					}
				}
				if len(m.reads) != keys+unknown || m.most > atOnce || m.most < atOnce/2 {
					t.Errorf("node %d read %d ids, at most %d at a time, want %d and at most %d", n, len(m.reads), m.most, keys+unknown, atOnce)
				}
			}
		})
	})
}
