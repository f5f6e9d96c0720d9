package jwt

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/bearer"
	"github.com/warder-dev/warder/openapi"
)

// A Scheme verifies bearer tokens: type "http" with scheme "bearer" in OpenAPI,
// or as the configuration describes it. It is safe for concurrent use.
type Scheme struct {
	name     string
	issuers  map[string]*issuer
	refused  *bearer.Refused
	maxBytes int
	leave    func(string) bool
	cache    *bearer.Cache[*verified]
	describe openapi.SecurityScheme
}

var (
	_ authn.RefusalChallenger = (*Scheme)(nil)
	_ authn.Describer         = (*Scheme)(nil)
)

// New reports everything that is wrong with cfg at once. It asks nobody: keys are
// fetched in the background, until Close. Changing cfg later has no effect.
func New(cfg Config) (*Scheme, error) { return newScheme(cfg, (*issuer).start) }

func (i *issuer) start() { i.keys.start() }

// newScheme begins each issuer with begin.
func newScheme(cfg Config, begin func(*issuer)) (*Scheme, error) {
	errs := []error{cfg.complete()}
	s := &Scheme{
		name: cfg.Name, issuers: make(map[string]*issuer), refused: bearer.NewRefused(), maxBytes: cfg.MaxBytes, leave: cfg.Leave,
		describe: describe(&cfg),
	}
	for n := range cfg.Issuers {
		i, err := newIssuer(&cfg.Issuers[n], &cfg)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if s.issuers[i.name] != nil {
			errs = append(errs, fmt.Errorf("jwt: issuer %q is there twice", i.name))
		}
		s.issuers[i.name] = i
	}
	errs = append(errs, s.Describe(new(openapi.Document)))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	s.cache = bearer.NewCache[*verified](cfg.CacheSize)
	for _, i := range s.issuers {
		begin(i)
	}
	return s, nil
}

// Leaving returns a scheme that shares keys and what is remembered with s, but
// leaves other tokens to other schemes: for another requirement, with other
// schemes beside it. Closing one closes both.
func (s *Scheme) Leaving(leave func(token string) bool) *Scheme {
	other := *s
	other.leave = leave
	return &other
}

// Close stops fetching keys and waits until it has stopped. Tokens of issuers
// whose keys are fetched are 503 once the keys are stale.
func (s *Scheme) Close() error {
	for _, i := range s.issuers {
		i.keys.close()
	}
	return nil
}

// Name returns the scheme's name in OpenAPI.
func (s *Scheme) Name() string { return s.name }

// Challenge returns the challenge for an absent token (RFC 6750, section 3).
func (*Scheme) Challenge(realm string) string { return authn.BearerChallenge(realm, "", nil) }

// RefusalChallenge returns the challenge for a token that was refused.
func (*Scheme) RefusalChallenge(realm, code string, scopes []string) string {
	return authn.BearerChallenge(realm, code, scopes)
}

// Authenticate returns whom the token in Authorization proves; see the package.
// For a token that is remembered it does not allocate.
func (s *Scheme) Authenticate(x *exchange.Exchange) (exchange.Principal, error) {
	text, err := s.refused.Find(x.Request.Header, s.maxBytes, s.leave)
	if err != nil {
		return exchange.Principal{}, err
	}
	v, err := s.proved(x, text)
	if err != nil {
		return exchange.Principal{}, err
	}
	if !v.bound.Holds(x) {
		return exchange.Principal{}, authn.Wrong("certificate")
	}
	principal := v.principal
	principal.Scheme = s.name
	return principal, nil
}

// Verify returns whom a token proves that came otherwise than in Authorization.
// What the token is bound to (cnf, RFC 8705) is checked by the caller: it is in
// [exchange.Principal.Claims]. Errors are those of [Scheme.Authenticate]. Nothing is
// remembered.
func (s *Scheme) Verify(ctx context.Context, token string) (exchange.Principal, error) {
	if len(token) > s.maxBytes {
		return exchange.Principal{}, authn.Wrong("too-large")
	}
	v, err := s.verify(ctx, token)
	if err != nil {
		return exchange.Principal{}, err
	}
	principal := v.principal
	principal.Scheme = s.name
	return principal, nil
}

// proved returns what text proves, remembered or verified.
func (s *Scheme) proved(x *exchange.Exchange, text string) (*verified, error) {
	if len(text) > maxCachedBytes {
		return s.verify(x.Request.Context(), text)
	}
	sum := bearer.SumOf(text)
	if v, ok := s.cache.Get(sum); ok {
		if v.holds(time.Now()) {
			return v, nil
		}
		s.cache.Delete(sum)
	}
	v, err := s.verify(x.Request.Context(), text)
	if err == nil && !x.Dry {
		s.cache.Put(sum, v)
	}
	return v, err
}

// verify judges a token that is not remembered. What it says of itself chooses
// among the configured issuers, and nothing else.
func (s *Scheme) verify(ctx context.Context, text string) (*verified, error) {
	t, err := open(text)
	if err != nil {
		return nil, err
	}
	claims, err := bearer.Object(t.payload)
	if err != nil {
		return nil, authn.Wrong("malformed")
	}
	name, _ := claims["iss"].(string)
	i, ok := s.issuers[name]
	if !ok {
		return nil, authn.Wrong("issuer")
	}
	return i.verify(ctx, t, claims)
}
