package apikey_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
)

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
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		record, good := h.create(t, "a", "orders:read")
		pause(time.Second) // the feed tells of the key
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
				p, err := h.verifier.Verify(t.Context(), text)
				switch {
				case err == nil && text == good && p.Subject == string(record.ID):
					passed.Add(1)
				case reasonOf(err) == "wrong-secret" && text != good && p.IsZero():
					refused.Add(1)
				}
			})
		}
		synctest.Wait() // all of them wait
		close(release)
		wg.Wait()
		if passed.Load() != 100 || refused.Load() != 100 || h.store.lookups.Load() != before+1 {
			t.Errorf("passed %d, refused %d, look-ups %d, want 100, 100, 1", passed.Load(), refused.Load(), h.store.lookups.Load()-before)
		}
	})
}
