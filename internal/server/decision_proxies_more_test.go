package server_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// furtherAttacks are those that each proxy is tried with beside [guarded.attacks].
func (g guarded) furtherAttacks(t *testing.T) {
	t.Helper()
	attack.CaseVia(t, "FWD-03", g.via, g.otherDialects)
	attack.CaseVia(t, "FWD-06", g.via, g.readings)
	attack.CaseVia(t, "FWD-08", g.via, g.healthChecks)
	attack.CaseVia(t, "FWD-09", g.via, g.again)
	attack.CaseVia(t, "FWD-10", g.via, g.crowd)
	attack.CaseVia(t, "FWD-11", g.via, g.bodies)
	attack.CaseVia(t, "FWD-13", g.via, g.large)
	attack.CaseVia(t, "FWD-22", g.via, func(t *testing.T) {
		for path, key := range map[string]string{"/orders/1": "wrong", "/admin/x": g.key, "/nowhere": g.key, "/public/a;b": ""} {
			if w := g.through(t, http.MethodGet, path, "X-API-Key", key); w.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %d with Cache-Control %q, want no-store", path, w.StatusCode, w.Header.Values("Cache-Control"))
			}
		}
	})
}

// sent sends text, of which the proxy answers with the status, and returns what of
// it reached the upstream.
func (g guarded) sent(t *testing.T, text string) (status int, arrived string) {
	t.Helper()
	before := g.upstream.Received()
	conn := wire.Dial(t, g.proxy)
	conn.Send(text)
	w, err := http.ReadResponse(conn.Reader, nil)
	if err != nil {
		t.Errorf("%.60q: %v", text, err)
		return 0, ""
	}
	_ = w.Body.Close()
	_ = conn.Close()
	for i, text := range g.upstream.Received() { // by connection
		if i < len(before) {
			text = text[len(before[i]):]
		}
		arrived += text
	}
	return w.StatusCode, arrived
}

// otherDialects sends the fields by which other kinds of proxies ask.
func (g guarded) otherDialects(t *testing.T) {
	t.Helper()
	fields := []string{
		"X-Original-Uri", "/public/", "X-Original-Url", "/public/", "X-Original-Method", "GET", "X-Original-Host", "open.example.com", "X-Original-Addr", "192.0.2.1",
		"X-Original-Proto", "https", "X-Forwarded-Uri", "/public/", "X-Forwarded-Method", "GET", "X-Envoy-Original-Path", "/public/", "X-Auth-Request-Redirect", "/public/", "X-Rewrite-Url", "/public/",
	}
	before, _ := g.arrived()
	if w := g.through(t, http.MethodGet, "/admin/x", append(fields, "X-API-Key", g.key)...); w.StatusCode != http.StatusForbidden {
		t.Errorf("%d, want 403", w.StatusCode)
	}
	if after, _ := g.arrived(); after != before {
		t.Error("it reached the upstream")
	}
}

// readings sends targets that may be read as public paths.
func (g guarded) readings(t *testing.T) {
	t.Helper()
	for _, target := range []string{
		"/public/../admin/x", "/public/%2e%2e/admin/x", "/public/..%2fadmin/x", "/public//../admin/x", "/public;/../admin/x", "/public/..;/admin/x", "/public/a%2fb", "/public/a%5cb", "/public/%00",
		"/public/%c0%ae%c0%ae/admin/x", "/admin/x?/public/", "/admin/x#/public/", "/admin/x%23/public/", "/%61dmin/x", "/admin/./x", "//admin/x",
	} {
		status, arrived := g.sent(t, "GET "+target+" HTTP/1.1\r\nHost: api.example.com\r\nX-API-Key: "+g.key+"\r\nConnection: close\r\n\r\n")
		if status < http.StatusBadRequest || status >= http.StatusInternalServerError || arrived != "" {
			t.Errorf("%s: %d, and the upstream read %q", target, status, arrived)
		}
	}
}

// healthChecks asks as those do whom some let pass.
func (g guarded) healthChecks(t *testing.T) {
	t.Helper()
	before, _ := g.arrived()
	for _, agent := range []string{"ELB-HealthChecker/2.0", "GoogleHC/1.0", "kube-probe/1.30"} {
		for path, want := range map[string]int{"/orders/1": http.StatusUnauthorized, "/ping": http.StatusNotFound, "/healthz": http.StatusNotFound, "/ready": http.StatusNotFound} {
			if w := g.through(t, http.MethodGet, path, "User-Agent", agent); w.StatusCode != want {
				t.Errorf("%s by %s: %d, want %d", path, agent, w.StatusCode, want)
			}
		}
	}
	if after, _ := g.arrived(); after != before {
		t.Error("it reached the upstream")
	}
}

// again asks for another key, another route, and after a revocation.
func (g guarded) again(t *testing.T) {
	t.Helper()
	record, key := g.create(t, apikey.Spec{Environment: "live", Name: "second", Owner: "globex", Scopes: []string{"orders:read"}})
	ask := func(path, key string) (int, string) {
		status, arrived := g.sent(t, "GET "+path+" HTTP/1.1\r\nHost: api.example.com\r\nX-API-Key: "+key+"\r\nConnection: close\r\n\r\n")
		return status, strings.ToLower(arrived)
	}
	for key, owner := range map[string]string{g.key: "acme", key: "globex"} {
		if status, arrived := ask("/orders/1", key); status != http.StatusOK || !strings.Contains(arrived, "x-warder-owner: "+owner+"\r\n") {
			t.Errorf("the key of %s: %d, and the upstream read %q", owner, status, arrived)
		}
	}
	if status, _ := ask("/admin/x", key); status != http.StatusForbidden {
		t.Errorf("another route: %d", status)
	}
	revoked, err := g.issuer.Revoke(t.Context(), apikey.By{Actor: "system", Source: "test"}, record.ID, "superseded")
	if err != nil {
		t.Fatal(err)
	}
	g.awaitNodes(t, revoked.Revision)
	if status, arrived := ask("/orders/1", key); status != http.StatusUnauthorized || arrived != "" {
		t.Errorf("a revoked key: %d, and the upstream read %q", status, arrived)
	}
}

// bodies sends one that never comes, and one that has to reach the upstream whole
// although warder was asked without it.
func (g guarded) bodies(t *testing.T) {
	t.Helper()
	head := func(key string, length int) string {
		return "POST /orders/1 HTTP/1.1\r\nHost: api.example.com\r\nX-API-Key: " + key + "\r\nConnection: close\r\nContent-Length: " + strconv.Itoa(length) + "\r\n\r\n"
	}
	for _, begun := range []string{"", "hello"} {
		if status, arrived := g.sent(t, head("wrong", 1000)+begun); status != http.StatusUnauthorized || arrived != "" {
			t.Errorf("a body of which %q came: %d, and the upstream read %q", begun, status, arrived)
		}
	}
	body := strings.Repeat("0123456789", 100)
	if status, arrived := g.sent(t, head(g.key, len(body))+body); status != http.StatusOK || !strings.HasSuffix(arrived, body) {
		t.Errorf("a body: %d, and the upstream read %q", status, arrived)
	}
}

// large sends more than fits, and a key whose identity is long.
func (g guarded) large(t *testing.T) {
	t.Helper()
	before, _ := g.arrived()
	status, _ := g.sent(t, "GET /public/ HTTP/1.1\r\nHost: api.example.com\r\nX-Long: "+strings.Repeat("x", 1<<20)+"\r\nConnection: close\r\n\r\n")
	if after, _ := g.arrived(); status < http.StatusBadRequest || after != before {
		t.Errorf("a megabyte of fields: %d", status)
	}
	var scopes []string
	for i := range 99 {
		scopes = append(scopes, fmt.Sprintf("orders:%d", i))
	}
	_, key := g.create(t, apikey.Spec{Environment: "live", Name: "many", Scopes: append(scopes, "orders:read")})
	status, arrived := g.sent(t, "GET /orders/1 HTTP/1.1\r\nHost: api.example.com\r\nX-API-Key: "+key+"\r\nConnection: close\r\n\r\n")
	if status != http.StatusOK || !strings.Contains(arrived, strings.Join(scopes, " ")) {
		t.Errorf("a hundred scopes: %d, and the upstream read %q", status, arrived)
	}
}

// What answers in warder's place, or not at all, opens nothing: also the API itself,
// to which Caddy has been seen to send a question. nginx takes any 2xx for a pass.
func TestNginxAndCaddyTakeNothingElseForAPass(t *testing.T) {
	t.Parallel() // it waits until the proxies do so no longer
	answers := map[string]string{
		"stuck": "", "301": "HTTP/1.1 301 Moved Permanently\r\nLocation: /public/\r\nContent-Length: 0\r\n\r\n", "404": "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
		"500": "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", "no HTTP": "hello\r\n\r\n", "half an answer": "HTTP/1.1 200 OK\r\nContent-Le",
	}
	attack.CaseVia(t, "FWD-12", attack.ViaNginx, func(t *testing.T) {
		for name, answer := range answers {
			t.Run(name, func(t *testing.T) { t.Parallel(); tookForAPass(t, answer, nginxThatAsks) })
		}
	})
	answers["200"], answers["204"] = wire.OK, "HTTP/1.1 204 No Content\r\n\r\n"
	attack.CaseVia(t, "FWD-12", attack.ViaCaddy, func(t *testing.T) {
		for name, answer := range answers {
			t.Run(name, func(t *testing.T) { t.Parallel(); tookForAPass(t, answer, caddyThatAsks) })
		}
	})
}

// tookForAPass fails when the proxy lets a request pass after the answer; "" is for
// none.
func tookForAPass(t *testing.T, answer string, start func(t *testing.T, asked, upstream string) string) {
	t.Helper()
	other := wire.Listen(t, func(c *wire.Conn) {
		if _, err := c.Request(); err != nil {
			return
		}
		c.Say(answer)
		if answer == "" {
			c.Drain()
		}
	})
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	g := guarded{proxy: start(t, upstreamAddress(other), upstreamAddress(upstream)), upstream: upstream}
	for _, fields := range [][]string{nil, {"X-Warder-Key-Id", "evil", "X-Warder-Status", "200"}} {
		w := g.through(t, http.MethodGet, "/public/", fields...)
		if n, _ := g.arrived(); w.StatusCode < http.StatusInternalServerError || n != 0 {
			t.Errorf("%d, and %d requests reached the upstream", w.StatusCode, n)
		}
	}
}

// nginxThatAsks runs nginx as the guide shows it.
func nginxThatAsks(t *testing.T, asked, upstream string) string {
	t.Helper()
	return startNginx(t, strings.NewReplacer("listen 80;", "listen {ADDR};", "127.0.0.1:8083", asked, "127.0.0.1:8000", upstream).Replace(onPage(t, askedPage, "nginx", "nginx")[0]))
}

// caddyThatAsks runs Caddy as the guide shows it.
func caddyThatAsks(t *testing.T, asked, upstream string) string {
	t.Helper()
	return startPlainCaddy(t, strings.NewReplacer("127.0.0.1:8083", asked, "127.0.0.1:8000", upstream).Replace(onPage(t, askedPage, "Caddy", "caddy")[0]))
}
