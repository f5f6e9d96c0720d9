package apikey_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
)

// ruined returns one key of each refused state.
func ruined(t testing.TB, h *house) map[string]string {
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
				_, err := v.Verify(t.Context(), text)
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
