package keytoken

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/bearer"
	"github.com/warder-dev/warder/jwt"
	"github.com/warder-dev/warder/secret"
)

// Config configures [Tokens].
type Config struct {
	_ [0]func()

	// Issuer is the text of iss: a name of this installation that no other one has, by
	// which others who verify know it. Required.
	Issuer string

	// Audience are those whom tokens may be for. Default: Issuer, that is this
	// installation. At most 16.
	Audience []string

	// Keys sign and verify: PKCS #8 in PEM, of P-256 (ES256) or Ed25519 (EdDSA), as
	// [jwt.GenerateKey] makes them. The first signs; the others, at most 16, verify. One
	// that is new stands behind the first until every node and everybody else has it,
	// one that signed stays until its last token has expired. Without any, a key is made
	// that ends with the process.
	Keys secret.Text

	// KeySetMaxAge is how long others may keep the key set. Default 5 minutes, at most a day.
	KeySetMaxAge time.Duration

	// CacheSize is how many verified tokens are remembered, about 1 KiB each. Default
	// 4096, at most 1048576; negative for none.
	CacheSize int
}

const (
	maxAudience    = 16
	maxTokenBytes  = 8 << 10 // of a text that is made: fields of 16 KiB are common
	maxCachedBytes = 4 << 10
	defaultCache   = 4096
	maxCache       = 1 << 20
	lifetime       = 15 * time.Minute // at most: [apikey.TokenIssuerConfig.MaxLifetime] bounds it further
	accessToken    = "at+jwt"         // typ (RFC 9068, section 2.1)
)

// Tokens signs and reads tokens. It is safe for concurrent use.
type Tokens struct {
	signer   *jwt.Signer
	verifier *jwt.Scheme
	audience []string
	headers  []string // of the keys, encoded, each with its dot
	cache    *bearer.Cache[*apikey.Token]
}

var (
	_ apikey.TokenSigner   = (*Tokens)(nil)
	_ apikey.TokenVerifier = (*Tokens)(nil)
)

// New reports everything that is wrong with cfg at once. Errors hold nothing of Keys.
func New(cfg Config) (*Tokens, error) {
	if len(cfg.Audience) == 0 {
		cfg.Audience = []string{cfg.Issuer}
	}
	if cfg.CacheSize == 0 {
		cfg.CacheSize = defaultCache
	}
	keys, err := split(cfg.Keys)
	errs := []error{err, cfg.check()}
	settings := jwt.SignerConfig{Issuer: cfg.Issuer, Lifetime: lifetime, KeySetMaxAge: cfg.KeySetMaxAge, CacheSize: -1}
	if len(keys) > 0 {
		settings.Key, settings.Others = keys[0], keys[1:]
	}
	signer, err := jwt.NewSigner(settings)
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, fmt.Errorf("keytoken: %w", err)
	}
	t := &Tokens{signer: signer, audience: slices.Clone(cfg.Audience), cache: bearer.NewCache[*apikey.Token](cfg.CacheSize)}
	t.verifier, err = jwt.New(jwt.Config{CacheSize: -1, Issuers: []jwt.Issuer{{
		Issuer: cfg.Issuer, Audience: cfg.Audience, Algorithms: []string{jwt.ES256, jwt.EdDSA}, Types: []string{accessToken},
		KeySet: signer.KeySet(), ScopeClaims: []string{"scope"}, MaxAge: lifetime,
	}}})
	if err == nil {
		t.headers, err = headers(signer.KeySet())
	}
	if err != nil {
		return nil, fmt.Errorf("keytoken: %w", err)
	}
	return t, nil
}

func (c *Config) check() error {
	var errs []error
	if len(c.Audience) > maxAudience {
		errs = append(errs, fmt.Errorf("%d audiences: want up to %d", len(c.Audience), maxAudience))
	}
	for i, one := range c.Audience {
		if slices.Contains(c.Audience[:i], one) {
			errs = append(errs, fmt.Errorf("audience %q is there twice", one))
		}
	}
	if c.CacheSize > maxCache {
		errs = append(errs, fmt.Errorf("CacheSize %d: want up to %d", c.CacheSize, maxCache))
	}
	return errors.Join(errs...)
}

// headers returns the beginnings of tokens, as the signer makes them, for each key of
// its set.
func headers(keySet []byte) (all []string, err error) {
	var set struct {
		Keys []struct {
			Alg string `json:"alg"`
			Kid string `json:"kid"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(keySet, &set); err != nil {
		return nil, err
	}
	for _, k := range set.Keys {
		header, err := json.Marshal(map[string]any{"alg": k.Alg, "kid": k.Kid, "typ": accessToken})
		if err != nil {
			return nil, err
		}
		all = append(all, base64.RawURLEncoding.EncodeToString(header)+".")
	}
	return all, nil
}

// Format writes "[secret]" for every verb and flag.
func (*Tokens) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[secret]") }

// Audience returns whom tokens may be for.
func (t *Tokens) Audience() []string { return slices.Clone(t.audience) }

// KeySet returns the public keys as a JWK Set (RFC 7517, section 5).
func (t *Tokens) KeySet() []byte { return t.signer.KeySet() }

// JWKS serves the key set, for GET and HEAD; it needs no credential.
func (t *Tokens) JWKS() http.Handler { return t.signer.JWKS() }

// SignToken implements [apikey.TokenSigner].
func (t *Tokens) SignToken(k *apikey.Token) (secret.Text, error) {
	text, err := t.signer.Sign(jwt.Claims{
		Subject: string(k.Key), Audiences: k.Audience, Scopes: k.Scopes, Owner: k.Owner, KeyID: string(k.Key), ClientID: string(k.Key),
		Environment: string(k.Environment), KeySecret: k.Secret, Certificate: k.Certificate, Type: accessToken, Expires: k.Expires,
	})
	switch {
	case err != nil:
		return secret.Text{}, err
	case len(text) > maxTokenBytes:
		return secret.Text{}, &apikey.SpecError{Field: "scopes", Reason: "are too many for one token: ask for fewer"}
	}
	return secret.New(text), nil
}

// OwnsToken implements [apikey.TokenVerifier].
func (t *Tokens) OwnsToken(text string) bool {
	return slices.ContainsFunc(t.headers, func(header string) bool { return strings.HasPrefix(text, header) })
}

// VerifyToken implements [apikey.TokenVerifier]. It does not allocate for a token that
// is remembered.
func (t *Tokens) VerifyToken(text string, remember bool) (*apikey.Token, error) {
	if len(text) > maxCachedBytes {
		return t.verify(text)
	}
	sum := bearer.SumOf(text)
	if known, ok := t.cache.Get(sum); ok {
		if time.Now().Before(known.Expires) {
			return known, nil
		}
		t.cache.Delete(sum)
	}
	k, err := t.verify(text)
	if err == nil && remember {
		t.cache.Put(sum, k)
	}
	return k, err
}

// verify reads a token that is not remembered.
func (t *Tokens) verify(text string) (*apikey.Token, error) {
	if !t.OwnsToken(text) {
		return nil, errHeader()
	}
	p, err := t.verifier.Verify(context.Background(), text) // the keys are here: nobody is asked
	if err != nil {
		return nil, err
	}
	return read(p.Claims, p.Scopes.Names(), p.Expires)
}
