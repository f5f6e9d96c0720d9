package upstream_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/upstream"
)

// BenchmarkProxy is one request after the other over loopback, 1 KiB answered:
// client, front and upstream in one process, so its allocations are of all
// three. "direct" is the same without the front.
func BenchmarkProxy(b *testing.B) {
	answer := strings.Repeat("x", 1024)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }))
	defer api.Close()
	u, err := upstream.New(upstream.Config{URL: api.URL, RemoveHeaders: []string{"X-API-Key"}})
	if err != nil {
		b.Fatal(err)
	}
	defer u.CloseIdleConnections()
	front := httptest.NewServer(exchange.Wrap(&facts{}, u))
	defer front.Close()
	for name, url := range map[string]string{"direct": api.URL, "proxied": front.URL} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url+"/a", nil)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				w, err := front.Client().Do(r)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, w.Body)
				_ = w.Body.Close()
			}
		})
	}
}

// facts is the cheapest edge.
type facts struct{}

func (*facts) Check(x *exchange.Exchange) exchange.Verdict {
	x.ID, x.Scheme, x.Host, x.Path, x.UpstreamPath = "id-1", "http", "api.test", "/a", "/a"
	x.Principal.Subject, x.Principal.KeyID, x.Principal.Owner = "key1", "key1", "acme"
	return exchange.Pass()
}
