package server_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/secret"
)

const adminToken = "a-token-of-the-admin-listener-0123456789"

// shadowed starts a program in whose shadow another configuration judges. Both
// have the upstreams api, and other, which is nobody.
func shadowed(t *testing.T, upstream, live, shadow string, s settings) *program {
	t.Helper()
	other := s
	other.yaml, other.api = shadow, s.api+"}\n  other: {url: \"http://127.0.0.1:1\""
	s.shadow = other.load(t, t.TempDir(), upstream)
	s.yaml, s.api, s.token = live, other.api, secret.New(adminToken)
	return start(t, upstream, s)
}

// report is what the admin listener tells, once n requests were judged.
func (p *program) report(t *testing.T, n uint64) keyservice.ShadowReport {
	t.Helper()
	return eventually(t, func() (keyservice.ShadowReport, bool) {
		r := newRequest(t, "http://"+p.admin+"/v1/shadow")
		r.Header.Set("Authorization", "Bearer "+adminToken)
		response := do(t, r)
		var v keyservice.ShadowReport
		if err := json.NewDecoder(response.Body).Decode(&v); err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("the report: status %d, %v", response.StatusCode, err)
		}
		return v, v.Same+v.Different+v.Skipped+v.Dropped >= n
	})
}

// TestShadowConfiguration changes a policy, and wants exactly what that changes.
func TestShadowConfiguration(t *testing.T) {
	upstream := told(t, "ok")
	const live = `
routes:
  - {match: "/", upstream: api, scopes: ["orders:read"]}
  - {match: "/open/", upstream: api, public: true}
`
	const (
		passes = "passed to UPSTREAM"
		noKey  = "401 no-credential by authn"
	)
	tests := []struct {
		name, live, shadow, path string
		withKey                  bool
		status                   int
		was, would, differs      string // "" for the same
		route, shadowRoute       string
	}{
		{name: "nothing", shadow: live, path: "/orders", withKey: true, status: 200},
		{name: "nothing, refused", shadow: live, path: "/orders", status: 401},
		{name: "nothing, ambiguous", shadow: live, path: "/open//x", status: 400},
		{
			name: "a scope more", shadow: `routes: [{match: "/", upstream: api, scopes: ["orders:read", "audit:read"]}]`, path: "/orders", withKey: true, status: 200,
			was: passes, would: "403 insufficient-scope by authn", differs: "verdict status reason stage", route: "/", shadowRoute: "/",
		},
		{
			name: "a scope less", live: `routes: [{match: "/", upstream: api, scopes: ["audit:read"]}]`, shadow: `routes: [{match: "/", upstream: api}]`, path: "/orders", withKey: true, status: 403,
			was: "403 insufficient-scope by authn", would: passes, differs: "verdict status reason stage", route: "/", shadowRoute: "/",
		},
		{
			name: "a route less", shadow: `routes: [{match: "/open/", upstream: api, public: true}]`, path: "/orders", withKey: true, status: 200,
			was: passes, would: "404 not-found by route", differs: "verdict status reason stage route", route: "/",
		},
		{
			name: "a stricter address", shadow: `routes: [{match: "/", upstream: api, scopes: ["orders:read"], conditions: [{name: office, addresses: [192.0.2.0/24]}]}]`, path: "/orders", withKey: true, status: 200,
			was: passes, would: "403 not-met:office by authz", differs: "verdict status reason stage", route: "/", shadowRoute: "/",
		},
		{
			name: "another upstream", shadow: `routes: [{match: "/", upstream: other, scopes: ["orders:read"]}]`, path: "/orders", withKey: true, status: 200,
			was: passes, would: "passed to http://127.0.0.1:1", differs: "upstream", route: "/", shadowRoute: "/",
		},
		{
			name: "another path", live: `routes: [{match: "/v1/", upstream: api}]`, shadow: `routes: [{match: "/v1/", upstream: api, strip_prefix: /v1}]`, path: "/v1/orders", withKey: true, status: 200,
			was: passes, would: passes, differs: "path", route: "/v1/", shadowRoute: "/v1/",
		},
		{
			name: "public no more", shadow: `routes: [{match: "/open/", upstream: api}]`, path: "/open/x", status: 200,
			was: passes, would: noKey, differs: "verdict status reason stage", route: "/open/", shadowRoute: "/open/",
		},
		{
			name: "public now", shadow: `routes: [{match: "/", upstream: api, public: true}]`, path: "/orders", status: 401,
			was: noKey, would: passes, differs: "verdict status reason stage", route: "/", shadowRoute: "/",
		},
		{
			name: "a narrower pattern", shadow: `routes: [{match: "GET /{id}", upstream: api, scopes: ["orders:read"]}]`, path: "/orders", withKey: true, status: 200,
			was: passes, would: passes, differs: "route", route: "/", shadowRoute: "GET /{id}",
		},
		{
			name: "other hosts", shadow: "hosts: [api.example.com]\n" + live, path: "/orders", withKey: true, status: 200,
			was: passes, would: "421 misdirected-request by trustedhost", differs: "verdict status reason stage route", route: "/",
		},
		{
			name: "a key in the query, which the upstream does not see", live: "schemes: {inQuery: {key: {in: query}}}\nroutes: [{match: \"/\", upstream: api, security: [{inQuery: []}]}]",
			shadow: "schemes: {inQuery: {key: {in: query}}}\nroutes: [{match: \"/\", upstream: api, security: [{inQuery: [audit:read]}]}]", path: "/orders?api_key=KEY", status: 200,
			was: passes, would: "403 insufficient-scope by authn", differs: "verdict status reason stage", route: "/", shadowRoute: "/",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := shadowed(t, upstream, cmp.Or(tt.live, live), tt.shadow, settings{})
			key := ""
			if tt.withKey {
				key = p.key
			}
			wantStatuses(t, "the live answer", p.statuses(t, strings.ReplaceAll(tt.path, "KEY", p.key), key, 2), tt.status, tt.status)
			v := p.report(t, 2)
			if tt.was == "" {
				if v.Same != 2 || v.Different != 0 || len(v.Differences) != 0 {
					t.Errorf("report %+v, want two that are the same", v)
				}
				return
			}
			if v.Different != 2 || len(v.Differences) != 1 {
				t.Fatalf("report %+v, want one difference, twice", v)
			}
			d := v.Differences[0]
			want := keyservice.ShadowDifference{
				Route: tt.route, ShadowRoute: tt.shadowRoute, Live: strings.ReplaceAll(tt.was, "UPSTREAM", upstream), Shadow: strings.ReplaceAll(tt.would, "UPSTREAM", upstream),
				Differs: strings.Fields(tt.differs), Count: 2, First: d.First, Last: d.Last, Example: d.Example,
			}
			if fmt.Sprint(d) != fmt.Sprint(want) {
				t.Errorf("difference\n%+v, want\n%+v", d, want)
			}
			if d.Example == "" || d.First.IsZero() || d.Last.Before(d.First) {
				t.Errorf("the difference has no example or time: %+v", d)
			}
			if text := p.adminText(t, "/metrics"); !strings.Contains(text, `warder_shadow_config_requests_total{result="different"} 2`) {
				t.Error("the metrics do not tell")
			}
			if log := p.log(t); strings.Count(log, "the shadow configuration judges otherwise") != 2 || !strings.Contains(log, d.Example) {
				t.Errorf("the log does not tell of both:\n%s", log)
			}
		})
	}
}
