package browser

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A Site is one listener, under every name that ends in .test.
type Site struct{ scheme, port string }

// Serve serves h over plain HTTP until the test ends. What a browser asks for on
// its own account, /favicon.ico, never reaches h.
func Serve(tb testing.TB, h http.Handler) *Site {
	tb.Helper()
	s := httptest.NewServer(asked(h))
	tb.Cleanup(s.Close)
	return site(tb, "http", s)
}

// ServeTLS serves h over HTTPS until the test ends, under a certificate that the
// package's Chromium believes.
func ServeTLS(tb testing.TB, h http.Handler) *Site {
	tb.Helper()
	if err := shared.start(); err != nil {
		tb.Fatal(err)
	}
	s := httptest.NewUnstartedServer(asked(h))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{shared.cert}, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	tb.Cleanup(s.Close)
	return site(tb, "https", s)
}

// asked is h for everything but the browser's search for an icon.
func asked(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/favicon.ico" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func site(tb testing.TB, scheme string, s *httptest.Server) *Site {
	tb.Helper()
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	return &Site{scheme: scheme, port: port}
}

// Origin returns the origin of the site under host, such as "app.site.test".
func (s *Site) Origin(host string) string { return s.scheme + "://" + host + ":" + s.port }

// URL returns an address of the site under host. path begins with a slash.
func (s *Site) URL(host, path string) string { return s.Origin(host) + path }

// WebSocket returns an address of the site for a WebSocket.
func (s *Site) WebSocket(host, path string) string {
	return "ws" + strings.TrimPrefix(s.URL(host, path), "http")
}

// Client returns a client for the same names without a browser, and without
// cookies: what curl would send.
func (s *Site) Client() *http.Client {
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", s.port))
	}
	return &http.Client{Transport: &http.Transport{
		DialContext:       dial,
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}, //nolint:gosec // a listener of this process
	}}
}

// Page answers with an HTML page, whatever is asked for.
func Page(html string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte("<!doctype html><title>page</title><body>" + html))
	})
}

// At is a server of somebody else's, such as a program that the test started: it
// listens on port of 127.0.0.1, and shows the [Certificate] when the scheme is
// "https".
func At(scheme, port string) *Site { return &Site{scheme: scheme, port: port} }
