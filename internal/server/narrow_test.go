package server_test

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

const narrowing = `
forwarded: {from: x-forwarded-for, trusted_proxies: [127.0.0.1]}
rate_limits:
  each: {count: 2, per: 1h, by: [key], plans: [{name: gold, plans: [gold], count: 4}]}
routes:
  - {match: /, upstream: api, rate_limits: [each]}
  - {match: /catalogue/, upstream: api, public_keys: true, rate_limits: [each]}
`

// A sent is a request with a key, and what must come of it.
type sent struct {
	name, method, path, origin, from string
	status                           int
	says                             string // in the answer
}

func (p *program) sendAll(t *testing.T, key string, all []sent) {
	t.Helper()
	for _, tt := range all {
		r := newRequest(t, "http://"+p.gateway+tt.path)
		if tt.method != "" {
			r.Method = tt.method
		}
		r.Header.Set("X-API-Key", key)
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
		}
		if tt.from != "" {
			r.Header.Set("X-Forwarded-For", tt.from)
		}
		w := do(t, r)
		body, err := io.ReadAll(w.Body)
		if err != nil || w.StatusCode != tt.status || !strings.Contains(string(body), tt.says) {
			t.Errorf("%s: %d %s, %v, want %d that says %q", tt.name, w.StatusCode, body, err, tt.status, tt.says)
		}
	}
}

// What narrows a key is judged by the gateway, spends nothing where it refuses,
// and is told to the log.
func TestNarrowedKeysThroughTheGateway(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{yaml: narrowing})
	attack.Case(t, "KEY-27", attack.Gateway, func(t *testing.T) {
		_, key := p.create(t, apikey.Spec{Environment: "live", Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Limits: []exchange.Quota{{Name: "each", Count: 3, Per: time.Hour}}})
		p.sendAll(t, key, []sent{
			{name: "from elsewhere", path: "/", from: "203.0.113.9", status: 403, says: "may not be used from this address"},
			{name: "spoofed on the left", path: "/", from: "192.0.2.7, 203.0.113.9", status: 403},
			{name: "with a zone", path: "/", from: "192.0.2.7%eth0", status: 403},
			{name: "unreadable", path: "/", from: "192.0.2.7, x", status: 403},
			{name: "without a forwarded address", path: "/", status: 403},
			{name: "from there", path: "/", from: "192.0.2.7", status: 200},
			{name: "mapped into IPv6", path: "/", from: "::ffff:192.0.2.7", status: 200},
			{name: "the third of its own limit", path: "/", from: "192.0.2.8", status: 200},
			{name: "and one more", path: "/", from: "192.0.2.8", status: 429},
		})
	})
	attack.Case(t, "KEY-17", attack.Gateway, func(t *testing.T) {
		_, key := p.create(t, apikey.Spec{Environment: "live", Kind: apikey.KindPublic, Origins: []string{"https://shop.example"}, Plan: "gold", Paths: []string{"/catalogue/"}})
		p.sendAll(t, key, []sent{
			{name: "an operation for secret keys", path: "/", origin: "https://shop.example", status: 403, says: "takes secret keys only"},
			{name: "no Origin", path: "/catalogue/", status: 403, says: "Origin names none of them"},
			{name: "another page", path: "/catalogue/", origin: "https://evil.example", status: 403},
			{name: "its page", path: "/catalogue/", origin: "https://shop.example", status: 200},
			{name: "its page, below", path: "/catalogue/7", origin: "https://shop.example", status: 200},
			{name: "the third, by its plan", path: "/catalogue/7", origin: "https://shop.example", status: 200},
			{name: "the fourth", path: "/catalogue/7", origin: "https://shop.example", status: 200},
			{name: "and one more", path: "/catalogue/7", origin: "https://shop.example", status: 429},
		})
	})
	_, key := p.create(t, apikey.Spec{Environment: "live", Methods: []string{"GET"}, Paths: []string{"/orders/{id}"}})
	p.sendAll(t, key, []sent{
		{name: "another path", path: "/orders", status: 403, says: "for this path"},
		{name: "a path beyond", path: "/orders/7/rows", status: 403},
		{name: "a path of two readings", path: "/orders/%2e%2e/admin", status: 400},
		{name: "another method", method: http.MethodDelete, path: "/orders/7", status: 403, says: "with this method"},
		{name: "its path", path: "/orders/7", status: 200},
		{name: "its path again", path: "/orders/8", status: 200},
		{name: "over the limit", path: "/orders/7", status: 429},
	})
	metrics, err := io.ReadAll(do(t, newRequest(t, "http://"+p.admin+"/metrics")).Body)
	if err != nil {
		t.Fatal(err)
	}
	text := p.log(t)
	for _, rule := range apikey.Rules() {
		if !strings.Contains(text, rule) {
			t.Errorf("the log does not tell of %s", rule)
		}
		if want := fmt.Sprintf("warder_refusals_total{reason=%q", rule); !strings.Contains(string(metrics), want) {
			t.Errorf("the metrics do not have %s", want)
		}
	}
}

// Proxies that ask get the same decision, on the request of their client.
func TestNarrowedKeysWhereProxiesAsk(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{yaml: askedYAML("nginx")})
	_, key := p.create(t, apikey.Spec{Environment: "live", Scopes: []string{"orders:*"}, Methods: []string{"GET"}, Paths: []string{"/orders/{id}"}})
	for _, tt := range []struct {
		method, target string
		want           int
	}{{"GET", "/orders/7", 200}, {"GET", "/orders/7?a=/orders/", 200}, {"GET", "/orders/7/rows", 403}, {"DELETE", "/orders/7", 403}} {
		if w := p.question(t, nginxAsks(tt.method, tt.target), "X-API-Key", key); w.StatusCode != tt.want {
			t.Errorf("%s %s: %d, want %d", tt.method, tt.target, w.StatusCode, tt.want)
		}
	}
}
