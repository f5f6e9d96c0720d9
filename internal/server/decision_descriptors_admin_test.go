package server_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/credentials/insecure"

	"github.com/warder-dev/warder/internal/testredis"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/secret"
)

const limitsToken = "the token of the admin listener"

// asksOf asks the admin listener about a limit, as warder limits does, and compares
// the status and what is in the answer.
func (p *program) asksOf(t *testing.T, method, path, body string, status int, want ...string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.admin+"/limits"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+limitsToken)
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
	e := startEnvoyWithLimits(t, settings{token: secret.New(limitsToken)})
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
	e.asksOf(t, "POST", "/any-plan/standing", plan("free"), 200, `"known":true,"count":2,"per":"8760h0m0s","burst":2,"left":0,`)
	e.asksOf(t, "POST", "/any-plan/standing", plan("trial"), 200, `"known":false,`, `"left":2,`)
	e.asksOf(t, "POST", "/known/standing", `{}`, 200, `"left":4,`)
	e.asksOf(t, "POST", "/any-plan/reset", plan("free"), 200, `"known":true`)
	e.counts(t, "after a reset", inDomain("api", descriptor("generic_key", "search", "plan", "free")), "ok ok:any-plan=1")
	e.asksOf(t, "POST", "/any-plan/override", `{"parts":{"plan":"free"},"count":9,"per":"1d"}`, 200)
	e.counts(t, "with an override", inDomain("api", descriptor("generic_key", "search", "plan", "free")), "ok ok:any-plan=8")
	e.counts(t, "another one", inDomain("api", descriptor("generic_key", "search", "plan", "trial")), "ok ok:any-plan=1")
	e.asksOf(t, "POST", "/known/reset", `{}`, 200, `"known":true`)
	e.counts(t, "everybody again", inDomain("api", descriptor("remote_address", "192.0.2.99")), "ok ok:known=4")

	e.asksOf(t, "POST", "/any-plan/standing", `{"parts":{"owner":"acme"}}`, 422, "tells its subjects apart by plan")
	e.asksOf(t, "POST", "/known/standing", plan("free"), 422, "counts everybody together")
	e.asksOf(t, "POST", "/nowhere/standing", `{}`, 404, "not found")
}

// A reset of a limit that nodes share is one for all of them.
func TestEnvoysSharedLimitsAreReset(t *testing.T) {
	store := testredis.Start(t)
	var nodes [2]envoy
	for i := range nodes {
		nodes[i] = envoy{program: start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{yaml: askedYAML("envoy") + sharedDescriptors, limit: openRedis(t, store.Address), token: secret.New(limitsToken)})}
		nodes[i].conn = nodes[i].dial(t, insecure.NewCredentials())
	}
	nodes[0].counts(t, "all", inDomain("exact", hits(10, descriptor("user", "a"))), "ok ok:exact=0")
	nodes[1].counts(t, "nothing is left", inDomain("exact", descriptor("user", "a")), "over over:exact=0")
	nodes[0].asksOf(t, "POST", "/exact/reset", `{"parts":{"user":"a"}}`, 200, `"known":true`)
	nodes[0].counts(t, "here", inDomain("exact", descriptor("user", "a")), "ok ok:exact=9")
	eventually(t, func() (struct{}, bool) { // a node hears of it with its next beat
		w, err := limits(t, nodes[1].conn, inDomain("exact", hits(0, descriptor("user", "a"))))
		return struct{}{}, err == nil && w.GetOverallCode() == isOK
	})
	nodes[1].counts(t, "there", inDomain("exact", descriptor("user", "a")), "ok ok:exact=8")
}
