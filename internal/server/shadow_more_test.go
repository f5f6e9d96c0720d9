package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/internal/server"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/usage"
)

// wantCounts compares the sums of a report.
func wantCounts(t *testing.T, v keyservice.ShadowReport, same, different, skipped, dropped uint64) {
	t.Helper()
	if v.Same != same || v.Different != different || v.Skipped != skipped || v.Dropped != dropped {
		t.Errorf("%d same, %d different, %d skipped, %d dropped, want %d, %d, %d, %d: %+v",
			v.Same, v.Different, v.Skipped, v.Dropped, same, different, skipped, dropped, v.Differences)
	}
}

// TestShadowSpendsNothing: what was judged twice was counted once, and by the live
// configuration alone.
func TestShadowSpendsNothing(t *testing.T) {
	const live = `
rate_limits: {few: {count: 2, per: 366d, by: [key]}}
routes: [{match: "/", upstream: api, rate_limits: [few]}]
`
	const tighter = `
rate_limits: {few: {count: 1, per: 366d, by: [key]}}
routes: [{match: "/", upstream: api, rate_limits: [few]}]
`
	p := shadowed(t, told(t, "ok"), live, tighter, settings{})
	wantStatuses(t, "the live limit", p.statuses(t, "/a", p.key, 4), 200, 200, 429, 429)
	wantCounts(t, p.report(t, 4), 2, 0, 2, 0)
	if got := p.adminText(t, "/metrics"); !strings.Contains(got, `warder_requests_total{outcome="passed",route="/",status="2xx"} 2`) ||
		!strings.Contains(got, `warder_rate_limit_decisions_total{limit="few",outcome="refused"} 2`) {
		t.Error("the shadow was counted as a request, or in a limit")
	}
	if log := p.log(t); strings.Count(log, `"method":"GET"`) != 4 {
		t.Errorf("the access log has not one line for each request:\n%s", log)
	}
}

// TestShadowLeavesOutWhatItCannotTell: what only the body tells.
func TestShadowLeavesOutWhatItCannotTell(t *testing.T) {
	document := filepath.Join(t.TempDir(), "openapi.yaml")
	if err := os.WriteFile(document, []byte(`
openapi: 3.1.0
info: {title: orders, version: "1"}
security: [{apiKey: []}]
paths:
  /orders:
    post:
      parameters: [{in: query, name: n, schema: {type: integer}}]
      requestBody:
        required: true
        content: {application/json: {schema: {type: object, properties: {count: {type: integer}}}}}
components: {securitySchemes: {apiKey: {type: apiKey, in: header, name: X-API-Key}}}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	described := "openapi_documents: [{document: " + document + ", upstream: api}]\n"
	p := shadowed(t, told(t, "ok"), described, described, settings{})
	for _, tt := range []struct {
		path, body string
		status     int
	}{
		{"/orders", `{"count": 1}`, 200}, {"/orders?n=1", `{"count": 1}`, 200}, {"/orders?n=x", `{"count": 1}`, 400}, // parameters are judged
		{"/orders", `{"count": "one"}`, 422}, {"/orders", `{"count"`, 400}, {"/orders", "", 400},
	} {
		if status, text := p.call(t, "POST", tt.path, p.key, tt.body); status != tt.status {
			t.Errorf("%s %s: %d %s, want %d", tt.path, tt.body, status, text, tt.status)
		}
	}
	wantCounts(t, p.report(t, 6), 3, 0, 3, 0)
}

// TestShadowOfWhatProxiesAsk: a front that only decides is compared as well.
func TestShadowOfWhatProxiesAsk(t *testing.T) {
	live := askedYAML("nginx")
	p := shadowed(t, told(t, "ok"), live, strings.Replace(live, `scopes: ["orders:read"]`, `scopes: ["audit:read"]`, 1), settings{})
	for target, status := range map[string]int{"/orders/1": 200, "/public/1": 200, "/admin/": 403, "/here/": 200} {
		if w := p.question(t, nginxAsks("GET", target), "X-Api-Key", p.key); w.StatusCode != status {
			t.Errorf("%s: %d, want %d", target, w.StatusCode, status)
		}
	}
	v := p.report(t, 4)
	wantCounts(t, v, 3, 1, 0, 0)
	if len(v.Differences) != 1 || v.Differences[0].Route != "/orders/" || v.Differences[0].Shadow != "403 insufficient-scope by authn" {
		t.Errorf("differences %+v", v.Differences)
	}
}

// stuckCredits gives no answer until it may, and tells of each who waits.
type stuckCredits struct {
	usage.Store

	waits   chan struct{}
	release chan struct{}
}

func (s *stuckCredits) Account(ctx context.Context, who usage.Subject, at time.Time) (usage.Account, error) {
	s.waits <- struct{}{}
	<-s.release
	return s.Store.Account(ctx, who, at)
}

// TestShadowNeverMakesRequestsWait: the shadow is stuck, and every request is
// answered; those that do not fit are counted.
func TestShadowNeverMakesRequestsWait(t *testing.T) {
	const workers, queue, more = 2, 256, 20
	stuck := &stuckCredits{waits: make(chan struct{}, workers+queue), release: make(chan struct{})}
	p := shadowed(t, told(t, "ok"), `routes: [{match: "/", upstream: api}]`, "credits: {cost: 1, by: owner}\nroutes: [{match: \"/\", upstream: api}]", settings{
		credits: func(s usage.Store) usage.Store { stuck.Store = s; return stuck },
	})
	released := sync.OnceFunc(func() { close(stuck.release) })
	t.Cleanup(released) // before the program stops
	for range workers {
		wantStatuses(t, "what the workers hold", p.statuses(t, "/a", p.key, 1), 200)
		<-stuck.waits
	}
	for i := range queue + more {
		if got := p.statuses(t, "/a", p.key, 1); got[0] != http.StatusOK {
			t.Fatalf("request %d: %d", i, got[0])
		}
	}
	v := eventually(t, func() (keyservice.ShadowReport, bool) { v := p.report(t, 0); return v, v.Dropped >= more })
	wantCounts(t, v, 0, 0, 0, more)
	released()
	v = p.report(t, workers+queue+more)
	if v.Different+v.Skipped != workers+queue || v.Dropped != more { // the first may have run out of time
		t.Errorf("%+v", v)
	}
	if log := p.log(t); strings.Count(log, "judges otherwise") > 20 { // ten in a minute, of which two may have begun
		t.Errorf("the log has a line for each difference")
	}
}

// reloadBoth has the program load both configurations again.
func (p *program) reloadBoth(t *testing.T, shadow func() (*config.Config, error)) {
	t.Helper()
	decided := make(chan struct{})
	ask := server.Reload{Load: func() (*config.Config, error) { return config.Load(p.source) }, LoadShadow: shadow, Done: func() { close(decided) }}
	select {
	case p.reloads <- ask:
	case <-t.Context().Done():
		t.Fatal("the program takes no reload")
	}
	<-decided
}

// TestShadowReload: the other file changes while requests are under way.
func TestShadowReload(t *testing.T) {
	const live = `routes: [{match: "/", upstream: api}]`
	const strict = `routes: [{match: "/", upstream: api, scopes: ["audit:read"]}]`
	upstream := told(t, "ok")
	p := shadowed(t, upstream, live, strict, settings{})
	wantStatuses(t, "before", p.statuses(t, "/a", p.key, 1), 200)
	wantCounts(t, p.report(t, 1), 0, 1, 0, 0)

	p.reloadBoth(t, func() (*config.Config, error) { return nil, errors.New("new.yaml:3: nothing that can be read") })
	wantCounts(t, p.report(t, 1), 0, 1, 0, 0) // the one before stays

	same := settings{yaml: live, api: "}\n  other: {url: \"http://127.0.0.1:1\""}
	next := func() (*config.Config, error) { return same.load(t, t.TempDir(), upstream), nil }
	p.reloadBoth(t, next)
	wantCounts(t, p.report(t, 0), 0, 0, 0, 0)
	wantStatuses(t, "after", p.statuses(t, "/a", p.key, 1), 200)
	wantCounts(t, p.report(t, 1), 1, 0, 0, 0)

	var done sync.WaitGroup
	for range 4 {
		done.Go(func() {
			for range 25 {
				response := p.get(t, "/a", p.key)
				_, _ = io.Copy(io.Discard, response.Body)
				if response.StatusCode != http.StatusOK {
					t.Errorf("status %d", response.StatusCode)
				}
			}
		})
	}
	for range 5 {
		p.reloadBoth(t, next)
		_ = p.report(t, 0)
	}
	done.Wait()
	if log := p.log(t); !strings.Contains(log, "new.yaml:3: nothing that can be read") {
		t.Error("the log does not tell what is wrong with the other file")
	}
}

// TestShadowReportLOG01: the report, the log and the metrics hold nothing that a
// client sent.
func TestShadowReportLOG01(t *testing.T) {
	upstream := wire.Listen(t, leaky)
	const live = "log: {path: masked, level: debug}\nroutes: [{match: \"/\", upstream: api}]"
	const shadow = "hosts: [api.example.com]\n" + live
	p := shadowed(t, upstream.URL(), live, shadow, settings{})
	attack.Case(t, "LOG-01", attack.Gateway, func(t *testing.T) {
		for _, text := range canaryRequests() {
			c := wire.Dial(t, p.gateway)
			c.Send(strings.ReplaceAll(text, "{K}", "X-API-Key: "+p.key+"\r\n"))
			method, _, _ := strings.Cut(text, " ")
			_, _ = c.Response(method)
			_ = c.Close()
		}
		v := p.report(t, 15)
		if v.Different < 10 {
			t.Errorf("%d differences, want most of them", v.Different)
		}
		text := fmt.Sprintf("%+v", v)
		wantNone(t, "report", text)
		metrics := p.adminText(t, "/metrics")
		wantNone(t, "metrics", metrics)
		log := p.log(t)
		wantNone(t, "log", log)
		if strings.Contains(text+metrics+log, p.key) || !strings.Contains(log, "judges otherwise") {
			t.Error("the key is there, or no difference is")
		}
	})
}

// TestShadowReportIsGuarded as the rest of the admin listener.
func TestShadowReportIsGuarded(t *testing.T) {
	p := shadowed(t, told(t, "ok"), `routes: [{match: "/", upstream: api}]`, `routes: [{match: "/", upstream: api}]`, settings{})
	if got := do(t, newRequest(t, "http://"+p.admin+"/v1/shadow")).StatusCode; got != http.StatusUnauthorized {
		t.Errorf("without the token: %d, want 401", got)
	}
}

// TestShadowOfSessions: both configurations take the tokens that the live one made.
// A token in a form is left out.
func TestShadowOfSessions(t *testing.T) {
	yaml := loginSettings(t, "")
	p := shadowed(t, told(t, "ok"), yaml, yaml, settings{})
	r := shootingRange{program: p}
	ada, _ := r.login(t, "ada", ownPage)
	mine := r.token(t, ada)
	wantCounts(t, p.report(t, 2), 2, 0, 0, 0)
	const form = "Content-Type: application/x-www-form-urlencoded\r\n"
	for _, tt := range []struct {
		name, line, fields, body string
		status                   int
		same, skipped            uint64
	}{
		{"a token in its field", "POST /x", "X-CSRF-Token: " + mine + "\r\n", "", 200, 3, 0},
		{"no token", "POST /x", "", "", 403, 4, 0},
		{"another site", "POST /x", otherPage + form, "csrf_token=" + mine, 403, 5, 0},
		{"a token in a form", "POST /x", form, "csrf_token=" + mine, 200, 5, 1},
		{"a wrong one in a form", "POST /x", form, "csrf_token=wrong", 403, 5, 2},
		{"the end of the session", "POST /auth/logout", ownPage, "", 303, 6, 2},
	} {
		if w, _ := r.send(t, tt.line, ada+tt.fields, tt.body); w.StatusCode != tt.status {
			t.Errorf("%s: %d, want %d", tt.name, w.StatusCode, tt.status)
		}
		wantCounts(t, p.report(t, tt.same+tt.skipped), tt.same, 0, tt.skipped, 0)
	}
}

// TestShadowAfterAChange: a key that was revoked since is no difference of the
// configurations.
func TestShadowAfterAChange(t *testing.T) {
	stuck := &stuckCredits{waits: make(chan struct{}, 1), release: make(chan struct{})}
	p := shadowed(t, told(t, "ok"), `routes: [{match: "/", upstream: api}]`, "credits: {cost: 1, by: owner}\nroutes: [{match: \"/\", upstream: api}]", settings{
		credits: func(s usage.Store) usage.Store { stuck.Store = s; return stuck },
	})
	released := sync.OnceFunc(func() { close(stuck.release) })
	t.Cleanup(released)
	wantStatuses(t, "a good key", p.statuses(t, "/a", p.key, 1), 200)
	<-stuck.waits
	lost, err := p.issuer.Revoke(t.Context(), apikey.By{Actor: "system", Source: "test"}, p.record.ID, "")
	if err != nil {
		t.Fatal(err)
	}
	p.awaitNodes(t, lost.Revision)
	released()
	wantCounts(t, p.report(t, 1), 0, 0, 1, 0)
}

// TestShadowOfAnswers: what a stage answers by itself is compared by its status.
func TestShadowOfAnswers(t *testing.T) {
	const live = `
cors: {default: {origins: ["https://app.example.com"]}}
routes: [{match: "/", upstream: api}]
`
	for name, tt := range map[string]struct {
		shadow, would string
	}{
		"the same": {shadow: live},
		"no CORS":  {`routes: [{match: "/", upstream: api}]`, "401 no-credential by authn"},
	} {
		t.Run(name, func(t *testing.T) {
			p := shadowed(t, told(t, "ok"), live, tt.shadow, settings{})
			r := newRequest(t, "http://"+p.gateway+"/a")
			r.Method = http.MethodOptions
			r.Header.Set("Origin", "https://app.example.com")
			r.Header.Set("Access-Control-Request-Method", "GET")
			r.Header.Set("X-Request-Id", "of the client") // a stage writes it
			if got := do(t, r).StatusCode; got != http.StatusNoContent {
				t.Fatalf("the preflight: %d, want 204", got)
			}
			v := p.report(t, 1)
			if tt.would == "" {
				wantCounts(t, v, 1, 0, 0, 0)
				return
			}
			wantCounts(t, v, 0, 1, 0, 0)
			if d := v.Differences; len(d) != 1 || d[0].Live != "204 preflight by cors" || d[0].Shadow != tt.would {
				t.Errorf("differences %+v", d)
			}
		})
	}
}

// TestShadowReportIsBounded: kinds of differences beyond the bound are counted
// together.
func TestShadowReportIsBounded(t *testing.T) {
	const routes, bound = 260, 256
	var live, strict strings.Builder
	for _, b := range []*strings.Builder{&live, &strict} {
		b.WriteString("routes:\n")
	}
	for i := range routes {
		fmt.Fprintf(&live, "  - {match: \"/r%d\", upstream: api}\n", i)
		fmt.Fprintf(&strict, "  - {match: \"/r%d\", upstream: api, scopes: [\"audit:read\"]}\n", i)
	}
	p := shadowed(t, told(t, "ok"), live.String(), strict.String(), settings{})
	for i := range routes {
		wantStatuses(t, "a route", p.statuses(t, fmt.Sprintf("/r%d", i), p.key, 1), 200)
		p.report(t, uint64(i)+1) // none is dropped
	}
	v := p.report(t, routes)
	wantCounts(t, v, 0, routes, 0, 0)
	if len(v.Differences) != bound || v.Others != routes-bound {
		t.Errorf("%d kinds and %d others, want %d and %d", len(v.Differences), v.Others, bound, routes-bound)
	}
}
