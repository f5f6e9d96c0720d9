package server_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// TestPlainHTTPBesideTLS: what comes to tls.redirect_listen goes to https at
// known names, whether or not https.require says so for the other listener.
func TestPlainHTTPBesideTLS(t *testing.T) {
	for _, variant := range []struct {
		name, https string
		get         int // status of a redirect of GET
		hsts        string
	}{
		{"https.require", "https: {require: true, port: 8443, hsts: 1d}\n", 308, "max-age=86400"},
		{"without it", "https: {port: 8443, get_status: 301, hsts: 365d, hsts_subdomains: true, hsts_preload: true}\n", 301, "max-age=31536000; includeSubDomains; preload"},
	} {
		t.Run(variant.name, func(t *testing.T) {
			plain := wire.FreeAddress(t)
			yaml, client := secured(t, "  redirect_listen: "+plain+"\nforwarded: {from: x-forwarded-for, trusted_proxies: [127.0.0.2], proto: true}\nschemes: {link: {key: {in: query}}}\n"+variant.https)
			upstream := wire.Listen(t, wire.Answer(wire.OK))
			p := start(t, upstream.URL(), settings{yaml: yaml, spec: apikey.Spec{Environment: "live", Name: "test", Owner: "acme"}})
			for _, tt := range []struct {
				id, name, request string
				want              int
				location          string
			}{
				{"TLS-03", "path and query", "GET /a%20b?c=d HTTP/1.1\r\nHost: api.test\r\n", variant.get, "https://api.test:8443/a%20b?c=d"},
				{"TLS-03", "odd port, case and dot", "GET / HTTP/1.1\r\nHost: API.test.:8080\r\n", variant.get, "https://api.test:8443/"},
				{"TLS-03", "HEAD", "HEAD /a HTTP/1.1\r\nHost: api.test\r\n", variant.get, "https://api.test:8443/a"},
				{"TLS-03", "a host that is not listed, and a POST", "POST /a HTTP/1.1\r\nHost: evil.test\r\nContent-Length: 3\r\n", 421, ""},
				{"TLS-03", "a credential in the query", "GET /a?x=1&api_key=" + p.key + " HTTP/1.1\r\nHost: api.test\r\n", 403, ""},
				{"TLS-03", "a credential in the query that is none", "GET /a?api%5Fkey=x HTTP/1.1\r\nHost: api.test\r\n", 403, ""},
				{"TLS-03", "POST", "POST /a HTTP/1.1\r\nHost: api.test\r\nContent-Length: 3\r\n", 308, "https://api.test:8443/a"},
				{"TLS-03", "a credential", "GET /a HTTP/1.1\r\nHost: api.test\r\nX-API-Key: " + p.key + "\r\n", 403, ""},
				{"HOST-09", "a host that is not listed", "GET /a HTTP/1.1\r\nHost: evil.test\r\n", 421, ""},
				{"HOST-09", "an absolute target of another host", "GET http://evil.test/a HTTP/1.1\r\nHost: api.test\r\n", 421, ""},
				{"HOST-09", "a forwarded host", "GET /a HTTP/1.1\r\nHost: api.test\r\nX-Forwarded-Host: evil.test\r\n", variant.get, "https://api.test:8443/a"},
				{"TLS-04", "a scheme that a stranger forwards", "GET /a HTTP/1.1\r\nHost: api.test\r\nX-Forwarded-Proto: https\r\n", variant.get, "https://api.test:8443/a"},
			} {
				attack.Case(t, tt.id, attack.Gateway, func(t *testing.T) {
					c := wire.Dial(t, plain)
					c.Send(tt.request + "\r\n")
					method, _, _ := strings.Cut(tt.request, " ")
					w, body := c.Response(method)
					if w == nil || w.StatusCode != tt.want || w.Header.Get("Location") != tt.location {
						t.Errorf("%s: %v %q, want %d to %q", tt.name, w, body, tt.want, tt.location)
					}
					if w != nil && w.Header.Get("Strict-Transport-Security") != "" {
						t.Errorf("%s: HSTS over plain HTTP", tt.name)
					}
				})
			}
			if sent := strings.Join(upstream.Received(), ""); sent != "" {
				t.Errorf("the upstream was sent %q", sent)
			}
			attack.Case(t, "TLS-05", attack.Gateway, func(t *testing.T) {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+p.gateway+"/a", http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				r.Host = "api.test"
				r.Header.Set("X-API-Key", p.key)
				w, err := (&http.Transport{TLSClientConfig: client, DisableKeepAlives: true}).RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				_ = w.Body.Close()
				if w.StatusCode != http.StatusOK || w.Header.Get("Strict-Transport-Security") != variant.hsts {
					t.Errorf("%d, HSTS %q", w.StatusCode, w.Header.Get("Strict-Transport-Security"))
				}
			})
			if log := p.log(t); !strings.Contains(log, "a credential came over plain HTTP") || strings.Contains(log, p.key) {
				t.Errorf("the log of %s does not tell of the credential, or shows it", filepath.Base(p.folder))
			}
		})
	}
}

// TestNoLoopBehindAProxy: a listed proxy that got a request over https and sends
// it to the listener of plain HTTP is served.
func TestNoLoopBehindAProxy(t *testing.T) {
	plain := wire.FreeAddress(t)
	yaml, _ := secured(t, "  redirect_listen: "+plain+"\nforwarded: {from: x-forwarded-for, trusted_proxies: [127.0.0.1], proto: true}\nhttps: {require: true}\n")
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{yaml: yaml})
	attack.Case(t, "TLS-04", attack.Gateway, func(t *testing.T) {
		for proto, want := range map[string]int{"https": 200, "HTTPS": 200, "http": 403, "http,https": 400} {
			c := wire.Dial(t, plain)
			c.Send("GET /a HTTP/1.1\r\nHost: api.test\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: " + proto + "\r\nX-API-Key: " + p.key + "\r\n\r\n")
			if w, body := c.Response(http.MethodGet); w == nil || w.StatusCode != want {
				t.Errorf("%s: %v %q, want %d", proto, w, body, want)
			}
		}
	})
}
