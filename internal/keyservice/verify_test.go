package keyservice_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/keyservice"
)

// verdict asks for one.
func (w *world) verdict(t *testing.T, use keyservice.Use, fields ...string) (v keyservice.Verdict) {
	t.Helper()
	r := w.ask(t, http.MethodPost, "/v1/keys:verify", use, fields...)
	if r.status != http.StatusOK {
		t.Fatalf("verify: %d %s", r.status, r.text)
	}
	r.json(t, &v)
	return v
}

// What is not seen to be used is revoked when it shall be: verifying is use, and
// asking about a wrong key is not.
func TestVerifyIsUse(t *testing.T) {
	var used []string
	w := newWorld(t, func(c *keyservice.Config) {
		c.Used = func(key string, secret int) { used = append(used, fmt.Sprintf("%s %d", key, secret)) }
	})
	made := w.made(t, keyservice.KeySpec{Owner: "acme", Methods: []string{"GET"}})
	w.verdict(t, keyservice.Use{Key: made.Text, Method: "GET"})
	for _, refused := range []keyservice.Use{{Key: made.Text, Method: "POST"}, {Key: "hello", Method: "GET"}} {
		w.verdict(t, refused)
	}
	if want := []string{made.Key.ID + " 1"}; !slices.Equal(used, want) {
		t.Errorf("used = %q, want %q", used, want)
	}
}

func TestVerify(t *testing.T) {
	w := newWorld(t)
	made := w.made(t, keyservice.KeySpec{
		Owner: "acme", Scopes: []string{"orders:*"}, Addresses: []string{"192.0.2.0/24"}, Methods: []string{"GET"}, Paths: []string{"/orders/"}, Plan: "gold",
	})
	good := keyservice.Use{Key: made.Text, Method: "GET", Target: "/orders/17?x=%2f", Address: "192.0.2.7", Scopes: []string{"orders:read"}}
	v := w.verdict(t, good)
	if p := v.Principal; !v.Valid || v.Code != "valid" || v.Status != 200 || p == nil || p.ID != made.Key.ID || p.Owner != "acme" || p.Scopes[0] != "orders:*" || p.Plan != "gold" {
		t.Errorf("a good use is %+v", v)
	}
	for name, tt := range map[string]struct {
		change func(*keyservice.Use)
		code   string
		status int
		reason string
	}{
		"another address":  {func(u *keyservice.Use) { u.Address = "198.51.100.1" }, "forbidden", 403, apikey.RuleAddress},
		"no address":       {func(u *keyservice.Use) { u.Address = "" }, "forbidden", 403, apikey.RuleAddress},
		"another method":   {func(u *keyservice.Use) { u.Method = "POST" }, "forbidden", 403, apikey.RuleMethod},
		"another path":     {func(u *keyservice.Use) { u.Target = "/admin" }, "forbidden", 403, apikey.RulePath},
		"no path":          {func(u *keyservice.Use) { u.Target = "" }, "forbidden", 403, apikey.RulePath},
		"a scope it lacks": {func(u *keyservice.Use) { u.Scopes = []string{"users:read"} }, "insufficient-scope", 403, "insufficient-scope"},
		"no key at all":    {func(u *keyservice.Use) { u.Key = "hello" }, "invalid", 401, "malformed"},
	} {
		use := good
		tt.change(&use)
		if v := w.verdict(t, use); v.Valid || v.Code != tt.code || v.Status != tt.status || v.Reason != tt.reason {
			t.Errorf("%s: %+v", name, v)
		}
	}
	for _, target := range []string{"/a/../orders/", "//orders", "/orders/%2e%2e/", "orders", "/a\\b", "/%00"} {
		use := good
		use.Target = target
		want(t, target, w.ask(t, http.MethodPost, "/v1/keys:verify", use), http.StatusBadRequest)
	}
	if _, err := w.issuer.Disable(t.Context(), apikey.By{Actor: "t", Source: "t"}, apikey.ID(made.Key.ID)); err != nil {
		t.Fatal(err)
	}
	if v := w.verdict(t, good); v.Valid || v.Code != "invalid" || v.Reason != "disabled" || v.Principal != nil {
		t.Errorf("a disabled key is %+v", v)
	}
}

func TestVerifySpends(t *testing.T) {
	w := newWorld(t)
	made := w.made(t, keyservice.KeySpec{Limits: []keyservice.Limit{{Name: "requests", Count: 3, Per: "24h"}}})
	if v := w.verdict(t, keyservice.Use{Key: made.Text, Cost: 1}); v.Valid || v.Code != "credits-exhausted" || v.Status != 429 {
		t.Errorf("without an account: %+v", v)
	}
	want(t, "set", w.ask(t, http.MethodPost, "/v1/credits:set", map[string]any{"key": made.Key.ID, "credits": 5}), http.StatusOK)
	var account keyservice.Account
	if w.ask(t, http.MethodGet, "/v1/credits?key="+made.Key.ID, nil).json(t, &account); account.Remaining != 5 {
		t.Errorf("set to 5: %+v", account)
	}
	want(t, "grant", w.ask(t, http.MethodPost, "/v1/credits:grant", map[string]any{"key": made.Key.ID, "credits": 2}), http.StatusOK)
	want(t, "grant nothing", w.ask(t, http.MethodPost, "/v1/credits:grant", map[string]any{"key": made.Key.ID, "credits": 0}), http.StatusBadRequest)
	want(t, "two accounts", w.ask(t, http.MethodPost, "/v1/credits:grant", map[string]any{"key": made.Key.ID, "owner": "a", "credits": 1}), http.StatusBadRequest)
	want(t, "no account", w.ask(t, http.MethodGet, "/v1/credits?owner=nobody", nil), http.StatusNotFound)
	w.ask(t, http.MethodPost, "/v1/credits:setRefill", map[string]any{"owner": "acme", "every": "month", "amount": 100}).json(t, &account)
	if account.Kind != "owner" || account.Remaining != 100 || account.Refill == nil || account.Refill.Every != "month" {
		t.Errorf("a refill of an owner: %+v", account)
	}

	other := w.made(t, keyservice.KeySpec{Limits: []keyservice.Limit{{Name: "requests", Count: 3, Per: "24h"}}})
	want(t, "set", w.ask(t, http.MethodPost, "/v1/credits:set", map[string]any{"key": other.Key.ID, "credits": 100}), http.StatusOK)
	for i := range 3 {
		v := w.verdict(t, keyservice.Use{Key: other.Text, Cost: 10})
		if !v.Valid || len(v.Limits) != 1 || v.Limits[0].Left != int64(2-i) || v.Credits == nil {
			t.Errorf("use %d: %+v %v", i, v, v.Limits)
		}
	}
	v := w.verdict(t, keyservice.Use{Key: other.Text, Cost: 10})
	if v.Valid || v.Code != "rate-limited" || v.Status != 429 || v.Retry < 60 {
		t.Errorf("the fourth: %+v", v)
	}
	if err := w.ledger.Close(t.Context()); err != nil { // what was not spent goes back
		t.Fatal(err)
	}
	if w.ask(t, http.MethodGet, "/v1/credits?key="+other.Key.ID, nil).json(t, &account); account.Spent != 30 || account.Remaining != 70 {
		t.Errorf("three uses of 10 credits left %+v", account)
	}
}

func TestAStoreWithoutAnAnswer(t *testing.T) {
	w := newWorld(t, func(cfg *keyservice.Config) { cfg.Credits, cfg.Ledger = nil, nil })
	made := w.made(t, keyservice.KeySpec{})
	w.fault = func() error { return errDown }
	for name, r := range map[string]*reply{
		"credits": w.ask(t, http.MethodGet, "/v1/credits?owner=a", nil),
		"spend":   w.ask(t, http.MethodPost, "/v1/keys:verify", keyservice.Use{Key: made.Text, Cost: 1}),
		"usage":   w.ask(t, http.MethodGet, "/v1/usage", nil),
		"audit":   w.ask(t, http.MethodGet, "/v1/audit", nil),
		"export":  w.ask(t, http.MethodGet, "/v1/audit:export", nil),
		"receipt": w.ask(t, http.MethodPost, "/v1/keys/"+made.Key.ID+":revoke", `{}`),
	} {
		if want(t, name, r, http.StatusServiceUnavailable); r.header.Get("Retry-After") == "" || len(r.fields(t)) != 0 {
			t.Errorf("%s: %v %s", name, r.header, r.text)
		}
	}
}

// A dry question says what a real one would, and spends nothing.
func TestVerifyDry(t *testing.T) {
	var used int
	w := newWorld(t, func(c *keyservice.Config) { c.Used = func(string, int) { used++ } })
	made := w.made(t, keyservice.KeySpec{Limits: []keyservice.Limit{{Name: "requests", Count: 1, Per: "24h"}}})
	want(t, "set", w.ask(t, http.MethodPost, "/v1/credits:set", map[string]any{"key": made.Key.ID, "credits": 5}), http.StatusOK)
	for i := range 3 {
		if v := w.verdict(t, keyservice.Use{Key: made.Text, Dry: true, Cost: 5}); !v.Valid || v.Principal.Secret != 1 || len(v.Limits) != 1 || v.Limits[0].Per != "24h0m0s" {
			t.Errorf("dry %d: %+v", i, v)
		}
	}
	if used != 0 {
		t.Errorf("used %d times, want none", used)
	}
	for i, good := range []bool{true, false} {
		if v := w.verdict(t, keyservice.Use{Key: made.Text}); v.Valid != good {
			t.Errorf("use %d: %+v", i, v)
		}
	}
	if v := w.verdict(t, keyservice.Use{Key: made.Text, Dry: true}); v.Valid || v.Code != "rate-limited" {
		t.Errorf("dry, with nothing left: %+v", v)
	}
}
