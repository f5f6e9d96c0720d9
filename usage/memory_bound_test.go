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
	x := request()
	through := func(l *usage.Ledger) {
		s := newStage(t, l)
		for _, id := range keys {
			x.Principal.KeyID = id
			if v := s.Check(x); !v.Passed() {
				t.Fatalf("%v %v", v.Kind(), v.Err())
			}
			s.Done(x, exchange.Outcome{Status: http.StatusOK})
			x.Charge = exchange.Charge{} // it leads to the whole ledger
		}
	}
	open := func() *usage.Ledger {
		return newLedger(t, store, func(c *usage.LedgerConfig) { c.Capacity = subjects })
	}
	func() { // what the store keeps of reservations is its own: it has room for them by then
		warm := open()
		through(warm)
		closeLedger(t, warm)
	}()
	l := open()
	defer closeLedger(t, l)
	before := heap()
	through(l)
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
