package oidc_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/interop/oidc"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session"
	login "github.com/warder-dev/warder/session/oidc"
)

// A site is a Go service that logs people in by package session/oidc.
type site struct {
	*httptest.Server
	provider *oidc.Provider
	sessions *session.Manager
	log      *journal
}

const clientSecret = "a secret: with + and %"

// newSite starts a provider, and a site that is registered there.
func newSite(t *testing.T, edit func(*login.Config)) *site {
	t.Helper()
	s := &site{log: new(journal)}
	mux := http.NewServeMux()
	s.Server = httptest.NewTLSServer(mux)
	t.Cleanup(s.Close)
	s.provider = oidc.Start(t, oidc.Config{
		Users: []oidc.User{ada(), {Name: "bob", Password: "b", Subject: "u-bob"}},
		Clients: []oidc.Client{
			{ID: "site", Secret: clientSecret, Redirects: []string{s.URL + "/login/callback"}, AfterLogout: []string{s.URL + "/bye"}},
			{ID: "other", Secret: "other", Redirects: []string{s.URL + "/login/callback"}},
		},
	})
	store, err := session.NewMemoryStore(0)
	if err != nil {
		t.Fatal(err)
	}
	if s.sessions, err = session.New(session.Config{Store: store, Log: s.log.log()}); err != nil {
		t.Fatal(err)
	}
	cfg := login.Config{
		Issuer: s.provider.Issuer(), ClientID: "site", ClientSecret: secret.New(clientSecret), RedirectURL: s.URL + "/login/callback",
		Scopes: []string{"profile", "email", "groups"}, Keep: []string{"email"}, AfterLogout: s.URL + "/bye",
		Grants:   []login.Grant{{Claim: "groups", Value: "ops", Scopes: []string{"admin:*"}}, {Claim: "email", Value: "ada@example.org", Scopes: []string{"orders:read"}}},
		Sessions: s.sessions, Log: s.log.log(), HTTPClient: s.provider.Client(),
	}
	if edit != nil {
		edit(&cfg)
	}
	client, err := login.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	guard, err := authn.New(authn.Config{Requirement: authn.Require(s.sessions.Scheme())})
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/login", client.Login())
	mux.Handle("/login/callback", client.Callback())
	mux.Handle("/logout", client.Logout())
	mux.Handle("/me", guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := exchange.From(r.Context()).Principal
		email, _ := p.Claims["email"].(string)
		_, _ = w.Write([]byte(strings.Join([]string{p.Issuer, p.Subject, email, strings.Join(p.Scopes.Names(), " ")}, "|")))
	})))
	return s
}

func (s *site) agent(t *testing.T) *agent {
	t.Helper()
	return newAgent(t, s.Certificate(), leaf(t, s.provider))
}

func TestLogin(t *testing.T) {
	s := newSite(t, nil)
	a := s.agent(t)
	if p := a.get(s.URL + "/me"); p.status != http.StatusUnauthorized {
		t.Fatalf("before: %d", p.status)
	}
	begun := a.get(s.URL + "/login?return=/orders")
	query := parse(t, begun.location).Query()
	if begun.status != http.StatusSeeOther || query.Get("code_challenge_method") != "S256" || query.Get("code_challenge") == "" || query.Get("state") == "" || query.Get("nonce") == "" {
		t.Fatalf("%d to %s, want state, nonce and a challenge by S256", begun.status, begun.location)
	}
	back := a.answer(s.provider, begun.location, ada())
	if got := parse(t, back).Query(); got.Get("state") != query.Get("state") || got.Get("code") == "" {
		t.Fatalf("the provider leads to %s", back)
	}
	if p := a.get(back); p.status != http.StatusSeeOther || p.location != s.URL+"/orders" {
		t.Fatalf("%d to %q: %s", p.status, p.location, s.log.take())
	}
	who := a.get(s.URL + "/me")
	if want := s.provider.Issuer() + "|u-ada|ada@example.org|admin:* orders:read"; who.status != http.StatusOK || who.body != want {
		t.Errorf("%d %q, want %q", who.status, who.body, want)
	}
	out := a.post(s.URL+"/logout", nil)
	if p := a.get(out.location); out.status != http.StatusSeeOther || !strings.HasPrefix(out.location, s.provider.Issuer()) || p.location != s.URL+"/bye" {
		t.Errorf("logout leads to %q, and the provider to %q, want back to /bye", out.location, p.location)
	}
	if p := a.get(s.URL + "/me"); p.status != http.StatusUnauthorized {
		t.Errorf("after logout: %d", p.status)
	}
}

// What a session was begun with is dead after logout and after revocation, for
// whoever kept the cookie.
func TestEndedSessions(t *testing.T) {
	attack.Case(t, "SESS-04", attack.Library, func(t *testing.T) {
		s := newSite(t, nil)
		for name, end := range map[string]func(a *agent){
			"logout": func(a *agent) { a.post(s.URL+"/logout", nil) },
			"revoked": func(*agent) {
				if n, err := s.sessions.RevokeUser(t.Context(), s.provider.Issuer(), "u-ada"); n != 1 || err != nil {
					t.Errorf("revoked %d, %v", n, err)
				}
			},
		} {
			a := s.agent(t)
			a.get(a.answer(s.provider, a.get(s.URL+"/login").location, ada()))
			kept := a.client.Jar.Cookies(parse(t, s.URL))
			if p := a.get(s.URL + "/me"); p.status != http.StatusOK {
				t.Fatalf("%s: %d before", name, p.status)
			}
			end(a)
			a.client.Jar.SetCookies(parse(t, s.URL), kept)
			if p := a.get(s.URL + "/me"); p.status != http.StatusUnauthorized {
				t.Errorf("%s: the cookie gets %d, want 401", name, p.status)
			}
		}
	})
}

func TestAttacksOnALogin(t *testing.T) {
	attack.Case(t, "SESS-12", attack.Library, func(t *testing.T) {
		for _, tt := range []struct {
			name   string
			edit   func(*login.Config)
			try    func(s *site, victim, attacker *agent) page
			status int
			reason string
		}{
			{"the attacker's answer in the victim's browser, which began none", nil, func(s *site, victim, attacker *agent) page {
				return victim.get(attacker.answer(s.provider, attacker.get(s.URL+"/login").location, ada()))
			}, 401, "cookie-missing"},
			{"the attacker's answer beside the victim's login", nil, func(s *site, victim, attacker *agent) page {
				victim.get(s.URL + "/login")
				return victim.get(attacker.answer(s.provider, attacker.get(s.URL+"/login").location, ada()))
			}, 401, "state-wrong"},
			{"the attacker's code under the victim's state: PKCE tells the provider", nil, func(s *site, victim, attacker *agent) page {
				state := parse(t, victim.get(s.URL+"/login").location).Query().Get("state")
				stolen := attacker.answer(s.provider, attacker.get(s.URL+"/login").location, ada())
				return victim.get(edited(t, stolen, func(q url.Values) { q.Set("state", state) }))
			}, 401, "code-refused"},
			{"a code that was given without a challenge", nil, func(s *site, victim, attacker *agent) page {
				state := parse(t, victim.get(s.URL+"/login").location).Query().Get("state")
				bare := edited(t, attacker.get(s.URL+"/login").location, func(q url.Values) { q.Del("code_challenge"); q.Del("code_challenge_method") })
				return victim.get(edited(t, attacker.answer(s.provider, bare, ada()), func(q url.Values) { q.Set("state", state) }))
			}, 401, "code-refused"},
			{"another nonce", nil, func(s *site, victim, _ *agent) page {
				begun := edited(t, victim.get(s.URL+"/login").location, func(q url.Values) { q.Set("nonce", "another") })
				return victim.get(victim.answer(s.provider, begun, ada()))
			}, 401, "nonce-wrong"},
			{"the code of another client", nil, func(s *site, victim, _ *agent) page {
				begun := edited(t, victim.get(s.URL+"/login").location, func(q url.Values) { q.Set("client_id", "other") })
				return victim.get(victim.answer(s.provider, begun, ada()))
			}, 401, "code-refused"},
			{"an answer twice", nil, func(s *site, victim, _ *agent) page {
				begun := victim.get(s.URL + "/login")
				kept := victim.client.Jar.Cookies(parse(t, s.URL))
				back := victim.answer(s.provider, begun.location, ada())
				victim.get(back)
				victim.client.Jar.SetCookies(parse(t, s.URL), kept)
				return victim.get(back)
			}, 401, "state-used"},
			{"a refusal of the provider", nil, func(s *site, victim, _ *agent) page {
				begun := edited(t, victim.get(s.URL+"/login").location, func(q url.Values) { q.Set("response_type", "token") })
				return victim.get(victim.get(begun).location)
			}, 401, "provider-refused"},
			{"whom nothing admits", nil, func(s *site, victim, _ *agent) page {
				return victim.get(victim.answer(s.provider, victim.get(s.URL+"/login").location, oidc.User{Name: "bob", Password: "b"}))
			}, 403, "not-admitted"},
			{"a wrong secret of ours", func(c *login.Config) { c.ClientSecret = secret.New("wrong") }, func(s *site, victim, _ *agent) page {
				return victim.get(victim.answer(s.provider, victim.get(s.URL+"/login").location, ada()))
			}, 503, ""},
			{"a provider that is gone", nil, func(s *site, victim, _ *agent) page {
				back := victim.answer(s.provider, victim.get(s.URL+"/login").location, ada())
				s.provider.Stop()
				return victim.get(back)
			}, 503, ""},
		} {
			t.Run(tt.name, func(t *testing.T) {
				s := newSite(t, tt.edit)
				victim, attacker := s.agent(t), s.agent(t)
				got := tt.try(s, victim, attacker)
				log := s.log.take()
				if got.status != tt.status || tt.reason != "" && !strings.Contains(log, "reason="+tt.reason) {
					t.Errorf("%d, want %d for %s: %s", got.status, tt.status, tt.reason, log)
				}
				if strings.Contains(log, clientSecret) || strings.Contains(got.body, tt.reason) && tt.reason != "" {
					t.Errorf("too much was told: %s, log %s", got.body, log)
				}
				if tt.reason == "state-used" {
					return // the first answer logged in
				}
				if p := victim.get(s.URL + "/me"); p.status != http.StatusUnauthorized {
					t.Errorf("the victim is logged in: %s", p.body)
				}
			})
		}
	})
}
