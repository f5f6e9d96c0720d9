package server_test

import (
	"testing"

	"github.com/warder-dev/warder/internal/wire"
)

// A route's own fields are on its answers, refusals too, and what it switches off
// is not there; elsewhere those of all answers are. What an upstream tells warder
// alone is on none.
func TestFieldsOfOneRoute(t *testing.T) {
	r := newRange(t, `
headers:
  content_security_policy: "default-src 'none'"
  frame_options: DENY
  cross_origin_opener_policy: same-origin
  remove: [Server]
rate_limits: {costly: {count: 600, per: 1m, by: [address], cost_header: X-Cost}}
default_rate_limits: [costly]
routes:
  - {match: "/", upstream: api}
  - match: /pages/
    upstream: api
    headers: {content_security_policy: "default-src 'self'", frame_options: "off", cross_origin_resource_policy: same-site, cross_origin_opener_policy: same-origin-allow-popups, cross_origin_embedder_policy: credentialless}
  - {match: "/shown/", upstream: api, headers: {remove: [X-Powered-By]}}
`, "HTTP/1.1 200 OK\r\nServer: s\r\nX-Powered-By: p\r\nX-Cost: 1\r\nContent-Length: 2\r\n\r\nok")
	const key = "Host: a.test\r\nX-API-Key: {K}\r\n"
	inherited := []string{"Referrer-Policy: strict-origin-when-cross-origin", "X-Content-Type-Options: nosniff", "X-Cost: -"}
	all := append([]string{
		"Content-Security-Policy: default-src 'none'", "X-Frame-Options: DENY", "Cross-Origin-Resource-Policy: -", "Cross-Origin-Opener-Policy: same-origin",
		"Cross-Origin-Embedder-Policy: -", "Server: -",
	}, inherited...)
	pages := append([]string{
		"Content-Security-Policy: default-src 'self'", "X-Frame-Options: -", "Cross-Origin-Resource-Policy: same-site", "Cross-Origin-Opener-Policy: same-origin-allow-popups",
		"Cross-Origin-Embedder-Policy: credentialless", "Server: -",
	}, inherited...)
	shown := append([]string{"Content-Security-Policy: default-src 'none'", "X-Frame-Options: DENY", "X-Powered-By: -", "Server: s"}, inherited...)
	r.one(t, shot{name: "a route without its own", line: "GET /orders", head: key, want: 200, answer: all})
	r.one(t, shot{name: "a route with its own", line: "GET /pages/a", head: key, want: 200, answer: pages})
	r.one(t, shot{name: "its refusal", line: "GET /pages/a", head: "Host: a.test\r\n", want: 401, answer: pages})
	r.one(t, shot{name: "a route with its own list of what is removed", line: "GET /shown/a", head: key, want: 200, answer: shown})
	r.one(t, shot{name: "what reaches no route", line: "GET /pages/../a", head: key, want: 400, answer: all})
}

// A route trusts its own origins in place of those of all routes; none, if its
// list is empty.
func TestTrustedOriginsOfOneRoute(t *testing.T) {
	r := newRange(t, `
csrf: {trusted_origins: ["https://admin.example.com"]}
schemes: {cookieKey: {key: {in: cookie}}}
security: [{cookieKey: []}]
routes:
  - {match: "/", upstream: api}
  - {match: "/files/", upstream: api, csrf: {trusted_origins: ["https://files.example.com"]}}
  - {match: "/alone/", upstream: api, csrf: {trusted_origins: []}}
  - {match: "/trial/", upstream: api, csrf: {shadow: true}}
`, wire.OK)
	const admin, files, other = "https://admin.example.com", "https://files.example.com", "https://other.example.com"
	for _, tt := range []struct {
		path, from string
		want       int
	}{
		{"/orders", admin, 200},
		{"/orders", files, 403},
		{"/files/a", admin, 403},
		{"/files/a", files, 200},
		{"/files/a", other, 403},
		{"/alone/a", admin, 403},
		{"/alone/a", "http://app.example.com", 200},
		{"/trial/a", other, 200},
	} {
		if w, _ := r.send(t, "POST "+tt.path, "Cookie: __Host-api_key="+r.key+"\r\nOrigin: "+tt.from+"\r\n", ""); w.StatusCode != tt.want {
			t.Errorf("%s from %s: %d, want %d", tt.path, tt.from, w.StatusCode, tt.want)
		}
	}
	if n := r.metric(t, `warder_shadow_refusals_total{reason="other-origin",stage="csrf"}`); n != "1" {
		t.Errorf("what the trial would refuse is counted %q times, want once", n)
	}
}

// A token of the site holds on a route with csrf of its own.
func TestTokensHoldOnRoutesWithTheirOwnCSRF(t *testing.T) {
	r := withLogin(t, "", "  - {match: \"/files/\", upstream: api, csrf: {trusted_origins: []}}\n")
	cookie, _ := r.login(t, "ada", ownPage)
	token := r.token(t, cookie)
	for field, want := range map[string]int{"X-CSRF-Token: " + token + "\r\n": 200, "": 403} {
		if w, _ := r.send(t, "POST /files/a", cookie+field, "x=1"); w.StatusCode != want {
			t.Errorf("with %.14q: %d, want %d", field, w.StatusCode, want)
		}
	}
}
