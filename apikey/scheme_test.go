package apikey_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/openapi"
)

// must returns the scheme that a constructor made.
func must[T any](tb testing.TB) func(T, error) T {
	tb.Helper()
	return func(v T, err error) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

func newQuery(tb testing.TB, v *apikey.Verifier) *apikey.Query {
	tb.Helper()
	return must[*apikey.Query](tb)(apikey.NewQuery(apikey.QueryConfig{Verifier: v}))
}

func newCookie(tb testing.TB, v *apikey.Verifier) *apikey.Cookie {
	tb.Helper()
	return must[*apikey.Cookie](tb)(apikey.NewCookie(apikey.CookieConfig{Verifier: v}))
}

func newBearer(tb testing.TB, cfg apikey.BearerConfig) *apikey.Bearer {
	tb.Helper()
	return must[*apikey.Bearer](tb)(apikey.NewBearer(cfg))
}

func newBasic(tb testing.TB, cfg apikey.BasicConfig) *apikey.Basic {
	tb.Helper()
	return must[*apikey.Basic](tb)(apikey.NewBasic(cfg))
}

// userPass returns the value of Authorization for user name and password.
func userPass(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// request returns one whose field has a value; "?" is the query.
func request(field, value string) *http.Request {
	if field == "?" {
		return httptest.NewRequest(http.MethodGet, "/?"+value, nil)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set(field, value)
	return r
}

// described is a scheme that documents itself.
type described interface {
	authn.Scheme
	authn.Describer
}

// place is one scheme with how a key is put there.
type place struct {
	scheme    described
	field     string // "?" is the query
	put       func(key string) string
	name      string // the scheme's
	ambient   bool
	challenge string
	openapi   openapi.SecurityScheme
	allocs    float64 // of a cached key
}

func places(tb testing.TB, v *apikey.Verifier) []place {
	tb.Helper()
	const text = "An API key of warder."
	return []place{
		{
			newHeader(tb, v), "X-API-Key", func(k string) string { return k }, "apiKey", false,
			`ApiKey realm="r", in="header", name="X-API-Key"`,
			openapi.SecurityScheme{Type: "apiKey", In: "header", Name: "X-API-Key", Description: text},
			0,
		},
		{
			newCookie(tb, v), "Cookie", func(k string) string { return "a=1; __Host-api_key=" + k + "; b" }, "apiKeyCookie", true,
			`ApiKey realm="r", in="cookie", name="__Host-api_key"`,
			openapi.SecurityScheme{Type: "apiKey", In: "cookie", Name: "__Host-api_key", Description: text},
			0,
		},
		{
			newBearer(tb, apikey.BearerConfig{Verifier: v}), "Authorization", func(k string) string { return "bEARER  " + k }, "apiKeyBearer", false,
			`Bearer realm="r"`,
			openapi.SecurityScheme{Type: "http", Scheme: "bearer", Description: text},
			0,
		},
		{
			newBasic(tb, apikey.BasicConfig{Verifier: v}), "Authorization", func(k string) string { return userPass(k, "") }, "apiKeyBasic", true,
			`Basic realm="r", charset="UTF-8"`,
			openapi.SecurityScheme{Type: "http", Scheme: "basic", Description: text},
			1, // the key's text
		},
		{
			newQuery(tb, v), "?", func(k string) string { return "a=1&api_key=" + k + "&b" }, "apiKeyQuery", false,
			`ApiKey realm="r", in="query", name="api_key"`,
			openapi.SecurityScheme{Type: "apiKey", In: "query", Name: "api_key", Description: text},
			4, // another request, its URL, its query and target
		},
	}
}

func TestEachPlace(t *testing.T) {
	h := newHouse(t)
	record, good := h.create(t, "customer-7", "orders:read")
	eventually(t, func() bool { return h.verifier.Applied() >= record.Revision })
	for _, p := range places(t, h.verifier) {
		t.Run(p.name, func(t *testing.T) {
			if got := p.scheme.Challenge("r"); got != p.challenge {
				t.Errorf("Challenge = %s, want %s", got, p.challenge)
			}
			var doc openapi.Document
			if err := p.scheme.Describe(&doc); err != nil || doc.Components.SecuritySchemes[p.name] != p.openapi {
				t.Errorf("described as %+v, %v, want %+v", doc.Components.SecuritySchemes[p.name], err, p.openapi)
			}
			x := exchange.New(request(p.field, p.put(good)))
			sent := x.Request
			who, err := p.scheme.Authenticate(x)
			if err != nil {
				t.Fatal(err)
			}
			if who.KeyID != string(record.ID) || who.Owner != "customer-7" || !who.Scopes.Allow("orders:read") || who.Scheme != p.name || p.scheme.Name() != p.name || who.Ambient != p.ambient {
				t.Errorf("principal = %+v", who)
			}
			if x.Claim != string(record.ID) {
				t.Errorf("Claim = %q", x.Claim)
			}
			if n := testing.AllocsPerRun(100, func() { x.Request = sent; _, _ = p.scheme.Authenticate(x) }); n > p.allocs && !raceEnabled {
				t.Errorf("a cached key: %v allocations, want %v", n, p.allocs)
			}
		})
	}
}

// What every place has in common: what is there and no key is wrong, what is not
// there is absent, and no store is asked for either.
func TestEachPlaceAlike(t *testing.T) {
	h := newHouse(t)
	_, good := h.create(t, "a")
	for _, p := range places(t, h.verifier) {
		f := newFrontOf(t, authn.Requirement{{{Scheme: p.scheme}}, {}}, nil) // optional: a wrong credential is still wrong
		for _, tt := range []struct {
			name, key, reason string
			status            int
		}{
			{"empty", "", "malformed", 401},
			{"no key", "x", "malformed", 401},
			{"quoted", "%22" + good + "%22", "malformed", 401},
			{"truncated", good[:len(good)-1], "malformed", 401},
			{"longer", good + "a", "malformed", 401},
			{"a list", good + "," + good, "malformed", 401},
			{"8 KiB", strings.Repeat("a", 8<<10), "malformed", 401},
			{"unknown", unknownKey(1), "unknown", 401},
			{"wrong secret", wrongSecret(good), "wrong-secret", 401},
			{"good", good, "", 200},
		} {
			t.Run(p.name+": "+tt.name, func(t *testing.T) {
				before := h.store.lookups.Load()
				w := f.do(request(p.field, p.put(tt.key)))
				if w.Code != tt.status || f.reason != tt.reason {
					t.Errorf("got %d %q, want %d %q", w.Code, f.reason, tt.status, tt.reason)
				}
				if got := h.store.lookups.Load() - before; tt.reason == "malformed" && got != 0 {
					t.Errorf("%d look-ups, want none", got)
				}
				want := p.scheme.Challenge("warder")
				if c, ok := p.scheme.(authn.RefusalChallenger); ok {
					want = c.RefusalChallenge("warder", authn.InvalidToken, nil)
				}
				if tt.status == 401 && w.Header().Get("WWW-Authenticate") != want {
					t.Errorf("challenge = %q", w.Header().Get("WWW-Authenticate"))
				}
			})
		}
		if w := f.do(httptest.NewRequest(http.MethodGet, "/", nil)); w.Code != 200 || !f.principal.IsZero() {
			t.Errorf("%s: without a credential: got %d for %+v, want 200 for nobody", p.name, w.Code, f.principal)
		}
	}
}

func TestSchemesOfOneRequirement(t *testing.T) {
	h := newHouse(t)
	_, good := h.create(t, "a")
	other := must[*apikey.Header](t)(apikey.NewHeader(apikey.HeaderConfig{Verifier: h.verifier, Name: "X-Admin-Key", SchemeName: "adminKey"}))
	r := authn.Requirement{{{Scheme: other}}}
	for _, p := range places(t, h.verifier) {
		r = append(r, authn.Alternative{{Scheme: p.scheme}})
	}
	var doc openapi.Document
	if _, err := r.Describe(&doc); err != nil || len(doc.Components.SecuritySchemes) != 6 {
		t.Errorf("%d schemes are described, %v, want 6", len(doc.Components.SecuritySchemes), err)
	}
	f := newFrontOf(t, r, nil)
	for _, p := range places(t, h.verifier) {
		if w := f.do(request(p.field, p.put(good))); w.Code != 200 || f.principal.Scheme != p.name {
			t.Errorf("%s: got %d by %q", p.name, w.Code, f.principal.Scheme)
		}
	}
	if w := f.do(request("X-Admin-Key", good)); w.Code != 200 || f.principal.Scheme != "adminKey" {
		t.Errorf("got %d by %q, want 200 by adminKey", w.Code, f.principal.Scheme)
	}
}

func TestSchemesReportEveryErrorAtOnce(t *testing.T) {
	_, query := apikey.NewQuery(apikey.QueryConfig{SchemeName: "a b", Name: "a.b"})
	_, cookie := apikey.NewCookie(apikey.CookieConfig{SchemeName: "a b", Name: "a b"})
	_, bearer := apikey.NewBearer(apikey.BearerConfig{SchemeName: "a b", Prefixes: []string{"wrd", "Wrd"}})
	_, basic := apikey.NewBasic(apikey.BasicConfig{SchemeName: "a b", Prefixes: []string{"wrd_"}, Field: "user"})
	_, header := apikey.NewHeader(apikey.HeaderConfig{SchemeName: "a b", Name: "Cookie"})
	for name, tt := range map[string]struct {
		err  error
		says []string
	}{
		"query":  {query, []string{`parameter "a.b"`}},
		"cookie": {cookie, []string{`cookie "a b": want a token`, `cookie "a b": want a name that begins with "__Host-"`}},
		"bearer": {bearer, []string{`prefix "Wrd"`}},
		"basic":  {basic, []string{`prefix "wrd_"`, `Field "user"`}},
		"header": {header, []string{`header "Cookie"`}},
	} {
		for _, want := range append(tt.says, "Verifier is missing", `SchemeName "a b"`) {
			if tt.err == nil || !strings.Contains(tt.err.Error(), want) {
				t.Errorf("%s: error %v lacks %s", name, tt.err, want)
			}
		}
	}
}

// A request whose client's right cannot be judged is no request without one.
func TestEachPlaceWithoutAStore(t *testing.T) {
	h := newHouse(t)
	down := func(context.Context, apikey.ID) error { return errDown }
	h.store.before.Store(&down)
	for _, p := range places(t, h.verifier) {
		f := newFrontOf(t, authn.Requirement{{{Scheme: p.scheme}}, {}}, nil)
		if w := f.do(request(p.field, p.put(unknownKey(1)))); w.Code != 503 || f.served.Load() != 0 {
			t.Errorf("%s: got %d, want 503", p.name, w.Code)
		}
		if _, err := p.scheme.Authenticate(exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))); !errors.Is(err, authn.ErrNoCredential) {
			t.Errorf("%s: without a credential: %v", p.name, err)
		}
	}
}
