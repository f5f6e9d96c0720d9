package server_test

import (
	"bufio"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/wire"
)

// askedYAML lets a proxy of the kind ask, about routes of all sorts. A busy machine is
// no client and no store that is late: when a thousand ask at once, the default of
// two seconds for a look at the store may pass while nobody is served.
func askedYAML(dialect string) string {
	return `
decision: {listen: "127.0.0.1:0", dialect: ` + dialect + `}
timeouts: {store: 1m, header: 10m}
cors: {default: {origins: ["https://app.example.com"], request_headers: [X-API-Key]}}
routes:
  - {match: /orders/, upstream: api, scopes: ["orders:read"]}
  - {match: "/admin/", upstream: api, scopes: ["admin"]}
  - {match: /public/, upstream: api, public: true}
  - {match: GET /here/}
`
}

// A question is what a proxy sends: by field, "" for what is not there.
type question map[string]string

// nginxAsks is a whole question in nginx's dialect.
func nginxAsks(method, target string) question {
	return question{
		"X-Original-Method": method, "X-Original-Uri": target, "X-Original-Proto": "https", "X-Original-Host": "api.example.com", "X-Original-Addr": "192.0.2.7",
	}
}

// question sends one and returns the answer.
func (p *program) question(t *testing.T, q question, fields ...string) *http.Response {
	t.Helper()
	r := newRequest(t, "http://"+p.asked+"/authz")
	for name, value := range q {
		if value != "" {
			r.Header[name] = []string{value}
		}
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return do(t, r)
}

func TestWhatAProxyAsks(t *testing.T) {
	p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{yaml: askedYAML("nginx")})
	good := nginxAsks("GET", "/orders/1")
	if w := p.question(t, good, "X-Api-Key", p.key); w.StatusCode != http.StatusOK || w.Header.Get("X-Warder-Owner") != "acme" || w.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("a good question: %d %v", w.StatusCode, w.Header)
	}
	attack.CaseVia(t, "FWD-03", attack.ViaNginx, func(t *testing.T) {
		w := p.question(t, nginxAsks("GET", "/admin/x"), "X-Api-Key", p.key, "X-Forwarded-Uri", "/public/", "X-Forwarded-Method", "GET", "X-Forwarded-For", "127.0.0.1")
		if w.StatusCode != http.StatusForbidden {
			t.Errorf("%d, want 403", w.StatusCode)
		}
	})
	attack.CaseVia(t, "FWD-04", attack.ViaNginx, func(t *testing.T) {
		for name := range good {
			for what, bad := range map[string][]string{"absent": nil, "empty": {""}, "twice": {good[name], good[name]}, "unreadable": {"b\u00e4d"}} {
				r := newRequest(t, "http://"+p.asked+"/authz")
				for other, value := range good {
					r.Header[other] = []string{value}
				}
				r.Header["X-Api-Key"] = []string{p.key}
				r.Header[name] = bad
				if w := do(t, r); w.StatusCode != http.StatusForbidden || !strings.HasPrefix(w.Header.Get("X-Warder-Status"), "40") { // nginx makes 500 of a plain 400
					t.Errorf("%s %s: %d %v", name, what, w.StatusCode, w.Header)
				}
			}
		}
	})
	attack.CaseVia(t, "FWD-06", attack.ViaNginx, func(t *testing.T) {
		for _, target := range []string{
			"/public/../admin/x", "/public/%2e%2e/admin/x", "/public//x", "/public/a%2fb", "/public;/x", "/admin/x#/public/", "/admin/x?/public/", "/public/%00", "*", "public/", "/public/\\x",
			"/public/x", "/orders/1?a=b", "/nowhere", "/ORDERS/1",
		} {
			w := p.question(t, nginxAsks("GET", target), "X-Api-Key", p.key)
			conn := wire.Dial(t, p.gateway)
			conn.Send("GET " + target + " HTTP/1.1\r\nHost: api.example.com\r\nX-API-Key: " + p.key + "\r\nConnection: close\r\n\r\n")
			through, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Errorf("%s: %v", target, err)
				continue
			}
			_ = through.Body.Close()
			told := w.Header.Get("X-Warder-Status")
			if w.StatusCode == http.StatusOK {
				told = "200"
			}
			if told == "" { // it names no request at all
				told = fmt.Sprint(w.StatusCode)
			}
			if told != fmt.Sprint(through.StatusCode) {
				t.Errorf("%s: %s, by the gateway %d", target, told, through.StatusCode)
			}
		}
	})
	attack.CaseVia(t, "FWD-08", attack.ViaNginx, func(t *testing.T) {
		for _, agent := range []string{"ELB-HealthChecker/2.0", "GoogleHC/1.0", "kube-probe/1.30"} {
			for _, path := range []string{"/orders/1", "/ping", "/healthz", "/ready"} {
				if w := p.question(t, nginxAsks("GET", path), "User-Agent", agent); w.StatusCode == http.StatusOK {
					t.Errorf("%s of %s passed", path, agent)
				}
			}
		}
	})
	attack.CaseVia(t, "FWD-11", attack.ViaNginx, func(t *testing.T) {
		for _, body := range []string{"", "hello"} {
			for _, key := range []string{p.key, "nothing"} {
				conn := wire.Dial(t, p.asked)
				var fields strings.Builder
				for name, value := range good {
					fields.WriteString(name + ": " + value + "\r\n")
				}
				conn.Send("GET /authz HTTP/1.1\r\nHost: warder\r\n" + fields.String() + "X-API-Key: " + key + "\r\nContent-Length: 1000\r\n\r\n" + body)
				w, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatalf("%q: %v", body, err)
				}
				_ = w.Body.Close()
				if (w.StatusCode == http.StatusOK) != (key == p.key) {
					t.Errorf("%q with key %v: %d", body, key == p.key, w.StatusCode)
				}
			}
		}
	})
	attack.CaseVia(t, "FWD-15", attack.ViaNginx, func(t *testing.T) {
		if w := p.question(t, nginxAsks("HEAD", "/orders/1"), "X-Api-Key", p.key); w.StatusCode != http.StatusOK {
			t.Errorf("HEAD: %d", w.StatusCode)
		}
		socket := nginxAsks("GET", "/orders/1")
		socket["X-Original-Upgrade"] = "websocket"
		if w := p.question(t, socket, "X-Api-Key", p.key); w.StatusCode != http.StatusOK {
			t.Errorf("a handshake with a key: %d", w.StatusCode)
		}
	})
	attack.CaseVia(t, "FWD-20", attack.ViaNginx, func(t *testing.T) {
		w := p.question(t, nginxAsks("OPTIONS", "/orders/1"), "Origin", "https://app.example.com", "Access-Control-Request-Method", "GET")
		if w.StatusCode != http.StatusForbidden || w.Header.Get("X-Warder-Status") != "204" || w.Header.Get("Access-Control-Allow-Origin") == "" {
			t.Errorf("a preflight: %d %v", w.StatusCode, w.Header)
		}
	})
	attack.CaseVia(t, "FWD-22", attack.ViaNginx, func(t *testing.T) {
		for _, key := range []string{p.key, "", "wrong"} {
			if w := p.question(t, good, "X-Api-Key", key); w.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("Cache-Control: %q", w.Header.Get("Cache-Control"))
			}
		}
	})
	attack.CaseVia(t, "FWD-09", attack.ViaNginx, func(t *testing.T) {
		record, key := p.create(t, apikey.Spec{Environment: "live", Name: "second", Owner: "globex", Scopes: []string{"orders:read"}})
		if w := p.question(t, good, "X-Api-Key", key); w.Header.Get("X-Warder-Owner") != "globex" || w.Header.Get("X-Warder-Key-Id") != string(record.ID) {
			t.Errorf("another key: %d %v", w.StatusCode, w.Header)
		}
		if w := p.question(t, nginxAsks("GET", "/admin/"), "X-Api-Key", key); w.StatusCode == http.StatusOK {
			t.Error("another route passed")
		}
		revoked, err := p.issuer.Revoke(t.Context(), apikey.By{Actor: "system", Source: "test"}, record.ID, "superseded")
		if err != nil {
			t.Fatal(err)
		}
		p.awaitNodes(t, revoked.Revision)
		if w := p.question(t, good, "X-Api-Key", key); w.StatusCode != http.StatusUnauthorized || w.Header.Get("X-Warder-Owner") != "" {
			t.Errorf("a revoked key: %d", w.StatusCode)
		}
	})
	if w := p.get(t, "/here/", p.key); w.StatusCode != http.StatusNotFound {
		t.Errorf("the gateway, for a route that is a proxy's: %d, want 404", w.StatusCode)
	}
	if w := p.question(t, nginxAsks("GET", "/here/"), "X-Api-Key", p.key); w.StatusCode != http.StatusOK {
		t.Errorf("a proxy, for that route: %d, want 200", w.StatusCode)
	}
}

// The paths of a login are the gateway's: a proxy that was told to pass them would
// have its own upstream see the password.
func TestLoginsAreNotAProxys(t *testing.T) {
	r := withLogin(t, "", "decision: {listen: '127.0.0.1:0', dialect: nginx}\n")
	asks := func(method, target string) question {
		q := nginxAsks(method, target)
		q["X-Original-Proto"], q["X-Original-Host"] = "http", "app.example.com"
		return q
	}
	cookie, status := r.login(t, "ada", ownPage)
	_, session, found := strings.Cut(strings.TrimSpace(cookie), ": ")
	if !found {
		t.Fatalf("the login at the gateway: %d", status)
	}
	fields := []string{"Sec-Fetch-Site", "same-origin", "Origin", "http://app.example.com", "Cookie", session}
	for _, target := range []string{"/orders", "/auth", "/auth/", "/auth/other"} {
		if w := r.question(t, asks("GET", target), fields...); w.StatusCode != http.StatusOK || w.Header.Get("X-Warder-Subject") != "ada" {
			t.Errorf("GET %s with the session: %d for %q, want 200 for ada", target, w.StatusCode, w.Header.Get("X-Warder-Subject"))
		}
	}
	for _, line := range []string{"POST /auth/login", "POST /auth/login?return=/", "POST /auth/%6cogin", "POST /auth/logout", "GET /auth/csrf", "HEAD /auth/csrf"} {
		method, target, _ := strings.Cut(line, " ")
		w := r.question(t, asks(method, target), fields...)
		if w.StatusCode != http.StatusForbidden || w.Header.Get("X-Warder-Status") != "404" || w.Header.Get("X-Warder-Subject") != "" {
			t.Errorf("%s: %d, for the client %q; want 403 and 404, of nobody", line, w.StatusCode, w.Header.Get("X-Warder-Status"))
		}
	}
	if w, _ := r.send(t, "GET /auth/csrf", cookie, ""); w.StatusCode != http.StatusOK {
		t.Errorf("the gateway itself: %d, want 200", w.StatusCode)
	}
}

func TestFwd07EveryIdentityFieldIsInEveryAnswer(t *testing.T) {
	p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{yaml: askedYAML("caddy")})
	asks := func(target string) question {
		return question{"X-Forwarded-Method": "GET", "X-Forwarded-Uri": target, "X-Forwarded-Proto": "http", "X-Forwarded-Host": "api.example.com", "X-Forwarded-For": "192.0.2.9, 192.0.2.7"}
	}
	attack.CaseVia(t, "FWD-07", attack.ViaCaddy, func(t *testing.T) {
		_, nobodys := p.create(t, apikey.Spec{Environment: "live", Name: "no owner", Scopes: []string{"orders:read"}})
		for _, key := range []string{p.key, nobodys, "wrong", ""} {
			w := p.question(t, asks("/orders/1"), "X-Api-Key", key, "X-Warder-Owner", "evil", "X-Warder-Subject", "evil", "X-Warder-Scopes", "evil")
			for _, name := range []string{"X-Warder-Key-Id", "X-Warder-Issuer", "X-Warder-Subject", "X-Warder-Owner", "X-Warder-Scopes"} {
				if values := w.Header[name]; len(values) != 1 || values[0] == "evil" {
					t.Errorf("%s: %q, want one value of ours", name, values)
				}
			}
		}
	})
	attack.CaseVia(t, "FWD-10", attack.ViaCaddy, func(t *testing.T) {
		keys := map[string]string{}
		for i := range 20 {
			owner := fmt.Sprintf("owner-%d", i)
			_, keys[owner] = p.create(t, apikey.Spec{Environment: "live", Name: owner, Owner: owner, Scopes: []string{"orders:read"}})
		}
		var wg sync.WaitGroup
		for n, owner := range slices.Repeat(slices.Collect(maps.Keys(keys)), 50) {
			wg.Go(func() {
				q := asks("/orders/1") // of a client of its own: a crowd at one address waits for the guard against guessing, up to ten seconds
				q["X-Forwarded-For"] = fmt.Sprintf("192.0.2.9, 10.0.%d.%d", n/250, n%250)
				if w := p.question(t, q, "X-Api-Key", keys[owner]); w.Header.Get("X-Warder-Owner") != owner {
					t.Errorf("%s got the identity of %q (%d)", owner, w.Header.Get("X-Warder-Owner"), w.StatusCode)
				}
			})
		}
		wg.Wait()
	})
	attack.CaseVia(t, "FWD-13", attack.ViaCaddy, func(t *testing.T) {
		w := p.question(t, asks("/orders/1"), "X-Api-Key", p.key, "X-Long", strings.Repeat("x", 1<<20))
		if w.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("a megabyte of fields: %d, want 431", w.StatusCode)
		}
		var scopes []string
		for i := range 100 {
			scopes = append(scopes, fmt.Sprintf("orders:%d", i))
		}
		_, key := p.create(t, apikey.Spec{Environment: "live", Name: "many", Scopes: append(scopes[:99], "orders:read")})
		if w := p.question(t, asks("/orders/1"), "X-Api-Key", key); w.StatusCode != http.StatusOK || len(w.Header.Get("X-Warder-Scopes")) > 64<<10 {
			t.Errorf("many scopes: %d, %d bytes", w.StatusCode, len(w.Header.Get("X-Warder-Scopes")))
		}
	})
}

func TestWhereProxiesMayAsk(t *testing.T) {
	wrong := func(t *testing.T, yaml, want string) {
		t.Helper()
		s := settings{yaml: yaml, flags: map[string]string{"listen": "127.0.0.1:0"}}
		if err := s.fails(t, "http://127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n%v, want %q in it", yaml, err, want)
		}
	}
	for dialect, via := range askingDialects() {
		attack.CaseVia(t, "FWD-19", via, func(t *testing.T) {
			wrong(t, strings.Replace(askedYAML(dialect), "127.0.0.1:0", "0.0.0.0:0", 1), "decision.listen: is plain HTTP and not a loopback address")
		})
		attack.CaseVia(t, "FWD-21", via, func(t *testing.T) { refusesUndecidable(t, dialect) })
	}
	wrong(t, strings.Replace(askedYAML("nginx"), ", dialect: nginx", "", 1), "the kind of proxy is not said")
	wrong(t, "decision: {dialect: caddy}\nroutes: [{match: /, upstream: api}]\n", "has no effect without decision.listen")
}

// fails loads a configuration that is wrong.
func (s settings) fails(t *testing.T, upstream string) error {
	t.Helper()
	_, err := config.Load(s.source(t, t.TempDir(), upstream))
	return err
}

// An undecidablePolicy is what a front that only decides cannot keep.
type undecidablePolicy struct {
	what string // for people
	yaml string // behind askedYAML
	told string // of the error
	why  string
}

// undecidable are all of them.
func undecidable() []undecidablePolicy {
	const body, answer, end = "the body is not seen", "the answer is not seen", "nobody says when a request ends"
	const forwarded = "the proxy forwards the target as it came"
	return []undecidablePolicy{
		{"a bound of a route's bodies", "  - {match: /big/, upstream: api, body_bytes: 5MiB}\n", "body_bytes: cannot hold where proxies ask", body},
		{"a document that validates", "openapi_documents: [{document: /openapi.json, upstream: api}]\n", "openapi_documents[0]", body},
		{"keys in the query", "schemes: {link: {key: {in: query}}}\n", "schemes.link.key.in: cannot hold where proxies ask", forwarded},
		{"paths with several readings", "  - {match: /files/, upstream: api, allow: [resolve]}\n", "allow[0]: cannot hold where proxies ask", forwarded},
		{"slashes that are merged", "  - {match: /files/, upstream: api, allow: [encoded_slash, merge]}\n", "allow[1]: cannot hold where proxies ask", forwarded},
		{"parameters of paths", "  - {match: /files/, upstream: api, allow: [matrix]}\n", "allow[0]: cannot hold where proxies ask", forwarded},
		{"requests at once", "rate_limits: {few: {concurrent: 2, by: [key]}}\n", "rate_limits.few.concurrent: cannot hold where proxies ask", end},
		{"a cost that the upstream tells, of limits", "rate_limits: {tokens: {count: 2, per: 1h, by: [key], cost_header: X-Tokens}}\n", "rate_limits.tokens.cost_header: cannot hold where proxies ask", answer},
		{"a cost that the upstream tells, of credits", "credits: {cost: 1, cost_header: X-Cost}\n", "credits.cost_header: cannot hold where proxies ask", answer},
		{"credits that come back", "credits: {cost: 1, refund_failed: true}\n", "credits.refund_failed: cannot hold where proxies ask", answer},
		{"a token in a cookie", "csrf: {cookie: true}\n", "csrf.cookie: cannot hold where proxies ask", "the answer is the proxy's own"},
	}
}

// refusesUndecidable loads each where a proxy of the dialect asks, and where none does.
func refusesUndecidable(t *testing.T, dialect string) {
	t.Helper()
	for _, tt := range undecidable() {
		s := settings{yaml: askedYAML(dialect) + tt.yaml, flags: map[string]string{"listen": "127.0.0.1:0"}}
		if err := s.fails(t, "http://127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), tt.told) || strings.Count(err.Error(), "\n") > 1 {
			t.Errorf("%s asks, and there is %s: %v, want %q alone in it", dialect, tt.what, err, tt.told)
		}
		_, routes, _ := strings.Cut(askedYAML(dialect), "\nroutes:\n")
		routes = strings.Replace(routes, "GET /here/", "GET /here/, upstream: api", 1)
		if err := (settings{yaml: "routes:\n" + routes + tt.yaml}).fails(t, "http://127.0.0.1:1"); err != nil {
			t.Errorf("nobody asks, and there is %s: %v", tt.what, err)
		}
	}
}
