package usage_test

import (
	"net/http"
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/usage"
)

// large reserves so much that nothing is asked while it is measured.
func large(c *usage.LedgerConfig) { c.MinReserve, c.MaxReserve = 1_000_000, 1_000_000 }

// The way of a request writes nothing, and costs no garbage collector.
func TestAllocations(t *testing.T) {
	store := new(usage.MemoryStore)
	give(t, store, key("k1"), usage.MaxCredits)
	l := newLedger(t, store, large)
	defer closeLedger(t, l)
	plain, late := newStage(t, l), newStage(t, l, func(c *usage.Config) { c.RefundFailed = true })
	x := request()
	for name, s := range map[string]*usage.Stage{"plain": plain, "late": late} {
		got := testing.AllocsPerRun(1000, func() {
			x.Charge = exchange.Charge{}
			if !s.Check(x).Passed() {
				t.Error("refused")
			}
			s.Done(x, exchange.Outcome{Status: http.StatusBadGateway})
		})
		if got > 0 && !raceEnabled {
			t.Errorf("%s: Check and Done allocate %v times, want never", name, got)
		}
	}
	h := http.Header{}
	if got := testing.AllocsPerRun(1000, func() { plain.Headers(x, h) }); got > 2 && !raceEnabled {
		t.Errorf("Headers allocates %v times, want a text and a slice", got)
	}
}

func BenchmarkCheck(b *testing.B) {
	for name, late := range map[string]bool{"plain": false, "refund": true} {
		b.Run(name, func(b *testing.B) {
			store := new(usage.MemoryStore)
			give(b, store, key("k1"), usage.MaxCredits)
			l := newLedger(b, store, large)
			defer closeLedger(b, l)
			s := newStage(b, l, func(c *usage.Config) { c.RefundFailed = late })
			x := request()
			o := exchange.Outcome{Status: http.StatusOK}
			b.ReportAllocs()
			for b.Loop() {
				x.Charge = exchange.Charge{}
				if !s.Check(x).Passed() {
					b.Fatal("refused")
				}
				s.Done(x, o)
			}
		})
	}
}

func BenchmarkCheckTogether(b *testing.B) {
	store := new(usage.MemoryStore)
	give(b, store, key("k1"), usage.MaxCredits)
	l := newLedger(b, store)
	defer closeLedger(b, l)
	s := newStage(b, l)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		x := request()
		for pb.Next() {
			x.Charge = exchange.Charge{}
			if !s.Check(x).Passed() {
				b.Error("refused")
			}
		}
	})
}

func BenchmarkRefusal(b *testing.B) {
	store := new(usage.MemoryStore)
	give(b, store, key("k1"), 0)
	l := newLedger(b, store)
	defer closeLedger(b, l)
	s := newStage(b, l)
	x := request()
	b.ReportAllocs()
	for b.Loop() {
		if s.Check(x).Passed() {
			b.Fatal("passed")
		}
	}
}
