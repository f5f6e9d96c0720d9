package apikey

import (
	"errors"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/openapi"
)

// BearerConfig configures a [Bearer].
type BearerConfig struct {
	_          [0]func()
	Verifier   *Verifier // Required.
	SchemeName string    // in OpenAPI. Default "apiKeyBearer".

	// Shared leaves bearer tokens that do not begin like a key to another scheme,
	// such as that of JWTs: for this one they are absent. Set it only where a
	// requirement has that other scheme, and tell it [Bearer.Takes]: on a route that
	// has not, and whose requirement is optional, a token of nobody would pass as
	// none. Default: every bearer token is judged as a key.
	Shared bool

	// Tokens takes the short-lived tokens too that were made from keys: the Verifier
	// has Tokens then. What begins like one of those is no other scheme's, also with
	// Shared. Default: it does not.
	Tokens bool

	// TokenAudience is whom a token has to be for. Without effect unless Tokens.
	// Default: anybody whom tokens are made for.
	TokenAudience string

	// Prefixes are what keys begin with, before "_". They decide alone, and once,
	// whose a token is. Default "wrd". Without effect unless Shared.
	Prefixes []string
}

// A Bearer is the scheme of a key as a bearer token in Authorization (RFC 6750,
// section 2.1): type "http", scheme "bearer" in OpenAPI. It is safe for concurrent
// use.
//
// A credential of another authentication scheme, such as Basic, is absent. Two
// fields are 400; an empty token, a malformed key, and a field that names no
// scheme are 401.
type Bearer struct {
	base
	owner    owner
	tokens   bool
	audience string // of tokens; "" for any
}

var (
	_ authn.RefusalChallenger = (*Bearer)(nil)
	_ authn.Describer         = (*Bearer)(nil)
)

// NewBearer reports everything that is wrong with cfg at once.
func NewBearer(cfg BearerConfig) (*Bearer, error) {
	b, errs := newBase(cfg.Verifier, cfg.SchemeName, "apiKeyBearer")
	o, more := newOwner(cfg.Shared, cfg.Prefixes)
	if cfg.Tokens && cfg.Verifier != nil && cfg.Verifier.cfg.Tokens == nil {
		more = append(more, errors.New("apikey: BearerConfig.Tokens: the Verifier reads no tokens: give it VerifierConfig.Tokens"))
	}
	if err := errors.Join(append(errs, more...)...); err != nil {
		return nil, err
	}
	return &Bearer{b, o, cfg.Tokens, cfg.TokenAudience}, nil
}

// Takes reports whether a bearer token is this scheme's to judge: with
// [BearerConfig.Shared], one that is empty or begins like a key, or, with
// [BearerConfig.Tokens], like a token that was made from one. Another scheme
// of bearer tokens takes the rest, and nothing of this, so that each has one
// owner.
func (b *Bearer) Takes(token string) bool { return b.owner.owns(token) || b.takesToken(token) }

// takesToken reports whether token is one that was made from a key.
func (b *Bearer) takesToken(token string) bool { return b.tokens && b.verifier.OwnsToken(token) }

// Challenge returns the WWW-Authenticate challenge (RFC 6750, section 3).
func (*Bearer) Challenge(realm string) string { return authn.BearerChallenge(realm, "", nil) }

// RefusalChallenge says why a token was refused (RFC 6750, section 3.1): the same
// for every token that does not hold.
func (*Bearer) RefusalChallenge(realm, code string, scopes []string) string {
	return authn.BearerChallenge(realm, code, scopes)
}

// Describe adds the scheme to doc.
func (b *Bearer) Describe(doc *openapi.Document) error {
	return doc.AddSecurityScheme(b.name, openapi.SecurityScheme{Type: openapi.TypeHTTP, Scheme: "bearer", Description: description})
}

// Authenticate returns whom the token proves.
func (b *Bearer) Authenticate(x *exchange.Exchange) (exchange.Principal, error) {
	token, err := b.authorization(x.Request.Header, "Bearer")
	switch {
	case err != nil:
		return exchange.Principal{}, err
	case b.takesToken(token):
		return b.proveToken(x, token, b.audience)
	case !b.owner.owns(token):
		return exchange.Principal{}, authn.ErrNoCredential
	}
	return b.prove(x, token)
}
