package server_test

import (
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/server"
	"github.com/warder-dev/warder/internal/wire"
)

// aPolicy has a little of everything that judges.
const aPolicy = `
hosts: [localhost, 127.0.0.1, api.example.com]
schemes: {downloadKey: {key: {in: query}}, cookieKey: {key: {in: cookie}}}
cors: {default: {origins: [https://app.example.com], credentials: true}}
csrf: {trusted_origins: [https://app.example.com]}
rate_limits: {few: {count: 1000, per: 1h, by: [key]}}
default_rate_limits: [few]
limits: {target_bytes: 256, body_bytes: 16}
routes:
  - {match: "GET /orders/", upstream: api, scopes: [orders:read]}
  - {match: "POST /orders", upstream: api, scopes: [orders:write]}
  - {match: "/admin/", upstream: api, scopes: [admin:all]}
  - {match: "/office", upstream: api, conditions: [{name: office, addresses: [192.0.2.0/24]}]}
  - {match: "/here", upstream: api, conditions: [{name: here, addresses: [127.0.0.0/8]}]}
  - {match: "/query", upstream: api, security: [{downloadKey: []}]}
  - {match: "/cookie", upstream: api, security: [{cookieKey: []}]}
  - {match: "/open", upstream: api, public: true}
  - {match: "/strip/", upstream: api, strip_prefix: /strip, allow: [encoded_slash]}
`

// TestTrialAgreesWithTheGateway asks both about the same requests: what explain and
// policy tests say is what happens.
func TestTrialAgreesWithTheGateway(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{yaml: aPolicy})
	trial, err := server.NewTrial(server.TrialOptions{Config: settings{yaml: aPolicy}.load(t, t.TempDir(), upstream.URL()), Store: p.keys, Peppers: p.peppers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(trial.Close)
	lost, lostKey := p.create(t, apikey.Spec{Environment: "live", Scopes: []string{"orders:*"}})
	if _, err := p.issuer.Revoke(t.Context(), apikey.By{Actor: "system", Source: "test"}, lost.ID, ""); err != nil {
		t.Fatal(err)
	}
	good := "X-API-Key: " + p.key
	unknown := "X-API-Key: " + strings.Replace(p.key, string(p.record.ID), "AAAAAAAAAAAA", 1)
	n := 0
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "FOO"} {
		for _, target := range []string{
			"/orders/1", "/orders", "/admin/x", "/admin", "/office", "/here", "/query?api_key=" + p.key, "/query?api%5Fkey=" + p.key, "/query", "/cookie",
			"/open", "/open?a=%zz", "/nothing", "/orders/../admin/x", "/orders//1", "/orders/%2e%2e/x", "/strip/a%2Fb", "/orders/a%2Fb", "/" + strings.Repeat("a", 300), "/ORDERS/1",
		} {
			for _, header := range [][]string{
				nil,
				{good},
				{unknown},
				{"X-API-Key: " + lostKey},
				{good, good},
				{"X-API-Key: "},
				{"Cookie: __Host-api_key=" + p.key},
				{"Cookie: __Host-api_key=" + p.key, "Origin: https://app.example.com", "Sec-Fetch-Site: cross-site"},
				{good, "Host: evil.example"},
				{good, "Origin: https://app.example.com", "Access-Control-Request-Method: GET"},
				{good, "X-Forwarded-For: 192.0.2.7"},
			} {
				n++
				agree(t, p, trial, server.Question{Method: method, URL: "http://localhost" + target, Header: header, Client: netip.MustParseAddr("127.0.0.1")}, target)
			}
		}
	}
	t.Logf("%d requests", n)
}

// agree reports a request of which the gateway and the trial think differently.
func agree(t *testing.T, p *program, trial *server.Trial, q server.Question, target string) {
	t.Helper()
	a, err := trial.Ask(q)
	if err != nil {
		t.Fatalf("%s %s: %v", q.Method, target, err)
	}
	host, fields := "localhost", ""
	for _, line := range q.Header {
		if name, value, _ := strings.Cut(line, ": "); name == "Host" {
			host = value
		} else {
			fields += line + "\r\n"
		}
	}
	c := wire.Dial(t, p.gateway)
	c.Send(q.Method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\n" + fields + "Connection: close\r\n\r\n")
	w, _ := c.Response(q.Method)
	_ = c.Close()
	if w == nil {
		t.Fatalf("%s %s: no answer", q.Method, target)
	}
	want := http.StatusOK
	if !a.Allowed {
		want = a.Status
	}
	if w.StatusCode != want {
		t.Errorf("%s %s %q: the gateway says %d, the trial %d (%s by %s)", q.Method, target, q.Header, w.StatusCode, want, a.Reason, a.Stage)
	}
	for _, name := range []string{"WWW-Authenticate", "Allow", "Access-Control-Allow-Origin"} {
		if got := w.Header.Get(name); !a.Allowed && got != a.Header.Get(name) {
			t.Errorf("%s %s %q: %s is %q at the gateway, %q in the trial", q.Method, target, q.Header, name, got, a.Header.Get(name))
		}
	}
	_, _ = io.Copy(io.Discard, w.Body)
}
