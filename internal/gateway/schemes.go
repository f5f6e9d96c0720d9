package gateway

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/introspection"
	"github.com/warder-dev/warder/jwt"
	"github.com/warder-dev/warder/mtls"
)

// schemes makes the schemes of the configuration as requirements need them.
type schemes struct {
	cfg    Config
	made   map[variant]authn.Scheme
	tokens map[string]authn.Scheme // what fetches and remembers, once for all variants
	closed []func() error
}

// A mix says which schemes of a requirement find their credential in the field
// Authorization: each of them has to leave to the others what is theirs, and
// nothing else, so that no credential is nobody's.
type mix struct{ bearerKey, keyTokens, basicKey, jwt, opaque, people bool }

// A variant is a scheme as one mix needs it.
type variant struct {
	name string
	mix  mix
}

func newSchemes(cfg Config) *schemes {
	return &schemes{cfg: cfg, made: make(map[variant]authn.Scheme), tokens: make(map[string]authn.Scheme)}
}

// close ends what fetches in the background.
func (s *schemes) close() error {
	var errs []error
	for _, end := range s.closed {
		errs = append(errs, end())
	}
	return errors.Join(errs...)
}

// requirement translates what a route asks for.
func (s *schemes) requirement(security []config.Alternative) (authn.Requirement, error) {
	m := s.mixOf(security)
	all := make(authn.Requirement, len(security))
	var errs []error
	for i, alternative := range security {
		all[i] = authn.Alternative{}
		for _, name := range s.inOrder(alternative) {
			scheme, err := s.get(variant{name, m})
			if err != nil {
				errs = append(errs, fmt.Errorf("scheme %q: %w", name, err))
				continue
			}
			all[i] = append(all[i], authn.Need{Scheme: scheme, Scopes: alternative[name]})
		}
	}
	return all, errors.Join(errs...)
}

// inOrder puts first whose principal the request bears.
func (s *schemes) inOrder(a config.Alternative) []string {
	names := make([]string, 0, len(a))
	for name := range a {
		names = append(names, name)
	}
	order := []string{"key", "jwt", "introspection", "session", "basic", "certificate"}
	slices.SortFunc(names, func(a, b string) int {
		schemes := s.cfg.Config.Schemes
		return cmp.Or(slices.Index(order, schemes[a].Kind())-slices.Index(order, schemes[b].Kind()), strings.Compare(a, b))
	})
	return names
}

func (s *schemes) mixOf(security []config.Alternative) (m mix) {
	for _, alternative := range security {
		for name := range alternative {
			scheme := s.cfg.Config.Schemes[name]
			m.bearerKey = m.bearerKey || scheme.Key != nil && scheme.Key.In == config.InBearer
			m.keyTokens = m.keyTokens || scheme.Key != nil && scheme.Key.Tokens
			m.basicKey = m.basicKey || scheme.Key != nil && scheme.Key.In == config.InBasic
			m.jwt = m.jwt || scheme.JWT != nil
			m.opaque = m.opaque || scheme.Introspection != nil
			m.people = m.people || scheme.Basic != nil
		}
	}
	return m
}

func (s *schemes) get(v variant) (authn.Scheme, error) {
	if scheme, ok := s.made[v]; ok {
		return scheme, nil
	}
	scheme, err := s.make(v)
	if err == nil {
		s.made[v] = scheme
	}
	return scheme, err
}

func (s *schemes) make(v variant) (authn.Scheme, error) {
	cfg, ok := s.cfg.Config.Schemes[v.name]
	switch {
	case !ok:
		return nil, errors.New("it is not configured")
	case cfg.Key != nil:
		return s.key(v, cfg.Key)
	case cfg.JWT != nil:
		return s.jwt(v, cfg.JWT)
	case cfg.Introspection != nil:
		return s.introspection(v, cfg.Introspection)
	case cfg.Certificate != nil:
		return newCertificate(v.name, cfg.Certificate)
	case cfg.Session != nil && s.cfg.Sessions != nil:
		return s.cfg.Sessions.Scheme(), nil
	case cfg.Basic != nil && s.cfg.People != nil:
		return s.people(v)
	default:
		return nil, errors.New("it says not what it is")
	}
}

func (s *schemes) key(v variant, k *config.KeyScheme) (authn.Scheme, error) {
	verifier, name := s.cfg.Verifier, s.cfg.Config.KeyName(k)
	prefixes := []string{s.cfg.Config.Keys.Prefix}
	switch k.In {
	case config.InQuery:
		return apikey.NewQuery(apikey.QueryConfig{Verifier: verifier, SchemeName: v.name, Name: name})
	case config.InCookie:
		return apikey.NewCookie(apikey.CookieConfig{Verifier: verifier, SchemeName: v.name, Name: name, InsecureCookieName: k.InsecureCookieName})
	case config.InBearer:
		return apikey.NewBearer(apikey.BearerConfig{Verifier: verifier, SchemeName: v.name, Shared: v.mix.jwt || v.mix.opaque, Prefixes: prefixes, Tokens: k.Tokens, TokenAudience: k.TokenAudience})
	case config.InBasic:
		return apikey.NewBasic(apikey.BasicConfig{
			Verifier: verifier, SchemeName: v.name, Shared: v.mix.people, Prefixes: prefixes, Field: apikey.BasicField(k.BasicField),
		})
	default:
		return apikey.NewHeader(apikey.HeaderConfig{Verifier: verifier, SchemeName: v.name, Name: name})
	}
}

// leave tells a scheme of tokens which ones belong to another scheme of the
// requirement: keys by their prefix, what was made from keys by its beginning, and of
// the rest what has the form of a JWT (RFC 7519, section 3.1) or has not.
func (s *schemes) leave(m mix, jwts bool) func(token string) bool {
	prefix := s.cfg.Config.Keys.Prefix + "_"
	divided := m.jwt && m.opaque
	if !m.bearerKey && !divided {
		return nil
	}
	return func(token string) bool {
		if m.bearerKey && strings.HasPrefix(token, prefix) || m.keyTokens && s.cfg.Verifier.OwnsToken(token) {
			return true
		}
		return divided && (strings.Count(token, ".") == 2) != jwts
	}
}

// leaveNames tells HTTP Basic of people which names belong to that of keys.
func (s *schemes) leaveNames(m mix) func(name string) bool {
	if !m.basicKey {
		return nil
	}
	prefix := s.cfg.Config.Keys.Prefix + "_"
	return func(name string) bool { return strings.HasPrefix(name, prefix) }
}

func (s *schemes) jwt(v variant, j *config.JWTScheme) (authn.Scheme, error) {
	base, ok := s.tokens[v.name].(*jwt.Scheme)
	if !ok {
		cfg, err := jwtConfig(v.name, j)
		if err != nil {
			return nil, err
		}
		cfg.Log = s.cfg.Log
		if base, err = jwt.New(cfg); err != nil {
			return nil, err
		}
		s.tokens[v.name], s.closed = base, append(s.closed, base.Close)
	}
	return base.Leaving(s.leave(v.mix, true)), nil
}

func jwtConfig(name string, j *config.JWTScheme) (jwt.Config, error) {
	pool, err := poolOf(j.CAFile)
	cfg := jwt.Config{
		Name:  name,
		Fetch: jwt.Fetch{Every: j.Refresh, MaxStale: j.MaxStale, RootCAs: pool, InsecureHTTP: j.InsecureHTTP},
	}
	for _, issuer := range j.Issuers {
		one := jwt.Issuer{
			Issuer: issuer.Issuer, Audience: issuer.Audience, InsecureAnyAudience: issuer.InsecureAnyAudience,
			Algorithms: issuer.Algorithms, Types: issuer.Types, Leeway: issuer.Leeway,
			KeySetURL: issuer.JWKSURL, ScopeClaims: issuer.ScopeClaims, OwnerClaim: issuer.OwnerClaim,
		}
		if issuer.Leeway == 0 {
			one.Leeway = -1 // none, where zero is the default
		}
		switch {
		case issuer.JWKSFile != "":
			text, fileErr := os.ReadFile(issuer.JWKSFile)
			err = errors.Join(err, fileErr)
			one.KeySet = text
		case issuer.JWKSURL == "":
			one.Discovery = true
		}
		cfg.Issuers = append(cfg.Issuers, one)
	}
	return cfg, err
}

func (s *schemes) introspection(v variant, i *config.IntrospectionScheme) (authn.Scheme, error) {
	base, ok := s.tokens[v.name].(*introspection.Scheme)
	if !ok {
		pool, err := poolOf(i.CAFile)
		if err != nil {
			return nil, err
		}
		ttl := i.Cache
		if ttl == 0 {
			ttl = -1 // none, where zero is the default
		}
		base, err = introspection.New(introspection.Config{
			Name: v.name, URL: i.URL, ClientID: i.ClientID, ClientSecret: i.ClientSecret, Issuer: i.Issuer,
			Audience: i.Audience, InsecureAnyAudience: i.InsecureAnyAudience, ScopeClaims: i.ScopeClaims, OwnerClaim: i.OwnerClaim,
			CacheTTL: ttl, RootCAs: pool, InsecureHTTP: i.InsecureHTTP,
		})
		if err != nil {
			return nil, err
		}
		s.tokens[v.name], s.closed = base, append(s.closed, base.Close)
	}
	return base.Leaving(s.leave(v.mix, false)), nil
}

func newCertificate(name string, c *config.CertificateScheme) (authn.Scheme, error) {
	cfg := mtls.Config{Name: name, SubjectFrom: mtls.Source(c.Subject), TrustDomains: c.TrustDomains, Issuer: c.Issuer}
	for _, grant := range c.Grants {
		cfg.Grants = append(cfg.Grants, mtls.Grant{Match: grant.Match, Scopes: grant.Scopes, Owner: grant.Owner})
	}
	return mtls.New(cfg)
}

// poolOf reads the authorities of a PEM file; nil, the system's, without one.
func poolOf(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	return readPool(file)
}

// carriers are where the configuration's credentials are in a request.
type carriers struct {
	headers, cookies, parameters []string
}

// carriersOf lists the places of every scheme, also of those that no route uses
// now: no credential is meant for an upstream.
func carriersOf(cfg *config.Config) carriers {
	c := carriers{cookies: loginCookies(&cfg.Session)}
	authorization := false
	for _, scheme := range cfg.Schemes {
		switch {
		case scheme.Key == nil:
			authorization = authorization || scheme.JWT != nil || scheme.Introspection != nil || scheme.Basic != nil
		case scheme.Key.In == config.InHeader:
			c.headers = append(c.headers, http.CanonicalHeaderKey(cfg.KeyName(scheme.Key)))
		case scheme.Key.In == config.InCookie:
			c.cookies = append(c.cookies, cfg.KeyName(scheme.Key))
		case scheme.Key.In == config.InQuery:
			c.parameters = append(c.parameters, cfg.KeyName(scheme.Key))
		default:
			authorization = true
		}
	}
	if authorization {
		c.headers = append(c.headers, "Authorization")
	}
	slices.Sort(c.headers)
	slices.Sort(c.cookies)
	slices.Sort(c.parameters)
	return c
}
