package oidc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session/oidc"
)

func TestNewReportsAllThatIsWrong(t *testing.T) {
	_, err := oidc.New(oidc.Config{
		Issuer: "http://id.example", RedirectURL: "http://api.example/cb", AfterLogout: "javascript:x", Key: secret.New("short"), Cookie: "login", Home: "//evil",
		Keep: make([]string, 51), Grants: []oidc.Grant{{Claim: "groups", Scopes: []string{"a b"}}}, Scopes: []string{"a b"},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"Issuer", "ClientID", "RedirectURL", "AfterLogout", "Sessions", "Log", "Key", "Cookie", "Home", "Keep", "Grants[0]: Claim", "Grants[0]: scope", "Scopes"} {
		if !strings.Contains(err.Error(), "oidc: "+want) {
			t.Errorf("error does not tell of %s:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "short") {
		t.Errorf("error tells of the key:\n%v", err)
	}
	h := newHouse(t, nil)
	for name, edit := range map[string]func(c *oidc.Config){
		"an issuer with a password": func(c *oidc.Config) { c.Issuer = "https://a:b@id.example" },
		"an issuer with a query":    func(c *oidc.Config) { c.Issuer = "https://id.example?a" },
		"a relative redirect":       func(c *oidc.Config) { c.RedirectURL = "/login/callback" },
		"a redirect with fragment":  func(c *oidc.Config) { c.RedirectURL += "#a" },
		"the sessions' cookie":      func(c *oidc.Config) { c.Cookie = c.Sessions.Cookie() },
		"nobody":                    func(c *oidc.Config) { c.Grants = nil },
	} {
		cfg := oidc.Config{
			Issuer: "https://id.example", ClientID: clientID, RedirectURL: redirect, Grants: []oidc.Grant{{}}, Sessions: h.sessions, Log: slog.New(slog.DiscardHandler),
		}
		if _, err := oidc.New(cfg); err != nil {
			t.Fatal(err)
		}
		if edit(&cfg); cfg.Issuer == "" {
			t.Fatal("no issuer")
		}
		if _, err := oidc.New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestLogin(t *testing.T) {
	for _, tt := range []struct{ name, target, home, want string }{
		{"no way back", "/login", "", "/"},
		{"home", "/login", "/home", "/home"},
		{"a way back", "/login?return=%2Forders%3Fid%3D7", "", "/orders?id=7"},
		{"elsewhere", "/login?return=//evil.example", "", "/"},
		{"a long way", "/login?return=/" + strings.Repeat("a", 1500), "/home", "/home"},
		{"a malformed query", "/login?return=/a&%zz", "/home", "/home"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, b := newHouse(t, func(c *oidc.Config) { c.Home = tt.home }), browser{}
			w := h.end(t, b, h.begin(t, b, tt.target))
			if w.Code != http.StatusSeeOther || w.Header().Get("Location") != tt.want || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%d to %q, want %q: %s", w.Code, w.Header().Get("Location"), tt.want, h.log.take())
			}
			p := h.who(t, b)
			want := map[string]any{"groups": []any{"dev", "ops"}}
			if p.Issuer != h.provider.URL || p.Subject != "ada" || !p.Scopes.Allow("admin:keys") || !p.Scopes.Allow("orders:read") || !reflect.DeepEqual(p.Claims, want) {
				t.Errorf("principal = %+v", p)
			}
			if _, left := b[cookieName]; left || h.provider.auth.Load() != "basic" {
				t.Errorf("cookies = %v, proved by %v", b, h.provider.auth.Load())
			}
		})
	}
}

func TestAuthorizationRequest(t *testing.T) {
	h := newHouse(t, func(c *oidc.Config) { c.Scopes = []string{"openid", "groups"} })
	w := browser{}.get(t, h.client.Login(), "/login")
	u, err := url.Parse(w.Header().Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for name, want := range map[string]string{"response_type": "code", "client_id": clientID, "redirect_uri": redirect, "scope": "openid groups", "code_challenge_method": "S256"} {
		if q.Get(name) != want {
			t.Errorf("%s = %q, want %q", name, q.Get(name), want)
		}
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(q.Get(name)) != 43 {
			t.Errorf("%s = %q, want 256 bits", name, q.Get(name))
		}
	}
	if strings.Contains(w.Header().Get("Set-Cookie"), q.Get("state")) {
		t.Error("the cookie holds the state in the clear")
	}
}

func TestCallbackRefuses(t *testing.T) {
	attack.Case(t, "SESS-12", attack.Library, func(t *testing.T) {
		const evil = "https://evil.example"
		same := func(v url.Values) url.Values { return v }
		for _, tt := range []struct {
			name   string
			edit   func(v url.Values) url.Values // the answer
			jar    func(b browser)
			status int
			reason string
		}{
			{"no state", func(v url.Values) url.Values { return with(v, "state") }, nil, 401, "state-missing"},
			{"another state", func(v url.Values) url.Values { return with(v, "state", strings.Repeat("A", 43)) }, nil, 401, "state-wrong"},
			{"two states", func(v url.Values) url.Values { return with(v, "state", v.Get("state"), v.Get("state")) }, nil, 400, "state-repeated"},
			{"two codes", func(v url.Values) url.Values { return with(v, "code", v.Get("code"), "x") }, nil, 400, "code-repeated"},
			{"two issuers", func(v url.Values) url.Values { return with(v, "iss", evil, v.Get("iss")) }, nil, 400, "iss-repeated"},
			{"no cookie", same, func(b browser) { delete(b, cookieName) }, 401, "cookie-missing"},
			{"an empty cookie", same, func(b browser) { b[cookieName] = "" }, 401, "cookie-broken"},
			{"a changed cookie", same, func(b browser) { b[cookieName] = "A" + b[cookieName][1:] }, 401, "cookie-broken"},
			{"a huge cookie", same, func(b browser) { b[cookieName] += strings.Repeat("A", 5000) }, 401, "cookie-broken"},
			{"mixed up: another issuer", func(v url.Values) url.Values { return with(v, "iss", evil) }, nil, 401, "issuer-wrong"},
			{"mixed up: an issuer that only begins so", func(v url.Values) url.Values { return with(v, "iss", v.Get("iss")+"/") }, nil, 401, "issuer-wrong"},
			{"mixed up: an empty issuer", func(v url.Values) url.Values { return with(v, "iss", "") }, nil, 401, "issuer-wrong"},
			{"no issuer, where the provider sends one", func(v url.Values) url.Values { return with(v, "iss") }, nil, 401, "issuer-missing"},
			{"no code", func(v url.Values) url.Values { return with(v, "code") }, nil, 401, "code-missing"},
			{"an unknown code", func(v url.Values) url.Values { return with(v, "code", "canary") }, nil, 401, "code-refused"},
			{"the provider refuses", func(v url.Values) url.Values { return with(v, "error", "access_denied") }, nil, 401, "provider-refused"},
			{"the provider refuses at length", func(v url.Values) url.Values { return with(v, "error", "canary\ncanary") }, nil, 401, "provider-refused"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				h, b := newHouse(t, nil), browser{}
				answer := tt.edit(h.begin(t, b, "/login"))
				if tt.jar != nil {
					tt.jar(b)
				}
				h.wantRefused(t, h.end(t, b, answer), b, tt.status, tt.reason)
			})
		}
		t.Run("a malformed query", func(t *testing.T) {
			h, b := newHouse(t, nil), browser{}
			w := b.get(t, h.client.Callback(), redirect+"?"+h.begin(t, b, "/login").Encode()+"&%zz")
			h.wantRefused(t, w, b, 400, "query-malformed")
		})
		t.Run("two cookies", func(t *testing.T) {
			h, b := newHouse(t, nil), browser{}
			answer := h.begin(t, b, "/login")
			w := b.get(t, h.client.Callback(), redirect+"?"+answer.Encode(), func(r *http.Request) { r.Header.Add("Cookie", cookieName+"=x") })
			h.wantRefused(t, w, b, 400, "cookie-repeated")
		})
		t.Run("POST", func(t *testing.T) {
			h, b := newHouse(t, nil), browser{}
			w := b.get(t, h.client.Callback(), redirect+"?"+h.begin(t, b, "/login").Encode(), func(r *http.Request) { r.Method = http.MethodPost })
			if w.Code != 405 || h.who(t, b).Subject != "" {
				t.Errorf("status = %d, want 405", w.Code)
			}
		})
		t.Run("the answer of another browser", func(t *testing.T) {
			h, mallory, ada := newHouse(t, nil), browser{}, browser{}
			answer := h.begin(t, mallory, "/login")
			h.wantRefused(t, h.end(t, ada, answer), ada, 401, "cookie-missing")
			h.begin(t, ada, "/login")
			h.wantRefused(t, h.end(t, ada, answer), ada, 401, "state-wrong")
		})
		t.Run("used twice", func(t *testing.T) {
			h, b := newHouse(t, nil), browser{}
			answer := h.begin(t, b, "/login")
			kept := b[cookieName]
			if w := h.end(t, b, answer); w.Code != 303 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			again := browser{cookieName: kept}
			h.wantRefused(t, h.end(t, again, answer), again, 401, "state-used")
			delete(again, cookieName)
			h.wantRefused(t, h.end(t, again, answer), again, 401, "cookie-missing")
		})
		t.Run("used again after it was refused", func(t *testing.T) {
			h, b := newHouse(t, nil), browser{}
			answer := h.begin(t, b, "/login")
			kept := b[cookieName]
			h.wantRefused(t, h.end(t, b, with(answer, "error", "access_denied")), b, 401, "provider-refused")
			b[cookieName] = kept
			h.wantRefused(t, h.end(t, b, answer), b, 401, "state-used")
		})
		t.Run("the first of two logins", func(t *testing.T) {
			h, b := newHouse(t, nil), browser{}
			first := h.begin(t, b, "/login")
			second := h.begin(t, b, "/login")
			h.wantRefused(t, h.end(t, b, first), b, 401, "state-wrong")
			if w := h.end(t, b, second); w.Code != 303 {
				t.Errorf("the second: %d %s", w.Code, w.Body)
			}
		})
		t.Run("a cookie of another client", func(t *testing.T) {
			key := func(c *oidc.Config) { c.Key = secret.New(strings.Repeat("k", 32)) }
			one := newHouse(t, key)
			two := newHouseAt(t, one.provider, func(c *oidc.Config) { key(c); c.ClientID = "another" })
			same := newHouseAt(t, one.provider, key)
			b := browser{}
			answer := one.begin(t, b, "/login")
			kept := b[cookieName]
			two.wantRefused(t, two.end(t, b, answer), b, 401, "cookie-broken")
			b[cookieName] = kept
			if w := same.end(t, b, answer); w.Code != 303 {
				t.Errorf("another node with the same key: %d %s", w.Code, same.log.take())
			}
		})
		t.Run("the code of another login", func(t *testing.T) {
			h, mallory, ada := newHouse(t, nil), browser{}, browser{}
			stolen := h.begin(t, mallory, "/login").Get("code")
			h.wantRefused(t, h.end(t, ada, with(h.begin(t, ada, "/login"), "code", stolen)), ada, 401, "code-refused")
		})
		t.Run("the code of another login, at a provider that looks at no verifier", func(t *testing.T) {
			h, mallory, ada := newHouse(t, nil), browser{}, browser{}
			h.provider.trusting = true
			stolen := h.begin(t, mallory, "/login").Get("code")
			h.wantRefused(t, h.end(t, ada, with(h.begin(t, ada, "/login"), "code", stolen)), ada, 401, "nonce-wrong")
		})
	})
}

func TestCallbackRefusesTokens(t *testing.T) {
	attack.Case(t, "SESS-12", attack.Library, func(t *testing.T) {
		set := func(name string, value any) func(*provider) {
			return func(p *provider) {
				p.claims = func(c map[string]any) {
					if c[name] = value; value == nil {
						delete(c, name)
					}
				}
			}
		}
		other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name   string
			edit   func(p *provider)
			status int
			reason string
		}{
			{"another nonce", set("nonce", "x"), 401, "nonce-wrong"},
			{"no nonce", set("nonce", nil), 401, "nonce-wrong"},
			{"an empty nonce", set("nonce", ""), 401, "nonce-wrong"},
			{"no subject", set("sub", nil), 401, "subject-empty"},
			{"an empty subject", set("sub", ""), 401, "subject-empty"},
			{"a blank subject", set("sub", " "), 401, "subject-empty"},
			{"a subject that is a number", set("sub", 7), 401, "id-token-invalid"},
			{"a subject of 256 bytes", set("sub", strings.Repeat("a", 256)), 401, "claims-unusable"},
			{"a subject with a line break", set("sub", "a\nb"), 401, "claims-unusable"},
			{"claims too large to keep", set("groups", []string{"ops", strings.Repeat("a", 5000)}), 401, "claims-unusable"},
			{"another issuer", set("iss", "https://evil.example"), 401, "id-token-invalid"},
			{"another audience", set("aud", "another"), 401, "id-token-invalid"},
			{"no audience", set("aud", nil), 401, "id-token-invalid"},
			{"several audiences, no party", set("aud", []string{clientID, "another"}), 401, "authorized-party-wrong"},
			{"another party", set("azp", "another"), 401, "authorized-party-wrong"},
			{"an empty party", set("azp", ""), 401, "authorized-party-wrong"},
			{"expired", set("exp", time.Now().Add(-time.Second).Unix()), 401, "id-token-invalid"},
			{"no expiry", set("exp", nil), 401, "id-token-invalid"},
			{"not yet", set("nbf", time.Now().Add(time.Hour).Unix()), 401, "id-token-invalid"},
			{"another access token", set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), 401, "access-token-wrong"},
			{"unsigned", func(p *provider) { p.sign = unsigned }, 401, "id-token-invalid"},
			{"signed with the client secret", func(p *provider) {
				p.sign = func(c map[string]any) string { return signed(t, jose.HS256, []byte(strings.Repeat(password, 3)), c) }
			}, 401, "id-token-invalid"},
			{"another key", func(p *provider) {
				p.sign = func(c map[string]any) string { return signed(t, jose.ES256, other, c) }
			}, 401, "id-token-invalid"},
			{"changed", func(p *provider) {
				sign := p.sign
				p.sign = func(c map[string]any) string {
					parts := strings.Split(sign(c), ".")
					c["sub"] = "root"
					payload, _ := json.Marshal(c)
					parts[1] = base64.RawURLEncoding.EncodeToString(payload)
					return strings.Join(parts, ".")
				}
			}, 401, "id-token-invalid"},
			{"no token", func(p *provider) { p.sign = func(map[string]any) string { return "" } }, 401, "id-token-missing"},
			{"no JWT", func(p *provider) { p.sign = func(map[string]any) string { return "a.b.c" } }, 401, "id-token-invalid"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				h, b := newHouse(t, nil), browser{}
				tt.edit(h.provider)
				h.wantRefused(t, h.end(t, b, h.begin(t, b, "/login")), b, tt.status, tt.reason)
			})
		}
	})
}

func unsigned(claims map[string]any) string {
	payload, _ := json.Marshal(claims)
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none","kid":"1"}`)) + "." + encode(payload) + "."
}

// Several audiences are taken with the right party, and optional claims may lack.
func TestCallbackTakes(t *testing.T) {
	for name, edit := range map[string]func(c map[string]any){
		"several audiences": func(c map[string]any) { c["aud"], c["azp"] = []string{"another", clientID}, clientID },
		"few claims": func(c map[string]any) {
			delete(c, "at_hash")
			delete(c, "name")
			delete(c, "auth_time")
			delete(c, "groups")
		},
		"a name for nobody": func(c map[string]any) { c["name"] = strings.Repeat("a", 300) },
		"a name of no text": func(c map[string]any) { c["name"] = 7 },
	} {
		h, b := newHouse(t, nil), browser{}
		h.provider.claims = edit
		if w := h.end(t, b, h.begin(t, b, "/login")); w.Code != 303 || h.who(t, b).Subject != "ada" {
			t.Errorf("%s: %d %s", name, w.Code, h.log.take())
		}
	}
}

func TestGrants(t *testing.T) {
	for _, tt := range []struct {
		name   string
		grants []oidc.Grant
		claims map[string]any
		allow  string // "": not admitted
	}{
		{"an element of a list", []oidc.Grant{{Claim: "groups", Value: "ops", Scopes: []string{"a"}}}, nil, "a"},
		{"no element", []oidc.Grant{{Claim: "groups", Value: "op", Scopes: []string{"a"}}}, nil, ""},
		{"other case", []oidc.Grant{{Claim: "groups", Value: "OPS", Scopes: []string{"a"}}}, nil, ""},
		{"text", []oidc.Grant{{Claim: "name", Value: "Ada", Scopes: []string{"a"}}}, nil, "a"},
		{"true", []oidc.Grant{{Claim: "email_verified", Value: "true", Scopes: []string{"a"}}}, nil, "a"},
		{"a number is no text", []oidc.Grant{{Claim: "level", Value: "7", Scopes: []string{"a"}}}, map[string]any{"level": 7}, ""},
		{"a claim that lacks", []oidc.Grant{{Claim: "level", Value: "7", Scopes: []string{"a"}}}, nil, ""},
		{"a verified address", []oidc.Grant{{Claim: "email", Value: "ada@example.com", Scopes: []string{"a"}}}, nil, "a"},
		{"an address that is not verified", []oidc.Grant{{Claim: "email", Value: "ada@example.com", Scopes: []string{"a"}}}, map[string]any{"email_verified": false}, ""},
		{"an address that calls itself verified", []oidc.Grant{{Claim: "email", Value: "ada@example.com", Scopes: []string{"a"}}}, map[string]any{"email_verified": "true"}, ""},
		{"the second grant", []oidc.Grant{{Claim: "groups", Value: "x", Scopes: []string{"b"}}, {Claim: "groups", Value: "dev", Scopes: []string{"a"}}}, nil, "a"},
		{"everybody", []oidc.Grant{{Scopes: []string{"a"}}}, nil, "a"},
		{"scopes of the provider mean nothing", []oidc.Grant{{Claim: "groups", Value: "x"}}, map[string]any{"scope": "a", "scopes": []string{"a"}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, b := newHouse(t, func(c *oidc.Config) { c.Grants, c.Keep = tt.grants, nil }), browser{}
			h.provider.claims = func(c map[string]any) {
				maps.Copy(c, tt.claims)
			}
			w := h.end(t, b, h.begin(t, b, "/login"))
			if tt.allow == "" {
				h.wantRefused(t, w, b, 403, "not-admitted")
				return
			}
			if p := h.who(t, b); w.Code != 303 || !p.Scopes.Allow(tt.allow) || p.Scopes.Allow("b") {
				t.Errorf("%d, scopes %v", w.Code, p.Scopes.Names())
			}
		})
	}
}

func TestAProviderThatIsAway(t *testing.T) {
	attack.Case(t, "SESS-07", attack.Library, func(t *testing.T) {
		wantAway := func(t *testing.T, h *house, w *httptest.ResponseRecorder, b browser) {
			t.Helper()
			if w.Code != 503 || w.Header().Get("Retry-After") == "" || !strings.Contains(h.log.take(), "login failed") || h.who(t, b).Subject != "" {
				t.Errorf("%d %s, want 503", w.Code, w.Body)
			}
		}
		t.Run("at the login", func(t *testing.T) {
			h := newHouse(t, nil)
			h.provider.Close()
			wantAway(t, h, browser{}.get(t, h.client.Login(), "/login"), browser{})
		})
		for name, edit := range map[string]func(p *provider){
			"token endpoint fails":      func(p *provider) { p.answer = answer(500, `canary`) },
			"token endpoint is slow":    func(p *provider) { p.answer = answer(429, `{"error":"slow_down"}`) },
			"token endpoint is no JSON": func(p *provider) { p.answer = answer(200, `<html>`) },
			"token endpoint is endless": func(p *provider) { p.answer = answer(200, strings.Repeat(" ", 2<<20)+"{}") },
			"we are unknown":            func(p *provider) { p.answer = answer(401, `{"error":"invalid_client"}`) },
			"keys":                      func(p *provider) { p.keysDown.Store(true) },
		} {
			t.Run(name, func(t *testing.T) {
				h, b := newHouse(t, nil), browser{}
				got := h.begin(t, b, "/login")
				edit(h.provider)
				wantAway(t, h, h.end(t, b, got), b)
			})
		}
		for name, edit := range map[string]func(m map[string]any){
			"of another issuer":            func(m map[string]any) { m["issuer"] = "https://evil.example" },
			"without PKCE by S256":         func(m map[string]any) { m["code_challenge_methods_supported"] = []string{"plain"} },
			"with a login over plain HTTP": func(m map[string]any) { m["authorization_endpoint"] = "http://id.example/authorize" },
			"with tokens over plain HTTP":  func(m map[string]any) { m["token_endpoint"] = "http://id.example/token" },
			"with keys over plain HTTP":    func(m map[string]any) { m["jwks_uri"] = "http://id.example/keys" },
			"without keys":                 func(m map[string]any) { delete(m, "jwks_uri") },
			"with a script to log out":     func(m map[string]any) { m["end_session_endpoint"] = "javascript:alert(1)" },
			"without end":                  func(m map[string]any) { m["x"] = strings.Repeat("a", 2<<20) },
		} {
			t.Run("metadata "+name, func(t *testing.T) {
				h := newHouse(t, nil)
				h.provider.metadata = edit
				wantAway(t, h, browser{}.get(t, h.client.Login(), "/login"), browser{})
			})
		}
	})
}

func answer(status int, body string) func(http.ResponseWriter, string) bool {
	return func(w http.ResponseWriter, _ string) bool {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
		return true
	}
}

// The provider is asked again once it is back, not with each login before.
func TestDiscovery(t *testing.T) {
	h := newHouse(t, nil)
	h.provider.metadata = func(m map[string]any) { m["issuer"] = "" }
	for range 5 {
		if w := (browser{}).get(t, h.client.Login(), "/login"); w.Code != 503 {
			t.Fatalf("status = %d", w.Code)
		}
	}
	if got := h.provider.asked.Load(); got > 2 {
		t.Errorf("asked %d times at once, want 1 (2 on a machine that took a second)", got)
	}
	h.provider.mu.Lock()
	h.provider.metadata = nil
	h.provider.mu.Unlock()
	deadline := time.Now().Add(10 * time.Second)
	for (browser{}).get(t, h.client.Login(), "/login").Code != 303 {
		if time.Now().After(deadline) {
			t.Fatal("the provider is back and is not found")
		}
		<-time.After(20 * time.Millisecond)
	}
	before := h.provider.asked.Load()
	for range 20 {
		h.begin(t, browser{}, "/login")
	}
	if got := h.provider.asked.Load(); got != before {
		t.Errorf("asked %d times more", got-before)
	}
}

func TestClientSecretInTheForm(t *testing.T) {
	h, b := newHouse(t, nil), browser{}
	h.provider.metadata = func(m map[string]any) { m["token_endpoint_auth_methods_supported"] = []string{"client_secret_post"} }
	if w := h.end(t, b, h.begin(t, b, "/login")); w.Code != 303 || h.provider.auth.Load() != "form" || h.provider.exchange.Load() != 1 {
		t.Errorf("%d, proved by %v, %d exchanges", w.Code, h.provider.auth.Load(), h.provider.exchange.Load())
	}
}

// The address to come back to is that of the configuration, whatever a request
// says of its host.
func TestRedirectComesFromTheConfiguration(t *testing.T) {
	attack.Case(t, "SESS-14", attack.Library, func(t *testing.T) {
		h, b := newHouse(t, nil), browser{}
		w := b.get(t, h.client.Login(), "https://evil.example/login?redirect_uri=https://evil.example&return=/a", func(r *http.Request) {
			r.Host = "evil.example"
			for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "Forwarded", "X-Original-Url", "X-Rewrite-Url", "X-Forwarded-Uri"} {
				r.Header.Set(name, "host=evil.example")
			}
			x := exchange.New(r)
			x.Host, x.Scheme = "evil.example", "http"
			*r = *x.Request
		})
		location := w.Header().Get("Location")
		u, err := url.Parse(location)
		if err != nil || u.Query().Get("redirect_uri") != redirect || strings.Contains(location, "evil") {
			t.Errorf("led to %s", location)
		}
		if w := h.end(t, b, h.provider.authorize(t, location)); w.Header().Get("Location") != "/a" {
			t.Errorf("led back to %s", w.Header().Get("Location"))
		}
	})
}

func TestLoginIsForNavigation(t *testing.T) {
	h := newHouse(t, nil)
	for _, tt := range []struct {
		method string
		modes  []string
		want   int
	}{
		{http.MethodGet, nil, 303},
		{http.MethodGet, []string{"navigate"}, 303},
		{http.MethodGet, []string{"no-cors"}, 403},
		{http.MethodGet, []string{"cors"}, 403},
		{http.MethodGet, []string{"navigate", "navigate"}, 403},
		{http.MethodPost, nil, 405},
		{http.MethodHead, nil, 405},
	} {
		w := browser{}.get(t, h.client.Login(), "/login", func(r *http.Request) {
			r.Method = tt.method
			if tt.modes != nil {
				r.Header["Sec-Fetch-Mode"] = tt.modes
			}
		})
		if w.Code != tt.want || (w.Header().Get("Set-Cookie") != "") != (tt.want == 303) {
			t.Errorf("%s %q: %d, want %d", tt.method, tt.modes, w.Code, tt.want)
		}
	}
}

func TestLoginExpires(t *testing.T) {
	h := newHouse(t, nil) // its server is outside of the bubble, and is asked before
	h.begin(t, browser{}, "/login")
	synctest.Test(t, func(t *testing.T) {
		b := browser{}
		answer := h.begin(t, b, "/login")
		<-time.After(10 * time.Minute)
		h.wantRefused(t, h.end(t, b, answer), b, 401, "login-expired")
	})
}

func TestLogout(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(c *oidc.Config)
		meta func(m map[string]any)
		want string
	}{
		{"at the provider too", nil, nil, "URL/logout?a=b&client_id=warder&post_logout_redirect_uri=https%3A%2F%2Fapi.example%2Fbye"},
		{"at a provider that has no way", func(c *oidc.Config) { c.Home = "/home" }, func(m map[string]any) { delete(m, "end_session_endpoint") }, "/home"},
		{"here only", func(c *oidc.Config) { c.AfterLogout = "" }, nil, "/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, b := newHouse(t, tt.edit), browser{}
			h.provider.metadata = tt.meta
			h.end(t, b, h.begin(t, b, "/login"))
			if h.who(t, b).Subject != "ada" {
				t.Fatal("not logged in")
			}
			post := func(site string) *httptest.ResponseRecorder {
				return b.get(t, h.client.Logout(), "/logout", func(r *http.Request) { r.Method = http.MethodPost; r.Header.Set("Sec-Fetch-Site", site) })
			}
			if w := post("cross-site"); w.Code != 403 || h.who(t, b).Subject != "ada" {
				t.Errorf("from elsewhere: %d", w.Code)
			}
			if w := b.get(t, h.client.Logout(), "/logout"); w.Code != 405 || h.who(t, b).Subject != "ada" {
				t.Errorf("GET: %d", w.Code)
			}
			before := maps.Clone(b)
			w := post("same-origin")
			if want := strings.Replace(tt.want, "URL", h.provider.URL, 1); w.Code != 303 || w.Header().Get("Location") != want {
				t.Errorf("%d to %s, want %s", w.Code, w.Header().Get("Location"), want)
			}
			if h.who(t, before).Subject != "" {
				t.Error("the session lives on")
			}
		})
	}
}

func FuzzCallback(f *testing.F) {
	h := newHouse(f, nil)
	b := browser{}
	answer := h.begin(f, b, "/login")
	f.Add(answer.Encode()+"x", b[cookieName])
	f.Add("state=a&code=b", "")
	f.Add("error=access_denied&state=", "x")
	f.Add("%zz", b[cookieName][1:])
	f.Fuzz(func(t *testing.T, query, cookie string) {
		r := httptest.NewRequest(http.MethodGet, redirect, nil)
		r.URL.RawQuery = query
		r.Header.Set("Cookie", cookieName+"="+cookie)
		w := httptest.NewRecorder()
		h.client.Callback().ServeHTTP(w, r)
		if w.Code != 400 && w.Code != 401 {
			t.Errorf("%q, %q: %d", query, cookie, w.Code)
		}
	})
}
