package server_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/account/login"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/secret"
)

// A machine that is bound to an owner uses up nothing of an address that it claims,
// and learns nothing of where it stands; its own key counts.
func TestVerifyUsesUpNobodysAddress(t *testing.T) {
	attack.Case(t, "ADMIN-03", attack.Admin, func(t *testing.T) {
		p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{yaml: `
rate_limits:
  addresses: {count: 5, per: 24h, by: [address]}
  keys: {count: 8, per: 24h, by: [key]}
routes:
  - {match: /orders/, upstream: api, scopes: ["orders:read"], rate_limits: [addresses, keys]}
`, token: secret.New(verifyToken)})
		keys, err := login.NewKeys(login.KeysConfig{Store: p.accounts, Peppers: p.peppers})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := keys.Close(); err != nil {
				t.Error(err)
			}
		})
		_, machine, err := keys.Issue(t.Context(), account.Actor{By: "user:x", Source: "cli", Operator: true}, login.KeySpec{Role: account.Developer, Owner: "evil"})
		if err != nil {
			t.Fatal(err)
		}
		record, text := p.create(t, apikey.Spec{Environment: "live", Owner: "evil", Scopes: []string{"orders:read"}})
		p.awaitNodes(t, record.Revision)
		for n := range 9 {
			v := p.verifyAs(t, machine.Reveal(), keyservice.Use{Key: text, Method: "GET", Target: "http://" + p.gateway + "/orders/1", Address: "127.0.0.1", Gateway: true})
			if want := n < 8; v.Valid != want {
				t.Errorf("question %d: %+v, want valid %v", n, v, want)
			}
			if strings.Contains(v.Header["Ratelimit"]+v.Header["Ratelimit-Policy"], "addresses") || !v.Valid && v.Reason != "" && v.Reason != "limit:keys" {
				t.Errorf("question %d tells of the address: %+v", n, v)
			}
		}
		for n := range 6 {
			r := newRequest(t, "http://"+p.gateway+"/orders/1")
			r.Header.Set("X-API-Key", p.key)
			want := http.StatusOK
			if n == 5 {
				want = http.StatusTooManyRequests
			}
			if got := do(t, r).StatusCode; got != want {
				t.Errorf("request %d from there: %d, want %d", n, got, want)
			}
		}
	})
}

// verifyAs asks the key service of p with another token.
func (p *program) verifyAs(t *testing.T, token string, use keyservice.Use) (v keyservice.Verdict) {
	t.Helper()
	body, err := json.Marshal(use)
	if err != nil {
		t.Fatal(err)
	}
	r := newRequest(t, "http://"+p.admin+"/v1/keys:verify")
	r.Method, r.Body, r.ContentLength = http.MethodPost, io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	w := do(t, r)
	answer, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(answer, &v); err != nil || w.StatusCode != http.StatusOK {
		t.Fatalf("%d %s %v", w.StatusCode, answer, err)
	}
	return v
}
