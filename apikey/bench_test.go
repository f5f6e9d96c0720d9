package apikey_test

import (
	"testing"

	"github.com/warder-dev/warder/apikey"
)

func BenchmarkVerify(b *testing.B) {
	const keys = 100_000
	h := newStoreHouse(b)
	texts := make([]string, keys)
	for i := range texts {
		_, texts[i] = h.create(b, "a", "orders:read")
	}
	h.verifier = newVerifier(b, apikey.VerifierConfig{Store: h.store, Peppers: h.peppers})
	before := heap()
	for _, text := range texts {
		_, _ = h.verifier.Verify(b.Context(), text)
	}
	perKey := float64(heap()-before) / keys
	run := func(name string, text func(i int) string) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				_, _ = h.verifier.Verify(b.Context(), text(i))
				i++
			}
			b.ReportMetric(perKey, "B/key")
		})
	}
	unknown := unknownKey(1)
	malformed := texts[0][:len(texts[0])-1] + "_"
	wrongCheck := "wre" + texts[0][3:]
	run("cached", func(i int) string { return texts[i%keys] })
	run("unknown", func(int) string { return unknown })
	run("malformed", func(int) string { return malformed })
	run("wrong check", func(int) string { return wrongCheck })
}
