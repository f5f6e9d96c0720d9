package apikey

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/secret"
)

// TokenIssuerConfig configures a [TokenIssuer].
type TokenIssuerConfig struct {
	_ [0]func()

	Signer TokenSigner // Required.

	// Audience are those whom tokens may be for; all of them unless less is asked for.
	// Required.
	Audience []string

	// Lifetime is how long a token lasts for which nothing else is asked. Default 5
	// minutes, or MaxLifetime where that is less; from 1 s to MaxLifetime.
	Lifetime time.Duration

	// MaxLifetime is how long any token lasts. Default, and most, 15 minutes; at least 1 s.
	MaxLifetime time.Duration
}

// How long tokens last: they cannot be shown in a list, and so are no keys.
const (
	defaultTokenLife = 5 * time.Minute
	maxTokenLife     = 15 * time.Minute
)

// A TokenIssuer makes tokens from keys. It is safe for concurrent use.
type TokenIssuer struct{ cfg TokenIssuerConfig }

// ErrNoTokens means that no token is made from a key of this kind: what everybody
// can read needs none, and a honeytoken is good for nothing.
var ErrNoTokens = errors.New("apikey: tokens are made from keys of the kind secret only")

// ErrDisabled means that a key cannot be used before it is enabled.
var ErrDisabled = errors.New("apikey: the key is disabled")

// NewTokenIssuer reports everything that is wrong with cfg at once.
func NewTokenIssuer(cfg TokenIssuerConfig) (*TokenIssuer, error) {
	if cfg.MaxLifetime == 0 {
		cfg.MaxLifetime = maxTokenLife
	}
	if cfg.Lifetime == 0 {
		cfg.Lifetime = min(defaultTokenLife, cfg.MaxLifetime)
	}
	var errs []error
	if cfg.Signer == nil {
		errs = append(errs, errors.New("apikey: TokenIssuerConfig.Signer is missing"))
	}
	if len(cfg.Audience) == 0 || slices.Contains(cfg.Audience, "") {
		errs = append(errs, errors.New("apikey: TokenIssuerConfig.Audience: want one at least, and none that is empty"))
	}
	if cfg.MaxLifetime < time.Second || cfg.MaxLifetime > maxTokenLife {
		errs = append(errs, fmt.Errorf("apikey: TokenIssuerConfig.MaxLifetime: want 1 s to %s", span(maxTokenLife)))
	} else if cfg.Lifetime < time.Second || cfg.Lifetime > cfg.MaxLifetime {
		errs = append(errs, fmt.Errorf("apikey: TokenIssuerConfig.Lifetime: want 1 s to MaxLifetime, %s", span(cfg.MaxLifetime)))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	cfg.Audience = slices.Clone(cfg.Audience)
	return &TokenIssuer{cfg: cfg}, nil
}

// A TokenSpec says what a token is to be good for. The zero value asks for all that
// the key can give.
type TokenSpec struct {
	Scopes   []string      // some of what the key grants; nil for all, empty for none
	Audience []string      // some of [TokenIssuerConfig.Audience]; nil for all
	Lifetime time.Duration // 1 s to MaxLifetime; 0 for the configured one
}

// Issue makes a token from a key, as its store has it now, for whoever proved it by
// the secret with a number ([exchange.Principal.SecretNumber]); it asks no store. The
// token ends with the key and with the overlap of that secret at the latest.
//
// Errors are all the [*SpecError] of spec joined, [ErrNoTokens], [ErrRevoked],
// [ErrDisabled], [ErrExpired] when the key or that secret is no longer good, or the
// signer's.
func (i *TokenIssuer) Issue(r *Record, secretNumber int, spec TokenSpec) (*Token, secret.Text, error) {
	now := time.Now()
	ends, err := r.tokenEnds(secretNumber, now)
	if err != nil {
		return nil, secret.Text{}, err
	}
	if err := i.check(r, &spec); err != nil {
		return nil, secret.Text{}, err
	}
	t := &Token{
		Key: r.ID, Secret: secretNumber, Scopes: slices.Clone(spec.Scopes), Audience: slices.Clone(spec.Audience),
		Owner: r.Owner, Environment: r.Environment, Certificate: r.Certificate, Expires: now.Add(spec.Lifetime),
	}
	if !ends.IsZero() && ends.Before(t.Expires) {
		t.Expires = ends
	}
	t.Expires = t.Expires.UTC().Truncate(time.Second)
	if !t.Expires.After(now) { // its last second has begun
		return nil, secret.Text{}, ErrExpired
	}
	text, err := i.cfg.Signer.SignToken(t)
	if err != nil {
		return nil, secret.Text{}, err
	}
	return t, text, nil
}

// tokenEnds returns until when tokens of one of the key's secrets may last; zero for
// no bound.
func (r *Record) tokenEnds(number int, now time.Time) (time.Time, error) {
	if r.KindOf() != KindSecret {
		return time.Time{}, ErrNoTokens
	}
	switch r.State(now) {
	case Revoked:
		return time.Time{}, ErrRevoked
	case Disabled:
		return time.Time{}, ErrDisabled
	case Expired:
		return time.Time{}, ErrExpired
	case Active, Retiring:
	}
	at := slices.IndexFunc(r.Secrets, func(s Secret) bool { return s.Number == number && number > 0 })
	if at < 0 {
		return time.Time{}, ErrExpired
	}
	ends := r.Secrets[at].Retires
	switch {
	case !ends.IsZero() && !now.Before(ends):
		return time.Time{}, ErrExpired
	case ends.IsZero() || !r.Expires.IsZero() && r.Expires.Before(ends):
		ends = r.Expires
	}
	return ends, nil
}

// check completes spec, or reports everything that is wrong with it.
func (i *TokenIssuer) check(r *Record, spec *TokenSpec) error {
	if spec.Lifetime == 0 {
		spec.Lifetime = i.cfg.Lifetime
	}
	var errs []error
	if spec.Lifetime < time.Second || spec.Lifetime > i.cfg.MaxLifetime {
		errs = append(errs, &SpecError{"lifetime", fmt.Sprintf("want 1s to %s", span(i.cfg.MaxLifetime))})
	}
	if spec.Audience == nil {
		spec.Audience = i.cfg.Audience
	}
	if len(spec.Audience) == 0 || len(spec.Audience) > len(i.cfg.Audience) {
		errs = append(errs, &SpecError{"audience", "want at least one of those that tokens are made for here, each once"})
	}
	for n, one := range spec.Audience {
		if !slices.Contains(i.cfg.Audience, one) {
			errs = append(errs, &SpecError{"audience", fmt.Sprintf("number %d: no tokens are made for it here", n+1)})
		}
	}
	return errors.Join(append(errs, spec.grant(r))...)
}

// grant takes over the scopes of the key, or reports which of those that are asked
// for it does not grant.
func (spec *TokenSpec) grant(r *Record) error {
	if spec.Scopes == nil {
		spec.Scopes = r.Scopes
		return nil
	}
	if err := checkScopes(spec.Scopes); err != nil {
		return err
	}
	granted := exchange.PatternScopes(r.Scopes...)
	var errs []error
	for n, scope := range spec.Scopes {
		if !granted.Allow(scope) {
			errs = append(errs, &SpecError{"scopes", fmt.Sprintf("number %d: the key does not grant it", n+1)})
		}
	}
	return errors.Join(errs...)
}
