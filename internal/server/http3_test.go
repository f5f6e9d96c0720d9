package server_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/internal/wire"
)

// secured is the configuration of a gateway with TLS, and what its clients believe.
func secured(t *testing.T, more string) (yaml string, client *tls.Config) {
	t.Helper()
	root := testcert.NewCA(t, "root")
	cert, key := root.Issue(t, testcert.Leaf{Names: []string{"api.test"}}).Write(t, t.TempDir(), "tls")
	return fmt.Sprintf("hosts: [api.test]\nroutes:\n  - {match: /, upstream: api}\nlimits: {body_bytes: 1MiB}\ntls:\n  certificates: [{cert_file: %s, key_file: %s}]\n%s", cert, key, more),
		&tls.Config{RootCAs: root.Pool(), ServerName: "api.test", MinVersion: tls.VersionTLS12}
}

// over3 is a client of HTTP/3 of the gateway.
func (p *program) over3(t *testing.T, client *tls.Config) *http3.Transport {
	t.Helper()
	transport := &http3.Transport{
		TLSClientConfig: client, DisableCompression: true,
		Dial: func(ctx context.Context, _ string, secure *tls.Config, cfg *quic.Config) (*quic.Conn, error) {
			return quic.DialAddr(ctx, p.gateway, secure, cfg)
		},
	}
	t.Cleanup(func() { _ = transport.Close() })
	return transport
}

// TestHTTP3 asks the gateway over HTTP/3: the same stages judge.
func TestHTTP3(t *testing.T) {
	yaml, client := secured(t, "  http3: true\n")
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{yaml: yaml})
	transport := p.over3(t, client)
	ask := func(change func(*http.Request)) (int, string, http.Header) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.test/a?b=c", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-API-Key", p.key)
		if change != nil {
			change(r)
		}
		w, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Body.Close()
		body, err := io.ReadAll(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		return w.StatusCode, string(body), w.Header
	}
	attack.Case(t, "PROXY-17", attack.Gateway, func(t *testing.T) {
		for _, tt := range []struct {
			name   string
			change func(*http.Request)
			want   int
		}{
			{"with a key", nil, 200},
			{"without one", func(r *http.Request) { r.Header.Del("X-API-Key") }, 401},
			{"another host", func(r *http.Request) { r.Host = "evil.test" }, 421},
			{"a path with two readings", func(r *http.Request) { r.URL.Path = "/a/../b" }, 400},
			{"a method for proxies", func(r *http.Request) { r.Method = http.MethodTrace }, 405},
			{"a body that is too long", func(r *http.Request) {
				r.Method, r.Body = http.MethodPost, io.NopCloser(strings.NewReader(strings.Repeat("a", 2<<20)))
			}, 413},
			{"a body that says that it is too long", func(r *http.Request) {
				r.Method, r.Body, r.ContentLength = http.MethodPost, io.NopCloser(strings.NewReader(strings.Repeat("a", 2<<20))), 2<<20
			}, 413},
		} {
			if status, body, _ := ask(tt.change); status != tt.want {
				t.Errorf("%s: %d %q, want %d", tt.name, status, body, tt.want)
			}
		}
	})
	told := strings.Join(upstream.Received(), "")
	if !strings.Contains(told, "GET /a?b=c HTTP/1.1\r\nHost: api.test\r\n") || strings.Contains(told, p.key) || strings.Contains(told, "X-Forwarded-Proto: http\r\n") {
		t.Errorf("the upstream was sent %q", told)
	}
	// Over TCP clients are told.
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+p.gateway+"/a", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "api.test"
	w, err := (&http.Transport{TLSClientConfig: client, DisableKeepAlives: true, ForceAttemptHTTP2: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = w.Body.Close()
	if got := w.Header.Get("Alt-Svc"); got != `h3=":443"; ma=86400` || w.ProtoMajor != 2 {
		t.Errorf("%s, Alt-Svc = %q", w.Proto, got)
	}
	if log := p.log(t); !strings.Contains(log, "HTTP/3.0") {
		t.Errorf("the access log does not tell the protocol: %s", log[:min(len(log), 2000)])
	}
}

// TestHTTP3Drains stops the gateway while a request runs over HTTP/3: it ends
// first.
func TestHTTP3Drains(t *testing.T) {
	yaml, client := secured(t, "  http3: true\n")
	asked, release := make(chan struct{}), make(chan struct{})
	upstream := wire.Listen(t, func(c *wire.Conn) {
		if _, err := c.Request(); err != nil {
			return
		}
		close(asked)
		<-release
		c.Say(wire.OK)
	})
	p := start(t, upstream.URL(), settings{yaml: yaml})
	transport := p.over3(t, client)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.test/a", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-API-Key", p.key)
	answered := make(chan error, 1)
	go func() {
		w, err := transport.RoundTrip(r)
		if err == nil {
			_, err = io.Copy(io.Discard, w.Body)
			_ = w.Body.Close()
			if w.StatusCode != http.StatusOK {
				err = fmt.Errorf("status %d", w.StatusCode)
			}
		}
		answered <- err
	}()
	<-asked
	stopped := make(chan error, 1)
	go func() { stopped <- p.stop() }()
	eventually(t, func() (struct{}, bool) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.admin+"/readyz", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		w, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
		if err != nil {
			return struct{}{}, false
		}
		_ = w.Body.Close()
		return struct{}{}, w.StatusCode == http.StatusServiceUnavailable // draining, and still told
	})
	select {
	case err := <-stopped:
		t.Fatalf("the program ended in the middle of a request: %v", err)
	default:
	}
	close(release)
	if err := <-answered; err != nil {
		t.Errorf("the running request: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
}

// TestHTTP3WantsClientCertificates too: there is no way around them.
func TestHTTP3WantsClientCertificates(t *testing.T) {
	clients := testcert.NewCA(t, "clients")
	caFile := t.TempDir() + "/clients.pem"
	testcert.Replace(t, caFile, clients.PEM)
	yaml, client := secured(t, "  http3: true\n  client_ca_file: "+caFile+"\n  client_auth: require\n")
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{yaml: yaml})
	attack.Case(t, "TLS-07", attack.Gateway, func(t *testing.T) {
		for _, tt := range []struct {
			name  string
			shown []tls.Certificate
			want  int // 0 for no connection
		}{
			{"none", nil, 0},
			{"of its own", []tls.Certificate{testcert.SelfSigned(t, testcert.Leaf{}).TLS}, 0},
			{"of another authority", []tls.Certificate{testcert.NewCA(t, "others").Issue(t, testcert.Leaf{}).TLS}, 0},
			{"expired", []tls.Certificate{clients.Issue(t, testcert.Leaf{NotAfter: time.Now().Add(-time.Minute)}).TLS}, 0},
			{"a good one", []tls.Certificate{clients.Issue(t, testcert.Leaf{}).TLS}, http.StatusOK},
		} {
			secure := client.Clone()
			secure.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { // whatever the server asks for
				if tt.shown == nil {
					return new(tls.Certificate), nil
				}
				return &tt.shown[0], nil
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.test/a", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-API-Key", p.key)
			w, err := p.over3(t, secure).RoundTrip(r)
			status := 0
			if err == nil {
				status = w.StatusCode
				_ = w.Body.Close()
			}
			cancel()
			if status != tt.want {
				t.Errorf("%s: %d, %v, want %d", tt.name, status, err, tt.want)
			}
		}
	})
}
