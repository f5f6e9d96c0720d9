package apikey_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/exchange"
)

// manyKeys returns a house with n keys, all of them in the verifier's cache, and
// how many bytes of heap each takes there.
func manyKeys(b *testing.B, n int) (h *house, texts []string, perKey float64) {
	b.Helper()
	h = newStoreHouse(b)
	texts = make([]string, n)
	for i := range texts {
		_, texts[i] = h.create(b, "a", "orders:read")
	}
	h.verifier = newVerifier(b, apikey.VerifierConfig{Store: h.store, Peppers: h.peppers})
	before := heap()
	for _, text := range texts {
		if _, err := h.verifier.Verify(b.Context(), text); err != nil {
			b.Fatal(err)
		}
	}
	perKey = float64(heap()-before) / float64(n)
	return h, inOnePiece(texts), perKey
}

// inOnePiece returns the texts one after the other in memory. A request's text
// was just read, and is in the processor's cache: scattered texts would add what
// no verification pays.
func inOnePiece(texts []string) []string {
	all := strings.Join(texts, "")
	for i, text := range texts {
		texts[i], all = all[:len(text)], all[len(text):]
	}
	return texts
}

// BenchmarkVerify measures beside each other what a verification costs and what
// its HMAC alone does, which is the yardstick for the machine.
func BenchmarkVerify(b *testing.B) {
	const keys = 100_000
	h, texts, perKey := manyKeys(b, keys)
	run := func(name, reason string, text func(i int) string) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			ctx := b.Context()
			i := 0
			for b.Loop() {
				if _, err := h.verifier.Verify(ctx, text(i)); (err == nil) != (reason == "") {
					b.Fatal(err)
				}
				i++
			}
		})
	}
	unknown, malformed, wrongCheck := unknownKey(1), texts[0][:len(texts[0])-1]+"_", "wre"+texts[0][3:]
	_ = verify(h.verifier, unknown)
	run("cached", "", func(i int) string { return texts[i%keys] })
	run("one key", "", func(int) string { return texts[0] })
	run("unknown", "unknown", func(int) string { return unknown })
	run("malformed", "malformed", func(int) string { return malformed })
	run("wrong check", "malformed", func(int) string { return wrongCheck })
	b.Run("memory", func(b *testing.B) {
		for b.Loop() {
			continue
		}
		b.ReportMetric(perKey, "B/key")
	})
	b.Run("HMAC alone", func(b *testing.B) {
		mac, text, sum := hmac.New(sha256.New, make([]byte, 32)), []byte(texts[0]), make([]byte, 0, 32)
		for b.Loop() {
			mac.Reset()
			_, _ = mac.Write(text)
			_ = mac.Sum(sum)
		}
	})
}

// BenchmarkHeader measures the scheme with one key and with many in turns: their
// difference is what memory costs that is in no cache of the processor.
func BenchmarkHeader(b *testing.B) {
	h, texts, _ := manyKeys(b, 100_000)
	scheme := newHeader(b, h.verifier)
	for _, keys := range []int{1, 1_000, 100_000} {
		b.Run(fmt.Sprintf("%d keys", keys), func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			value := []string{""}
			r.Header["X-Api-Key"] = value
			x := exchange.New(r)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				value[0] = texts[i%keys]
				if _, err := scheme.Authenticate(x); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

// BenchmarkRefusals measures the kinds of refusal in turns, and reports how far
// the slowest median is from the fastest: what KEY-09 and KEY-10 ask of them.
func BenchmarkRefusals(b *testing.B) {
	h := newStoreHouse(b)
	keys := ruined(b, h)
	for _, path := range []string{"cached", "uncached"} {
		store := apikey.Store(h.store)
		if path == "uncached" {
			store = plainStore{h.store}
		}
		v := newVerifier(b, apikey.VerifierConfig{Store: store, Peppers: h.peppers})
		b.Run(path, func(b *testing.B) {
			times := make(map[string][]time.Duration)
			for b.Loop() {
				for reason, text := range keys {
					start := time.Now()
					_, err := v.Verify(b.Context(), text)
					times[reason] = append(times[reason], time.Since(start))
					if reasonOf(err) != reason {
						b.Fatal(err)
					}
				}
			}
			var medians []time.Duration
			for reason, all := range times {
				slices.Sort(all)
				medians = append(medians, all[len(all)/2])
				b.ReportMetric(float64(all[len(all)/2]), fmt.Sprintf("ns/%s", reason))
			}
			b.ReportMetric(float64(slices.Max(medians))/float64(slices.Min(medians)), "slowest/fastest")
		})
	}
}
