package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// envoyReplays is what Envoy's http_service sends for a request, byte by byte: the
// client's method and host; its target behind the prefix; no body; its fields in
// lower case, those of one name joined; and the two that the guide's configuration
// sets, in place of the client's.
func (p *program) envoyReplays(t *testing.T, method, target string, fields ...string) *http.Response {
	t.Helper()
	var client strings.Builder
	for i := 0; i < len(fields); i += 2 {
		client.WriteString(fields[i] + ": " + fields[i+1] + "\r\n")
	}
	return p.bytesTo(t, method, method+" /authz"+target+" HTTP/1.1\r\ncontent-length: 0\r\nhost: api.example.com\r\naccept: */*\r\nuser-agent: curl/7.88.1\r\n"+
		"x-forwarded-proto: https\r\nx-request-id: 7a6f\r\nx-envoy-internal: true\r\n"+client.String()+
		"x-original-proto: https\r\nx-original-addr: 192.0.2.7\r\n\r\n")
}

// bytesTo sends the bytes of a request with the method and reads the answer's head.
func (p *program) bytesTo(t *testing.T, method, text string) *http.Response {
	t.Helper()
	conn := wire.Dial(t, p.asked)
	conn.Send(text)
	w, err := http.ReadResponse(conn.Reader, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Body.Close() })
	return w
}

func wantsOf(t *testing.T, what string, w *http.Response, want int) *http.Response {
	t.Helper()
	if w.StatusCode != want {
		t.Errorf("%s: %d, want %d", what, w.StatusCode, want)
	}
	return w
}

func TestEnvoyAsksOverHTTP(t *testing.T) {
	p, store := startAsked(t, wire.Listen(t, wire.Answer(wire.OK)), "envoy-http")
	w := wantsOf(t, "a good question", p.envoyReplays(t, "GET", "/orders/1?a=b", "x-api-key", p.key), 200)
	if w.Header.Get("X-Warder-Owner") != "acme" || w.Header.Get("X-Warder-Key-Id") != string(p.record.ID) || w.Header.Get("X-Request-Id") == "" {
		t.Errorf("a good question: %v", w.Header)
	}
	attack.CaseVia(t, "FWD-03", attack.ViaEnvoyHTTP, func(t *testing.T) {
		for _, name := range []string{"x-original-uri", "x-forwarded-uri", "x-envoy-original-path", "x-original-url", "x-rewrite-url"} {
			wantsOf(t, name, p.envoyReplays(t, "GET", "/admin/x", "x-api-key", p.key, name, "/public/", "x-original-method", "GET", "x-forwarded-for", "127.0.0.1"), 403)
		}
		if w := p.question(t, nginxAsks("GET", "/public/")); w.StatusCode != http.StatusNotFound {
			t.Errorf("a question of nginx's: %d", w.StatusCode)
		}
	})
	attack.CaseVia(t, "FWD-04", attack.ViaEnvoyHTTP, func(t *testing.T) {
		own := []string{"x-original-proto: https\r\n", "x-original-addr: 192.0.2.7\r\n"}
		for i, field := range own {
			name, _, _ := strings.Cut(field, ":")
			for what, bad := range map[string]string{"absent": "", "empty": name + ":\r\n", "twice": field + field, "unreadable": name + ": b\xe4d\r\n", "a list": name + ": 192.0.2.9,b\r\n"} {
				w := p.bytesTo(t, "GET", "GET /authz/public/ HTTP/1.1\r\nhost: api.example.com\r\n"+own[1-i]+bad+"\r\n")
				wantsOf(t, name+" "+what, w, 400)
			}
		}
		for _, target := range []string{"", "?x=/public/", "x/public/", "s/public/", "%2fpublic/"} {
			if w := p.envoyReplays(t, "GET", target); w.StatusCode != http.StatusNotFound {
				t.Errorf("/authz%s: %d, want 404", target, w.StatusCode)
			}
		}
	})
	attack.CaseVia(t, "FWD-05", attack.ViaEnvoyHTTP, func(t *testing.T) {
		w := p.envoyReplays(t, "GET", "/admin/x", "x-api-key", p.key, "x-forwarded-prefix", "/public", "x-forwarded-host", "other.example.com", "x-forwarded-port", "80", "x-forwarded-server", "other")
		wantsOf(t, "a client's own", w, 403)
	})
	attack.CaseVia(t, "FWD-06", attack.ViaEnvoyHTTP, func(t *testing.T) {
		for target, want := range map[string]int{
			"/public/../admin/x": 400, "/public/%2e%2e/admin/x": 400, "/public//x": 400, "/public/a%2fb": 400, "/public;/x": 400, "/admin/x#/public/": 400,
			"/admin/x?/public/": 403, "/public/%00": 400, "/public/\\x": 400, "/public/x": 200, "/nowhere": 404, "/ORDERS/1": 404, "/authz/public/": 404, "/../public/": 400, "//public/": 400,
		} {
			wantsOf(t, target, p.envoyReplays(t, "GET", target, "x-api-key", p.key), want)
		}
	})
	attack.CaseVia(t, "FWD-08", attack.ViaEnvoyHTTP, func(t *testing.T) {
		for _, agent := range []string{"ELB-HealthChecker/2.0", "Envoy/HC", "kube-probe/1.30"} {
			for path, want := range map[string]int{"/orders/1": 401, "/ping": 404, "/healthz": 404, "/ready": 404} {
				wantsOf(t, agent+path, p.envoyReplays(t, "GET", path, "x-agent", agent), want)
			}
		}
	})
	attack.CaseVia(t, "FWD-11", attack.ViaEnvoyHTTP, func(t *testing.T) {
		for _, body := range []string{"content-length: 1000\r\n\r\n", "content-length: 1000\r\n\r\nhello", "transfer-encoding: chunked\r\n\r\n"} {
			text := "POST /authz/orders/1 HTTP/1.1\r\nhost: api.example.com\r\nx-api-key: " + p.key + "\r\nx-original-proto: https\r\nx-original-addr: 192.0.2.7\r\n"
			wantsOf(t, body, p.bytesTo(t, "POST", text+body), 200)
		}
	})
	attack.CaseVia(t, "FWD-15", attack.ViaEnvoyHTTP, func(t *testing.T) {
		wantsOf(t, "HEAD", p.envoyReplays(t, "HEAD", "/orders/1", "x-api-key", p.key), 200)
		wantsOf(t, "HEAD without a key", p.envoyReplays(t, "HEAD", "/orders/1"), 401)
		wantsOf(t, "a handshake", p.envoyReplays(t, "GET", "/orders/1", "x-api-key", p.key, "upgrade", "websocket", "connection", "upgrade"), 200)
		wantsOf(t, "a handshake without a key", p.envoyReplays(t, "GET", "/orders/1", "upgrade", "websocket", "connection", "upgrade"), 401)
		wantsOf(t, "h2c", p.envoyReplays(t, "GET", "/orders/1", "x-api-key", p.key, "upgrade", "h2c", "connection", "upgrade"), 400)
	})
	attack.CaseVia(t, "FWD-20", attack.ViaEnvoyHTTP, func(t *testing.T) {
		w := wantsOf(t, "a preflight", p.envoyReplays(t, "OPTIONS", "/orders/1", "origin", "https://app.example.com", "access-control-request-method", "GET"), 204)
		if w.Header.Get("Access-Control-Allow-Origin") != "https://app.example.com" || len(w.Header["X-Warder-Owner"]) > 0 || w.Header.Get("X-Warder-Status") != "" {
			t.Errorf("a preflight, which the client gets as it is: %v", w.Header)
		}
	})
	attack.CaseVia(t, "FWD-22", attack.ViaEnvoyHTTP, func(t *testing.T) {
		for _, key := range []string{p.key, "", "wrong"} {
			if w := p.envoyReplays(t, "GET", "/orders/1", "x-api-key", key); w.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("Cache-Control: %q", w.Header.Get("Cache-Control"))
			}
		}
	})
	t.Run("what passes", func(t *testing.T) { whatEnvoyTakesOverHTTP(t, p) })
	attack.CaseVia(t, "FWD-14", attack.ViaEnvoyHTTP, func(t *testing.T) { deniedOverHTTP(t, p, store) })
	attack.CaseVia(t, "FWD-09", attack.ViaEnvoyHTTP, func(t *testing.T) {
		record, key := p.create(t, apikey.Spec{Environment: "live", Name: "second", Owner: "globex", Scopes: []string{"orders:read"}})
		if w := p.envoyReplays(t, "GET", "/orders/1", "x-api-key", key); w.Header.Get("X-Warder-Owner") != "globex" {
			t.Errorf("another key: %d %v", w.StatusCode, w.Header)
		}
		wantsOf(t, "another route", p.envoyReplays(t, "GET", "/admin/", "x-api-key", key), 403)
		revoked, err := p.issuer.Revoke(t.Context(), apikey.By{Actor: "system", Source: "test"}, record.ID, "superseded")
		if err != nil {
			t.Fatal(err)
		}
		p.awaitNodes(t, revoked.Revision)
		wantsOf(t, "a revoked key", p.envoyReplays(t, "GET", "/orders/1", "x-api-key", key), 401)
	})
}

// whatEnvoyTakesOverHTTP looks at what a pass tells Envoy to set and to take away.
func whatEnvoyTakesOverHTTP(t *testing.T, p *program) {
	t.Helper()
	attack.CaseVia(t, "FWD-07", attack.ViaEnvoyHTTP, func(t *testing.T) {
		_, nobodys := p.create(t, apikey.Spec{Environment: "live", Name: "no owner", Scopes: []string{"orders:read"}})
		for _, key := range []string{p.key, nobodys} {
			w := wantsOf(t, "a client's identity", p.envoyReplays(t, "GET", "/orders/1", "x-api-key", key, "x-warder-owner", "evil", "x-warder-subject", "evil", "x-warder-identity", "evil"), 200)
			for _, name := range []string{"X-Warder-Key-Id", "X-Warder-Issuer", "X-Warder-Subject", "X-Warder-Owner", "X-Warder-Scopes"} {
				if values := w.Header[name]; len(values) != 1 || values[0] == "evil" { // Envoy sets what is there, the empty ones too
					t.Errorf("%s: %q, want one value of ours", name, values)
				}
			}
			if removed := w.Header.Get("X-Envoy-Auth-Headers-To-Remove"); !strings.Contains(", "+removed+",", ", x-warder-identity,") || strings.Contains(removed, "x-warder-owner") {
				t.Errorf("taken away are %s", removed)
			}
		}
		wantsOf(t, "another spelling", p.envoyReplays(t, "GET", "/public/", "x_warder_owner", "evil"), 400)
		wantsOf(t, "Connection takes ours away", p.envoyReplays(t, "GET", "/public/", "connection", "x-warder-owner"), 400)
	})
	attack.CaseVia(t, "FWD-17", attack.ViaEnvoyHTTP, func(t *testing.T) {
		w := wantsOf(t, "a credential", p.envoyReplays(t, "GET", "/orders/1", "x-api-key", p.key, "cookie", "a=b"), 200)
		removed := ", " + w.Header.Get("X-Envoy-Auth-Headers-To-Remove") + ","
		for _, name := range []string{"x-api-key", "authorization"} {
			if !strings.Contains(removed, ", "+name+",") {
				t.Errorf("%s is not taken away: %s", name, removed)
			}
		}
		if strings.Contains(removed, ", cookie,") || len(w.Header["Cookie"]) > 0 {
			t.Errorf("a cookie that is no credential: %v", w.Header)
		}
	})
	attack.CaseVia(t, "FWD-10", attack.ViaEnvoyHTTP, func(t *testing.T) {
		keys := map[string]string{}
		for i := range 20 {
			owner := fmt.Sprintf("owner-%d", i)
			_, keys[owner] = p.create(t, apikey.Spec{Environment: "live", Name: owner, Owner: owner, Scopes: []string{"orders:read"}})
		}
		var wg sync.WaitGroup
		for _, owner := range slices.Repeat(slices.Collect(maps.Keys(keys)), 10) {
			wg.Go(func() {
				r := newRequest(t, "http://"+p.asked+"/authz/orders/1")
				r.Host = "api.example.com"
				r.Header = http.Header{"X-Api-Key": {keys[owner]}, "X-Original-Proto": {"https"}, "X-Original-Addr": {"192.0.2.7"}}
				if w := do(t, r); w.Header.Get("X-Warder-Owner") != owner {
					t.Errorf("%s got the identity of %q (%d)", owner, w.Header.Get("X-Warder-Owner"), w.StatusCode)
				}
			})
		}
		wg.Wait()
	})
	attack.CaseVia(t, "FWD-13", attack.ViaEnvoyHTTP, func(t *testing.T) {
		r := newRequest(t, "http://"+p.asked+"/authz/orders/1")
		r.Header = http.Header{"X-Api-Key": {p.key}, "X-Long": {strings.Repeat("x", 1<<20)}}
		wantsOf(t, "a megabyte of fields", do(t, r), 431)
	})
}

// deniedOverHTTP looks at what the client gets by way of Envoy.
func deniedOverHTTP(t *testing.T, p *program, store *watchedStore) {
	t.Helper()
	wantsOf(t, "within the limit", p.envoyReplays(t, "GET", "/rare/", "x-api-key", p.key), 200)
	_, unseen := p.create(t, apikey.Spec{Environment: "live", Name: "never seen", Scopes: []string{"orders:read"}})
	silent := func(context.Context) error { return errors.New("disk I/O error") }
	store.fault.Store(&silent)
	defer store.fault.Store(nil)
	for _, tt := range []struct {
		target, key string
		want        int
		field       string
	}{
		{"/orders/1", "wrong", 401, "Www-Authenticate"},
		{"/admin/x", p.key, 403, "Content-Type"},
		{"/rare/", p.key, 429, "Retry-After"},
		{"/orders/1", unseen, 503, "Retry-After"}, // for which Envoy has a status of its own, as the guide says
	} {
		w := wantsOf(t, tt.target, p.envoyReplays(t, "GET", tt.target, "x-api-key", tt.key), tt.want)
		var told struct {
			Status int `json:"status"`
		}
		if err := json.NewDecoder(w.Body).Decode(&told); err != nil || told.Status != tt.want || w.Header.Get(tt.field) == "" {
			t.Errorf("%s: %+v, %v, %v", tt.target, told, err, w.Header)
		}
		for name := range w.Header {
			if strings.HasPrefix(name, "X-Warder-") || name == "X-Envoy-Auth-Headers-To-Remove" {
				t.Errorf("%s: the client would get %s", tt.target, name)
			}
		}
	}
}
