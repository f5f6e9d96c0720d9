package server_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/server"
	"github.com/warder-dev/warder/internal/testcert"
)

// write puts more and the upstreams of the configuration into the program's file.
func (p *program) write(t *testing.T, upstream, more string) {
	t.Helper()
	text := more + "\nupstreams:\n  api: {url: \"" + upstream + "\"}\n"
	if err := os.WriteFile(filepath.Join(p.folder, "warder.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// reload has the program load its file again, and waits until that is decided.
func (p *program) reload(t *testing.T) {
	t.Helper()
	decided := make(chan struct{})
	ask := server.Reload{Load: func() (*config.Config, error) { return config.Load(p.source) }, Done: func() { close(decided) }}
	select {
	case p.reloads <- ask:
	case <-t.Context().Done():
		t.Fatal("the program takes no reload")
	}
	<-decided
}

// adminText is what the admin listener answers.
func (p *program) adminText(t *testing.T, path string) string {
	t.Helper()
	text, err := io.ReadAll(do(t, newRequest(t, "http://"+p.admin+path)).Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// told is an answer of an upstream that does nothing but answer.
func told(t *testing.T, what string) string {
	t.Helper()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, what) }))
	t.Cleanup(api.Close)
	return api.URL
}

const before = `
rate_limits:
  kept: {count: 3, per: 366d, by: [key]}
  dropped: {count: 2, per: 366d, by: [key]}
  softer: {count: 4, per: 366d, by: [key], plans: [{name: gold, plans: [gold], count: 2}]}
cors: {default: {origins: ["https://a.example"]}}
routes:
  - {match: "/kept", upstream: api, rate_limits: [kept]}
  - {match: "/softer", upstream: api, rate_limits: [softer]}
  - {match: "/changed", upstream: api, rate_limits: [dropped]}
  - {match: "/gone", upstream: api, scopes: ["orders:read"]}
`

const after = `
rate_limits:
  kept: {count: 3, per: 366d, by: [key]}
  dropped: {count: 1, per: 366d, by: [key]}
  added: {count: 1, per: 366d, by: [key]}
  softer: {count: 4, per: 366d, by: [key], soft: true, capacity: 50, cost: 2, cost_header: X-Cost, plans: [{name: silver, plans: [silver], count: 9}, {name: gold, plans: [gold], count: 2}]}
cors: {default: {origins: ["https://b.example"]}}
headers: {frame_options: SAMEORIGIN}
routes:
  - {match: "/kept", upstream: api, rate_limits: [kept]}
  - {match: "/changed", upstream: api, rate_limits: [dropped]}
  - {match: "/new", upstream: api, rate_limits: [added]}
  - {match: "/scoped", upstream: api, scopes: ["others:read"]}
  - {match: "/softer", upstream: api, rate_limits: [softer]}
`

// readers are the origins that may read /kept.
func (p *program) readers(t *testing.T) (all []string) {
	t.Helper()
	for _, origin := range []string{"https://a.example", "https://b.example"} {
		r := newRequest(t, "http://"+p.gateway+"/kept")
		r.Header.Set("Origin", origin)
		if do(t, r).Header.Get("Access-Control-Allow-Origin") == origin {
			all = append(all, origin)
		}
	}
	return all
}

// TestReload changes nearly everything that can change in a running program, and
// looks at what must stay.
func TestReload(t *testing.T) {
	one, two := told(t, "one"), told(t, "two")
	p := start(t, one, settings{yaml: before})
	wantStatuses(t, "before", p.statuses(t, "/kept", p.key, 2), 200, 200)
	wantStatuses(t, "before", p.statuses(t, "/changed", p.key, 3), 200, 200, 429)
	wantStatuses(t, "before", p.statuses(t, "/softer", p.key, 2), 200, 200)
	wantStatuses(t, "before", p.statuses(t, "/new", p.key, 1), 404)
	wantStatuses(t, "before", p.statuses(t, "/gone", p.key, 1), 200)
	if got := p.readers(t); !slices.Equal(got, []string{"https://a.example"}) {
		t.Errorf("before, %q may read", got)
	}

	p.write(t, two, after)
	p.reload(t)
	wantStatuses(t, "a limit that is the same has counted on", p.statuses(t, "/kept", p.key, 2), 200, 429)
	wantStatuses(t, "a limit of which the quota is the same has counted on", p.statuses(t, "/softer", p.key, 2), 200, 429)
	wantStatuses(t, "a limit that changed began anew", p.statuses(t, "/changed", p.key, 2), 200, 429)
	wantStatuses(t, "a new route with a new limit", p.statuses(t, "/new", p.key, 2), 200, 429)
	wantStatuses(t, "a route that is gone, and one with other scopes", append(p.statuses(t, "/gone", p.key, 1), p.statuses(t, "/scoped", p.key, 1)...), 404, 403)
	if got := p.readers(t); !slices.Equal(got, []string{"https://b.example"}) {
		t.Errorf("after, %q may read", got)
	}
	other, key := p.create(t, apikey.Spec{Environment: "live", Name: "other", Owner: "acme"})
	p.awaitNodes(t, other.Revision)
	response := p.get(t, "/kept", key)
	body, err := io.ReadAll(response.Body)
	if err != nil || string(body) != "two" || response.Header.Get("X-Frame-Options") != "SAMEORIGIN" {
		t.Errorf("%s answers (%v), X-Frame-Options %q", body, err, response.Header.Get("X-Frame-Options"))
	}
	if got := p.adminText(t, "/metrics"); !strings.Contains(got, `warder_refusals_total{reason="limit:added",stage="principallimit"} 1`) {
		t.Error("the metrics do not know the new limit's refusals")
	}
	if got := p.log(t); !strings.Contains(got, `"changed":"headers.frame_options, cors, rate_limits, upstreams, routes"`) {
		t.Errorf("the log does not tell what changed:\n%s", got)
	}
}

// TestReloadAtEveryFront: those that ask, and plain HTTP, meet the same configuration.
func TestReloadAtEveryFront(t *testing.T) {
	const asks = "decision: {listen: \"127.0.0.1:0\", dialect: nginx}\n"
	cert, key := testcert.SelfSigned(t, testcert.Leaf{Names: []string{"api.example.com"}}).Write(t, t.TempDir(), "api")
	secure := "tls: {certificates: [{cert_file: \"" + cert + "\", key_file: \"" + key + "\"}], redirect_listen: \"127.0.0.1:0\"}\n"
	first := asks + secure + "hosts: [api.example.com]\nroutes:\n  - {match: /orders, upstream: api}\n"
	api := told(t, "ok")
	p := start(t, api, settings{yaml: first})
	plain := func() int {
		r := newRequest(t, "http://"+p.redirect+"/orders")
		r.Host = "new.example.com"
		return do(t, r).StatusCode
	}
	wantStatuses(t, "before", []int{p.question(t, nginxAsks("GET", "/orders"), "X-Api-Key", p.key).StatusCode, plain()}, 200, 421)
	p.write(t, api, strings.NewReplacer("[api.example.com]", "[api.example.com, new.example.com]", "upstream: api}", "upstream: api, scopes: [\"others:read\"]}").Replace(first))
	p.reload(t)
	wantStatuses(t, "after", []int{p.question(t, nginxAsks("GET", "/orders"), "X-Api-Key", p.key).StatusCode, plain()}, 403, 308)
}

// TestReloadOfWhatCannotBeUsed: the configuration before stays in force, all of it.
func TestReloadOfWhatCannotBeUsed(t *testing.T) {
	api := told(t, "one")
	p := start(t, api, settings{yaml: before})
	const fine = "ready\n"
	if got := p.ready(t); got != fine {
		t.Fatalf("readyz: %q", got)
	}
	loose := strings.Replace(after, "routes:", "keys: {realm: other}\ntimeouts: {idle: 7s}\nroutes:", 1)
	for i, tt := range []struct{ name, text, logged string }{
		{"not YAML", "routes: [", "warder.yaml:"},
		{"two mistakes", strings.Replace(after, "upstream: api", "upstream: ap", 2), `routes[1].upstream: no upstream is called \"ap\"`},
		{"what only the stage finds", strings.Replace(after, "scopes: [\"others:read\"]", "conditions: [{name: c, cel: \"request.nothing\"}]", 1), `routes[3] \"/scoped\"`},
		{"what needs a restart", loose, "these settings have changed and need a restart: keys.realm, timeouts.idle"},
		{"signed identities", strings.Replace(after, "routes:", "identity: {issuer: \"https://w.example\"}\nroutes:", 1), "need a restart: identity.issuer"},
	} {
		p.write(t, api, tt.text)
		p.reload(t)
		if got := p.readers(t); !slices.Equal(got, []string{"https://a.example"}) {
			t.Errorf("%s: %q may read", tt.name, got)
		}
		wantStatuses(t, tt.name, append(p.statuses(t, "/gone", p.key, 1), p.statuses(t, "/new", p.key, 1)...), 200, 404)
		if got := p.ready(t); got != "ready, but the configuration that was loaded last is not in force: see the log\n" {
			t.Errorf("%s: readyz: %q", tt.name, got)
		}
		metrics := p.adminText(t, "/metrics")
		for _, want := range []string{"warder_config_stale 1\n", fmt.Sprintf("warder_config_reload_failures_total %d\n", i+1)} {
			if !strings.Contains(metrics, want) {
				t.Errorf("%s: the metrics lack %q", tt.name, want)
			}
		}
	}
	p.write(t, api, after)
	p.reload(t)
	if got := p.readers(t); !slices.Equal(got, []string{"https://b.example"}) {
		t.Errorf("after it was mended, %q may read", got)
	}
	if got := p.ready(t); got != fine {
		t.Errorf("after it was mended: readyz: %q", got)
	}
	if got := p.adminText(t, "/metrics"); !strings.Contains(got, "warder_config_stale 0\n") {
		t.Error("after it was mended: the metrics call it stale")
	}
	logged := p.log(t)
	for _, want := range []string{
		"warder.yaml:1:", `routes[0].upstream: no upstream is called \"ap\"`, `routes[1].upstream: no upstream is called \"ap\"`, `routes[3] \"/scoped\"`,
		"these settings have changed and need a restart: keys.realm, timeouts.idle", "need a restart: identity.issuer",
	} {
		if !strings.Contains(logged, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	if strings.Count(logged, "the one before stays in force") < 6 {
		t.Error("the log does not say each time what is in force")
	}
}

// TestNothingFailsDuringReloads reloads a hundred times under load: each request
// gets what one of the configurations says, and no other.
func TestNothingFailsDuringReloads(t *testing.T) {
	attack.Case(t, "CORS-11", attack.Gateway, reloadsUnderLoad)
}

func reloadsUnderLoad(t *testing.T) {
	t.Helper()
	const routes = "\nroutes:\n  - {match: \"/\", upstream: api}\n  - {match: \"/{%s}/x\", upstream: api}\n"
	both := []string{
		"cors: {default: {origins: [\"https://a.example\"]}}\nheaders: {frame_options: DENY, referrer_policy: no-referrer}" + fmt.Sprintf(routes, "a"),
		"cors: {default: {origins: [\"*\"]}}\nheaders: {frame_options: SAMEORIGIN, referrer_policy: origin}" + fmt.Sprintf(routes, "b"),
	}
	api := []string{told(t, "first"), told(t, "second")}
	p := start(t, api[0], settings{yaml: both[0]})
	p.write(t, api[0], both[0])

	allowed := map[string]bool{"https://a.example DENY no-referrer first": true, "* SAMEORIGIN origin second": true}
	var answers atomic.Int64
	var seen sync.Map
	done := make(chan struct{})
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			var made atomic.Int64
			transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				made.Add(1)
				return new(net.Dialer).DialContext(ctx, network, addr)
			}}
			defer transport.CloseIdleConnections()
			for {
				select {
				case <-done:
					if made.Load() != 1 {
						t.Errorf("a client needed %d connections", made.Load())
					}
					return
				default:
				}
				r := newRequest(t, "http://"+p.gateway+"/")
				r.Header.Set("X-API-Key", p.key)
				r.Header.Set("Origin", "https://a.example")
				response, err := transport.RoundTrip(r)
				if err != nil {
					t.Errorf("a request failed: %v", err)
					return
				}
				body, err := io.ReadAll(response.Body)
				_ = response.Body.Close()
				h := response.Header
				got := strings.Join([]string{h.Get("Access-Control-Allow-Origin"), h.Get("X-Frame-Options"), h.Get("Referrer-Policy"), string(body)}, " ")
				if err != nil || response.StatusCode != http.StatusOK || !allowed[got] {
					t.Errorf("a request was answered by %d, %q (%v)", response.StatusCode, got, err)
					return
				}
				seen.Store(got, true)
				answers.Add(1)
			}
		})
	}
	eventually(t, func() (struct{}, bool) { return struct{}{}, answers.Load() > 20 || t.Failed() })
	for i := range 100 {
		at := answers.Load()
		p.write(t, api[(i+1)%2], both[(i+1)%2])
		p.reload(t)
		eventually(t, func() (struct{}, bool) { return struct{}{}, answers.Load() > at || t.Failed() })
	}
	close(done)
	clients.Wait()
	for want := range allowed {
		if _, ok := seen.Load(want); !ok && !t.Failed() {
			t.Errorf("nobody was answered by %q", want)
		}
	}
	t.Logf("%d requests during 100 reloads", answers.Load())
	if got := p.adminText(t, "/metrics"); !strings.Contains(got, "warder_config_reload_failures_total 0\n") {
		t.Error("a reload failed")
	}
}

// TestReloadKeepsConnections to an upstream that is the same, and to no other.
func TestReloadKeepsConnections(t *testing.T) {
	var made atomic.Int64
	api := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent) // nothing to read: the connection is idle before the answer is out
	}))
	api.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			made.Add(1)
		}
	}
	api.Start()
	t.Cleanup(api.Close)
	const one, two = "routes:\n  - {match: /, upstream: api, public: true}\n", "headers: {frame_options: SAMEORIGIN}\nroutes:\n  - {match: /a, upstream: api, public: true}\n"
	p := start(t, api.URL, settings{yaml: one})
	for i, tt := range []struct {
		yaml, url string
		want      int64
	}{
		{one, api.URL, 1}, {two, api.URL, 1}, {one, api.URL, 1}, {one, api.URL + "/below", 2}, {two, api.URL + "/below", 2}, {one, api.URL, 3},
	} {
		p.write(t, tt.url, tt.yaml)
		p.reload(t)
		if got := p.get(t, "/a", "").StatusCode; got != http.StatusNoContent {
			t.Errorf("%d: status %d", i, got)
		}
		if got := made.Load(); got != tt.want {
			t.Errorf("%d: %d connections were made, want %d", i, got, tt.want)
		}
	}
}
