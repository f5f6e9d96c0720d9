package apikey_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/credential"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
)

// tokens stands for a scheme of JWTs, which takes what keys leave. Only "eyJ.good"
// holds.
type tokens struct {
	leaves func(token string) bool // what is another scheme's
	asked  []string
}

func (*tokens) Name() string              { return "jwt" }
func (*tokens) Challenge(r string) string { return authn.BearerChallenge(r, "", nil) }

func (s *tokens) Authenticate(x *exchange.Exchange) (exchange.Principal, error) {
	scheme, token, state := credential.Authorization(x.Request.Header)
	switch {
	case state == credential.Absent, !strings.EqualFold(scheme, "Bearer"), s.leaves(token):
		return exchange.Principal{}, authn.ErrNoCredential
	case state != credential.Once:
		return exchange.Principal{}, authn.Unreadable("repeated")
	}
	s.asked = append(s.asked, token)
	if token != "eyJ.good" {
		return exchange.Principal{}, authn.Wrong("signature")
	}
	return exchange.Principal{Issuer: "https://issuer.test", Subject: "ada", Scheme: "jwt"}, nil
}

func TestKeyOrToken(t *testing.T) {
	attack.Case(t, "MULTI-11", attack.Library, func(t *testing.T) {
		h := newHouse(t)
		_, good := h.create(t, "a")
		for _, tt := range []struct {
			name, value string
			status      int
			by          string // the scheme that proved somebody, or
			reason      string
			jwt         bool // the scheme of tokens was asked
		}{
			{"a key", "Bearer " + good, 200, "apiKeyBearer", "", false},
			{"a token", "Bearer eyJ.good", 200, "jwt", "", true},
			{"a wrong token", "Bearer eyJ.bad", 401, "", "signature", true},
			{"a key with a wrong check", "Bearer " + good[:len(good)-1] + "_", 401, "", "malformed", false},
			{"a truncated key", "Bearer wrd_live_", 401, "", "malformed", false},
			{"the prefix alone", "Bearer wrd_", 401, "", "malformed", false},
			{"a token behind our prefix", "Bearer wrd_eyJ.good", 401, "", "malformed", false},
			{"an unknown key", "Bearer " + unknownKey(1), 401, "", "unknown", false},
			{"a key and a token", "Bearer " + good + " eyJ.good", 401, "", "malformed", false},
			{"a token and a key", "Bearer eyJ.good " + good, 401, "", "signature", true},
			{"other case of the scheme", "bEaReR " + good, 200, "apiKeyBearer", "", false},
			{"other case of the prefix is no key", "Bearer WRD" + good[3:], 401, "", "signature", true},
			{"a key of another prefix is no key", "Bearer " + formatKey("abc", "live", "0123456789Ab", strings.Repeat("a", 32)), 401, "", "signature", true},
			{"the prefix without its end", "Bearer wrd", 401, "", "signature", true},
			{"no token", "Bearer", 401, "", "malformed", false},
			{"a blank", "Bearer  ", 401, "", "malformed", false},
			{"a tab", "Bearer \t", 401, "", "malformed", false},
			{"a tab before a key", "Bearer\t" + good, 401, "", "malformed", false},
			{"an empty field", "", 401, "", "malformed", false},
			{"a bare key", good, 401, "", "malformed", false},
			{"a bare token", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl", 401, "", "malformed", false},
			{"no name of a scheme", "B@arer " + good, 401, "", "malformed", false},
			{"a list", "Bearer a, Bearer b", 401, "", "signature", true},
			{"Basic", userPass(good, ""), 200, "", "", false},
			{"another scheme", "Digest x=y", 200, "", "", false},
		} {
			t.Run(tt.name, func(t *testing.T) {
				key := newBearer(t, apikey.BearerConfig{Verifier: h.verifier, Shared: true})
				jwt := &tokens{leaves: key.Takes}
				for i, r := range []authn.Requirement{{{{Scheme: key}}, {{Scheme: jwt}}, {}}, {{{Scheme: jwt}}, {{Scheme: key}}, {}}} {
					f := newFrontOf(t, r, nil)
					jwt.asked = nil
					w := f.do(request("Authorization", tt.value))
					if w.Code != tt.status || f.reason != tt.reason || f.principal.Scheme != tt.by || len(jwt.asked) > 0 != tt.jwt {
						t.Errorf("order %d: got %d %q by %q, tokens %q, want %d %q by %q", i, w.Code, f.reason, f.principal.Scheme, jwt.asked, tt.status, tt.reason, tt.by)
					}
				}
			})
		}
		t.Run("two fields", func(t *testing.T) {
			key := newBearer(t, apikey.BearerConfig{Verifier: h.verifier, Shared: true})
			f := newFrontOf(t, authn.Requirement{{{Scheme: key}}, {{Scheme: &tokens{leaves: key.Takes}}}, {}}, nil)
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header["Authorization"] = []string{"Bearer " + good, "Bearer eyJ.good"}
			if w := f.do(r); w.Code != 400 || f.reason != "repeated" {
				t.Errorf("got %d %q, want 400 repeated", w.Code, f.reason)
			}
		})
	})
}

// Where no other scheme takes bearer tokens, a token of nobody is no pass for
// nobody.
func TestABearerSchemeAloneTakesEveryToken(t *testing.T) {
	h := newHouse(t)
	_, good := h.create(t, "a")
	for _, cfg := range []apikey.BearerConfig{{Verifier: h.verifier}, {Verifier: h.verifier, Prefixes: []string{"abc"}}} {
		key := newBearer(t, cfg)
		f := newFrontOf(t, authn.Requirement{{{Scheme: key}}, {}}, nil)
		for value, status := range map[string]int{
			"Bearer " + good: 200, "Bearer eyJ.good": 401, "Bearer x": 401, "Bearer": 401, "": 401, good: 401, userPass(good, ""): 200,
		} {
			if w := f.do(request("Authorization", value)); w.Code != status {
				t.Errorf("%.20q: got %d, want %d", value, w.Code, status)
			}
		}
		if !key.Takes("anything") || !key.Takes("") {
			t.Error("it leaves a token to others")
		}
	}
}

func TestTakes(t *testing.T) {
	h := newHouse(t)
	key := newBearer(t, apikey.BearerConfig{Verifier: h.verifier, Shared: true, Prefixes: []string{"wrd", "old"}})
	for token, want := range map[string]bool{
		"wrd_x": true, "old_": true, "": true, " ": true, "\t": true, "wrd": false, "olde_x": false, "Old_x": false, " wrd_x": false, "eyJ.a.b": false,
	} {
		if got := key.Takes(token); got != want {
			t.Errorf("Takes(%q) = %v, want %v", token, got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { _ = key.Takes("eyJhbGciOiJIUzI1NiJ9") }); n != 0 {
		t.Errorf("Takes allocates %v times", n)
	}
}
