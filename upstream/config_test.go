package upstream_test

import (
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/upstream"
)

func TestNewReportsEverythingAtOnce(t *testing.T) {
	_, err := upstream.New(upstream.Config{
		URL: "ftp://user:pw@/x?y#z", StripPrefix: "api/", RemoveHeaders: []string{"a b", ""}, HostHeader: "a b",
		ConnectTimeout: -time.Second, MaxIdleConnections: -1,
	})
	if err == nil {
		t.Fatal("New took it")
	}
	for _, want := range []string{
		"http:// or https://", "no host", "user or password", "query", "fragment", "StripPrefix \"api/\"", "needs Canonical",
		`"a b" is not a field name`, `"" is not a field name`, "HostHeader", "ConnectTimeout", "MaxIdleConnections",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
}

func TestURLForms(t *testing.T) {
	for url, ok := range map[string]bool{
		"http://a": true, "https://a:8443/base/": true, "http://[::1]:80": true, "http://a/b%20c": true,
		"": false, "a:80": false, "//a": false, "http://": false, "http://:80": false, "http://a//b": false, "http://a?": false,
		"http://a#": false, "http://u@a": false, "http:a": false,
	} {
		if _, err := upstream.New(upstream.Config{URL: url}); (err == nil) != ok {
			t.Errorf("%q: %v, want ok %v", url, err, ok)
		}
	}
}

func TestHostHeader(t *testing.T) {
	got := make(chan string, 1)
	u := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Host }))
	defer u.Close()
	f := newFront(t, upstream.Config{URL: u.URL, HostHeader: "internal.test:81"}, nil)
	f.ask(t, http.MethodGet, get)
	if host := <-got; host != "internal.test:81" {
		t.Errorf("Host = %q, want internal.test:81", host)
	}
}

func TestHTTPS(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		u := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			_ = http.NewResponseController(w).Flush() // no length: then HTTP/1.1 can carry a trailer
			_, _ = io.WriteString(w, r.Proto+" "+r.Host+" "+r.RequestURI+" "+string(body))
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
		}))
		u.EnableHTTP2 = h2
		u.StartTLS()
		pool := x509.NewCertPool()
		pool.AddCert(u.Certificate())
		f := newFront(t, upstream.Config{URL: u.URL, RootCAs: pool}, nil)
		proto := map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"}[h2]
		for range 3 { // the kept connection too
			w, body := f.ask(t, http.MethodGet, get)
			if want := proto + " api.test /a "; w.StatusCode != 200 || body != want || w.Trailer.Get("Grpc-Status") != "0" {
				t.Errorf("GET: %d %q %v, want %q", w.StatusCode, body, w.Trailer, want)
			}
			w, body = f.ask(t, http.MethodPost, "POST /a%2Fb?x HTTP/1.1\r\nHost: api.test\r\nContent-Length: 3\r\n\r\nabc")
			if want := proto + " api.test /a%2Fb?x abc"; w.StatusCode != 200 || body != want {
				t.Errorf("POST: %d %q, want %q", w.StatusCode, body, want)
			}
		}
		f.upstream.CloseIdleConnections()
		u.Close()
	}
	t.Run("certificates are checked unless told otherwise", func(t *testing.T) {
		u := httptest.NewUnstartedServer(http.NotFoundHandler())
		u.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		u.StartTLS()
		defer u.Close()
		pool := x509.NewCertPool()
		pool.AddCert(u.Certificate())
		for _, tt := range []struct {
			cfg  upstream.Config
			want int
		}{
			{upstream.Config{RootCAs: pool}, 404},
			{upstream.Config{RootCAs: pool, ServerName: "other.test"}, 502},
			{upstream.Config{}, 502},
			{upstream.Config{InsecureSkipVerify: true}, 404},
		} {
			tt.cfg.URL = u.URL
			f := newFront(t, tt.cfg, nil)
			if w, _ := f.ask(t, http.MethodGet, get); w.StatusCode != tt.want {
				t.Errorf("%+v: status = %d, want %d", tt.cfg.ServerName, w.StatusCode, tt.want)
			}
			f.upstream.CloseIdleConnections()
		}
	})
}
