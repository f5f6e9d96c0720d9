package apikey_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"go.uber.org/goleak"
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
		count := func(text string) int64 {
			before := h.store.lookups.Load()
			wantReason(t, "unknown id", verify(h.verifier, text), "unknown")
			return h.store.lookups.Load() - before
		}
		if first, second := count(unknownKey(0)), count(unknownKey(0)); first != 1 || second != 0 {
			t.Errorf("look-ups: %d, then %d, want 1, then 0", first, second)
		}
		record, good := h.create(t, "a")
		eventually(t, func() bool { return h.verifier.Applied() >= record.Revision }) // what follows is not forgotten again
		wantReason(t, "good key", verify(h.verifier, good), "")

		const many = 1_000_000
		n := many
		if testing.Short() {
			n /= 10
		}
		half := heapAfter(t, h.verifier, 1, 200_000)
		full := heapAfter(t, h.verifier, 200_000, n)
		if grown := full - half; grown > 4<<20 {
			t.Errorf("from 200,000 to %d unknown ids the heap grew by %d bytes, want it bounded", n, grown)
		}
		t.Logf("heap after %d unknown ids: %d KiB", n, full>>10)
		if count(unknownKey(n-1)) != 0 {
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
		count(unknownKey(0))
		if _, err := h.store.Apply(t.Context(), apikey.Change{Actor: "t", Source: "import", Op: apikey.OpCreate, At: time.Now(), After: &imported}); err != nil {
			t.Fatal(err)
		}
		h.verifier.Invalidate(imported.ID)
		wantReason(t, "the id exists now", verify(h.verifier, unknownKey(0)), "wrong-secret")
	})
}

// heapAfter sends unknown ids and returns the heap in use after them.
func heapAfter(t *testing.T, v *apikey.Verifier, from, to int) int64 {
	t.Helper()
	for i := from; i < to; i++ {
		_, _ = v.Verify(context.Background(), unknownKey(i))
	}
	return heap()
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// ruined returns one key of each refused state.
func ruined(t *testing.T, h *house) map[string]string {
	t.Helper()
	keys := map[string]string{"unknown": unknownKey(7)}
	id, text := h.create(t, "a")
	keys["revoked"] = text
	h.change(t, id.ID, apikey.OpRevoke, func(r *apikey.Record) { r.Revoked = time.Now() })
	id, text = h.create(t, "a")
	keys["disabled"] = text
	h.change(t, id.ID, apikey.OpDisable, func(r *apikey.Record) { r.Disabled = true })
	id, text = h.create(t, "a")
	keys["expired"] = text
	h.change(t, id.ID, apikey.OpDisable, func(r *apikey.Record) { r.Expires = time.Now().Add(-time.Second) })
	_, text = h.create(t, "a")
	keys["wrong-secret"] = wrongSecret(text)
	return keys
}

func TestRefusalsAreAlike(t *testing.T) {
	attack.Case(t, "KEY-10", attack.Library, func(t *testing.T) {
		h := newStoreHouse(t)
		keys := ruined(t, h)
		h.verifier = newVerifier(t, apikey.VerifierConfig{Store: h.store, Peppers: h.peppers})
		uncached := newVerifier(t, apikey.VerifierConfig{Store: plainStore{h.store}, Peppers: h.peppers})
		f := newFront(t, h.verifier)
		var wantBody string
		var wantHeader http.Header
		for reason, text := range keys {
			w := f.get(text)
			wantReason(t, reason, f.reason, reason)
			if wantHeader == nil {
				wantBody, wantHeader = w.Body.String(), w.Header()
			}
			if w.Code != 401 || w.Body.String() != wantBody || fmt.Sprint(w.Header()) != fmt.Sprint(wantHeader) {
				t.Errorf("%s: answer %d %v %s differs from %v %s", reason, w.Code, w.Header(), w.Body, wantHeader, wantBody)
			}
		}
		for path, v := range map[string]*apikey.Verifier{"cached": h.verifier, "uncached": uncached} {
			wantSameCost(t, path, v, h.store, keys)
		}
	})
}

// wantSameCost compares the medians of 10,000 refusals of each kind, measured in
// turns, and the reads that they cost. A machine under load gets three tries.
func wantSameCost(t *testing.T, path string, v *apikey.Verifier, store *countingStore, keys map[string]string) {
	t.Helper()
	const rounds = 10_000
	var report string
	for range 3 {
		times, reads := make(map[string][]time.Duration), make(map[string]int64)
		for range rounds {
			for reason, text := range keys {
				before, start := store.lookups.Load(), time.Now()
				_, err := v.Verify(context.Background(), text)
				times[reason] = append(times[reason], time.Since(start))
				reads[reason] += store.lookups.Load() - before
				if reasonOf(err) != reason {
					t.Fatalf("%s: got %v, want %s", path, err, reason)
				}
			}
		}
		lowest, highest := time.Hour, time.Duration(0)
		report = path
		for reason := range keys {
			slices.Sort(times[reason])
			median := times[reason][rounds/2]
			lowest, highest = min(lowest, median), max(highest, median)
			report += fmt.Sprintf(" %s=%v", reason, median)
			if reads[reason] != reads["unknown"] {
				t.Errorf("%s: %s costs %d reads, unknown %d", path, reason, reads[reason], reads["unknown"])
			}
		}
		t.Log(report)
		if float64(highest) <= 1.2*float64(lowest) {
			return
		}
	}
	t.Errorf("medians differ by more than 20%%: %s", report)
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

func TestVerifyStoreFails(t *testing.T) {
	attack.Case(t, "KEY-20", attack.Library, func(t *testing.T) {
		hang := func(context.Context, apikey.ID) error { <-time.After(30 * time.Second); return errDown }
		failures := map[string]func(context.Context, apikey.ID) error{
			"error":                 func(context.Context, apikey.ID) error { return errDown },
			"time-out":              func(ctx context.Context, _ apikey.ID) error { <-ctx.Done(); return ctx.Err() },
			"30 s hang":             hang,
			"closed":                func(context.Context, apikey.ID) error { return errors.New("sql: database is closed") },
			"wrong row type: panic": func(context.Context, apikey.ID) error { panic("interface conversion") },
		}
		for name, failure := range failures {
			synctest.Test(t, func(t *testing.T) {
				h := newStoreHouse(t)
				_, cached := h.create(t, "a")
				_, other := h.create(t, "a")
				v := startVerifier(t, apikey.VerifierConfig{Store: h.store, Peppers: h.peppers})
				f := newFront(t, v)
				if w := f.get(cached); w.Code != 200 {
					t.Fatalf("before: %d", w.Code)
				}
				h.store.before.Store(&failure)
				start := time.Now()
				w := f.get(other)
				if took := time.Since(start); w.Code != 503 || w.Header().Get("Retry-After") == "" || took > 2*time.Second {
					t.Errorf("%s: got %d, Retry-After %q, after %v, want 503 within 2 s", name, w.Code, w.Header().Get("Retry-After"), took)
				}
				if w := f.get(cached); w.Code != 200 {
					t.Errorf("%s: the fresh cached key got %d, want 200", name, w.Code)
				}
				pause(time.Minute) // until the store gives the goroutine back
				if err := v.Close(); err != nil {
					t.Error(err)
				}
				if w := f.get(cached); w.Code != 503 {
					t.Errorf("%s: after Close got %d, want 503", name, w.Code)
				}
			})
		}
		wrongRecords(t)
	})
}

// wrongRecords answers with records of somebody else and without secrets.
func wrongRecords(t *testing.T) {
	t.Helper()
	for name, edit := range map[string]func(*apikey.Record){
		"another id": func(r *apikey.Record) { r.ID = "000000000001" },
		"no secrets": func(r *apikey.Record) { r.Secrets = nil },
	} {
		h := newStoreHouse(t)
		_, text := h.create(t, "a")
		v := newVerifier(t, apikey.VerifierConfig{Store: editingStore{h.store, edit}, Peppers: h.peppers})
		wantReason(t, name, verify(v, text), "error")
	}
}

type editingStore struct {
	apikey.Store
	edit func(*apikey.Record)
}

func (s editingStore) Lookup(ctx context.Context, id apikey.ID) (apikey.Record, error) {
	r, err := s.Store.Lookup(ctx, id)
	s.edit(&r)
	return r, err
}

func TestHangingStoreHoldsBoundedGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newStoreHouse(t)
		release := make(chan struct{})
		hang := func(context.Context, apikey.ID) error { <-release; return errDown }
		h.store.before.Store(&hang)
		v := startVerifier(t, apikey.VerifierConfig{Store: plainStore{h.store}, Peppers: h.peppers})
		for round := range 3 {
			var wg sync.WaitGroup
			for i := range 1000 {
				wg.Go(func() { wantReason(t, "hung store", verify(v, unknownKey(1000*round+i)), "error") })
			}
			wg.Wait()
		}
		if got := h.store.lookups.Load(); got > 256 {
			t.Errorf("%d look-ups are stuck in the store, want at most 256", got)
		}
		if err := v.Close(); err == nil {
			t.Error("Close is silent about goroutines that the store holds")
		}
		close(release)
		synctest.Wait()
	})
}

func TestStampedeAsksOnce(t *testing.T) {
	h := newHouse(t)
	record, good := h.create(t, "a", "orders:read")
	before := h.store.lookups.Load()
	release := make(chan struct{})
	wait := func(ctx context.Context, _ apikey.ID) error { <-release; return ctx.Err() }
	h.store.before.Store(&wait)
	var passed, refused atomic.Int64
	var wg sync.WaitGroup
	for i := range 200 {
		text := good
		if i%2 == 1 {
			text = wrongSecret(good) // shares the look-up, never the identity
		}
		wg.Go(func() {
			p, err := h.verifier.Verify(context.Background(), text)
			switch {
			case err == nil && text == good && p.Subject == string(record.ID):
				passed.Add(1)
			case reasonOf(err) == "wrong-secret" && text != good && p.IsZero():
				refused.Add(1)
			}
		})
	}
	eventually(t, func() bool { return h.store.lookups.Load() > before })
	close(release)
	wg.Wait()
	if passed.Load() != 100 || refused.Load() != 100 || h.store.lookups.Load() != before+1 {
		t.Errorf("passed %d, refused %d, look-ups %d, want 100, 100, 1", passed.Load(), refused.Load(), h.store.lookups.Load()-before)
	}
}

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
						p, err := h.verifier.Verify(context.Background(), text)
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

func TestRevokedWhileVerifying(t *testing.T) {
	attack.Case(t, "KEY-35", attack.Library, func(t *testing.T) {
		for _, cached := range []bool{true, false} {
			h := newStoreHouse(t)
			record, good := h.create(t, "a")
			applied := make(chan apikey.Revision, 100)
			cfg := apikey.VerifierConfig{Store: h.store, Peppers: h.peppers, Poll: time.Millisecond, Applied: func(r apikey.Revision) { applied <- r }}
			if !cached {
				cfg.Store = plainStore{h.store}
			}
			v := newVerifier(t, cfg)
			var receipt atomic.Bool
			var passed atomic.Int64
			var wg sync.WaitGroup
			stop := make(chan struct{})
			for range 100 {
				wg.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						after := receipt.Load()
						_, err := v.Verify(context.Background(), good)
						if err == nil {
							passed.Add(1)
						}
						if err == nil && after {
							t.Error("passed after the receipt")
							return
						}
					}
				})
			}
			eventually(t, func() bool { return passed.Load() > 1000 })
			revoked, err := h.issuer.Revoke(t.Context(), by(), record.ID, "leaked")
			if err != nil {
				t.Error(err)
			}
			for cached && <-applied < revoked.Revision {
				continue
			}
			receipt.Store(true)
			pause(50 * time.Millisecond)
			close(stop)
			wg.Wait()
		}
	})
}

func TestStaleLookupIsNeverStored(t *testing.T) {
	attack.Case(t, "KEY-35", attack.Library, func(t *testing.T) {
		h := newHouse(t)
		record, good := h.create(t, "a")
		read, release := make(chan struct{}), make(chan struct{})
		var slowed atomic.Bool
		slow := func(apikey.ID) {
			if slowed.CompareAndSwap(false, true) {
				close(read)
				<-release
			}
		}
		h.store.after.Store(&slow)
		early := make(chan string, 1)
		go func() { early <- verify(h.verifier, good) }()
		<-read // the record is read, and not yet returned
		if _, err := h.issuer.Revoke(t.Context(), by(), record.ID, ""); err != nil {
			t.Fatal(err)
		}
		h.verifier.Invalidate(record.ID)
		wantReason(t, "does not join the stale look-up", verify(h.verifier, good), "revoked")
		close(release)
		wantReason(t, "does not believe the stale look-up", <-early, "revoked")
		wantReason(t, "the stale record was not stored", verify(h.verifier, good), "revoked")
	})
}

func TestTwoVerifiersOneFeed(t *testing.T) {
	attack.Case(t, "KEY-36", attack.Library, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			other := newVerifier(t, apikey.VerifierConfig{Store: h.store, Peppers: h.peppers})
			verifiers := []*apikey.Verifier{h.verifier, other}
			old, text := h.create(t, "a")
			imported := old
			imported.ID = "zz0000000000"
			for _, v := range verifiers {
				wantReason(t, "before", verify(v, text), "")
				wantReason(t, "before", verify(v, unknownKey(0)), "unknown")
			}
			revoked, err := h.issuer.Revoke(t.Context(), by(), old.ID, "leaked")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.store.Apply(t.Context(), apikey.Change{Actor: "t", Source: "cli", Op: apikey.OpCreate, At: time.Now(), After: &imported}); err != nil {
				t.Fatal(err)
			}
			pause(time.Second)
			for _, v := range verifiers {
				wantReason(t, "1 s after the revocation", verify(v, text), "revoked")
				wantReason(t, "1 s after the creation", verify(v, unknownKey(0)), "wrong-secret")
				if v.Applied() <= revoked.Revision {
					t.Errorf("Applied = %d, want more than %d", v.Applied(), revoked.Revision)
				}
			}
		})
	})
}

func TestSilentFeedEndsTrust(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		record, good := h.create(t, "a")
		pause(time.Second)
		wantReason(t, "cached", verify(h.verifier, good), "")
		down := func(context.Context) error { return errDown }
		h.store.feed.Store(&down)
		if _, err := h.issuer.Revoke(t.Context(), by(), record.ID, ""); err != nil {
			t.Fatal(err)
		}
		pause(4 * time.Second)
		wantReason(t, "within Freshness the cache is trusted", verify(h.verifier, good), "")
		pause(1100 * time.Millisecond)
		wantReason(t, "beyond it the store is asked", verify(h.verifier, good), "revoked")
		fail := func(context.Context, apikey.ID) error { return errDown }
		h.store.before.Store(&fail)
		wantReason(t, "and when it does not answer, nobody passes", verify(h.verifier, good), "error")
		h.store.before.Store(nil)
		h.store.feed.Store(nil)
		pause(time.Second)
		before := h.store.lookups.Load()
		wantReason(t, "the feed is back", verify(h.verifier, good), "revoked")
		wantReason(t, "the feed is back", verify(h.verifier, good), "revoked")
		if got := h.store.lookups.Load() - before; got > 1 {
			t.Errorf("%d look-ups, want 1 at most", got)
		}
	})
}

// swapped is a store that can be put back to an older copy.
type swapped struct {
	mu sync.Mutex
	*countingStore
}

func (s *swapped) now() *countingStore {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.countingStore
}

func (s *swapped) Lookup(ctx context.Context, id apikey.ID) (apikey.Record, error) {
	return s.now().Lookup(ctx, id)
}

func (s *swapped) Revision(ctx context.Context) (apikey.Revision, error) {
	return s.now().Revision(ctx)
}

func (s *swapped) Changes(ctx context.Context, after apikey.Revision, limit int) ([]apikey.ID, apikey.Revision, error) {
	return s.now().Changes(ctx, after, limit)
}

func TestRestoredBackupDropsTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newStoreHouse(t)
		store := &swapped{countingStore: h.store}
		_, good := h.create(t, "a")
		_, _ = h.create(t, "b")
		v := newVerifier(t, apikey.VerifierConfig{Store: store, Peppers: h.peppers})
		wantReason(t, "before", verify(v, good), "")
		store.mu.Lock()
		store.countingStore = new(countingStore)
		store.mu.Unlock()
		pause(time.Second)
		wantReason(t, "the restored store has no such key", verify(v, good), "unknown")
		if v.Applied() != 0 {
			t.Errorf("Applied = %d, want 0", v.Applied())
		}
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
