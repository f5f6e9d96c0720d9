package oidc

import (
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/session"
)

// Login answers GET by leading to the provider. The parameter return says where
// to lead after the login, if [session.LocalPath] takes it.
func (c *Client) Login() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		switch {
		case r.Method != http.MethodGet:
			exchange.Respond(w, r, c.method, "", nil)
			return
		case !navigates(r):
			exchange.Respond(w, r, c.foreign, "", nil)
			return
		}
		m, err := c.provider.get(r.Context())
		if err != nil {
			c.fail(w, r, err)
			return
		}
		p := pending{State: random(), Nonce: random(), Verifier: oauth2.GenerateVerifier(), Back: c.back(r), Until: time.Now().Add(loginLife).Unix()}
		c.setCookie(w, c.seal.lock(p), int(loginLife/time.Second))
		w.Header().Set("Location", c.oauth(m).AuthCodeURL(p.State, gooidc.Nonce(p.Nonce), oauth2.S256ChallengeOption(p.Verifier)))
		w.WriteHeader(http.StatusSeeOther)
	})
}

// navigates reports whether a browser goes to the address, and does not load it as
// part of a page: a picture on another site would replace the login under way.
func navigates(r *http.Request) bool {
	modes := r.Header["Sec-Fetch-Mode"]
	return len(modes) == 0 || len(modes) == 1 && modes[0] == "navigate"
}

// back returns the path to lead to after the login.
func (c *Client) back(r *http.Request) string {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || !query.Has("return") {
		return c.cfg.Home
	}
	path := session.LocalPath(query.Get("return"))
	if len(path) > maxBack {
		return c.cfg.Home
	}
	return path
}

// setCookie sets the cookie of a login under way; a negative age deletes it. It
// has to come with the provider's answer, which another site leads to: Lax allows
// that for navigation.
func (c *Client) setCookie(w http.ResponseWriter, value string, age int) {
	cookie := http.Cookie{Name: c.cfg.Cookie, Value: value, Path: "/", MaxAge: age, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	h := w.Header()
	lines := slices.DeleteFunc(slices.Clone(h["Set-Cookie"]), func(line string) bool { return strings.HasPrefix(line, c.cfg.Cookie+"=") })
	h["Set-Cookie"] = append(lines, cookie.String())
}

// Logout answers POST by ending the session and leading on: to the provider, where
// it ends its own, when it can be told where to lead then ([Config.AfterLogout]),
// or else Home. Requests from elsewhere are 403.
func (c *Client) Logout() http.Handler {
	local := c.cfg.Sessions.LogoutHandler(c.cfg.Home)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || session.FromElsewhere(r) || c.cfg.AfterLogout == "" {
			local.ServeHTTP(w, r)
			return
		}
		if err := c.cfg.Sessions.Logout(w, r); err != nil {
			c.fail(w, r, err)
			return
		}
		m, err := c.provider.get(r.Context())
		to := c.cfg.Home
		if err == nil && m.EndSession != "" {
			to = endSession(m.EndSession, c.cfg.ClientID, c.cfg.AfterLogout)
		}
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusSeeOther)
	})
}

// endSession is where the provider ends its session (OpenID Connect RP-Initiated
// Logout 1.0, section 2).
func endSession(endpoint, client, after string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return after
	}
	query := u.Query()
	query.Set("client_id", client)
	query.Set("post_logout_redirect_uri", after)
	u.RawQuery = query.Encode()
	return u.String()
}

// refuse answers with p and logs why.
func (c *Client) refuse(w http.ResponseWriter, r *http.Request, p *problem.Problem, reason string, err error) {
	attrs := []slog.Attr{slog.String("issuer", c.cfg.Issuer), slog.String("reason", reason)}
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	c.cfg.Log.LogAttrs(r.Context(), slog.LevelInfo, "login refused", attrs...)
	exchange.Respond(w, r, p, reason, err)
}

// fail answers what could not be judged: the provider, or the store of sessions,
// gave no answer.
func (c *Client) fail(w http.ResponseWriter, r *http.Request, err error) {
	c.cfg.Log.LogAttrs(r.Context(), slog.LevelError, "login failed", slog.String("issuer", c.cfg.Issuer), slog.Any("error", err))
	exchange.Respond(w, r, c.away, "", err)
}
