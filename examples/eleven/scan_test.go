package main_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"

	main "github.com/warder-dev/warder/examples/eleven"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testscan"
)

// TestWhatScannersFind has sqlmap and wapiti attack the search. Each request comes
// with the next of many keys and from another address, so that no limit spares the
// service the attack.
func TestWhatScannersFind(t *testing.T) {
	attack.Case(t, "SQL-04", attack.Library, func(t *testing.T) {
		w := main.NewWorld(t)
		w.AddUser(t, "scanned")
		keys := make([]string, 256)
		for i := range keys {
			keys[i] = w.Key(t, "users:read")
		}
		var requests, searched atomic.Int64
		handler := w.API.Handler()
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			n := requests.Add(1)
			r.Header.Set("X-API-Key", keys[int(n)%len(keys)])
			r.Host, r.TLS = "localhost:8443", &tls.ConnectionState{HandshakeComplete: true}
			r.RemoteAddr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(n >> 8), byte(n)}), 1024).String()
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, r)
			if recorder.Code == http.StatusOK {
				searched.Add(1)
			}
			rw.WriteHeader(recorder.Code)
			_, _ = rw.Write(recorder.Body.Bytes())
		}))
		t.Cleanup(server.Close)
		target := server.URL + "/users?name=scanned"
		if found := testscan.Sqlmap(t, testscan.Target{URL: target, Within: []string{"name"}}); len(found) != 0 {
			t.Errorf("sqlmap: %q", found)
		}
		t.Log(requests.Load(), searched.Load())
		if found := testscan.Wapiti(t, nil, target); len(found) != 0 {
			t.Errorf("wapiti: %q", found)
		}
		t.Log(requests.Load(), searched.Load())
		if searched.Load() < 300 {
			t.Errorf("only %d of %d requests came as far as the database", searched.Load(), requests.Load())
		}
		if n := w.Users(t); n == 0 {
			t.Error("the users are gone")
		}
	})
}
