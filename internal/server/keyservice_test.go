package server_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/internal/wire"
)

// TestRolesMeanTheSame compares who may do what by the accounts and by the API: an
// admin key or a person has in the one what the table of the other says.
func TestRolesMeanTheSame(t *testing.T) {
	for _, role := range account.Roles() {
		own, api := role.Scopes(), keyservice.Scopes(keyservice.Role(role), false)
		for _, rule := range keyservice.Rules() {
			if got, want := own.Allow(string(rule.Right)), api.Allow(string(rule.Right)); got != want {
				t.Errorf("%s may %s: by the account %v, by the API %v", role, rule.Right, got, want)
			}
			if got, want := account.Action(rule.Right).OfOwner(), rule.Bound; got != want {
				t.Errorf("bound to an owner, one may %s: by the account %v, by the API %v", rule.Right, got, want)
			}
		}
	}
}

// TestHoldersThroughTheGateway asks the holder's commands on the public listener.
func TestHoldersThroughTheGateway(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	p := start(t, upstream.URL(), settings{yaml: "holder: {path: /_warder/me}\nroutes:\n  - {match: /orders/, upstream: api}\n"})
	other, _ := p.create(t, apikey.Spec{Environment: "live", Name: "canary"})
	send := func(method, path, body, key string) (status int, text string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.gateway+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-API-Key", key)
		r.Header.Set("Content-Type", "application/json")
		response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		all, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(all)
	}
	attack.Case(t, "KEY-33", attack.Gateway, func(t *testing.T) {
		for path, want := range map[string]int{
			"/_warder/me/" + string(other.ID): 404, "/_warder/me/" + string(other.ID) + "/revoke": 404, "/_warder/me?id=" + string(other.ID): 400, "/_warder/me": 200,
		} {
			if status, text := send(http.MethodGet, path, "", p.key); status != want || strings.Contains(text, "canary") {
				t.Errorf("GET %s: %d %s, want %d", path, status, text, want)
			}
		}
		if status, text := send(http.MethodPost, "/_warder/me/revoke", `{"id":"`+string(other.ID)+`"}`, p.key); status != 400 || !strings.Contains(text, `"field":"id"`) {
			t.Errorf("revoke with an id: %d %s", status, text)
		}
		if status, _ := send(http.MethodGet, "/_warder/me", "", ""); status != 401 {
			t.Errorf("without a key: %d", status)
		}
		if n := len(upstream.Received()); n != 0 {
			t.Errorf("the upstream got %d requests", n)
		}
		for _, id := range []apikey.ID{other.ID, p.record.ID} {
			if r, err := p.keys.Lookup(t.Context(), id); err != nil || !r.Revoked.IsZero() || len(r.Secrets) != 1 {
				t.Errorf("the key %s was changed: %v", id, err)
			}
		}
	})
	status, text := send(http.MethodPost, "/_warder/me/revoke", `{"reason":"superseded"}`, p.key)
	if status != 200 || !strings.Contains(text, `"state":"revoked"`) || !strings.Contains(text, `"complete":true`) {
		t.Errorf("revoke: %d %s", status, text)
	}
	if status, _ := send(http.MethodGet, "/orders/1", "", p.key); status != 401 {
		t.Errorf("after that: %d, want 401", status)
	}
}
