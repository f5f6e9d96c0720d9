package apikey_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
)

func TestCookieKeys(t *testing.T) {
	attack.Case(t, "KEY-25", attack.Library, func(t *testing.T) {
		h := newHouse(t)
		_, good := h.create(t, "a")
		crowd := strings.Repeat("name=value; ", 5500) // 64 KiB
		const ours = "__Host-api_key="
		for _, tt := range []struct {
			name, reason string
			fields       []string
			status       int
			somebody     bool
		}{
			{"twice, both good", "repeated", []string{ours + good + "; " + ours + good}, 400, false},
			{"twice, one bad", "repeated", []string{ours + "x; a; " + ours + good}, 400, false},
			{"twice, one empty", "repeated", []string{ours + good + ";" + ours}, 400, false},
			{"twice, one without a value", "repeated", []string{"__Host-api_key; " + ours + good}, 400, false},
			{"in two fields", "repeated", []string{ours + good, "a=1", ours + good}, 400, false},
			{"quoted", "malformed", []string{ours + `"` + good + `"`}, 401, false},
			{"half a quote", "malformed", []string{ours + `"` + good}, 401, false},
			{"empty", "malformed", []string{ours}, 401, false},
			{"a value of 64 KiB", "malformed", []string{ours + strings.Repeat("a", 64<<10)}, 401, false},
			{"wrong, behind 64 KiB of others", "malformed", []string{crowd + ours + "x"}, 401, false},
			{"twice, behind 64 KiB of others", "repeated", []string{crowd + ours + good + ";" + ours + good}, 400, false},
			{"good, behind 64 KiB of others", "", []string{crowd + ours + good}, 200, true},
			{"good, inside another's quotes", "", []string{`a="b; ` + ours + good + `; c"`}, 200, true},
			{"blanks around", "", []string{"a;\t__Host-api_key =  " + good + "\t;b"}, 200, true},
			{"other case is another cookie", "", []string{"__host-api_key=" + good}, 200, false},
			{"the name without its prefix is another cookie", "", []string{"api_key=" + good + "; x__Host-api_key=" + good}, 200, false},
		} {
			t.Run(tt.name, func(t *testing.T) {
				f := newFrontOf(t, authn.Requirement{{{Scheme: newCookie(t, h.verifier)}}, {}}, nil)
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.Header["Cookie"] = tt.fields
				if w := f.do(r); w.Code != tt.status || f.reason != tt.reason || f.principal.IsZero() == tt.somebody {
					t.Errorf("got %d %q for %q, want %d %q", w.Code, f.reason, f.principal.KeyID, tt.status, tt.reason)
				}
			})
		}
		t.Run("a name that others can set is refused", cookieNames)
	})
}

// cookieNames: browsers take a name with the prefix from the site itself only;
// that they do is shown in their own tests.
func cookieNames(t *testing.T) {
	h := newHouse(t)
	for name, ok := range map[string]bool{
		"": true, "__Host-k": true, "__Host-": false, "k": false, "__host-k": false, "__HOST-k": false, "__Secure-k": false, "x__Host-k": false,
		"__Host-a b": false, "__Host-a;b": false, "__Host-a=b": false, "__Host-é": false, "__Host-" + strings.Repeat("k", 64): false,
	} {
		if _, err := apikey.NewCookie(apikey.CookieConfig{Verifier: h.verifier, Name: name}); (err == nil) != ok {
			t.Errorf("%q: %v, want ok %v", name, err, ok)
		}
	}
	c := must[*apikey.Cookie](t)(apikey.NewCookie(apikey.CookieConfig{Verifier: h.verifier, Name: "k", InsecureCookieName: true}))
	_, good := h.create(t, "a")
	p, err := c.Authenticate(exchange.New(request("Cookie", "k="+good)))
	if c.Cookie() != "k" || err != nil || !p.Ambient {
		t.Errorf("cookie %q: %+v, %v", c.Cookie(), p, err)
	}
}
