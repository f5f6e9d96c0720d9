package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

const askedPage = "../../docs/guide/forward-auth.md"

// severalSchemes is a route with two challenges.
const severalSchemes = `
  - {match: /either/, upstream: api, security: [{apiKey: []}, {bearer: []}]}
  - {match: open.example.com/, upstream: api, public: true}
  - {match: /rare/, upstream: api, rate_limits: [one]}
rate_limits: {one: {count: 1, per: 1h, by: [key]}}
schemes: {bearer: {key: {in: bearer}}}
`

// A guarded is a proxy that asks a program, as the guide shows it.
type guarded struct {
	*program
	store    *watchedStore
	proxy    string // host:port
	upstream *wire.Upstream
	down     int // what the proxy answers when warder does not
	via      attack.Via
}

func TestNginxAsks(t *testing.T) {
	upstream := wire.Listen(t, serveSockets)
	p, store := startAsked(t, upstream, "nginx")
	blocks := onPage(t, askedPage, "nginx", "nginx")
	if len(blocks) != 1 {
		t.Fatalf("the page has %d blocks for nginx, want 1", len(blocks))
	}
	proxy := startNginx(t, strings.NewReplacer(
		"listen 80;", "listen {ADDR};", "127.0.0.1:8083", p.asked, "127.0.0.1:8000", upstreamAddress(upstream),
	).Replace(blocks[0]))
	guarded{p, store, proxy, upstream, http.StatusInternalServerError, attack.ViaNginx}.attacks(t)
}

func TestCaddyAsks(t *testing.T) {
	upstream := wire.Listen(t, serveSockets)
	p, store := startAsked(t, upstream, "caddy")
	blocks := onPage(t, askedPage, "Caddy", "caddy")
	if len(blocks) != 1 {
		t.Fatalf("the page has %d blocks for Caddy, want 1", len(blocks))
	}
	proxy := startPlainCaddy(t, strings.NewReplacer("127.0.0.1:8083", p.asked, "127.0.0.1:8000", upstreamAddress(upstream)).Replace(blocks[0]))
	guarded{p, store, proxy, upstream, http.StatusBadGateway, attack.ViaCaddy}.attacks(t)
}

// startAsked runs warder for a proxy of the dialect.
func startAsked(t *testing.T, upstream *wire.Upstream, dialect string) (p *program, store *watchedStore) {
	t.Helper()
	p = start(t, upstream.URL(), settings{
		yaml:  askedYAML(dialect) + severalSchemes,
		store: func(s apikey.Store) apikey.Store { store = watch(s); return store },
	})
	return p, store
}

func upstreamAddress(u *wire.Upstream) string { return strings.TrimPrefix(u.URL(), "http://") }

// startPlainCaddy runs Caddy with one site on plain HTTP.
func startPlainCaddy(t *testing.T, site string) string {
	t.Helper()
	folder, addr := t.TempDir(), wire.FreeAddress(t)
	_, port, _ := net.SplitHostPort(addr)
	text := strings.Replace(site, "{\n", "{\n\tadmin off\n\tdefault_bind 127.0.0.1\n\thttp_port "+port+"\n\tauto_https off\n", 1)
	text = strings.Replace(text, "\napi.example.com {", "\nhttp://api.example.com:"+port+" {", 1)
	runCaddy(t, folder, addr, text)
	return addr
}

// through sends a request to the proxy.
func (g guarded) through(t *testing.T, method, path string, fields ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+g.proxy+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "api.example.com"
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return do(t, r)
}

// arrived is how many requests reached the upstream, and all that they said.
func (g guarded) arrived() (n int, text string) {
	all := g.upstream.Received()
	text = strings.Join(all, "")
	return strings.Count(text, " HTTP/1."), text
}

func (g guarded) attacks(t *testing.T) {
	t.Helper()
	if w := g.through(t, http.MethodGet, "/orders/1", "X-API-Key", g.key); w.StatusCode != http.StatusOK {
		t.Fatalf("with the key: %d, want 200", w.StatusCode)
	}
	attack.CaseVia(t, "FWD-17", g.via, func(t *testing.T) {
		if _, text := g.arrived(); strings.Contains(text, g.key) || !strings.Contains(strings.ToLower(text), "x-warder-owner: acme") {
			t.Errorf("the upstream got:\n%s", text)
		}
	})
	before, _ := g.arrived()
	attack.CaseVia(t, "FWD-02", g.via, g.spoofs)
	attack.CaseVia(t, "FWD-05", g.via, func(t *testing.T) {
		for _, field := range []string{"X-Forwarded-Prefix", "X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded-Proto", "X-Forwarded-Host"} {
			if w := g.through(t, http.MethodGet, "/admin/x", "X-API-Key", g.key, field, "/public"); w.StatusCode != http.StatusForbidden {
				t.Errorf("%s: %d, want 403", field, w.StatusCode)
			}
		}
	})
	attack.CaseVia(t, "FWD-14", g.via, g.refusals)
	if w := g.through(t, http.MethodGet, "/either/"); !strings.Contains(strings.Join(w.Header.Values("Www-Authenticate"), ", "), "ApiKey") ||
		!strings.Contains(strings.Join(w.Header.Values("Www-Authenticate"), ", "), "Bearer") {
		t.Errorf("two challenges: %d %q", w.StatusCode, w.Header.Values("Www-Authenticate"))
	}
	attack.CaseVia(t, "FWD-20", g.via, func(t *testing.T) {
		w := g.through(t, http.MethodOptions, "/orders/1", "Origin", "https://app.example.com", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "x-api-key")
		if w.StatusCode != http.StatusNoContent || w.Header.Get("Access-Control-Allow-Origin") != "https://app.example.com" || !strings.EqualFold(w.Header.Get("Access-Control-Allow-Headers"), "x-api-key") {
			t.Errorf("a preflight: %d %v", w.StatusCode, w.Header)
		}
	})
	if after, _ := g.arrived(); after != before+1 { // the one within the limit
		t.Errorf("%d refused requests reached the upstream", after-before-1)
	}
	attack.CaseVia(t, "FWD-07", g.via, g.identities)
	attack.CaseVia(t, "FWD-15", g.via, g.upgrades)
	attack.CaseVia(t, "FWD-02", g.via, g.twoHosts)
	g.furtherAttacks(t)
	attack.CaseVia(t, "FWD-12", g.via, func(t *testing.T) {
		if err := g.stop(); err != nil {
			t.Fatal(err)
		}
		before, _ := g.arrived()
		for _, path := range []string{"/orders/1", "/public/"} {
			if w := g.through(t, http.MethodGet, path, "X-API-Key", g.key); w.StatusCode != g.down {
				t.Errorf("%s without warder: %d, want %d", path, w.StatusCode, g.down)
			}
		}
		if after, _ := g.arrived(); after != before {
			t.Error("a request that nobody judged reached the upstream")
		}
	})
}

// spoofs sends what only the proxy may say.
func (g guarded) spoofs(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"X-Original-Uri": "/public/", "X-Original-Url": "/public/", "X-Forwarded-Uri": "/public/", "X-Original-Method": "GET", "X-Forwarded-Method": "GET",
		"X-Original-Host": "x", "X-Original-Addr": "127.0.0.1", "X-Forwarded-For": "127.0.0.1", "X-Rewrite-Url": "/public/", "X-Original-Upgrade": "websocket",
	} {
		if w := g.through(t, http.MethodGet, "/admin/x", "X-API-Key", g.key, name, value); w.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d, want 403", name, w.StatusCode)
		}
	}
}

// refusals checks what reaches the client of a refusal.
func (g guarded) refusals(t *testing.T) {
	t.Helper()
	if w := g.through(t, http.MethodGet, "/rare/", "X-API-Key", g.key); w.StatusCode != http.StatusOK {
		t.Errorf("within the limit: %d", w.StatusCode)
	}
	_, unseen := g.create(t, apikey.Spec{Environment: "live", Name: "never seen", Scopes: []string{"orders:read"}})
	silent := func(context.Context) error { return errors.New("disk I/O error") }
	g.store.fault.Store(&silent)
	defer g.store.fault.Store(nil)
	for _, tt := range []struct {
		path, key string
		want      int
		field     string
	}{
		{"/orders/1", "", http.StatusUnauthorized, "Www-Authenticate"},
		{"/orders/1", "wrong", http.StatusUnauthorized, "Www-Authenticate"},
		{"/admin/x", g.key, http.StatusForbidden, ""},
		{"/orders/1", unseen, http.StatusServiceUnavailable, "Retry-After"},
		{"/rare/", g.key, http.StatusTooManyRequests, "Retry-After"},
		{"/nowhere", g.key, http.StatusNotFound, ""},
		{"/public/a;b", g.key, http.StatusBadRequest, ""},
	} {
		w := g.through(t, http.MethodGet, tt.path, "X-API-Key", tt.key)
		var told struct {
			Status int    `json:"status"`
			Type   string `json:"type"`
		}
		if err := json.NewDecoder(w.Body).Decode(&told); err != nil || told.Status != tt.want || told.Type == "" || w.StatusCode != tt.want {
			t.Errorf("%s: %d, problem %+v, %v, want %d", tt.path, w.StatusCode, told, err, tt.want)
		}
		if values := w.Header.Values(tt.field); tt.field != "" && (len(values) != 1 || values[0] == "") {
			t.Errorf("%s: %s = %q", tt.path, tt.field, values)
		}
		if got := w.Header.Get("Content-Type"); got != "application/problem+json" {
			t.Errorf("%s: Content-Type %q", tt.path, got)
		}
	}
}

// upgrades asks for what only a WebSocket may.
func (g guarded) upgrades(t *testing.T) {
	t.Helper()
	for upgrade, want := range map[string]bool{"websocket": true, "h2c": false, "foo": false} {
		before, _ := g.arrived()
		conn := wire.Dial(t, g.proxy)
		conn.Send("GET /public/socket HTTP/1.1\r\nHost: api.example.com\r\nConnection: Upgrade\r\nUpgrade: " + upgrade +
			"\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		w, err := http.ReadResponse(conn.Reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = w.Body.Close()
		after, text := g.arrived()
		if passed := w.StatusCode == http.StatusSwitchingProtocols; passed != want {
			t.Errorf("%s: %d", upgrade, w.StatusCode)
		}
		if !want && after != before && strings.Contains(strings.ToLower(text), "upgrade: "+upgrade) {
			t.Errorf("%s reached the upstream", upgrade)
		}
	}
}

// twoHosts names one host in the target and another in the field: what is judged
// is what is forwarded.
func (g guarded) twoHosts(t *testing.T) {
	t.Helper()
	conn := wire.Dial(t, g.proxy)
	conn.Send("GET http://api.example.com/hosted HTTP/1.1\r\nHost: open.example.com\r\nConnection: close\r\n\r\n")
	w, err := http.ReadResponse(conn.Reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = w.Body.Close()
	if _, text := g.arrived(); w.StatusCode == http.StatusOK || strings.Contains(text, "/hosted") {
		t.Errorf("a public host opened another one: %d", w.StatusCode)
	}
}

// identities sends identity fields of the client's own.
func (g guarded) identities(t *testing.T) {
	t.Helper()
	_, nobodys := g.create(t, apikey.Spec{Environment: "live", Name: "no owner", Scopes: []string{"orders:read"}})
	for _, path := range []string{"/orders/1", "/public/"} {
		before := len(strings.Join(g.upstream.Received(), ""))
		if w := g.through(t, http.MethodGet, path, "X-API-Key", nobodys, "X-Warder-Owner", "evil", "X_Warder_Owner", "evil", "X-Warder-Subject", "evil", "X-Warder-Key-Id", "evil"); w.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", path, w.StatusCode)
		}
		if _, text := g.arrived(); strings.Contains(text[before:], "evil") {
			t.Errorf("%s: the client's identity arrived:\n%s", path, text[before:])
		}
		for _, spelled := range []string{"X-Warder_Owner", "X_Warder-Subject", "X.Warder.Owner"} {
			_ = g.through(t, http.MethodGet, path, "X-API-Key", g.key, spelled, "evil")
			if _, text := g.arrived(); strings.Contains(text[before:], "evil") {
				t.Errorf("%s: %s arrived", path, spelled)
			}
		}
	}
	before := len(strings.Join(g.upstream.Received(), ""))
	w := g.through(t, http.MethodGet, "/orders/1", "X-API-Key", g.key, "Connection", "close, X-Warder-Owner")
	if _, text := g.arrived(); w.StatusCode == http.StatusOK && !strings.Contains(strings.ToLower(text[before:]), "x-warder-owner: acme") {
		t.Errorf("Connection took the owner away:\n%s", text[before:])
	}
}
