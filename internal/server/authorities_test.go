package server_test

import (
	"context"
	"crypto/tls"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/internal/wire"
)

// TestAuthoritiesThatLeft: an authority leaves the file while clients with its
// certificates have connections open, and keep them busy. They are let in no more than
// with a new one.
func TestAuthoritiesThatLeft(t *testing.T) {
	one, two := testcert.NewCA(t, "one"), testcert.NewCA(t, "two")
	folder := t.TempDir()
	testcert.Replace(t, folder+"/one.pem", one.PEM)
	testcert.Replace(t, folder+"/two.pem", two.PEM)
	testcert.Replace(t, folder+"/both.pem", slices.Concat(two.PEM, one.PEM))
	yaml, client := secured(t, "  http3: true\n  client_ca_file: "+folder+"/one.pem\nschemes: {machine: {certificate: {subject: cn, issuer: mesh}}}\n")
	yaml = strings.Replace(yaml, "upstream: api}", "upstream: api, security: [{machine: []}]}", 1)
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{yaml: yaml})

	shown := one.Issue(t, testcert.Leaf{Subject: "web"}).TLS
	proving := client.Clone()
	proving.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown, nil } // whatever is asked for
	tcp := func(two bool) *http.Transport {
		transport := &http.Transport{
			TLSClientConfig: proving.Clone(), ForceAttemptHTTP2: two,
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, p.gateway)
			},
		}
		t.Cleanup(transport.CloseIdleConnections)
		return transport
	}
	clients := map[string]http.RoundTripper{"HTTP/1.1": tcp(false), "HTTP/2": tcp(true), "HTTP/3": p.over3(t, proving)}
	statuses := func() map[string]int { // 0 for no connection
		got := make(map[string]int)
		for name, transport := range clients {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.test/a", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			got[name] = 0
			if w, err := transport.RoundTrip(r); err == nil {
				got[name] = w.StatusCode
				_, _ = io.Copy(io.Discard, w.Body)
				_ = w.Body.Close()
				if !strings.HasPrefix(w.Proto, name) {
					t.Errorf("%s is spoken in place of %s", w.Proto, name)
				}
			}
			cancel()
		}
		return got
	}
	all := func(status int) map[string]int {
		return map[string]int{"HTTP/1.1": status, "HTTP/2": status, "HTTP/3": status}
	}
	authorities := func(file string) {
		p.write(t, upstream.URL(), strings.Replace(yaml, "one.pem", file, 1))
		p.reload(t)
	}
	attack.Case(t, "TLS-07", attack.Gateway, func(t *testing.T) {
		if got := statuses(); !maps.Equal(got, all(http.StatusOK)) {
			t.Fatalf("with a good certificate: %v", got)
		}
		authorities("both.pem")
		if got := statuses(); !maps.Equal(got, all(http.StatusOK)) {
			t.Errorf("beside another authority: %v", got)
		}
		authorities("two.pem")
		if got := statuses(); !maps.Equal(got, all(http.StatusMisdirectedRequest)) {
			t.Errorf("on connections from before its authority left: %v, want 421", got)
		}
		clients = map[string]http.RoundTripper{"HTTP/1.1": tcp(false), "HTTP/2": tcp(true), "HTTP/3": p.over3(t, proving)}
		if got := statuses(); !maps.Equal(got, all(0)) {
			t.Errorf("on new connections: %v, want none", got)
		}
	})
}
