package server_test

import (
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/warder-dev/warder/internal/testredis"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/secret"
)

// asksOf asks the admin listener about a limit, as warder limits does, and compares
// the status and what is in the answer.
func (p *program) asksOf(t *testing.T, method, path, body string, status int, want ...string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.admin+"/v1/limits"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+adminToken)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := do(t, r)
	answer, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	text := string(answer)
	if w.StatusCode != status {
		t.Errorf("%s %s %s: %d %s, want %d", method, path, body, w.StatusCode, text, status)
	}
	for _, part := range want {
		if !strings.Contains(text, part) {
			t.Errorf("%s %s %s: %s, want %s in it", method, path, body, text, part)
		}
	}
}

// The limits that Envoys ask about are shown, reset and overridden as others are.
func TestEnvoysLimitsAtTheAdminListener(t *testing.T) {
	e := startEnvoyWithLimits(t, settings{token: secret.New(adminToken)})
	plan := func(value string) string { return `{"parts":{"plan":"` + value + `"}}` }
	for range 3 {
		if _, err := limits(t, e.conn, inDomain("api", descriptor("generic_key", "search", "plan", "free"))); err != nil {
			t.Fatal(err)
		}
	}
	e.counts(t, "everybody together", inDomain("api", descriptor("remote_address", "192.0.2.99")), "ok ok:known=4")
	e.asksOf(t, "GET", "", "", 200,
		`{"name":"any-plan","by":["plan"],"count":2,"per":"8760h0m0s","burst":2,"subjects":1,"passed":2,"refused":1,"shadowed":0}`,
		`{"name":"known","by":[],"count":5,`, `{"name":"tried","by":["tried"],"count":1,"per":"8760h0m0s","burst":1,"shadow":true,`)
	e.asksOf(t, "GET", "/any-plan/top", "", 200, `"who":"plan","times":1`)
	e.asksOf(t, "POST", "/any-plan:standing", plan("free"), 200, `"known":true,"count":2,"per":"8760h0m0s","burst":2,"left":0,`)
	e.asksOf(t, "POST", "/any-plan:standing", plan("trial"), 200, `"known":false,`, `"left":2,`)
	e.asksOf(t, "POST", "/known:standing", `{}`, 200, `"left":4,`)
	e.asksOf(t, "POST", "/any-plan:reset", plan("free"), 200, `"known":true`)
	e.counts(t, "after a reset", inDomain("api", descriptor("generic_key", "search", "plan", "free")), "ok ok:any-plan=1")
	e.asksOf(t, "POST", "/any-plan:override", `{"parts":{"plan":"free"},"count":9,"per":"1d"}`, 200)
	e.counts(t, "with an override", inDomain("api", descriptor("generic_key", "search", "plan", "free")), "ok ok:any-plan=8")
	e.counts(t, "another one", inDomain("api", descriptor("generic_key", "search", "plan", "trial")), "ok ok:any-plan=1")
	e.asksOf(t, "POST", "/known:reset", `{}`, 200, `"known":true`)
	e.counts(t, "everybody again", inDomain("api", descriptor("remote_address", "192.0.2.99")), "ok ok:known=4")

	e.asksOf(t, "POST", "/any-plan:standing", `{"parts":{"owner":"acme"}}`, 400, "tells its subjects apart by plan")
	e.asksOf(t, "POST", "/known:standing", plan("free"), 400, "counts everybody together")
	e.asksOf(t, "POST", "/nowhere:standing", `{}`, 404, "no such limit")
}

// A reset of a limit that nodes share is one for all of them.
func TestEnvoysSharedLimitsAreReset(t *testing.T) {
	store := testredis.Start(t)
	var nodes [2]envoy
	for i := range nodes {
		nodes[i] = envoy{program: start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{yaml: askedYAML("envoy") + sharedDescriptors, limit: openRedis(t, store.Address), token: secret.New(adminToken)})}
		nodes[i].conn = nodes[i].dial(t, insecure.NewCredentials())
	}
	nodes[0].counts(t, "all", inDomain("exact", hits(10, descriptor("user", "a"))), "ok ok:exact=0")
	nodes[1].counts(t, "nothing is left", inDomain("exact", descriptor("user", "a")), "over over:exact=0")
	nodes[0].asksOf(t, "POST", "/exact:reset", `{"parts":{"user":"a"}}`, 200, `"known":true`)
	nodes[0].counts(t, "here", inDomain("exact", descriptor("user", "a")), "ok ok:exact=9")
	eventually(t, func() (struct{}, bool) { // a node hears of it with its next beat
		w, err := limits(t, nodes[1].conn, inDomain("exact", hits(0, descriptor("user", "a"))))
		return struct{}{}, err == nil && w.GetOverallCode() == isOK
	})
	nodes[1].counts(t, "there", inDomain("exact", descriptor("user", "a")), "ok ok:exact=8")
}

// The shadow tells which limits would count a question otherwise. What is left of
// them is no difference.
func TestShadowOfEnvoysLimits(t *testing.T) {
	live := askedYAML("envoy") + someDescriptors
	change := strings.NewReplacer(
		"{name: any-plan, count: 2, per: 365d}", "{name: any-plan, count: 1, per: 365d}",
		"{name: tokens, count: 1000, per: 30d, burst: 500}", "{name: tokens, count: 1000, per: 30d, burst: 500, store: leased}", // asks for no store: it counts nothing
		"- key: tried\n", "- {key: fresh, limit: {name: fresh, count: 7, per: 1d}}\n      - key: tried\n",
		"domain: other", "domain: another",
	)
	tighter := change.Replace(live) + "redis: {addresses: [\"127.0.0.1:1\"]}\n"
	e := envoy{program: shadowed(t, told(t, "ok"), live, tighter, settings{})}
	e.conn = e.dial(t, insecure.NewCredentials())
	free := descriptor("generic_key", "search", "plan", "free")
	address := descriptor("remote_address", "192.0.2.1")
	e.counts(t, "changed", inDomain("api", free, address), "ok ok:any-plan=1 ok:per-address=2")
	e.counts(t, "changed, and to its end", inDomain("api", free), "ok ok:any-plan=0")
	e.counts(t, "changed, and over", inDomain("api", free), "over over:any-plan=0")
	e.counts(t, "as it was", inDomain("api", address), "ok ok:per-address=1")
	e.counts(t, "more than there is", inDomain("api", hits(9, descriptor("remote_address", "192.0.2.1"))), "over over:per-address=1")
	e.counts(t, "in another store", inDomain("api", descriptor("tokens", "a")), "ok ok:tokens=499")
	e.counts(t, "its own quota", inDomain("api", override(3, typev3.RateLimitUnit_DAY)), "ok ok:search=2")
	e.counts(t, "a new one", inDomain("api", descriptor("fresh", "secret-canary")), "ok ok")
	e.counts(t, "a domain that is gone", inDomain("other", address), "ok ok:other-address=0")
	if _, err := limits(t, e.conn, inDomain("")); err == nil {
		t.Error("a question without a domain is answered")
	}
	v := e.report(t, 10)
	wantCounts(t, v, 5, 5, 0, 0)
	got := map[string]uint64{}
	for _, d := range v.Differences {
		got[d.Route+"|"+d.ShadowRoute+"|"+d.Live+"|"+d.Shadow+"|"+strings.Join(d.Differs, " ")] = d.Count
	}
	want := map[string]uint64{
		"ratelimit:api|ratelimit:api|any-plan 2/8760h0m0s burst 2|any-plan 1/8760h0m0s burst 1|limits": 3,
		"ratelimit:api|ratelimit:api|no limit|fresh 7/24h0m0s burst 7|limits":                          1,
		"ratelimit:other||other-address 1/8760h0m0s burst 1|no limit|limits":                           1,
	}
	if !maps.Equal(got, want) {
		t.Errorf("differences %v, want %v", got, want)
	}
	if text := e.log(t); strings.Contains(text, "canary") || strings.Contains(text, "192.0.2.1\"") {
		t.Errorf("a value is in the log:\n%s", text)
	}
}
