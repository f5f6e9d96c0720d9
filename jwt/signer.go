package jwt

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/MicahParks/jwkset"
	jwtlib "github.com/golang-jwt/jwt/v5"

	"github.com/warder-dev/warder/internal/bearer"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/secret"
)

// SignerConfig configures a [Signer].
type SignerConfig struct {
	_ [0]func()

	// Issuer is the text of iss. Required.
	Issuer string

	// Key signs: PKCS #8 in PEM, of P-256 (ES256) or Ed25519 (EdDSA), as [GenerateKey]
	// makes it. Without one, a key is made that ends with the process: other nodes,
	// and this one after a restart, then sign with other keys.
	Key secret.Text

	// Others are keys that are published and do not sign, private or public, in PEM:
	// the one before, until its last token has expired, and the next one, before it signs.
	Others []secret.Text

	// Algorithm is that of a key that is made: ES256 (the default) or EdDSA.
	Algorithm string

	// Lifetime is how long a token holds. Default 60 s, from 2 s to 15 minutes.
	Lifetime time.Duration

	// KeySetMaxAge is how long others may keep the key set: a new key should be in
	// Others for as long before it signs. Default 5 minutes, at most a day.
	KeySetMaxAge time.Duration

	// CacheSize is how many tokens of [Signer.Identity] are kept for each audience.
	// Default 4096, at most 1048576; negative for none.
	CacheSize int
}

const (
	maxLifetime = 15 * time.Minute
	maxOthers   = 16
)

// A Signer signs short tokens for others, who verify them with its key set. It is
// safe for concurrent use.
type Signer struct {
	issuer   string
	lifetime time.Duration
	cache    int
	key      *published
	method   jwtlib.SigningMethod
	keySet   []byte
	maxAge   time.Duration
}

// NewSigner reports everything that is wrong with cfg at once.
func NewSigner(cfg SignerConfig) (*Signer, error) {
	setDefault(&cfg.Lifetime, time.Minute)
	setDefault(&cfg.KeySetMaxAge, 5*time.Minute)
	setDefault(&cfg.CacheSize, defaultCache)
	setDefault(&cfg.Algorithm, ES256)
	s := &Signer{issuer: cfg.Issuer, lifetime: cfg.Lifetime, cache: cfg.CacheSize, maxAge: cfg.KeySetMaxAge}
	if err := errors.Join(cfg.check(), s.setKeys(&cfg)); err != nil {
		return nil, err
	}
	return s, nil
}

func (c *SignerConfig) check() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf("jwt: "+format, args...)) }
	if !bearer.Printable(c.Issuer, maxIssuerBytes) {
		fail("signer's issuer %q: want a printable name", c.Issuer)
	}
	if c.Lifetime < 2*time.Second || c.Lifetime > maxLifetime {
		fail("lifetime %v: want 2 s to %v", c.Lifetime, maxLifetime)
	}
	if c.KeySetMaxAge < time.Second || c.KeySetMaxAge > 24*time.Hour {
		fail("KeySetMaxAge %v: want 1 s to 24 h", c.KeySetMaxAge)
	}
	if c.CacheSize > maxCache {
		fail("CacheSize %d: want up to %d", c.CacheSize, maxCache)
	}
	if len(c.Others) > maxOthers {
		fail("%d other keys: want up to %d", len(c.Others), maxOthers)
	}
	return errors.Join(errs...)
}

// setKeys reads or makes the keys, and makes the set. One that is there twice is
// published once.
func (s *Signer) setKeys(cfg *SignerConfig) error {
	key := cfg.Key
	if key.IsZero() {
		var err error
		if key, err = GenerateKey(cfg.Algorithm); err != nil {
			return err
		}
	}
	var errs []error
	var err error
	if s.key, err = parsePEM(key, false); err != nil {
		errs = append(errs, fmt.Errorf("jwt: Key: %w", err))
	}
	set := jwkset.JWKSMarshal{}
	seen := make(map[string]bool)
	add := func(p *published) {
		if !seen[p.jwk.KID] {
			set.Keys, seen[p.jwk.KID] = append(set.Keys, p.jwk), true
		}
	}
	if err == nil {
		s.method = algorithms()[s.key.jwk.ALG.String()].method
		add(s.key)
	}
	for i, other := range cfg.Others {
		p, err := parsePEM(other, true)
		if err != nil {
			errs = append(errs, fmt.Errorf("jwt: Others[%d]: %w", i, err))
			continue
		}
		add(p)
	}
	s.keySet, err = json.Marshal(set)
	return errors.Join(append(errs, err)...)
}

// Claims are what a token of a [Signer] says, beside iss, iat, exp and jti.
type Claims struct {
	Subject       string   // sub. Required: 1 to 1024 printable bytes.
	SubjectIssuer string   // who vouches for the subject: sub_id in the form "iss_sub" (RFC 9493); "" for none
	Audience      string   // aud: whom the token is for. Required, here or in Audiences.
	Audiences     []string // aud of a token that is for several, in place of Audience
	Scopes        []string // scope
	Owner         string   // owner; "" for none
	KeyID         string   // key_id: the API key's; "" for none
	Environment   string   // environment: that of the API key; "" for none
	ClientID      string   // client_id (RFC 8693, section 4.3); "" for none
	KeySecret     int      // key_secret: which of the API key's secrets; 0 for none

	// Certificate binds the token to a client certificate, by the SHA-256 of its DER:
	// cnf (RFC 8705, section 3.1). Zero for none.
	Certificate [sha256.Size]byte

	// Type is typ in the header. Default "JWT".
	Type string

	// Expires is when the token ends at the latest; zero for the signer's Lifetime.
	Expires time.Time
}

// Sign returns a token of c that holds for the signer's Lifetime at most.
func (s *Signer) Sign(c Claims) (string, error) {
	text, _, err := s.sign(c, time.Now())
	return text, err
}

// sign also returns when the token ends.
func (s *Signer) sign(c Claims, now time.Time) (text string, ends time.Time, err error) {
	audience, ok := c.audience()
	if !ok || !bearer.Printable(c.Subject, maxSubject) {
		return "", ends, errors.New("jwt: sign: want a printable subject and audience")
	}
	ends = now.Add(s.lifetime)
	if !c.Expires.IsZero() && c.Expires.Before(ends) {
		ends = c.Expires
	}
	claims := jwtlib.MapClaims{
		"iss": s.issuer, "sub": c.Subject, "aud": audience, "iat": now.Unix(), "exp": ends.Unix(), "jti": rand.Text(),
		"scope": strings.Join(c.Scopes, " "),
	}
	for name, value := range map[string]string{"owner": c.Owner, "key_id": c.KeyID, "environment": c.Environment, "client_id": c.ClientID} {
		if value != "" {
			claims[name] = value
		}
	}
	if c.SubjectIssuer != "" {
		claims["sub_id"] = map[string]string{"format": "iss_sub", "iss": c.SubjectIssuer, "sub": c.Subject}
	}
	if c.KeySecret != 0 {
		claims["key_secret"] = c.KeySecret
	}
	if c.Certificate != ([sha256.Size]byte{}) {
		claims["cnf"] = map[string]string{"x5t#S256": base64.RawURLEncoding.EncodeToString(c.Certificate[:])}
	}
	token := jwtlib.NewWithClaims(s.method, claims)
	token.Header["kid"] = s.key.jwk.KID
	if c.Type != "" {
		token.Header["typ"] = c.Type
	}
	if text, err = token.SignedString(s.key.private); err != nil {
		return "", ends, fmt.Errorf("jwt: sign: %w", err)
	}
	return text, ends, nil
}

// audience is aud: text for one, a list for several (RFC 7519, section 4.1.3). ok is
// false when none is named, or one cannot be.
func (c *Claims) audience() (aud any, ok bool) {
	all := c.Audiences
	if c.Audience != "" {
		all = append([]string{c.Audience}, all...)
	}
	for _, one := range all {
		if !bearer.Printable(one, maxIssuerBytes) {
			return nil, false
		}
	}
	switch len(all) {
	case 0:
		return nil, false
	case 1:
		return all[0], true
	default:
		return all, true
	}
}

const maxSubject = 1024 // bytes: a certificate's subject can be long

// KeySet returns the public keys as a JWK Set (RFC 7517, section 5).
func (s *Signer) KeySet() []byte { return bytes.Clone(s.keySet) }

// JWKS serves the key set, for GET and HEAD. It holds public keys only, and
// needs no credential.
func (s *Signer) JWKS() http.Handler {
	sum := sha256.Sum256(s.keySet)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	cacheControl := "public, max-age=" + strconv.Itoa(int(s.maxAge/time.Second))
	refusal := problem.New(problem.MethodNotAllowed, "The key set is read with GET.").With("Allow", "GET, HEAD")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			refusal.Write(w, r, "")
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/jwk-set+json")
		h.Set("Cache-Control", cacheControl)
		h.Set("ETag", tag)
		h.Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.keySet))
	})
}
