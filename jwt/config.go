package jwt

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/warder-dev/warder/internal/outgoing"
	"github.com/warder-dev/warder/openapi"
	"github.com/warder-dev/warder/secret"
)

// Config configures a [Scheme]. The zero value is invalid: it names no issuer.
type Config struct {
	_ [0]func()

	// Name is the scheme's name in OpenAPI. Default "bearer".
	Name string

	// Issuers are those whose tokens are accepted, each with its own keys. Required;
	// at most 32.
	Issuers []Issuer

	// Fetch says how keys are fetched.
	Fetch Fetch

	// MaxBytes bounds a token. Default, and most, 16 KiB.
	MaxBytes int

	// CacheSize is how many verified tokens are remembered; those of more than 4 KiB
	// never are. Default 4096, at most 1048576; negative for none.
	CacheSize int

	// Leave reports whether a token belongs to another scheme, which then is asked
	// alone: one with the prefix of a key, for example. nil for none. It gets text
	// that nobody has checked.
	Leave func(token string) bool

	// Log is told when keys cannot be fetched, and when they can again. Default: nobody.
	Log *slog.Logger

	// Flows, when set, describe the scheme as "oauth2", so that documentation pages
	// can log in.
	Flows *openapi.OAuthFlows

	// DescribeOpenIDConnect describes the scheme as "openIdConnect" instead, with
	// the address of the provider's metadata. For a single issuer.
	DescribeOpenIDConnect bool
}

// An Issuer is somebody whose tokens are accepted. Exactly one of Keys, KeySet,
// SecretKeySet, KeySetURL and Discovery says where its keys are.
type Issuer struct {
	_ [0]func()

	// Issuer is the text of iss, exactly: case and a slash at the end count. Required.
	Issuer string

	// Audience are the values of aud of which a token must have one: who the tokens
	// are for. Required.
	Audience []string

	// InsecureAnyAudience accepts tokens for whomever: any service that gets a token
	// of this issuer can use it here. It excludes Audience.
	InsecureAnyAudience bool

	// Algorithms are those that are accepted. Default RS256, ES256, PS256 and EdDSA;
	// with SecretKeySet HS256.
	Algorithms []string

	// Types are the values of typ that are accepted, without case and "application/".
	// Default "JWT", "at+jwt", and none at all; see the package's section on ID tokens.
	Types []string

	// InsecureIDTokens accepts what looks like an ID token: whoever gets one, such as
	// any client that the user logs in to, can call with it. For issuers whose
	// access tokens have a nonce.
	InsecureIDTokens bool

	// Leeway is how far clocks may differ. Default 30 s, at most 5 minutes; negative
	// for none.
	Leeway time.Duration

	// MaxAge bounds the age of a token by iat, whatever exp says. 0 for none.
	MaxAge time.Duration

	// Keys are public keys: *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey.
	Keys []crypto.PublicKey

	// KeySet is a JWK Set (RFC 7517) of public keys.
	KeySet []byte

	// SecretKeySet is a JWK Set of secret keys ("oct"), for HS256, HS384 and HS512
	// alone: whoever verifies with them can sign.
	SecretKeySet secret.Text

	// KeySetURL is where the issuer publishes a JWK Set.
	KeySetURL string

	// Discovery asks the issuer's metadata (OpenID Connect Discovery 1.0) where the
	// JWK Set is. Issuer must be a URL then.
	Discovery bool

	// ScopeClaims are the claims that hold scopes, the first that is there counts.
	// Default "scope", then "scp"; empty and not nil for none.
	ScopeClaims []string

	// OwnerClaim is the claim that holds the owner. "" for none.
	OwnerClaim string
}

// Fetch says how keys are fetched. The zero value is valid.
type Fetch struct {
	_ [0]func()

	// Every is how often keys are fetched; a shorter max-age in Cache-Control counts.
	// Default 5 minutes, at most a day.
	Every time.Duration

	// UnknownEvery is how often an unknown kid may cause a fetch, and how short a
	// max-age can be. Default 30 s, from 1 s to an hour.
	UnknownEvery time.Duration

	// MaxStale is how long a set is used without its endpoint. Default an hour, at
	// most a week, and not less than Every.
	MaxStale time.Duration

	// Timeout is for one attempt. Default 5 s, at most a minute.
	Timeout time.Duration

	// RootCAs are trusted instead of the system's.
	RootCAs *x509.CertPool

	// InsecureHTTP allows plain http: whoever is on the way can publish keys of their
	// own, and so sign for anybody. For tests on one machine.
	InsecureHTTP bool
}

const (
	defaultName     = "bearer"
	maxIssuers      = 32
	maxIssuerBytes  = 2048
	defaultMaxBytes = 16 << 10
	defaultCache    = 4096
	maxCache        = 1 << 20
	maxCachedBytes  = 4 << 10
	defaultLeeway   = 30 * time.Second
	maxLeeway       = 5 * time.Minute
)

// complete sets defaults and reports what is wrong outside of the issuers.
func (c *Config) complete() error {
	setDefault(&c.Name, defaultName)
	setDefault(&c.MaxBytes, defaultMaxBytes)
	setDefault(&c.CacheSize, defaultCache)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	errs := []error{c.Fetch.complete()}
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf("jwt: "+format, args...)) }
	if !openapi.ValidName(c.Name) {
		fail("name %q: want letters, digits and ._-", c.Name)
	}
	if len(c.Issuers) == 0 || len(c.Issuers) > maxIssuers {
		fail("%d issuers: want 1 to %d", len(c.Issuers), maxIssuers)
	}
	if c.MaxBytes < 0 || c.MaxBytes > defaultMaxBytes {
		fail("MaxBytes %d: want up to %d", c.MaxBytes, defaultMaxBytes)
	}
	if c.CacheSize > maxCache {
		fail("CacheSize %d: want up to %d", c.CacheSize, maxCache)
	}
	if c.DescribeOpenIDConnect && (len(c.Issuers) != 1 || !c.Issuers[0].Discovery || c.Flows != nil) {
		fail("DescribeOpenIDConnect: want a single issuer with Discovery, and no Flows")
	}
	return errors.Join(errs...)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (f *Fetch) complete() error {
	setDefault(&f.Every, 5*time.Minute)
	setDefault(&f.UnknownEvery, 30*time.Second)
	setDefault(&f.MaxStale, time.Hour)
	setDefault(&f.Timeout, 5*time.Second)
	var errs []error
	for _, d := range []struct {
		name             string
		value, low, high time.Duration
	}{
		{"Every", f.Every, time.Second, 24 * time.Hour},
		{"UnknownEvery", f.UnknownEvery, time.Second, time.Hour},
		{"MaxStale", f.MaxStale, f.Every, 7 * 24 * time.Hour},
		{"Timeout", f.Timeout, time.Millisecond, time.Minute},
	} {
		if d.value < d.low || d.value > d.high {
			errs = append(errs, fmt.Errorf("jwt: Fetch.%s %v: want %v to %v", d.name, d.value, d.low, d.high))
		}
	}
	return errors.Join(errs...)
}

func (f *Fetch) client() outgoing.Config {
	return outgoing.Config{Timeout: f.Timeout, MaxBytes: maxSetBytes, RootCAs: f.RootCAs, InsecureHTTP: f.InsecureHTTP}
}
