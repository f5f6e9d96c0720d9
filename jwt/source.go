package jwt

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A source has the keys of one issuer.
type source interface {
	// current returns the keys to verify with. An error means that there are none
	// that may be trusted.
	current(ctx context.Context) (*keySet, error)

	// missing is told that had lacks a key. It returns a set that may have it, or had
	// itself. An error means that nobody knows.
	missing(ctx context.Context, had *keySet) (*keySet, error)

	// fresh reports whether current would return keys, without waiting for them.
	fresh(now time.Time) bool

	start()
	close()
}

func newSource(cfg *Issuer, i *issuer, all *Config) (source, error) {
	switch {
	case cfg.KeySetURL != "", cfg.Discovery:
		return newRemote(cfg, all)
	case len(cfg.KeySet) > 0:
		return readStatic("KeySet", cfg.KeySet, false, i)
	case !cfg.SecretKeySet.IsZero():
		return readStatic("SecretKeySet", []byte(cfg.SecretKeySet.Reveal()), true, i)
	}
	var keys []*key
	var errs []error
	for n, public := range cfg.Keys {
		k, err := newKey("", "", public)
		if _, secret := public.([]byte); secret || err != nil {
			errs = append(errs, fmt.Errorf("entry %d of Keys: want a public key of RSA with %d to %d bits and an exponent over 65536, of ECDSA, or of Ed25519", n, minRSA, maxRSA))
			continue
		}
		keys = append(keys, k)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	set, err := newKeySet(keys)
	if err != nil {
		return nil, err
	}
	return newStatic(set, i)
}

// readStatic reads keys of the configuration, all of which must be usable: nobody
// publishes another set tomorrow.
func readStatic(field string, text []byte, secret bool, i *issuer) (source, error) {
	set, unusable, err := parseKeySet(text, secret)
	if err := errors.Join(unusable, err); err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	return newStatic(set, i)
}

// static are keys that do not change.
type static struct{ set *keySet }

// newStatic refuses keys of which none is for the issuer's algorithms.
func newStatic(set *keySet, i *issuer) (source, error) {
	for _, k := range set.all {
		for _, a := range i.algorithms {
			if k.usable(a) {
				return static{set}, nil
			}
		}
	}
	return nil, errors.New("no key fits any of the algorithms")
}

func (s static) current(context.Context) (*keySet, error) { return s.set, nil }

func (s static) missing(_ context.Context, had *keySet) (*keySet, error) { return had, nil }

func (static) fresh(time.Time) bool { return true }

func (static) start() {}

func (static) close() {}
