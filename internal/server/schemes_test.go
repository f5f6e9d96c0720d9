package server_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// everyPlace takes keys wherever a request can carry them, a route for each.
const everyPlace = `
hosts: [localhost, 127.0.0.1]
schemes:
  downloadKey: {key: {in: query}}
  cookieKey: {key: {in: cookie}}
  bearerKey: {key: {in: bearer}}
  basicKey: {key: {in: basic}}
routes:
  - {match: "/header", upstream: api}
  - {match: "/query", upstream: api, security: [{downloadKey: []}]}
  - {match: "/cookie", upstream: api, security: [{cookieKey: []}]}
  - {match: "/bearer", upstream: api, security: [{bearerKey: []}]}
  - {match: "/basic", upstream: api, security: [{basicKey: []}]}
  - {match: "/any", upstream: api, security: [{apiKey: []}, {downloadKey: []}, {cookieKey: []}]}
  - {match: "/open", upstream: api, public: true}
`

// A raw request is one line and fields, in which {K} is a good key and {B} the
// same for HTTP Basic.
type rawCase struct {
	id, name, line, fields string
	status                 int
	forwarded              string // a part of what the upstream reads; "" when it sees nothing or it does not matter
}

func (c rawCase) text(key string) string {
	basic := base64.StdEncoding.EncodeToString([]byte(key + ":"))
	return strings.NewReplacer("{K}", key, "{B}", basic).Replace(c.line + " HTTP/1.1\r\nHost: localhost\r\n" + c.fields + "\r\n")
}

// try sends c and looks at both ends.
func (c rawCase) try(t *testing.T, p *program, upstream *wire.Upstream) {
	t.Helper()
	before := strings.Join(upstream.Received(), "")
	client := wire.Dial(t, p.gateway)
	client.Send(c.text(p.key))
	method, _, _ := strings.Cut(c.line, " ")
	response, body := client.Response(method)
	if response == nil || response.StatusCode != c.status {
		t.Fatalf("%s: response = %v, want %d: %s", c.name, response, c.status, body)
	}
	if c.status != http.StatusOK && strings.Contains(body, p.key) {
		t.Errorf("%s: the answer repeats the key", c.name)
	}
	got := strings.TrimPrefix(strings.Join(upstream.Received(), ""), before)
	switch {
	case c.status != http.StatusOK && got != "":
		t.Errorf("%s: the upstream was asked: %q", c.name, got)
	case !strings.Contains(got, c.forwarded):
		t.Errorf("%s: the upstream read %q, want %q in it", c.name, got, c.forwarded)
	case strings.Contains(got, p.key):
		t.Errorf("%s: the upstream read the key: %q", c.name, got)
	}
}

func TestKeysInEveryPlaceThroughTheGateway(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{yaml: everyPlace})
	many := strings.Repeat("a=1&", 1000)
	for _, c := range []rawCase{
		{"KEY-21", "a key in the query where the header is wanted", "GET /header?api_key={K}", "", 401, ""},
		{"KEY-21", "a key in the query of a public route does not reach the upstream", "GET /open?a=%zz&api_key={K}&b", "", 200, "GET /open?a=%zz&b HTTP/1.1\r\n"},
		{"KEY-22", "repeated", "GET /query?api_key={K}&api_key={K}", "", 400, ""},
		{"KEY-22", "encoded name", "GET /query?x=1&api%5Fkey={K}", "", 200, "GET /query?x=1 HTTP/1.1\r\n"},
		{"KEY-22", "encoded name beside the plain one", "GET /query?api_key={K}&api%5Fkey=x", "", 400, ""},
		{"KEY-22", "as an array", "GET /query?api_key[]={K}", "", 400, ""},
		{"KEY-22", "in other case", "GET /query?API_KEY={K}", "", 400, ""},
		{"KEY-22", "behind a semicolon", "GET /query?a=1;api_key={K}", "", 400, ""},
		{"KEY-22", "beside what does not decode", "GET /query?a=%zz&api_key={K}", "", 200, "GET /query?a=%zz HTTP/1.1\r\n"},
		{"KEY-22", "among a thousand", "GET /query?" + many + "api_key={K}", "", 200, "GET /query?" + strings.TrimSuffix(many, "&") + " HTTP/1.1\r\n"},
		{"KEY-22", "behind more than a request line has room for", "GET /query?" + strings.Repeat("a=1&", 10_000) + "api_key={K}", "", 414, ""},
		{"KEY-22", "as an array behind a thousand", "GET /query?api_key={K}&" + many + "api_key%5B%5D={K}", "", 400, ""},
		{"KEY-23", "a good key", "GET /query?api_key={K}", "", 200, "GET /query HTTP/1.1\r\n"},
		{"KEY-25", "a good one among others", "GET /cookie", "Cookie: a=1; __Host-api_key={K}; b=\"x\"\r\n", 200, "Cookie: a=1; b=\"x\"\r\n"},
		{"KEY-25", "twice", "GET /cookie", "Cookie: __Host-api_key={K}; __Host-api_key={K}\r\n", 400, ""},
		{"KEY-25", "quoted", "GET /cookie", "Cookie: __Host-api_key=\"{K}\"\r\n", 401, ""},
		{"KEY-25", "in 70 KiB", "GET /cookie", "Cookie: a=" + strings.Repeat("x", 70<<10) + "; __Host-api_key={K}\r\n", 431, ""},
		{"KEY-26", "write without proof", "POST /cookie", "Cookie: __Host-api_key={K}\r\nContent-Length: 0\r\n", 403, ""},
		{"KEY-26", "write from another site", "POST /cookie", "Cookie: __Host-api_key={K}\r\nOrigin: http://evil.test\r\nContent-Length: 0\r\n", 403, ""},
		{"KEY-26", "write from the same origin", "POST /cookie", "Cookie: __Host-api_key={K}\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 0\r\n", 200, "POST /cookie HTTP/1.1\r\n"},
		{"CSRF-08", "WebSocket with a cookie from another site", "GET /cookie", "Cookie: __Host-api_key={K}\r\nOrigin: http://evil.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 403, ""},
		{"CSRF-09", "cookie good, header bad", "POST /any", "Cookie: __Host-api_key={K}\r\nX-API-Key: bad\r\nContent-Length: 0\r\n", 401, ""},
		{"CSRF-09", "cookie good, header good", "POST /any", "Cookie: __Host-api_key={K}\r\nX-API-Key: {K}\r\nContent-Length: 0\r\n", 200, "POST /any HTTP/1.1\r\n"},
		{"PROXY-18", "a credential that another route takes", "GET /open", "Cookie: a=1;__Host-api_key={K};  b=2\r\nX-API-Key: {K}\r\n", 200, "Cookie: a=1;  b=2\r\n"},
		{"JWT-16", "a key as bearer, in any case", "GET /bearer", "Authorization: bEARER  {K}\r\n", 200, "GET /bearer HTTP/1.1\r\n"},
		{"JWT-16", "two fields", "GET /bearer", "Authorization: Bearer {K}\r\nAuthorization: Bearer {K}\r\n", 400, ""},
		{"JWT-16", "a tab", "GET /bearer", "Authorization: Bearer\t{K}\r\n", 401, ""},
		{"KEY-02", "Basic", "GET /basic", "Authorization: Basic {B}\r\n", 200, "GET /basic HTTP/1.1\r\n"},
		{"KEY-02", "empty Basic", "GET /basic", "Authorization: Basic \r\n", 401, ""},
		{"KEY-02", "an empty header, and a good key in the query", "GET /any?api_key={K}", "X-API-Key:\r\n", 401, ""},
		{"KEY-02", "a header of blanks, and a good cookie", "GET /any", "X-API-Key: \t \r\nCookie: __Host-api_key={K}\r\n", 401, ""},
		{"KEY-02", "an empty parameter, and a good key in the header", "GET /any?api_key=", "X-API-Key: {K}\r\n", 401, ""},
		{"KEY-02", "an empty cookie, and a good key in the header", "GET /any", "X-API-Key: {K}\r\nCookie: __Host-api_key=\r\n", 401, ""},
		{"MULTI-02", "the second of three places", "GET /any?api_key={K}", "", 200, "GET /any HTTP/1.1\r\n"},
		{"MULTI-02", "one good, one bad", "GET /any?api_key=bad", "X-API-Key: {K}\r\n", 401, ""},
		{"HOST-02", "a host that is not listed", "GET http://other.test/header", "X-API-Key: {K}\r\n", 421, ""},
	} {
		attack.Case(t, c.id, attack.Gateway, func(t *testing.T) { c.try(t, p, upstream) })
	}
	attack.Case(t, "KEY-23", attack.Gateway, func(t *testing.T) {
		w := p.get(t, "/query?api_key="+p.key, "")
		if w.Header.Get("Referrer-Policy") != "no-referrer" || w.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("headers = %v, want no-referrer and no-store", w.Header)
		}
	})
	attack.Case(t, "MULTI-01", attack.Gateway, func(t *testing.T) {
		w := p.get(t, "/any", "")
		if got := w.Header.Values("Www-Authenticate"); w.StatusCode != 401 || len(got) != 3 {
			t.Errorf("%d with challenges %q, want 401 with three", w.StatusCode, got)
		}
	})
	attack.Case(t, "KEY-21", attack.Gateway, func(t *testing.T) {
		metrics, err := io.ReadAll(do(t, newRequest(t, "http://"+p.admin+"/metrics")).Body)
		if err != nil || !strings.Contains(string(metrics), "no-credential") || strings.Contains(string(metrics), p.key[21:53]) {
			t.Errorf("the metrics hold the key, or nothing of the requests (%v)", err)
		}
		if text := p.log(t); strings.Contains(text, p.key[21:53]) || !strings.Contains(text, `"path":"/header"`) {
			t.Error("the log holds the key, or nothing of the requests")
		}
	})
}

// conditional has a rule for each kind of condition.
const conditional = `
forwarded: {from: x-forwarded-for, trusted_proxies: [127.0.0.1]}
routes:
  - match: "/live"
    upstream: api
    conditions: [{name: live-keys, label: keys of the live environment, environments: [live]}]
  - match: "/trial"
    upstream: api
    conditions: [{name: test-keys, label: keys of the test environment, environments: [test]}]
  - match: "/office"
    upstream: api
    conditions: [{name: office, addresses: [192.0.2.0/24, "2001:db8::/32"]}]
  - match: "/acme"
    upstream: api
    conditions:
      - {name: nobody-else, owners: [acme]}
      - {name: no-writes, effect: deny, methods: [DELETE]}
      - {name: gold, shadow: true, cel: "'gold:all' in principal.scopes"}
`

func TestConditionsThroughTheGateway(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{yaml: conditional})
	_, trial := p.create(t, apikey.Spec{Environment: "test", Name: "t", Owner: "other", Scopes: []string{"orders:*"}})
	attack.Case(t, "KEY-16", attack.Gateway, func(t *testing.T) {
		for _, tt := range []struct{ route, good, bad string }{{"live", p.key, trial}, {"test", trial, p.key}} {
			path := map[string]string{"live": "/live", "test": "/trial"}[tt.route]
			if w := p.get(t, path, tt.good); w.StatusCode != 200 {
				t.Errorf("%s key on its own route: %d, want 200", tt.route, w.StatusCode)
			}
			asked := len(requestLines(upstream))
			w := p.get(t, path, tt.bad)
			body, err := io.ReadAll(w.Body)
			if err != nil || w.StatusCode != 403 || !strings.Contains(string(body), "keys of the "+tt.route+" environment") || len(requestLines(upstream)) != asked {
				t.Errorf("another key on the %s route: %d %s, %v, want 403 that names the rule", tt.route, w.StatusCode, body, err)
			}
		}
	})
	attack.Case(t, "KEY-27", attack.Gateway, func(t *testing.T) {
		for _, tt := range []struct {
			name, forwarded string
			want            int
		}{
			{"from the office", "192.0.2.7", 200},
			{"mapped into IPv6", "::ffff:192.0.2.7", 200},
			{"over IPv6", "2001:db8::1", 200},
			{"spoofed on the left", "192.0.2.7, 203.0.113.9", 403},
			{"with a zone", "2001:db8::1%eth0", 403},
			{"from elsewhere", "203.0.113.9", 403},
		} {
			r := newRequest(t, "http://"+p.gateway+"/office")
			r.Header.Set("X-API-Key", p.key)
			r.Header.Set("X-Forwarded-For", tt.forwarded)
			if w := do(t, r); w.StatusCode != tt.want {
				t.Errorf("%s: %d, want %d", tt.name, w.StatusCode, tt.want)
			}
		}
	})
	if w := p.get(t, "/acme", trial); w.StatusCode != 403 {
		t.Errorf("another owner: %d, want 403", w.StatusCode)
	}
	if w := p.get(t, "/acme", p.key); w.StatusCode != 200 {
		t.Errorf("a rule in shadow refused: %d", w.StatusCode)
	}
	metrics, _ := io.ReadAll(do(t, newRequest(t, "http://"+p.admin+"/metrics")).Body)
	if want := `warder_shadow_refusals_total{reason=`; !strings.Contains(string(metrics), want) {
		t.Errorf("metrics do not have %s", want)
	}
	if text := p.log(t); !strings.Contains(text, "would have refused") {
		t.Error("the log does not tell of the rule in shadow")
	}
}

func TestVerboseRefusals(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	for setting, want := range map[string]bool{"": false, "insecure_verbose: true\n": true} {
		p := start(t, upstream.URL(), settings{yaml: setting + "routes: [{match: /, upstream: api}]\n"})
		w := p.get(t, "/", p.key+"x")
		body, err := io.ReadAll(w.Body)
		if err != nil || w.StatusCode != http.StatusUnauthorized || strings.Contains(string(body), "The reason: malformed") != want || strings.Contains(string(body), p.key) {
			t.Errorf("%q: %d %s, %v", setting, w.StatusCode, body, err)
		}
	}
}
