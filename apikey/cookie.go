package apikey

import (
	"errors"
	"fmt"
	"strings"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/credential"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/openapi"
)

// CookieConfig configures a [Cookie].
type CookieConfig struct {
	_          [0]func()
	Verifier   *Verifier // Required.
	Name       string    // of the cookie: a token of at most 64 bytes that begins with "__Host-". Default "__Host-api_key".
	SchemeName string    // in OpenAPI. Default "apiKeyCookie".

	// InsecureCookieName allows a name that does not begin with "__Host-". It costs
	// the proof of who set the cookie: every host of the domain, and whoever
	// answers in its place over plain HTTP, can then make a browser use a key of
	// theirs.
	InsecureCookieName bool
}

const (
	defaultCookie = "__Host-api_key"
	hostPrefix    = "__Host-"
)

// A Cookie is the scheme of a key in a cookie: type "apiKey" in "cookie" in
// OpenAPI. It is safe for concurrent use.
//
// Browsers send a cookie with whatever page asks them to, so that its principals
// are ambient: without proof against forgery a route must not change anything
// for them. Set the cookie with Secure, HttpOnly, Path=/ and SameSite.
//
// The cookie is present when one with its name is, whatever its value: quotes
// belong to the value, and no key has them. Two are 400, since nobody knows which
// of them the client's own site set.
type Cookie struct {
	base
	cookie string
}

var (
	_ authn.Scheme    = (*Cookie)(nil)
	_ authn.Describer = (*Cookie)(nil)
)

// NewCookie reports everything that is wrong with cfg at once.
func NewCookie(cfg CookieConfig) (*Cookie, error) {
	if cfg.Name == "" {
		cfg.Name = defaultCookie
	}
	b, errs := newBase(cfg.Verifier, cfg.SchemeName, "apiKeyCookie")
	if !isToken(cfg.Name) || cfg.Name == hostPrefix {
		errs = append(errs, fmt.Errorf("apikey: cookie %q: want a token of at most %d bytes", cfg.Name, maxPlace))
	}
	if !strings.HasPrefix(cfg.Name, hostPrefix) && !cfg.InsecureCookieName {
		errs = append(errs, fmt.Errorf("apikey: cookie %q: want a name that begins with %q, or InsecureCookieName", cfg.Name, hostPrefix))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	b.ambient = true
	return &Cookie{b, cfg.Name}, nil
}

// Cookie returns the cookie's name: what a front removes before it forwards a
// request.
func (c *Cookie) Cookie() string { return c.cookie }

// Challenge returns the WWW-Authenticate challenge, as that of [Header].
func (c *Cookie) Challenge(realm string) string {
	return `ApiKey realm="` + realm + `", in="cookie", name="` + c.cookie + `"`
}

// Describe adds the scheme to doc.
func (c *Cookie) Describe(doc *openapi.Document) error {
	return doc.AddSecurityScheme(c.name, openapi.SecurityScheme{
		Type: openapi.TypeAPIKey, In: openapi.InCookie, Name: c.cookie, Description: description,
	})
}

// Authenticate returns whom the cookie proves; see [credential.Cookie] for where
// it is found.
func (c *Cookie) Authenticate(x *exchange.Exchange) (exchange.Principal, error) {
	text, state := credential.Cookie(x.Request.Header, c.cookie)
	if state != credential.Once {
		return exchange.Principal{}, missed(state)
	}
	return c.prove(x, text)
}
