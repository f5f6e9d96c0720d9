package server

import (
	"fmt"
	"maps"
	"net/http"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/apikey/keytoken"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/secret"
)

// keyTokens makes and reads the tokens of keys; the zero value is none.
type keyTokens struct {
	tokens *keytoken.Tokens
	issuer *apikey.TokenIssuer
}

// newKeyTokens makes what signs tokens by keys, when there are any.
func newKeyTokens(c *config.Tokens, keys secret.Text) (t keyTokens, err error) {
	if !c.On() {
		return t, nil
	}
	t.tokens, err = keytoken.New(keytoken.Config{Issuer: c.Issuer, Audience: c.For(), Keys: keys})
	if err == nil {
		t.issuer, err = TokenIssuer(c, t.tokens)
	}
	if err != nil {
		return keyTokens{}, fmt.Errorf("tokens: %w", err)
	}
	return t, nil
}

// TokenIssuer makes tokens as the configuration says.
func TokenIssuer(c *config.Tokens, signer apikey.TokenSigner) (*apikey.TokenIssuer, error) {
	return apikey.NewTokenIssuer(apikey.TokenIssuerConfig{Signer: signer, Audience: c.For(), Lifetime: c.Lifetime, MaxLifetime: c.MaxLifetime})
}

// verifier reads tokens; nil for none.
func (t *keyTokens) verifier() apikey.TokenVerifier {
	if t.tokens == nil {
		return nil
	}
	return t.tokens
}

// keySet serves the public keys; nil for none.
func (t *keyTokens) keySet() http.Handler {
	if t.tokens == nil {
		return nil
	}
	return t.tokens.JWKS()
}

// tokensAs returns cfg, of a shadow, without tokens where the program has none: it is
// asked about the program's requests, which carry none, and has none of its own.
func tokensAs(own, cfg *config.Config) *config.Config {
	if own.Tokens.On() {
		return cfg
	}
	c := *cfg
	c.Tokens.Issuer, c.Schemes = "", maps.Clone(cfg.Schemes)
	for name, scheme := range c.Schemes {
		if scheme.Key != nil && scheme.Key.Tokens {
			key := *scheme.Key
			key.Tokens, key.TokenAudience = false, ""
			scheme.Key = &key
			c.Schemes[name] = scheme
		}
	}
	return &c
}

// unanswered stands for the holder's commands where requests are judged and nobody
// gets an answer.
type unanswered struct{}

func (unanswered) Show() http.Handler     { return http.NotFoundHandler() }
func (unanswered) Roll() http.Handler     { return http.NotFoundHandler() }
func (unanswered) Revoke() http.Handler   { return http.NotFoundHandler() }
func (unanswered) Exchange() http.Handler { return http.NotFoundHandler() }
