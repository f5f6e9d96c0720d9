package cors_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/warder-dev/warder/cors"
	"github.com/warder-dev/warder/exchange"
)

// crowd is a configuration with 10,000 origins and 1,000 patterns.
func crowd() cors.Config {
	cfg := cors.Config{Credentials: true, ExposedHeaders: []string{"X-Request-Id"}, RequestHeaders: []string{"X-API-Key"}, Methods: []string{"PUT"}}
	for i := range 10000 {
		cfg.Origins = append(cfg.Origins, fmt.Sprintf("https://app%d.example.com", i))
	}
	for i := range 1000 {
		cfg.Origins = append(cfg.Origins, fmt.Sprintf("https://*.tenant%d.example.net", i))
	}
	return cfg
}

type way struct {
	name string
	cfg  cors.Config
	r    *http.Request
}

// ways are the requests that a stage sees, by name.
func ways() []way {
	few := cors.Config{Origins: []string{app, "https://*.example.org"}, Credentials: true, ExposedHeaders: []string{"X-Request-Id"}}
	asking := cors.Config{Methods: []string{"PUT"}, RequestHeaders: []string{"Content-Type", "X-API-Key"}}
	return []way{
		{"no origin", few, request("GET")},
		{"listed", few, request("GET", "Origin: "+app)},
		{"pattern", few, request("GET", "Origin: https://a.example.org")},
		{"not listed", few, request("GET", "Origin: https://x.example")},
		{"anybody", cors.Config{AnyOrigin: true}, request("GET", "Origin: "+app)},
		{"listed, among 11000", crowd(), request("GET", "Origin: https://app9999.example.com")},
		{"pattern, among 11000", crowd(), request("GET", "Origin: https://a.tenant999.example.net")},
		{"not listed, among 11000", crowd(), request("GET", "Origin: https://"+strings.Repeat("a.", 100)+"example.net")},
		{"preflight", asking, asks(app, "PUT", "Access-Control-Request-Headers: content-type,x-api-key")},
	}
}

// round judges a request and writes its fields, into a header that is used again.
func (w way) round(tb testing.TB) func() {
	tb.Helper()
	s := newStage(tb, w.cfg)
	x, h := exchange.New(w.r), make(http.Header)
	return func() {
		if s.Check(x).Kind() == exchange.Refused {
			tb.Fatal("refused")
		}
		clear(h)
		s.Headers(x, h)
	}
}

func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, w := range ways() {
		want := 0.0
		if w.name == "preflight" {
			want = 1 // its answer
		}
		if got := testing.AllocsPerRun(1000, w.round(t)); got > want {
			t.Errorf("%s: %v allocations, want %v", w.name, got, want)
		}
	}
}

func BenchmarkStage(b *testing.B) {
	for _, w := range ways() {
		b.Run(w.name, func(b *testing.B) {
			round := w.round(b)
			b.ReportAllocs()
			for b.Loop() {
				round()
			}
		})
	}
}
