package apikey_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
)

// ruined returns one key of each refused state.
func ruined(tb testing.TB, h *house) map[string]string {
	tb.Helper()
	keys := map[string]string{"unknown": unknownKey(7)}
	id, text := h.create(tb, "a")
	keys["revoked"] = text
	h.change(tb, id.ID, apikey.OpRevoke, func(r *apikey.Record) { r.Revoked = time.Now() })
	id, text = h.create(tb, "a")
	keys["disabled"] = text
	h.change(tb, id.ID, apikey.OpDisable, func(r *apikey.Record) { r.Disabled = true })
	id, text = h.create(tb, "a")
	keys["expired"] = text
	h.change(tb, id.ID, apikey.OpDisable, func(r *apikey.Record) { r.Expires = time.Now().Add(-time.Second) })
	_, text = h.create(tb, "a")
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

// TestAWrongSecretCostsTheSame: wherever it differs from the right one, and however
// much. The digests of both differ in every byte, mostly: nobody comes nearer letter by
// letter, and nobody learns how near a text is.
func TestAWrongSecretCostsTheSame(t *testing.T) {
	attack.Case(t, "KEY-09", attack.Library, func(t *testing.T) {
		h := newHouse(t)
		record, good := h.create(t, "a")
		eventually(t, func() bool { return h.verifier.Applied() >= record.Revision })
		id, right := good[9:21], good[21:53]
		other := func(letter byte) string {
			if letter == 'w' {
				return "v"
			}
			return "w"
		}
		keys := map[string]string{
			"wrong-secret: the first letter": formatKey("wrd", "live", id, other(right[0])+right[1:]),
			"wrong-secret: the last letter":  formatKey("wrd", "live", id, right[:31]+other(right[31])),
			"wrong-secret: half of it":       formatKey("wrd", "live", id, right[:16]+strings.Repeat("w", 16)),
			"wrong-secret: all of it":        wrongSecret(good),
		}
		wantReason(t, "the right one", verify(h.verifier, good), "")
		wantSameCost(t, "cached", h.verifier, h.store, keys)
	})
}

// wantSameCost compares what refusals of each kind cost. Their medians are within
// 20% in one of a few tries at least: what else runs on the machine hits one kind
// more than another now and then, but not each time.
func wantSameCost(t *testing.T, path string, v *apikey.Verifier, store *countingStore, keys map[string]string) {
	t.Helper()
	const tries = 6
	for try := range tries {
		medians, reads := refusalCosts(t, v, store, keys)
		t.Logf("%s: medians %v, reads %v", path, medians, reads)
		for reason, n := range reads {
			for other, m := range reads {
				if n < m {
					t.Errorf("%s: %s costs %d reads, %s %d", path, reason, n, other, m)
				}
			}
		}
		sorted := slices.Sorted(maps.Values(medians))
		if float64(sorted[len(sorted)-1]) <= 1.2*float64(sorted[0]) {
			return
		}
		if try == tries-1 {
			t.Errorf("%s: medians differ by more than 20%%: %v", path, medians)
		}
	}
}

// refusalCosts returns the medians of 10,000 refusals of each kind, measured in
// turns, and the reads of the store that they took.
func refusalCosts(t *testing.T, v *apikey.Verifier, store *countingStore, keys map[string]string) (medians map[string]time.Duration, reads map[string]int64) {
	t.Helper()
	const rounds = 10_000
	ctx := t.Context()
	times := make(map[string][]time.Duration)
	medians, reads = make(map[string]time.Duration), make(map[string]int64)
	for range rounds {
		for reason, text := range keys { // in another order each time
			before, start := store.lookups.Load(), time.Now()
			_, err := v.Verify(ctx, text)
			times[reason] = append(times[reason], time.Since(start))
			reads[reason] += store.lookups.Load() - before
			if want, _, _ := strings.Cut(reason, ": "); reasonOf(err) != want {
				t.Fatalf("got %v, want %s", err, reason)
			}
		}
	}
	for reason, all := range times {
		slices.Sort(all)
		medians[reason] = all[rounds/2]
	}
	return medians, reads
}
