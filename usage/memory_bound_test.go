package usage_test

import (
	"fmt"
	"net/http"
	"runtime"
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/usage"
)

// TestMemoryOfASubject is the promise of LedgerConfig.Capacity.
func TestMemoryOfASubject(t *testing.T) {
	subjects := 20_000
	if raceEnabled {
		subjects = 2000
	}
	store := new(usage.MemoryStore)
	keys := make([]string, subjects)
	for i := range keys {
		keys[i] = fmt.Sprintf("%012d", i)
		give(t, store, key(keys[i]), 1000)
	}
	l := newLedger(t, store, func(c *usage.LedgerConfig) { c.Capacity = subjects })
	defer closeLedger(t, l)
	s := newStage(t, l)
	// What the store keeps is its own: each account has a reservation by then.
	warm := newLedger(t, store)
	ws := newStage(t, warm)
	x := request()
	through := func(s *usage.Stage) {
		for _, id := range keys {
			x.Principal.KeyID = id
			if v := s.Check(x); !v.Passed() {
				t.Fatalf("%v %v", v.Kind(), v.Err())
			}
			s.Done(x, exchange.Outcome{Status: http.StatusOK})
			x.Charge = exchange.Charge{} // it leads to the whole ledger
		}
	}
	through(ws)
	closeLedger(t, warm)
	warm, ws = nil, nil
	before := heap()
	through(s)
	got := (heap() - before) / int64(subjects)
	t.Logf("%d bytes for a subject", got)
	if got > 700 && !raceEnabled {
		t.Errorf("a subject takes %d bytes, want some 500", got)
	}
	runtime.KeepAlive(l)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
