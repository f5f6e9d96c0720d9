package decision_test

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/warder-dev/warder/internal/decision"
)

func BenchmarkQuestion(b *testing.B) {
	h := http.Header{"Accept": {"*/*"}, "User-Agent": {"curl/7.88.1"}, "X-Api-Key": {"k"}, "X-Forwarded-Proto": {"https"}, "X-Request-Id": {"7a6f"}}
	q := decision.Question{Method: "GET", Target: "/a?b=c", Scheme: "https", Host: "api.example.com", Client: netip.MustParseAddr("192.0.2.7"), Header: h}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := q.Request(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
