package keyservice_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/secret"
)

// BenchmarkVerify is one question of verifyKey: in the process alone, and over
// HTTP/1.1 on loopback with client and server sharing the machine.
func BenchmarkVerify(b *testing.B) {
	w := newWorld(b)
	made := w.made(b, keyservice.KeySpec{Owner: "acme", Scopes: []string{"orders:*"}})
	body := `{"key":"` + made.Text + `","method":"GET","target":"/orders/17","address":"192.0.2.7","scopes":["orders:read"]}`
	b.Run("handler", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "http://localhost/v1/keys:verify", strings.NewReader(body))
			r.Header["Authorization"], r.Header["Content-Type"] = []string{"Bearer " + adminToken}, []string{"application/json"}
			rec := httptest.NewRecorder()
			if w.handler.ServeHTTP(rec, r); rec.Code != http.StatusOK {
				b.Fatal(rec.Code, rec.Body)
			}
		}
	})
	b.Run("REST", func(b *testing.B) {
		server := httptest.NewServer(w.handler)
		defer server.Close()
		c, err := client.New(client.Config{Server: server.URL, Token: secret.New(adminToken)})
		must(b, err)
		defer c.Close()
		use := client.Use{Key: client.NewText(made.Text), Method: http.MethodGet, Target: "/orders/17", Address: "192.0.2.7", Scopes: []string{"orders:read"}}
		b.ReportAllocs()
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if v, err := c.VerifyKey(b.Context(), use); err != nil || !v.Value.Valid {
					b.Error(v.Value, err)
					return
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "verdicts/s")
	})
}
