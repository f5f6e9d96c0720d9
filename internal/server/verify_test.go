package server_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/usage"
)

const verifiedYAML = `
hosts: [api.example.com]
schemes:
  bearer: {key: {in: bearer}}
  query: {key: {in: query, name: api_key}}
  cookie: {key: {in: cookie, name: __Host-key}}
  basic: {key: {in: basic}}
rate_limits:
  two: {count: 2, per: 24h, by: [key]}
  few: {concurrent: 2, by: [key]}
credits: {cost: 3}
routes:
  - {match: /orders/, upstream: api, scopes: ["orders:read"], credits: {free: true}}
  - {match: "/admin/", upstream: api, scopes: ["admin"], credits: {free: true}}
  - {match: /office/, upstream: api, conditions: [{name: office, addresses: [203.0.113.7]}], credits: {free: true}}
  - {match: /bearer/, upstream: api, security: [{bearer: []}], credits: {free: true}}
  - {match: /query/, upstream: api, security: [{query: []}], credits: {free: true}}
  - {match: /cookie/, upstream: api, security: [{cookie: []}], credits: {free: true}}
  - {match: /basic/, upstream: api, security: [{basic: []}], credits: {free: true}}
  - {match: /public/, upstream: api, public: true}
  - {match: GET /two/, upstream: api, rate_limits: [two], credits: {free: true}}
  - {match: /few/, upstream: api, rate_limits: [few], credits: {free: true}}
  - {match: /dear/, upstream: api}
`

const verifyToken = "sesamesesamesesame"

// verify asks the key service of p.
func (p *program) verify(t *testing.T, use keyservice.Use) (status int, text string, v keyservice.Verdict) {
	t.Helper()
	body, err := json.Marshal(use)
	if err != nil {
		t.Fatal(err)
	}
	r := newRequest(t, "http://"+p.admin+"/v1/keys:verify")
	r.Method, r.Body, r.ContentLength = http.MethodPost, io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Authorization", "Bearer "+verifyToken)
	r.Header.Set("Content-Type", "application/json")
	w := do(t, r)
	answer, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	if w.StatusCode == http.StatusOK {
		if err := json.Unmarshal(answer, &v); err != nil {
			t.Fatalf("%s: %v", answer, err)
		}
	}
	return w.StatusCode, string(answer), v
}

// What verifyKey says by the gateway's policy is what the gateway says to the same
// request, wherever the route looks for keys.
func TestVerifyByTheGatewaysPolicy(t *testing.T) {
	p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{yaml: verifiedYAML, token: secret.New(verifyToken)})
	narrow, narrowText := p.create(t, apikey.Spec{Environment: "live", Scopes: []string{"orders:read"}, Methods: []string{"GET"}, Paths: []string{"/orders/"}})
	p.awaitNodes(t, narrow.Revision)
	tests := []struct {
		name, method, target string
		key                  string
		lines                func(key string) (name, value string) // where the gateway gets the key; nil for its own field
		status               int
		code, stage          string
	}{
		{"good", "GET", "/orders/17?x=%2f", p.key, nil, 200, "valid", ""},
		{"no such scope", "GET", "/admin/", p.key, nil, 403, "insufficient-scope", "authn"},
		{"another condition of the route", "GET", "/office/", p.key, nil, 403, "forbidden", "authz"},
		{"a key that is none", "GET", "/orders/17", "hello", nil, 401, "invalid", "authn"},
		{"the key's own paths", "GET", "/public/../orders/1", narrowText, nil, 400, "refused", "target"},
		{"the key's own methods", "POST", "/orders/1", narrowText, nil, 403, "forbidden", "authn"},
		{"the key's own conditions hold", "GET", "/orders/1", narrowText, nil, 200, "valid", ""},
		{"no route", "GET", "/nowhere", p.key, nil, 404, "refused", "route"},
		{"another method than the route's", "POST", "/two/", p.key, nil, 405, "refused", "route"},
		{"a bearer token", "GET", "/bearer/1", p.key, func(k string) (string, string) { return "Authorization", "Bearer " + k }, 200, "valid", ""},
		{"basic", "GET", "/basic/1", p.key, func(k string) (string, string) {
			return "Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(k+":"))
		}, 200, "valid", ""},
		{"a cookie", "GET", "/cookie/1", p.key, func(k string) (string, string) { return "Cookie", "__Host-key=" + k }, 200, "valid", ""},
		{"the query", "GET", "/query/1?a=b", p.key, func(k string) (string, string) { return "?", "&api_key=" + k }, 200, "valid", ""},
		{"a text that no key has", "GET", "/orders/17", "hello world", nil, 401, "invalid", "authn"},
		{"such a text without a route", "GET", "/nowhere", "hello world", nil, 404, "refused", "route"},
		{"such a text where no key is looked for", "GET", "/public/1", "hello world", nil, 200, "valid", ""},
		{"no key", "GET", "/orders/17", "", nil, 401, "invalid", "authn"},
		{"no key where none is looked for", "GET", "/public/1", "", nil, 200, "valid", ""},
		{"public", "GET", "/public/1", "hello", nil, 200, "valid", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			field, value := "X-API-Key", tt.key
			if tt.lines != nil {
				field, value = tt.lines(tt.key)
			}
			sent := "http://" + p.gateway + tt.target
			if field == "?" {
				sent += value
			}
			r := newRequest(t, sent)
			r.Method, r.Host = tt.method, "api.example.com"
			if field != "?" && value != "" {
				r.Header.Set(field, value)
			}
			if got := do(t, r).StatusCode; got != tt.status {
				t.Fatalf("the gateway answers %d, want %d", got, tt.status)
			}
			status, text, v := p.verify(t, keyservice.Use{Key: tt.key, Method: tt.method, Target: "http://api.example.com" + tt.target, Address: "127.0.0.1", Gateway: true})
			if status != http.StatusOK || v.Valid != (tt.status == 200) || v.Status != tt.status || v.Code != tt.code || v.Valid != (v.Problem == "") || v.Stage != tt.stage {
				t.Errorf("%d %s, want %d %s by %q", status, text, tt.status, tt.code, tt.stage)
			}
			if len(tt.key) > 10 && strings.Contains(text, tt.key) {
				t.Errorf("the answer repeats the key: %s", text)
			}
		})
	}
	t.Run("who the key proves, and what the client gets", func(t *testing.T) {
		_, text, v := p.verify(t, keyservice.Use{Key: p.key, Method: "GET", Target: "http://api.example.com/orders/1", Address: "127.0.0.1", Gateway: true})
		if v.Principal == nil || v.Principal.ID != string(p.record.ID) || v.Route != "/orders/" || v.Header["X-Request-Id"] == "" {
			t.Errorf("%s", text)
		}
		_, text, v = p.verify(t, keyservice.Use{Key: "hello", Method: "GET", Target: "http://api.example.com/orders/1", Address: "127.0.0.1", Gateway: true})
		if v.Principal != nil || !strings.HasPrefix(v.Header["Www-Authenticate"], "ApiKey realm=") || v.Reason != "malformed" {
			t.Errorf("%s", text)
		}
	})
	t.Run("a host that is not served", func(t *testing.T) {
		if _, text, v := p.verify(t, keyservice.Use{Key: p.key, Method: "GET", Target: "http://evil.example.com/orders/1", Address: "127.0.0.1", Gateway: true}); v.Status != 421 || v.Valid || v.Code != "refused" {
			t.Errorf("%s", text)
		}
	})
	t.Run("what only the gateway can keep", func(t *testing.T) {
		if status, text, _ := p.verify(t, keyservice.Use{Key: p.key, Method: "GET", Target: "http://api.example.com/few/", Address: "127.0.0.1", Gateway: true}); status != 409 {
			t.Errorf("%d %s", status, text)
		}
	})
	t.Run("what names no request", func(t *testing.T) {
		for field, use := range map[string]keyservice.Use{
			"target":  {Method: "GET", Target: "/orders/1", Address: "127.0.0.1"},
			"address": {Method: "GET", Target: "http://api.example.com/orders/1"},
			"method":  {Target: "http://api.example.com/orders/1", Address: "127.0.0.1"},
			"cost":    {Method: "GET", Target: "http://api.example.com/orders/1", Address: "127.0.0.1", Cost: 1},
			"scopes":  {Method: "GET", Target: "http://api.example.com/orders/1", Address: "127.0.0.1", Scopes: []string{"orders:read"}},
			"key":     {Method: "GET", Target: "/orders/1", Address: "127.0.0.1"},
			"public":  {Method: "GET", Target: "http://api.example.com/orders/1", Address: "127.0.0.1", Public: true},
		} {
			if use.Gateway = field != "key"; use.Gateway {
				use.Key = p.key
			}
			if status, text, _ := p.verify(t, use); status != 400 || !strings.Contains(text, `"field":"`+field+`"`) {
				t.Errorf("%s: %d %s", field, status, text)
			}
		}
		for _, target := range []string{"http://u@api.example.com/a", "ftp://api.example.com/a", "http:///a", "http://api.example.com", "http://api.example.com/a#b", "http://api.example.com/%zz", "http://api.example.com/a b", "http://api.example.com?x=/a"} {
			if status, text, _ := p.verify(t, keyservice.Use{Key: p.key, Method: "GET", Target: target, Address: "127.0.0.1", Gateway: true}); status != 400 {
				t.Errorf("%s: %d %s", target, status, text)
			}
		}
	})
}

// A token that was made from a key is carried where the route takes such tokens.
func TestVerifyATokenByTheGatewaysPolicy(t *testing.T) {
	p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{token: secret.New(verifyToken), yaml: `
tokens: {issuer: "https://api.example.com"}
holder: {path: /_warder/me}
schemes:
  tokens: {key: {in: bearer, tokens: true}}
routes:
  - {match: /both/, upstream: api, security: [{apiKey: ["orders:read"]}, {tokens: ["orders:read"]}]}
  - {match: /keys/, upstream: api}
`})
	token, _ := p.exchange(t, p.key, `{}`)
	for target, want := range map[string]int{"/both/1": 200, "/keys/1": 401} {
		status, text, v := p.verify(t, keyservice.Use{Key: token, Method: "GET", Target: "http://" + p.gateway + target, Address: "127.0.0.1", Gateway: true})
		if status != http.StatusOK || v.Status != want || v.Valid != (want == 200) || v.Valid && (v.Principal == nil || !v.Principal.Token) {
			t.Errorf("%s: %d %s, want %d", target, status, text, want)
		}
	}
}

// Limits and credits are those of the gateway: what is asked about counts as what
// is sent.
func TestVerifySpendsAtTheGateway(t *testing.T) {
	p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{yaml: verifiedYAML, token: secret.New(verifyToken)})
	use := keyservice.Use{Key: p.key, Method: "GET", Target: "http://api.example.com/two/", Address: "127.0.0.1", Gateway: true}
	if _, text, v := p.verify(t, use); !v.Valid || !strings.Contains(v.Header["Ratelimit"], "r=1") {
		t.Errorf("the first: %s", text)
	}
	r := newRequest(t, "http://"+p.gateway+"/two/")
	r.Host = "api.example.com"
	r.Header.Set("X-API-Key", p.key)
	if got := do(t, r).StatusCode; got != http.StatusOK {
		t.Errorf("the second, through the gateway: %d", got)
	}
	if _, text, v := p.verify(t, use); v.Valid || v.Status != 429 || v.Code != "rate-limited" || v.Retry < 60 || v.Header["Retry-After"] == "" {
		t.Errorf("the third: %s", text)
	}

	use.Target = "http://api.example.com/dear/"
	mine := usage.Subject{Kind: usage.Key, ID: string(p.record.ID)}
	p.giveCredits(t, mine, 4, usage.Refill{})
	for i, want := range []bool{true, false} {
		if _, text, v := p.verify(t, use); v.Valid != want || v.Credits == nil || *v.Credits != 1 || v.Valid == (v.Code == "credits-exhausted") {
			t.Errorf("use %d of three credits of four: %s", i, text)
		}
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if spent, left := p.spent(t, mine); spent != 3 || left != 1 {
		t.Errorf("spent %d, left %d; want 3, 1", spent, left)
	}
}

// A store without an answer is nobody's pass.
func TestVerifyByTheGatewayFailsClosed(t *testing.T) {
	p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{
		yaml: verifiedYAML, token: secret.New(verifyToken), credits: func(s usage.Store) usage.Store { return creditsAway{s} },
	})
	use := keyservice.Use{Key: p.key, Method: "GET", Target: "http://api.example.com/dear/", Address: "127.0.0.1", Gateway: true}
	if status, text, _ := p.verify(t, use); status != http.StatusServiceUnavailable {
		t.Errorf("%d %s", status, text)
	}
}
