package apikey_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/internal/attack"
)

// What net/http reports as absent, because it cannot parse it or gives up, is no
// request without a credential.
func TestWhatCannotBeReadIsNotAbsent(t *testing.T) {
	attack.Case(t, "MULTI-10", attack.Library, func(t *testing.T) {
		h := newHouse(t)
		_, good := h.create(t, "a")
		cookie := "__Host-api_key="
		var optional authn.Requirement
		for _, p := range places(t, h.verifier) {
			optional = append(optional, authn.Alternative{{Scheme: p.scheme}})
		}
		optional = append(optional, authn.Alternative{})
		for _, tt := range []struct {
			name   string
			set    func(r *http.Request)
			status int
		}{
			{"a name in the query that does not decode", func(r *http.Request) { r.URL.RawQuery = "%zz=1" }, 400},
			{"the parameter behind a semicolon", func(r *http.Request) { r.URL.RawQuery = "a=1;api_key=" + good }, 400},
			{"a value that does not decode", func(r *http.Request) { r.URL.RawQuery = "api_key=%zz" }, 400},
			{"a wrong key behind 10,000 parameters", func(r *http.Request) { r.URL.RawQuery = strings.Repeat("a&", 10_001) + "api_key=x" }, 401},
			{"a wrong key behind 3,001 cookies", func(r *http.Request) { r.Header["Cookie"] = []string{strings.Repeat("a=1; ", 3001) + cookie + "x"} }, 401},
			{"a cookie with half a quote", func(r *http.Request) { r.Header["Cookie"] = []string{cookie + `"` + good} }, 401},
			{"a cookie with other bytes", func(r *http.Request) { r.Header["Cookie"] = []string{cookie + good + "\x00é"} }, 401},
			{"a cookie twice", func(r *http.Request) { r.Header["Cookie"] = []string{cookie + good, cookie + good} }, 400},
			{"Authorization twice", func(r *http.Request) { r.Header["Authorization"] = []string{"Bearer " + good, ""} }, 400},
			{"Authorization with a tab", func(r *http.Request) { r.Header["Authorization"] = []string{"Bearer\t" + good} }, 401},
			{"Basic that does not decode", func(r *http.Request) { r.Header["Authorization"] = []string{"Basic *"} }, 401},
			{"an empty Authorization", func(r *http.Request) { r.Header["Authorization"] = []string{""} }, 401},
		} {
			for _, beside := range []bool{false, true} {
				f := newFrontOf(t, optional, nil)
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				tt.set(r)
				if beside {
					r.Header.Set("X-API-Key", good)
				}
				if w := f.do(r); w.Code != tt.status || f.served.Load() != 0 || !f.principal.IsZero() {
					t.Errorf("%s, beside a good key %v: got %d for %q, want %d", tt.name, beside, w.Code, f.principal.KeyID, tt.status)
				}
			}
		}
		f := newFrontOf(t, authn.Requirement{{{Scheme: newCookie(t, h.verifier)}}, {{Scheme: newBearer(t, apikey.BearerConfig{Verifier: h.verifier})}}, {}}, nil)
		r := httptest.NewRequest(http.MethodGet, "/?%zz", nil)
		r.Header.Set("Cookie", `other="half; another=é`)
		if w := f.do(r); w.Code != 200 {
			t.Errorf("what no scheme of the route reads: got %d, want 200", w.Code)
		}
	})
}
