package oidc

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session"
)

// Config configures a [Client].
type Config struct {
	_ [0]func()

	Issuer       string      // the provider, exactly as its metadata names it: an https URL. Required.
	ClientID     string      // as registered there. Required.
	ClientSecret secret.Text // empty for a public client
	RedirectURL  string      // of Callback, as registered: https, or http at a loopback host. Required.
	Scopes       []string    // to ask for besides "openid", such as "profile" and "groups"

	Grants []Grant  // who is let in, and with what. Required.
	Keep   []string // claims of the ID token that the session keeps; at most 50
	Title  string   // claim with the user's name for people. Default "name".

	Sessions *session.Manager // Required.
	Log      *slog.Logger     // gets refused logins with their reasons. Required.

	// Key encrypts the cookie of a login under way: at least 32 random bytes, the same
	// for all nodes. Default: drawn by this process, so that a login that began before
	// a restart, or at another node, has to begin anew.
	Key    secret.Text
	Cookie string // its name, beginning with "__Host-". Default [CookieName].

	Home        string // where a login leads that asks for no way back. Default "/".
	AfterLogout string // where the provider leads after Logout, as registered: an https URL. Default: nowhere, Logout leads Home.
	Realm       string // in the challenge of a 401. Default "warder".

	// HTTPClient asks the provider. Default: one that takes no proxy from the
	// environment, follows no redirect, and bounds time and size.
	HTTPClient *http.Client

	// InsecureHTTP allows a provider over plain HTTP at other than a loopback host: who
	// is on the way can log in as anybody.
	InsecureHTTP bool
}

// A Grant lets users in and gives them scopes.
type Grant struct {
	// Claim is a claim of the ID token that has to have Value: as text, as true or
	// false, or as an element of a list. Empty: whoever the provider knows. "email"
	// counts only with "email_verified".
	Claim, Value string

	Scopes []string // pattern scopes: a last segment "*" stands for more
}

// A Client logs people in at one provider. It is safe for concurrent use and has
// nothing to close.
type Client struct {
	cfg      Config
	http     *http.Client
	provider *provider
	seal     *seal
	used     *used

	method, foreign, malformed, refused, forbidden, away *problem.Problem
}

// CookieName is the name of the cookie of a login under way, unless
// [Config.Cookie] says otherwise.
const CookieName = cookiePrefix + "login"

const (
	cookiePrefix = "__Host-"
	minKey       = 32 // bytes
	maxKept      = 50
)

// New reports everything that is wrong with cfg at once. It does not ask the
// provider.
func New(cfg Config) (*Client, error) {
	cfg.Cookie = cmp.Or(cfg.Cookie, CookieName)
	cfg.Home = cmp.Or(cfg.Home, "/")
	cfg.Title = cmp.Or(cfg.Title, "name")
	cfg.Realm = cmp.Or(cfg.Realm, "warder")
	cfg.Scopes, cfg.Grants, cfg.Keep = slices.Clone(cfg.Scopes), slices.Clone(cfg.Grants), slices.Clone(cfg.Keep)
	if err := cfg.check(); err != nil {
		return nil, err
	}
	c := &Client{
		cfg: cfg, http: bounded(cfg.HTTPClient), seal: newSeal(cfg), used: newUsed(),
		method:    problem.New(problem.MethodNotAllowed, "Use GET.").With("Allow", http.MethodGet),
		foreign:   problem.New(problem.CrossSite, "Begin at a page of the site itself."),
		malformed: problem.New(problem.InvalidCredential, "The answer of the login is malformed. Log in again."),
		refused: problem.New(problem.Unauthorized, "The login was not accepted. Log in again.").
			With("WWW-Authenticate", cfg.Sessions.Scheme().Challenge(cfg.Realm)),
		forbidden: problem.New(problem.Forbidden, "You are logged in at the provider, and not admitted here."),
		away:      problem.New(problem.Unavailable, "Try again later. Nothing is wrong with the request.").With("Retry-After", "5"),
	}
	c.provider = newProvider(c)
	return c, nil
}

func (c *Config) check() error {
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf("oidc: "+format, args...))
		}
	}
	bad(!c.usable(c.Issuer) || strings.ContainsAny(c.Issuer, "?#"), "Issuer %q: want an https URL", c.Issuer)
	bad(c.ClientID == "", "ClientID is missing")
	bad(!redirectable(c.RedirectURL), "RedirectURL %q: want an https URL, or http at a loopback host", c.RedirectURL)
	bad(c.AfterLogout != "" && !redirectable(c.AfterLogout), "AfterLogout %q: want an https URL, or http at a loopback host", c.AfterLogout)
	bad(c.Sessions == nil, "Sessions is missing")
	bad(c.Log == nil, "Log is missing")
	bad(!c.Key.IsZero() && len(c.Key.Reveal()) < minKey, "Key has fewer than %d bytes", minKey)
	bad(!strings.HasPrefix(c.Cookie, cookiePrefix) || strings.ContainsAny(c.Cookie, "=;, \t\"\\"), "Cookie %q: want a name that begins with %s", c.Cookie, cookiePrefix)
	bad(c.Sessions != nil && c.Cookie == c.Sessions.Cookie(), "Cookie %q is that of the sessions", c.Cookie)
	bad(session.LocalPath(c.Home) != c.Home, "Home %q: want a path of this site", c.Home)
	bad(len(c.Keep) > maxKept, "Keep names %d claims, want at most %d", len(c.Keep), maxKept)
	bad(len(c.Grants) == 0, "Grants is empty: nobody could log in; a Grant without Claim lets everybody in whom the provider knows")
	for i, g := range c.Grants {
		bad((g.Claim == "") != (g.Value == ""), "Grants[%d]: Claim and Value go together", i)
		for _, scope := range g.Scopes {
			bad(!exchange.ValidScope(scope), "Grants[%d]: scope %q: want segments of letters, digits and ._-/ divided by \":\"", i, scope)
		}
	}
	for _, scope := range c.Scopes {
		bad(scope == "" || strings.ContainsAny(scope, " \t\r\n\"\\"), "Scopes: %q is none", scope)
	}
	return errors.Join(errs...)
}

// usable reports whether address is one at which a provider may be asked.
func (c *Config) usable(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && (c.InsecureHTTP || loopback(u))
}

// redirectable reports whether address is one to which a provider may lead.
func redirectable(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || strings.Contains(address, "#") {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && loopback(u)
}

// loopback reports whether u stays on this machine (RFC 6761, section 6.3).
func loopback(u *url.URL) bool {
	host := u.Hostname()
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// key returns the key of the cookie: made from Key, or drawn.
func (c *Config) key() (key [sha256.Size]byte) {
	if c.Key.IsZero() {
		_, _ = rand.Read(key[:]) // never fails: it ends the program first
		return key
	}
	return sha256.Sum256([]byte("warder oidc login\x00" + c.Key.Reveal()))
}

// oauth is the configuration of the code flow with p.
func (c *Client) oauth(p *metadata) *oauth2.Config {
	return &oauth2.Config{
		ClientID: c.cfg.ClientID, ClientSecret: c.cfg.ClientSecret.Reveal(), RedirectURL: c.cfg.RedirectURL,
		Endpoint: oauth2.Endpoint{AuthURL: p.Authorization, TokenURL: p.Token, AuthStyle: p.style(c.cfg.ClientSecret)},
		Scopes:   append([]string{"openid"}, slices.DeleteFunc(slices.Clone(c.cfg.Scopes), func(s string) bool { return s == "openid" })...),
	}
}
