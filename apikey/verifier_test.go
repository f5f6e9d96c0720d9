package apikey_test

import (
	"context"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// verify returns the reason of the refusal, "" for a pass, "error" for no answer.
func verify(v *apikey.Verifier, text string) string {
	_, err := v.Verify(context.Background(), text)
	return reasonOf(err)
}

func wantReason(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: reason %q, want %q", what, got, want)
	}
}

func TestVerifyText(t *testing.T) {
	attack.Case(t, "KEY-07", attack.Library, func(t *testing.T) {
		h := newHouse(t)
		_, good := h.create(t, "a")
		for i := range len(good) {
			b := []byte(good)
			if b[i] ^= 0x20; b[i]|0x20 < 'a' || b[i]|0x20 > 'z' {
				continue
			}
			changed := string(b)
			wantReason(t, "letter changed", verify(h.verifier, changed), "malformed")
			if i > 9 && i < len(good)-6 { // and with the check digits made right again
				changed = formatKey("wrd", "live", changed[9:21], changed[21:len(changed)-6])
				if got := verify(h.verifier, changed); got != "unknown" && got != "wrong-secret" {
					t.Errorf("letter %d changed, right check: %q", i, got)
				}
			}
		}
	})
	attack.Case(t, "KEY-15", attack.Library, func(t *testing.T) {
		h := newHouse(t)
		_, good := h.create(t, "a")
		id, secretPart := good[9:21], good[21:53]
		for _, words := range [][2]string{{"wre", "live"}, {"wrd", "test"}, {"wrd", "l"}, {"w", "live"}} {
			wantReason(t, "other prefix or environment", verify(h.verifier, formatKey(words[0], words[1], id, secretPart)), "wrong-secret")
		}
		wantReason(t, "the key itself", verify(h.verifier, formatKey("wrd", "live", id, secretPart)), "")
	})
	attack.Case(t, "KEY-09", attack.Library, func(t *testing.T) {
		h := newHouse(t)
		_, good := h.create(t, "a")
		wantReason(t, "wrong secret", verify(h.verifier, wrongSecret(good)), "wrong-secret")
		if w := newFront(t, h.verifier).get(wrongSecret(good)); w.Code != 401 {
			t.Errorf("status %d, want 401", w.Code)
		}
	})
}

func TestVerifyUnknown(t *testing.T) {
	attack.Case(t, "KEY-08", attack.Library, func(t *testing.T) {
		h := newHouse(t)
		if first, second := h.countUnknown(t, 0), h.countUnknown(t, 0); first != 1 || second != 0 {
			t.Errorf("look-ups: %d, then %d, want 1, then 0", first, second)
		}
		record, good := h.create(t, "a")
		eventually(t, func() bool { return h.verifier.Applied() >= record.Revision }) // what follows is not forgotten again
		wantReason(t, "good key", verify(h.verifier, good), "")

		many := 1_000_000
		if testing.Short() || raceEnabled { // which is ten times as slow, and looks for something else
			many /= 4
		}
		flooded(t, h.verifier, many)
		if h.countUnknown(t, many-1) != 0 {
			t.Error("the newest unknown id cost a second look-up")
		}
		before := h.store.lookups.Load()
		wantReason(t, "good key after the flood", verify(h.verifier, good), "")
		if h.store.lookups.Load() != before {
			t.Error("the flood evicted a good key")
		}

		// An import: a key of an id that is known to be nobody's.
		imported := record
		imported.ID = "zz0000000000"
		h.countUnknown(t, 0)
		if _, err := h.store.Apply(t.Context(), apikey.Change{Actor: "t", Source: "import", Op: apikey.OpCreate, At: time.Now(), After: &imported}); err != nil {
			t.Fatal(err)
		}
		h.verifier.Invalidate(imported.ID)
		wantReason(t, "the id exists now", verify(h.verifier, unknownKey(0)), "wrong-secret")
	})
}

func TestVerifyAllocatesNothing(t *testing.T) {
	h := newHouse(t)
	record, good := h.create(t, "a", "orders:read")
	eventually(t, func() bool { return h.verifier.Applied() >= record.Revision })
	for name, text := range map[string]string{"good": good, "wrong-secret": wrongSecret(good), "unknown": unknownKey(0), "malformed": good[1:]} {
		if n := testing.AllocsPerRun(1000, func() { _, _ = h.verifier.Verify(t.Context(), text) }); n != 0 && !raceEnabled {
			t.Errorf("%s, cached: %v allocations, want 0", name, n)
		}
	}
}

// countUnknown verifies unknown key number n and returns what that cost in look-ups.
func (h *house) countUnknown(t *testing.T, n int) int64 {
	t.Helper()
	before := h.store.lookups.Load()
	wantReason(t, "unknown id", verify(h.verifier, unknownKey(n)), "unknown")
	return h.store.lookups.Load() - before
}

// flooded sends unknown keys up to number n, and fails when memory grows with
// them once the cache of unknown ids is full.
func flooded(t *testing.T, v *apikey.Verifier, n int) {
	t.Helper()
	half := heapAfter(v, 1, 200_000)
	full := heapAfter(v, 200_000, n)
	if grown := full - half; grown > 4<<20 {
		t.Errorf("from 200,000 to %d unknown ids the heap grew by %d bytes, want it bounded", n, grown)
	}
	t.Logf("heap after %d unknown ids: %d KiB", n, full>>10)
}

// heapAfter sends the unknown keys from from to to, in order but for a few that
// overtake, and returns the heap in use after them.
func heapAfter(v *apikey.Verifier, from, to int) int64 {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // a look-up leaves little behind: collect less often
	var next atomic.Int64
	next.Store(int64(from))
	var wg sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for n := int(next.Add(1)) - 1; n < to; n = int(next.Add(1)) - 1 {
				_, _ = v.Verify(context.Background(), unknownKey(n))
			}
		})
	}
	wg.Wait()
	return heap()
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestVerifyClock(t *testing.T) {
	attack.Case(t, "KEY-19", attack.Library, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newStoreHouse(t)
			expires := time.Now().Add(time.Hour)
			_, text := h.createSpec(t, apikey.Spec{Environment: "live", Expires: expires})
			gone, revoked := h.createSpec(t, apikey.Spec{Environment: "live"})
			// Revoked at a time that has not come yet: what a clock that is set back makes of the past.
			h.change(t, gone.ID, apikey.OpRevoke, func(r *apikey.Record) { r.Revoked = time.Now().Add(24 * time.Hour) })
			v := newVerifier(t, apikey.VerifierConfig{Store: plainStore{h.store}, Peppers: h.peppers})
			pause(time.Hour - time.Nanosecond)
			wantReason(t, "1 ns before", verify(v, text), "")
			pause(time.Nanosecond)
			if !time.Now().Equal(expires) {
				t.Fatalf("now %v, want %v", time.Now(), expires)
			}
			wantReason(t, "exactly at expiry", verify(v, text), "expired")
			wantReason(t, "revoked in the future", verify(v, revoked), "revoked")
		})
	})
}

// pause waits in a bubble, where time is not real.
func pause(d time.Duration) { <-time.After(d) }

func TestVerifyOwners(t *testing.T) {
	attack.Case(t, "KEY-28", attack.Library, func(t *testing.T) {
		h := newHouse(t)
		_, a := h.create(t, "owner-a", "orders:*")
		_, b := h.create(t, "owner-b", "invoices:read")
		_, none := h.create(t, "owner-c")
		for range 2 { // from the store, and from the cache
			var wg sync.WaitGroup
			for range 50 {
				for text, want := range map[string][3]string{a: {"owner-a", "orders:read", "invoices:read"}, b: {"owner-b", "invoices:read", "orders:read"}} {
					wg.Go(func() {
						p, err := h.verifier.Verify(t.Context(), text)
						if err != nil || p.Owner != want[0] || !p.Scopes.Allow(want[1]) || p.Scopes.Allow(want[2]) {
							t.Errorf("%+v, %v: want owner, scope and no other: %q", p, err, want)
						}
					})
				}
			}
			wg.Wait()
		}
		p, err := h.verifier.Verify(t.Context(), a)
		for _, scope := range []string{"ordersx:read", "orders", "orders:"} {
			if err != nil || p.Scopes.Allow(scope) {
				t.Errorf("orders:* covers %q (%v)", scope, err)
			}
		}
		if p, err := h.verifier.Verify(t.Context(), none); err != nil || p.Scopes.Allow("orders:read") {
			t.Errorf("no grant grants: %v", err)
		}
		// A's id with B's secret, and the reverse.
		wantReason(t, "mixed", verify(h.verifier, formatKey("wrd", "live", a[9:21], b[21:53])), "wrong-secret")
		wantReason(t, "mixed", verify(h.verifier, formatKey("wrd", "live", b[9:21], a[21:53])), "wrong-secret")
	})
}

func TestRetiringSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		record, old := h.create(t, "a")
		other, next := h.create(t, "a")
		_ = next
		h.change(t, record.ID, apikey.OpEnable, func(r *apikey.Record) {
			r.Secrets = append(slices.Clone(other.Secrets), r.Secrets...)
			r.Secrets[1].Retires = time.Now().Add(time.Hour)
		})
		pause(time.Second)
		p, err := h.verifier.Verify(t.Context(), old)
		if err != nil || !p.Retiring {
			t.Errorf("during the overlap: %+v, %v, want a pass that is retiring", p, err)
		}
		pause(time.Hour - time.Second)
		wantReason(t, "at the end of the overlap", verify(h.verifier, old), "expired")
	})
}

func TestNewVerifierReportsEveryErrorAtOnce(t *testing.T) {
	_, err := apikey.NewVerifier(apikey.VerifierConfig{CacheSize: -1, Poll: time.Minute})
	for _, want := range []string{"Store", "pepper", "CacheSize", "Freshness"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not mention %s", err, want)
		}
	}
}
