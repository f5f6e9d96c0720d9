package authz_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/authz"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/target"
)

// edge is an edge that establishes what rules read.
func edge(tb testing.TB) warder.Edge {
	tb.Helper()
	paths, err := target.New(target.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	return warder.Edge{Forwarded: forwarded.Direct(), Target: paths}
}

// A house is an issuer of keys, and the stage that wants one.
type house struct {
	issuer *apikey.Issuer
	authn  *authn.Stage
}

func newHouse(tb testing.TB) *house {
	tb.Helper()
	line, err := apikey.NewPepper(nil)
	if err != nil {
		tb.Fatal(err)
	}
	peppers, err := apikey.ParsePeppers(line)
	if err != nil {
		tb.Fatal(err)
	}
	store := struct{ apikey.Store }{new(apikey.MemoryStore)} // no feed: nothing to follow
	issuer, err := apikey.NewIssuer(apikey.IssuerConfig{Store: store, Peppers: peppers})
	if err != nil {
		tb.Fatal(err)
	}
	verifier, err := apikey.NewVerifier(apikey.VerifierConfig{Store: store, Peppers: peppers})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := verifier.Close(); err != nil {
			tb.Error(err)
		}
	})
	header, err := apikey.NewHeader(apikey.HeaderConfig{Verifier: verifier})
	if err != nil {
		tb.Fatal(err)
	}
	stage, err := authn.New(authn.Config{Requirement: authn.Require(header)})
	if err != nil {
		tb.Fatal(err)
	}
	return &house{issuer, stage}
}

func (h *house) key(ctx context.Context, tb testing.TB, environment apikey.Environment) secret.Text {
	tb.Helper()
	_, text, err := h.issuer.Create(ctx, apikey.By{Actor: "user:ada", Source: "test"}, apikey.Spec{Environment: environment, Owner: "acme"})
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

func TestKeysOfAnotherEnvironment(t *testing.T) {
	attack.Case(t, "KEY-16", attack.Library, func(t *testing.T) {
		h := newHouse(t)
		keys := map[string]secret.Text{"live": h.key(t.Context(), t, "live"), "test": h.key(t.Context(), t, "test")}
		for _, route := range []string{"live", "test"} {
			label := "keys of the " + route + " environment"
			rules := newStage(t, authz.Rule{Name: "environment", Label: label, Effect: authz.Require, Environments: []string{route}})
			stack := &warder.Stack{Edge: edge(t), Policy: &warder.Policy{Authn: h.authn, Authz: rules}}
			served := 0
			handler := stack.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }))
			for environment, text := range keys {
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.Header.Set("X-API-Key", text.Reveal())
				w := httptest.NewRecorder()
				before := served
				handler.ServeHTTP(w, r)
				if environment == route {
					if w.Code != 200 || served != before+1 {
						t.Errorf("%s key on the %s route: status %d", environment, route, w.Code)
					}
					continue
				}
				if w.Code != 403 || served != before || !strings.Contains(w.Body.String(), label) {
					t.Errorf("%s key on the %s route: status %d %s, want 403 that names %q", environment, route, w.Code, w.Body, label)
				}
			}
		}
	})
}

func TestWhereARequestComesFrom(t *testing.T) {
	attack.Case(t, "KEY-27", attack.Library, func(t *testing.T) {
		tests := []struct {
			name, peer string
			fields     map[string]string
			status     int
		}{
			{"the listed address", "192.0.2.1:4711", nil, 200},
			{"the listed address, mapped", "[::ffff:192.0.2.1]:4711", nil, 200},
			{"another", "198.51.100.1:4711", nil, 403},
			{"another, mapped", "[::ffff:198.51.100.1]:4711", nil, 403},
			{"the listed one in X-Forwarded-For", "198.51.100.1:4711", map[string]string{"X-Forwarded-For": "192.0.2.1"}, 403},
			{"the listed one in Forwarded", "198.51.100.1:4711", map[string]string{"Forwarded": "for=192.0.2.1"}, 403},
			{"the listed one in everything else", "198.51.100.1:4711", map[string]string{
				"X-Real-Ip": "192.0.2.1", "X-Client-Ip": "192.0.2.1", "True-Client-Ip": "192.0.2.1", "Cf-Connecting-Ip": "192.0.2.1",
			}, 403},
			{"another in X-Forwarded-For", "192.0.2.1:4711", map[string]string{"X-Forwarded-For": "198.51.100.1"}, 200},
			{"a zone on the listed link-local address", "[fe80::1%eth0]:4711", nil, 200},
			{"a zone that is written like the listed one", "[2001:db8::1%fe80::1]:4711", nil, 403},
			{"a Unix socket has no address", "@", nil, 403},
			{"an address that is none", "somewhere", nil, 403},
		}
		rules := newStage(t, authz.Rule{Name: "office", Effect: authz.Require, Clients: prefixes("192.0.2.0/24 fe80::/64")})
		stack := &warder.Stack{Edge: edge(t), Policy: &warder.Policy{Authz: rules}} // also without anybody's name
		handler := stack.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.RemoteAddr = tt.peer
				for name, value := range tt.fields {
					r.Header.Set(name, value)
				}
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				if w.Code != tt.status {
					t.Errorf("status = %d, want %d", w.Code, tt.status)
				}
			})
		}
	})
}

func TestPathsThatBeginAlike(t *testing.T) {
	attack.Case(t, "PATH-13", attack.Library, func(t *testing.T) {
		rules := newStage(t, authz.Rule{Name: "admin", Effect: authz.Deny, Paths: []string{"/admin/**"}})
		stack := &warder.Stack{Edge: edge(t), Policy: &warder.Policy{Authz: rules}}
		handler := stack.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		for sent, want := range map[string]int{
			"/admin": 403, "/admin/": 403, "/admin/x": 403, "/%61dmin": 403, "/%61dmin/x": 403, "/admin/%2e": 400, "/admin%2fx": 400,
			"/adminx": 200, "/admin..": 200, "/admin%2e": 200, "/x/admin": 200, "/x/../admin": 400, "//admin": 400, "/admin;x": 400,
		} {
			r := httptest.NewRequest(http.MethodGet, "http://example.com"+sent, nil)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s: status = %d, want %d", sent, w.Code, want)
			}
		}
	})
}

// Rights of nobody are none: a route without Authn may ask for an address, and
// gets nobody past a rule about principals.
func TestWithoutAuthn(t *testing.T) {
	rules := newStage(t, authz.Rule{Name: "a", Effect: authz.Require, Environments: []string{"live"}})
	stack := &warder.Stack{Edge: edge(t), Policy: &warder.Policy{Authz: rules}}
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
	if got := stack.Decide(x); got.Allowed() || got.Stage != "authz" || got.Verdict.Reason() != "not-met:a" {
		t.Errorf("got %q by %q, want a refusal by authz", got.Verdict.Reason(), got.Stage)
	}
}
