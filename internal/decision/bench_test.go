package decision_test

import (
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/internal/decision"
	"github.com/warder-dev/warder/target"
)

// asked is a front with a Stack that passes everybody, and what asks it again and
// again: a writer and a request whose fields are reset without an allocation.
func asked(tb testing.TB) (ask func()) {
	tb.Helper()
	targets, err := target.New(target.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	front, err := decision.New(decision.Config{
		Stack:   &warder.Stack{Edge: warder.Edge{Forwarded: forwarded.Direct(), Target: targets}, Policy: new(warder.Policy)},
		Dialect: decision.Nginx(), Proxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		tb.Fatal(err)
	}
	fields := http.Header{
		"X-Original-Method": {"GET"}, "X-Original-Uri": {"/orders/1?a=b"}, "X-Original-Proto": {"https"}, "X-Original-Host": {"api.example.com"},
		"X-Original-Addr": {"192.0.2.7"}, "Connection": {"close"}, "X-Api-Key": {"k"}, "Accept": {"*/*"}, "User-Agent": {"test"},
	}
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodGet, decision.Path, http.NoBody)
	w := &blank{header: make(http.Header)}
	return func() {
		clear(r.Header)
		maps.Copy(r.Header, fields)
		clear(w.header)
		front.ServeHTTP(w, r)
		if w.status != http.StatusOK {
			tb.Fatalf("status %d", w.status)
		}
	}
}

// blank is a ResponseWriter that keeps its memory.
type blank struct {
	header http.Header
	status int
}

func (b *blank) Header() http.Header         { return b.header }
func (b *blank) Write(p []byte) (int, error) { return len(p), nil }
func (b *blank) WriteHeader(status int)      { b.status = status }

func BenchmarkDecision(b *testing.B) {
	ask := asked(b)
	b.ReportAllocs()
	for b.Loop() {
		ask()
	}
}

// A decision costs the request that is judged, with its target, TLS and address as
// text, the exchange with a context of its own, and the writer that holds it back:
// nothing for each field.
func TestADecisionAllocates(t *testing.T) {
	if raceEnabled {
		return // what sync.Pool drops on purpose is made again
	}
	ask := asked(t)
	ask() // fills what is filled once
	if got := testing.AllocsPerRun(2000, ask); got > 8 {
		t.Errorf("%v allocations, want at most 8", got)
	}
}

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
