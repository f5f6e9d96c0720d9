package jwt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	jwtlib "github.com/golang-jwt/jwt/v5"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/bearer"
)

// An issuer is an [Issuer] that was checked.
type issuer struct {
	name       string
	algorithms map[string]*algorithm
	types      []string // as [mediaType] has them; "" for none
	idTokens   bool
	leeway     time.Duration
	maxAge     time.Duration
	mapping    bearer.Mapping
	validator  *jwtlib.Validator
	keys       source
}

// newIssuer reports everything that is wrong with cfg at once. Fetching begins
// when the source is started.
func newIssuer(cfg *Issuer, all *Config) (*issuer, error) {
	i := &issuer{
		name: cfg.Issuer, algorithms: make(map[string]*algorithm), idTokens: cfg.InsecureIDTokens, leeway: cfg.Leeway, maxAge: cfg.MaxAge,
		mapping: bearer.Mapping{Scopes: cfg.ScopeClaims, Owner: cfg.OwnerClaim},
	}
	i.mapping.Complete()
	setDefault(&i.leeway, defaultLeeway)
	i.leeway = max(i.leeway, 0)
	errs := []error{cfg.check(), i.mapping.Check(), i.setAlgorithms(cfg), i.setTypes(cfg.Types)}
	if errors.Join(errs...) == nil {
		var err error
		i.keys, err = newSource(cfg, i, all)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("jwt: issuer %q: %w", cfg.Issuer, err)
	}
	options := []jwtlib.ParserOption{
		jwtlib.WithIssuer(i.name), jwtlib.WithExpirationRequired(), jwtlib.WithIssuedAt(), jwtlib.WithLeeway(i.leeway),
	}
	if !cfg.InsecureAnyAudience {
		options = append(options, jwtlib.WithAudience(cfg.Audience...))
	}
	i.validator = jwtlib.NewValidator(options...)
	return i, nil
}

// check reports what is wrong beside algorithms, types and keys.
func (c *Issuer) check() error {
	var errs []error
	if !bearer.Printable(c.Issuer, maxIssuerBytes) {
		errs = append(errs, errors.New("want its exact, printable name"))
	}
	if c.InsecureAnyAudience != (len(c.Audience) == 0) {
		errs = append(errs, errors.New("want Audience, or InsecureAnyAudience in its place"))
	}
	if slices.Contains(c.Audience, "") {
		errs = append(errs, errors.New("an audience is empty"))
	}
	if c.Leeway > maxLeeway {
		errs = append(errs, fmt.Errorf("leeway %v: want up to %v", c.Leeway, maxLeeway))
	}
	if c.MaxAge < 0 {
		errs = append(errs, fmt.Errorf("MaxAge %v is negative", c.MaxAge))
	}
	count := 0
	for _, given := range []bool{len(c.Keys) > 0, len(c.KeySet) > 0, !c.SecretKeySet.IsZero(), c.KeySetURL != "", c.Discovery} {
		if given {
			count++
		}
	}
	if count != 1 {
		errs = append(errs, errors.New("want exactly one of Keys, KeySet, SecretKeySet, KeySetURL and Discovery"))
	}
	return errors.Join(errs...)
}

// setAlgorithms keeps those that are named. Secret keys and public ones are never
// used by one issuer: a public key would be taken for a secret that everybody has.
func (i *issuer) setAlgorithms(cfg *Issuer) error {
	secret := !cfg.SecretKeySet.IsZero()
	names := cfg.Algorithms
	switch {
	case len(names) > 0:
	case secret:
		names = []string{HS256}
	default:
		names = []string{RS256, ES256, PS256, EdDSA}
	}
	var errs []error
	all := algorithms()
	for _, name := range names {
		switch a := all[name]; {
		case a == nil:
			errs = append(errs, fmt.Errorf("algorithm %q is unknown", name))
		case a.secret != secret:
			errs = append(errs, fmt.Errorf("algorithm %q: HMAC goes with SecretKeySet, and with nothing else", name))
		default:
			i.algorithms[name] = a
		}
	}
	return errors.Join(errs...)
}

func (i *issuer) setTypes(types []string) error {
	if len(types) == 0 {
		i.types = []string{"jwt", accessToken, ""}
		return nil
	}
	for _, typ := range types {
		if typ == "" || !bearer.Printable(typ, maxKeyID) {
			return fmt.Errorf("type %q: want a media type", typ)
		}
		i.types = append(i.types, mediaType(typ))
	}
	return nil
}

// accessToken is the typ of an access token (RFC 9068, section 2.1).
const accessToken = "at+jwt"

// verify returns what t proves. claims are those of its payload.
func (i *issuer) verify(ctx context.Context, t *token, claims map[string]any) (*verified, error) {
	if !slices.Contains(i.types, t.kind) {
		return nil, authn.Wrong("type")
	}
	a, ok := i.algorithms[t.algorithm]
	if !ok {
		return nil, authn.Wrong("algorithm")
	}
	k, err := i.signer(ctx, t, a)
	if err != nil {
		return nil, err
	}
	return i.judge(t, k, claims)
}

// signer returns the key that signed t. The error is a refusal, or says that the
// keys are not to be had.
func (i *issuer) signer(ctx context.Context, t *token, a *algorithm) (*key, error) {
	set, err := i.keys.current(ctx)
	if err != nil {
		return nil, err
	}
	keys, known := set.find(t, a)
	if !known {
		if set, err = i.keys.missing(ctx, set); err != nil {
			return nil, err
		}
		if keys, known = set.find(t, a); !known {
			return nil, authn.Wrong("unknown-key")
		}
	}
	for _, k := range keys {
		if a.method.Verify(t.signed, t.signature, k.public) == nil {
			return k, nil
		}
	}
	return nil, authn.Wrong("signature")
}

// judge holds the claims of t, which k signed, against the configuration.
func (i *issuer) judge(t *token, k *key, claims map[string]any) (*verified, error) {
	r, ok := register(claims)
	if !ok {
		return nil, authn.Wrong("claims")
	}
	if err := i.validator.Validate(r); err != nil {
		return nil, authn.Wrong(reason(err))
	}
	if !i.idTokens && t.kind != accessToken && looksLikeIDToken(claims) {
		return nil, authn.Wrong("id-token")
	}
	v := &verified{issuer: i, key: k, from: r.notBefore.Add(-i.leeway), until: r.expires.Add(i.leeway)}
	if from := r.issued.Add(-i.leeway); from.After(v.from) {
		v.from = from
	}
	if i.maxAge > 0 {
		if r.issued.IsZero() {
			return nil, authn.Wrong("claims")
		}
		if until := r.issued.Add(i.maxAge + i.leeway); until.Before(v.until) {
			v.until = until
		}
	}
	if !time.Now().Before(v.until) {
		return nil, authn.Wrong("too-old")
	}
	var err error
	if v.principal, v.bound, err = i.mapping.Principal(claims); err != nil {
		return nil, err
	}
	v.principal.Issuer, v.principal.Expires = i.name, r.expires
	return v, nil
}

// verified is what a token proves, and for how long.
type verified struct {
	issuer      *issuer
	key         *key
	from, until time.Time
	principal   exchange.Principal
	bound       *bearer.Certificate
}

// holds reports whether v still counts, whatever was known when it was made.
func (v *verified) holds(now time.Time) bool {
	return !v.key.gone.Load() && v.issuer.keys.fresh(now) && !now.Before(v.from) && now.Before(v.until)
}
