package introspection

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/warder-dev/warder/internal/bearer"
	"github.com/warder-dev/warder/internal/outgoing"
	"github.com/warder-dev/warder/openapi"
	"github.com/warder-dev/warder/secret"
)

// Config configures a [Scheme]. The zero value is invalid: it asks nobody.
type Config struct {
	_ [0]func()

	// Name is the scheme's name in OpenAPI. Default "opaqueToken".
	Name string

	// URL is the endpoint that is asked. Required.
	URL string

	// ClientID and ClientSecret are what warder proves itself with, in the field
	// Authorization (RFC 6749, section 2.3.1). Both, or BearerToken.
	ClientID     string
	ClientSecret secret.Text

	// BearerToken is used instead of them.
	BearerToken secret.Text

	// Issuer is who vouches for the principals. An answer may have no iss; another one
	// than this is refused. Required.
	Issuer string

	// Audience are the values of aud of which an answer must have one. Required.
	Audience []string

	// InsecureAnyAudience accepts tokens for whomever: any service that gets a token
	// of this issuer can use it here. It excludes Audience.
	InsecureAnyAudience bool

	// SubjectClaim holds the subject. Default "sub".
	SubjectClaim string

	// ScopeClaims hold the scopes, the first that is there counts. Default "scope",
	// then "scp"; empty and not nil for none.
	ScopeClaims []string

	// OwnerClaim holds the owner. "" for none.
	OwnerClaim string

	// CacheTTL is how long an active answer is remembered, and so how long a revoked
	// token may pass. Default 30 s, at most 10 minutes; negative for not at all.
	CacheTTL time.Duration

	// NegativeTTL is how long an inactive answer is. Default 5 s, at most 10 minutes;
	// negative for not at all.
	NegativeTTL time.Duration

	// CacheSize is how many answers of each kind are remembered. Default 4096, at most
	// 1048576.
	CacheSize int

	// MaxBytes bounds a token. Default 4 KiB, at most 16 KiB.
	MaxBytes int

	// MaxAnswerBytes bounds an answer. Default 64 KiB, at most 1 MiB.
	MaxAnswerBytes int

	// Timeout is for one question. Default 5 s, at most a minute.
	Timeout time.Duration

	// MaxConnections bounds the connections to the endpoint, and so the questions at a
	// time over HTTP/1.1; further ones wait, and the wait counts for Timeout. Default
	// 32, at most 1024.
	MaxConnections int

	// RootCAs are trusted instead of the system's.
	RootCAs *x509.CertPool

	// InsecureHTTP allows plain http: whoever is on the way reads tokens and the
	// secret, and makes answers of their own. For tests on one machine.
	InsecureHTTP bool

	// Leave reports whether a token belongs to another scheme, which then is asked
	// alone: one with the prefix of a key, or with two dots. nil for none. It gets text
	// that nobody has checked.
	Leave func(token string) bool

	// Flows, when set, describe the scheme as "oauth2", so that documentation pages
	// can log in.
	Flows *openapi.OAuthFlows
}

const (
	defaultName = "opaqueToken"
	maxTTL      = 10 * time.Minute
	maxCache    = 1 << 20
	maxToken    = 16 << 10
	maxAnswer   = 1 << 20
	maxIssuer   = 2048 // bytes
)

// complete sets defaults and reports everything that is wrong.
func (c *Config) complete() error {
	setDefault(&c.Name, defaultName)
	setDefault(&c.CacheTTL, 30*time.Second)
	setDefault(&c.NegativeTTL, 5*time.Second)
	setDefault(&c.CacheSize, 4096)
	setDefault(&c.MaxBytes, 4<<10)
	setDefault(&c.MaxAnswerBytes, 64<<10)
	setDefault(&c.Timeout, 5*time.Second)
	setDefault(&c.MaxConnections, 32)
	errs := []error{c.checkBounds()}
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf("introspection: "+format, args...)) }
	if !openapi.ValidName(c.Name) {
		fail("name %q: want letters, digits and ._-", c.Name)
	}
	if _, err := outgoing.ParseURL(c.URL, c.InsecureHTTP); err != nil {
		fail("URL: %w", err)
	}
	byID := c.ClientID != "" && !c.ClientSecret.IsZero()
	if byID == !c.BearerToken.IsZero() || !byID && (c.ClientID != "" || !c.ClientSecret.IsZero()) {
		fail("want ClientID and ClientSecret, or BearerToken")
	}
	if !bearer.Printable(c.Issuer, maxIssuer) {
		fail("issuer %q: want a printable name", c.Issuer)
	}
	if c.InsecureAnyAudience != (len(c.Audience) == 0) {
		fail("want Audience, or InsecureAnyAudience in its place")
	}
	if slices.Contains(c.Audience, "") {
		fail("an audience is empty")
	}
	return errors.Join(errs...)
}

func (c *Config) checkBounds() error {
	var errs []error
	for _, b := range []struct {
		name  string
		value int
		high  int
	}{
		{"CacheSize", c.CacheSize, maxCache},
		{"MaxBytes", c.MaxBytes, maxToken},
		{"MaxAnswerBytes", c.MaxAnswerBytes, maxAnswer},
	} {
		if b.value < 1 || b.value > b.high {
			errs = append(errs, fmt.Errorf("introspection: %s %d: want 1 to %d", b.name, b.value, b.high))
		}
	}
	if c.CacheTTL > maxTTL || c.NegativeTTL > maxTTL {
		errs = append(errs, fmt.Errorf("introspection: CacheTTL %v, NegativeTTL %v: want up to %v", c.CacheTTL, c.NegativeTTL, maxTTL))
	}
	return errors.Join(errs...)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
