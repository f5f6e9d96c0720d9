package keyservice_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/keyservice"
)

// byBearer sends a holder's request with a bearer token in place of a key.
func byBearer(t *testing.T, h http.Handler, method, path, body, token string) *reply {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://localhost"+path, strings.NewReader(body))
	r.RemoteAddr = "192.0.2.1:1"
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return &reply{rec.Code, rec.Header(), rec.Body.String()}
}

func TestAHolderMakesATokenOfItsKey(t *testing.T) {
	w := newWorld(t)
	bearer, err := apikey.NewBearer(apikey.BearerConfig{Verifier: w.verifier, Tokens: true})
	must(t, err)
	h := w.holding(t, bearer)
	made := w.made(t, keyservice.KeySpec{Owner: "acme", Scopes: []string{"orders:*"}})
	for name, tt := range map[string]struct {
		body, scope string
		audience    string
		seconds     int64
	}{
		"all of it": {``, "orders:*", "orders invoices", 300},
		"the same":  {`{}`, "orders:*", "orders invoices", 300},
		"less":      {`{"scopes":["orders:read"],"audience":["orders"],"lifetime":"1m"}`, "orders:read", "orders", 60},
		"no scope":  {`{"scopes":[]}`, "", "orders invoices", 300},
	} {
		r := hold(t, h, http.MethodPost, "/me/token", tt.body, made.Text)
		var token keyservice.TokenMade
		if want(t, name, r, http.StatusOK); r.status != 200 {
			continue
		}
		r.json(t, &token)
		// The end is in whole seconds, and so up to one earlier.
		if token.TokenType != "Bearer" || token.Scope != tt.scope || strings.Join(token.Audience, " ") != tt.audience || token.KeyID != made.Key.ID ||
			token.ExpiresIn > tt.seconds || token.ExpiresIn < tt.seconds-30 || r.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %+v %v", name, token, r.header)
		}
		for what, status := range map[string]int{ // it proves whom the key proves, and does nothing of what the key may
			"GET /me": http.StatusForbidden, "POST /me/token": http.StatusForbidden, "POST /me/roll": http.StatusForbidden, "POST /me/revoke": http.StatusForbidden,
		} {
			method, path, _ := strings.Cut(what, " ")
			r := byBearer(t, h, method, path, "", token.AccessToken)
			if want(t, what+" by a token", r, status); strings.Contains(r.text, made.Key.ID) {
				t.Errorf("%s by a token: %s", what, r.text)
			}
			want(t, what+" by a token as a key", hold(t, h, method, path, "", token.AccessToken), http.StatusUnauthorized)
		}
	}
	record, err := w.store.Lookup(t.Context(), apikey.ID(made.Key.ID))
	if err != nil || int64(record.Revision) != made.Key.Revision {
		t.Errorf("the key was changed: %v", err)
	}
	want(t, "look by the key as a bearer token", byBearer(t, h, http.MethodGet, "/me", "", made.Text), http.StatusOK)
}

// TestTokensThatAreNotMade asks for more than the key has, and in ways that are not
// known.
func TestTokensThatAreNotMade(t *testing.T) {
	attack.Case(t, "KEY-33", attack.Library, func(t *testing.T) {
		w := newWorld(t)
		h := w.holding(t)
		made, other := w.made(t, keyservice.KeySpec{Scopes: []string{"orders:read"}}), w.made(t, keyservice.KeySpec{Name: "canary", Scopes: []string{"invoices:read"}})
		for _, tt := range []struct {
			path, body string
			status     int
			field      string
		}{
			{"/me/token", `{"scopes":["orders:*"]}`, 400, "scopes"},
			{"/me/token", `{"scopes":["invoices:read"]}`, 400, "scopes"},
			{"/me/token", `{"scopes":["` + strings.Repeat(`orders:read","`, 100) + `x"]}`, 400, "scopes"},
			{"/me/token", `{"scopes":"orders:read"}`, 400, "scopes"},
			{"/me/token", `{"scopes":null}`, 400, "scopes"},
			{"/me/token", `{"audience":["billing"]}`, 400, "audience"},
			{"/me/token", `{"audience":[]}`, 400, "audience"},
			{"/me/token", `{"lifetime":"16m"}`, 400, "lifetime"},
			{"/me/token", `{"lifetime":"0s"}`, 400, "lifetime"},
			{"/me/token", `{"lifetime":"-1m"}`, 400, "lifetime"},
			{"/me/token", `{"lifetime":"soon"}`, 400, "lifetime"},
			{"/me/token", `{"lifetime":60}`, 400, "lifetime"},
			{"/me/token", `{"expires":"2099-01-01T00:00:00Z"}`, 400, "expires"},
			{"/me/token", `{"key":"` + other.Key.ID + `"}`, 400, "key"},
			{"/me/token", `{"subject_token":"x"}`, 400, "subject_token"},
			{"/me/token?id=" + other.Key.ID, ``, 400, "id"},
			{"/me/token", `{"scopes":["orders:read"],"scopes":["*"]}`, 400, "scopes"},
			{"/me/token", `[]`, 400, "body"},
			{"/me/token", `{"lifetime":"` + strings.Repeat("1", 5000) + `"}`, 413, ""},
		} {
			r := hold(t, h, http.MethodPost, tt.path, tt.body, made.Text)
			if want(t, tt.path+" "+tt.body, r, tt.status); tt.field != "" && r.status == tt.status {
				if got := r.fields(t); len(got) == 0 || got[0] != tt.field && !strings.HasPrefix(got[0], tt.field+"[") {
					t.Errorf("%s: names %q, want %s", tt.body, got, tt.field)
				}
			}
			if strings.Contains(r.text, "canary") || strings.Contains(r.text, "eyJ") {
				t.Errorf("%s: %s", tt.body, r.text)
			}
		}
		want(t, "by GET", hold(t, h, http.MethodGet, "/me/token", "", made.Text), http.StatusMethodNotAllowed)
		want(t, "without a key", hold(t, h, http.MethodPost, "/me/token", "", ""), http.StatusUnauthorized)
	})
}

func TestExchangeKey(t *testing.T) {
	w := newWorld(t)
	made := w.made(t, keyservice.KeySpec{Owner: "acme", Scopes: []string{"orders:*"}, Methods: []string{"GET"}})
	public := w.made(t, keyservice.KeySpec{Kind: "public", Origins: []string{"https://app.example.com"}})
	sum := sha256.Sum256([]byte("certificate"))
	bound := w.made(t, keyservice.KeySpec{Certificate: "sha256:" + hex.EncodeToString(sum[:])})
	exchange := func(body map[string]any, fields ...string) *reply {
		t.Helper()
		return w.ask(t, http.MethodPost, "/v1/keys:exchange", body, fields...)
	}
	r := exchange(map[string]any{"key": made.Text, "scopes": []string{"orders:read"}, "audience": []string{"invoices"}, "lifetime": "2m"})
	want(t, "a good key, narrowed in what it is used for", r, http.StatusOK)
	var token keyservice.TokenMade
	r.json(t, &token)
	if token.Scope != "orders:read" || token.Audience[0] != "invoices" || token.KeyID != made.Key.ID {
		t.Errorf("it is %+v", token)
	}
	for name, tt := range map[string]struct {
		body   map[string]any
		fields []string
		status int
		field  string
	}{
		"no key at all":              {map[string]any{"key": "hello"}, nil, 400, "key"},
		"nobody's key":               {map[string]any{"key": forge(t)}, nil, 400, "key"},
		"a token":                    {map[string]any{"key": token.AccessToken[:200]}, nil, 400, "key"},
		"a whole token":              {map[string]any{"key": token.AccessToken}, nil, 400, "key"},
		"a public key":               {map[string]any{"key": public.Text}, nil, 409, ""},
		"a key with a certificate":   {map[string]any{"key": bound.Text}, nil, 400, "key"},
		"nothing":                    {map[string]any{}, nil, 400, "key"},
		"more than it has":           {map[string]any{"key": made.Text, "scopes": []string{"*"}}, nil, 400, "scopes"},
		"no scopes":                  {map[string]any{"key": made.Text, "scopes": []string{}}, nil, 400, "scopes"},
		"nobody":                     {map[string]any{"key": made.Text, "audience": []string{}}, nil, 400, "audience"},
		"another's, for a developer": {map[string]any{"key": made.Text}, []string{"X-Person", "developer:globex"}, 400, "key"},
		"an auditor":                 {map[string]any{"key": made.Text}, []string{"X-Person", "auditor"}, 403, ""},
	} {
		r := exchange(tt.body, tt.fields...)
		if want(t, name, r, tt.status); tt.field != "" && r.status == 400 {
			if got := r.fields(t); len(got) != 1 || got[0] != tt.field {
				t.Errorf("%s: names %q, want %s", name, got, tt.field)
			}
		}
	}
	want(t, "its own, for a developer", exchange(map[string]any{"key": made.Text}, "X-Person", "developer:acme"), http.StatusOK)
	if _, err := w.issuer.Disable(t.Context(), apikey.By{Actor: "t", Source: "t"}, apikey.ID(made.Key.ID)); err != nil {
		t.Fatal(err)
	}
	want(t, "a disabled key", exchange(map[string]any{"key": made.Text}), http.StatusBadRequest)

	off := newWorld(t, func(cfg *keyservice.Config) { cfg.Tokens = nil })
	own := off.made(t, keyservice.KeySpec{})
	want(t, "where there are no tokens", off.ask(t, http.MethodPost, "/v1/keys:exchange", map[string]any{"key": own.Text}), http.StatusNotFound)
	off.tokens = nil
	want(t, "where there are no tokens, for a holder", hold(t, off.holding(t), http.MethodPost, "/me/token", "", own.Text), http.StatusNotFound)
}

// A service that asks whether a key is good asks it of a token too.
func TestVerifyAToken(t *testing.T) {
	attack.Case(t, "KEY-38", attack.Library, func(t *testing.T) {
		w := newWorld(t)
		made := w.made(t, keyservice.KeySpec{Owner: "acme", Scopes: []string{"orders:*"}, Limits: []keyservice.Limit{{Name: "requests", Count: 3, Per: "24h"}}})
		r := w.ask(t, http.MethodPost, "/v1/keys:exchange", map[string]any{"key": made.Text, "audience": []string{"orders"}, "scopes": []string{"orders:read"}})
		var token keyservice.TokenMade
		r.json(t, &token)
		use := keyservice.Use{Key: token.AccessToken, Audience: "orders", Scopes: []string{"orders:read"}}
		v := w.verdict(t, use)
		if !v.Valid || v.Principal.ID != made.Key.ID || !v.Principal.Token || v.Principal.Scopes[0] != "orders:read" || v.Limits[0].Left != 2 {
			t.Errorf("a good token: %+v %+v", v, v.Principal)
		}
		if v := w.verdict(t, keyservice.Use{Key: made.Text}); !v.Valid || v.Principal.Token || v.Limits[0].Left != 1 {
			t.Errorf("its key, which has the same limit: %+v", v)
		}
		for name, tt := range map[string]struct {
			change func(*keyservice.Use)
			code   string
			reason string
		}{
			"another audience":     {func(u *keyservice.Use) { u.Audience = "invoices" }, "invalid", "token-audience"},
			"what it lacks":        {func(u *keyservice.Use) { u.Scopes = []string{"orders:write"} }, "insufficient-scope", "insufficient-scope"},
			"an altered signature": {func(u *keyservice.Use) { u.Key = u.Key[:len(u.Key)-8] + "AAAAAAAA" }, "invalid", "signature"},
		} {
			other := use
			tt.change(&other)
			if v := w.verdict(t, other); v.Valid || v.Code != tt.code || v.Reason != tt.reason {
				t.Errorf("%s: %+v", name, v)
			}
		}
		if v := w.verdict(t, use, "X-Person", "admin:globex"); v.Valid || v.Reason != "unknown" || v.Principal != nil {
			t.Errorf("for a caller of another owner: %+v", v)
		}
		if _, err := w.issuer.Revoke(t.Context(), apikey.By{Actor: "t", Source: "t"}, apikey.ID(made.Key.ID), "key-compromise"); err != nil {
			t.Fatal(err)
		}
		if v := w.verdict(t, use); v.Valid || v.Code != "invalid" || v.Reason != "revoked" {
			t.Errorf("of a revoked key: %+v", v)
		}
		if v := w.verdict(t, use, "X-Person", "admin:globex"); v.Reason != "unknown" {
			t.Errorf("of a revoked key, for a caller of another owner: %+v", v)
		}
	})
}
