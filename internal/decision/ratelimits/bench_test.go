package ratelimits_test

import (
	"testing"

	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"

	"github.com/warder-dev/warder/internal/decision/ratelimits"
)

func BenchmarkShouldRateLimit(b *testing.B) {
	s, told := newService(b, nil, ratelimits.Rule{Key: "remote_address", Limit: newLimit(b, "address", 1_000_000_000)})
	q := asked("remote_address", "192.0.2.7")
	b.ReportAllocs()
	for b.Loop() {
		if w, err := s.ShouldRateLimit(b.Context(), q); err != nil || w.GetOverallCode() != rlsv3.RateLimitResponse_OK {
			b.Fatal(w, err)
		}
		told.all = told.all[:0]
	}
}
