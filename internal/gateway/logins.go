package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/bodylimit"
	"github.com/warder-dev/warder/csrf"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/outgoing"
	"github.com/warder-dev/warder/session/oidc"
	"github.com/warder-dev/warder/session/password"
)

// loginBody is the largest body of a login, in bytes.
const loginBody = 16 << 10

// people makes the scheme of HTTP Basic.
func (s *schemes) people(v variant) (authn.Scheme, error) {
	return password.NewBasic(password.BasicConfig{Checker: s.cfg.People, Scheme: v.name, Leave: s.leaveNames(v.mix)})
}

// addLogins makes the paths by which sessions begin and end.
func (g *Gateway) addLogins(routes *warder.Routes) error {
	if g.cfg.Sessions == nil {
		return nil
	}
	cfg := &g.cfg.Config.Session
	limit, limitErr := bodylimit.New(bodylimit.Config{Max: loginBody})
	strict, csrfErr := g.newCSRF(g.cfg.Config.CSRF, true)
	if err := errors.Join(limitErr, csrfErr); err != nil {
		return err
	}
	begin := func() *warder.Policy {
		return &warder.Policy{BodyLimit: limit, AddressLimit: g.limits.everybody, CSRF: strict}
	}
	errs := []error{g.answer(routes, "POST "+cfg.Path+"/logout", begin(), g.cfg.Sessions.LogoutHandler("/"))}
	errs = append(errs, g.addToken(routes, cfg))
	if cfg.Password {
		h, err := password.NewHandler(password.HandlerConfig{Checker: g.cfg.People, Sessions: g.cfg.Sessions, Realm: g.cfg.Config.Keys.Realm})
		errs = append(errs, err, g.answer(routes, "POST "+cfg.Path+"/login", begin(), h))
	}
	if cfg.OIDC != nil {
		errs = append(errs, g.addOIDC(routes, begin))
	}
	return errors.Join(errs...)
}

// addToken makes the path that tells a script of the site its token.
func (g *Gateway) addToken(routes *warder.Routes, cfg *config.Session) error {
	guard, err := authn.New(authn.Config{Requirement: authn.Require(g.cfg.Sessions.Scheme()), Realm: g.cfg.Config.Keys.Realm})
	if err != nil {
		return err
	}
	policy := &warder.Policy{AddressLimit: g.limits.everybody, Authn: guard, CSRF: g.csrf}
	return g.answer(routes, "GET "+cfg.Path+"/csrf", policy, tokenHandler{g.csrf})
}

// tokenHandler answers with a token for the session of the request. Only a page
// of the same origin can read it: no policy for others stands before it.
type tokenHandler struct{ stage *csrf.Stage }

func (h tokenHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := json.Marshal(struct {
		Token string `json:"csrf_token"`
	}{h.stage.Token(exchange.From(r.Context()))})
	if err != nil {
		panic(err) // a string cannot fail
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body) // the client may be gone
}

// addOIDC makes the paths of a login at a provider.
func (g *Gateway) addOIDC(routes *warder.Routes, begin func() *warder.Policy) error {
	cfg := &g.cfg.Config.Session
	if g.login == nil {
		var err error
		if g.login, err = g.newOIDC(cfg.OIDC); err != nil {
			return fmt.Errorf("session.oidc: %w", err)
		}
	}
	return errors.Join(
		g.answer(routes, "GET "+cfg.Path+"/oidc", begin(), g.login.Login()),
		g.answer(routes, "GET "+cfg.Path+"/callback", begin(), g.login.Callback()),
	)
}

// loginCookies are those of a session and of a login under way, whether or not a
// route asks for a session.
func loginCookies(s *config.Session) (names []string) {
	if s.Password || s.OIDC != nil {
		names = append(names, s.Cookie)
	}
	if s.OIDC != nil {
		names = append(names, oidc.CookieName)
	}
	return names
}

func (g *Gateway) newOIDC(o *config.OIDCLogin) (*oidc.Client, error) {
	pool, err := poolOf(o.CAFile)
	if err != nil {
		return nil, err
	}
	client, err := outgoing.New(outgoing.Config{RootCAs: pool, InsecureHTTP: o.InsecureHTTP})
	if err != nil {
		return nil, err
	}
	cfg := oidc.Config{
		Issuer: o.Issuer, ClientID: o.ClientID, ClientSecret: o.ClientSecret, RedirectURL: o.RedirectURL, Scopes: o.Scopes, Keep: o.Keep, Key: o.Key,
		Sessions: g.cfg.Sessions, Log: g.cfg.Log, Realm: g.cfg.Config.Keys.Realm, HTTPClient: client, InsecureHTTP: o.InsecureHTTP,
	}
	for _, grant := range o.Grants {
		cfg.Grants = append(cfg.Grants, oidc.Grant{Claim: grant.Claim, Value: grant.Value, Scopes: grant.Scopes})
	}
	return oidc.New(cfg)
}
