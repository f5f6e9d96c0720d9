package jwt

import (
	"context"
	"time"

	"github.com/warder-dev/warder/secret"
)

// VerifySignature reports whether the JWS text is signed by a key of the JWK Set,
// secret or public, with one of algorithms: what a token is asked before its
// claims, which test vectors do not have.
func VerifySignature(text, set string, secretKeys bool, algorithms ...string) error {
	cfg := Issuer{Issuer: "x", InsecureAnyAudience: true, Algorithms: algorithms, KeySet: []byte(set)}
	if secretKeys {
		cfg.KeySet, cfg.SecretKeySet = nil, secret.New(set)
	}
	all := Config{Issuers: []Issuer{cfg}}
	if err := all.complete(); err != nil {
		return err
	}
	i, err := newIssuer(&cfg, &all)
	if err != nil {
		return err
	}
	t, err := open(text)
	if err != nil {
		return err
	}
	a, ok := i.algorithms[t.algorithm]
	if !ok {
		return errMismatched
	}
	_, err = i.signer(context.Background(), t, a)
	return err
}

// ParseKeySet returns how many keys of a JWK Set can be used.
func ParseKeySet(text []byte, secretKeys bool) (usable int, err error) {
	set, _, err := parseKeySet(text, secretKeys)
	if err != nil {
		return 0, err
	}
	return len(set.all), nil
}

// Open reports whether text has the form of a token.
func Open(text string) error {
	_, err := open(text)
	return err
}

// NewWithLoader is New with keys that load brings, so that a test with a clock of
// its own needs no connection.
func NewWithLoader(cfg Config, load func(ctx context.Context) (set []byte, maxAge time.Duration, err error)) (*Scheme, error) {
	return newScheme(cfg, func(i *issuer) {
		r, ok := i.keys.(*remote)
		if !ok {
			return
		}
		r.load = func(ctx context.Context) (loaded, error) {
			text, age, err := load(ctx)
			if err != nil {
				return loaded{}, err
			}
			set, unusable, err := parseKeySet(text, false)
			return loaded{set: set, unusable: unusable, maxAge: age}, err
		}
		i.start()
	})
}

// Remembered returns how many tokens are.
func (s *Scheme) Remembered() int { return s.cache.Len() }
