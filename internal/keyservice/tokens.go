package keyservice

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/secret"
)

// ExchangeSpec asks for a token of a key.
type ExchangeSpec struct {
	Key      string   `json:"key" format:"password" doc:"the text of the key" minLength:"1" maxLength:"512" example:"wrd_live_7HqLk2mVxWcP..."`
	Scopes   []string `json:"scopes,omitempty" nullable:"false" doc:"what the token grants, of what the key does; default: all of it" minItems:"1" maxItems:"100" example:"[\"orders:read\"]"`
	Audience []string `json:"audience,omitempty" nullable:"false" doc:"whom it is for, of those that the configuration names; default: all of them" minItems:"1" maxItems:"16"`
	Lifetime string   `json:"lifetime,omitempty" doc:"how long it lasts, such as 5m; default: what the configuration says. It ends with the key and with the overlap of its text at the latest." maxLength:"32" example:"5m"`
}

// TokenMade is a token, with the members of an access token response (RFC 6749,
// section 5.1).
type TokenMade struct {
	AccessToken string    `json:"access_token" format:"password" doc:"the token: it is shown this once" example:"eyJhbGciOiJFUzI1NiIs..."`
	TokenType   string    `json:"token_type" enum:"Bearer" example:"Bearer"`
	ExpiresIn   int64     `json:"expires_in" doc:"seconds" example:"300"`
	Expires     time.Time `json:"expires" example:"2026-11-28T23:05:00Z"`
	Scope       string    `json:"scope" doc:"what it grants, with blanks between" example:"orders:read"`
	Audience    []string  `json:"audience" nullable:"false" doc:"whom it is for" example:"[\"https://api.example.com\"]"`
	KeyID       string    `json:"key_id" doc:"the key that it was made from" example:"7HqLk2mVxWcP"`
}

func (s *Service) addTokens() {
	register(s, endpoint{
		id: "exchangeKey", method: http.MethodPost, path: "/v1/keys:exchange", tag: "verification", right: VerifyKeys, also: bodyAlso(404, 409, 429),
		summary:     "Make a short-lived token from a key",
		description: "A JWT (RFC 9068) that proves whom the key proves for some minutes, and no longer than the key itself: give it to a program that need not have the key. Whether a token is good is asked of the key at each request. 404 where the configuration turns tokens off.",
	}, s.exchangeKey)
}

func (s *Service) exchangeKey(ctx context.Context, c *caller, in *struct {
	Body ExchangeSpec
},
) (*answer[TokenMade], error) {
	if s.cfg.Tokens == nil {
		return nil, errTokensOff()
	}
	spec, err := tokenSpec(in.Body.Scopes, in.Body.Audience, in.Body.Lifetime)
	if err != nil {
		return nil, err
	}
	p, err := s.verify.prove(ctx, c, in.Body.Key)
	if err != nil {
		return nil, err
	}
	made, err := makeToken(ctx, s.cfg.Store, s.cfg.Tokens, &p, spec)
	if err != nil {
		return nil, err
	}
	s.verify.used(p.KeyID, p.SecretNumber)
	return &answer[TokenMade]{Body: made}, nil
}

func errTokensOff() *failure {
	return fail(problem.NotFound, "No tokens are made here: tokens.issuer of the configuration turns them on.")
}

// tokenSpec reads what a token is to be good for. Of the lists, none is all.
func tokenSpec(scopes, audience []string, lifetime string) (apikey.TokenSpec, error) {
	var r reader
	spec := apikey.TokenSpec{Scopes: scopes, Audience: audience, Lifetime: r.duration("lifetime", lifetime)}
	if lifetime != "" && spec.Lifetime == 0 && len(r.faults) == 0 {
		r.fault("lifetime", "want 1s or more")
	}
	return spec, r.err()
}

// makeToken makes a token for whoever proved p by the key itself.
func makeToken(ctx context.Context, store apikey.Store, tokens *apikey.TokenIssuer, p *exchange.Principal, spec apikey.TokenSpec) (TokenMade, error) {
	if p.Token {
		return TokenMade{}, fail(problem.Forbidden, "A token is made from the key itself, and not from another token.")
	}
	record, err := store.Lookup(ctx, apikey.ID(p.KeyID))
	if err != nil {
		return TokenMade{}, err
	}
	token, text, err := tokens.Issue(&record, p.SecretNumber, spec)
	if err != nil {
		return TokenMade{}, tokenFailure(err)
	}
	return tokenMade(token, text), nil
}

// tokenFailure names what [failureOf] does not know.
func tokenFailure(err error) error {
	switch {
	case errors.Is(err, apikey.ErrNoTokens):
		return fail(problem.Conflict, "Tokens are made from keys of the kind secret only.")
	case errors.Is(err, apikey.ErrDisabled):
		return fail(problem.Conflict, "The key is disabled.")
	case errors.Is(err, apikey.ErrExpired):
		return fail(problem.Conflict, "The key, or this text of it, has expired.")
	default:
		return err
	}
}

func tokenMade(t *apikey.Token, text secret.Text) TokenMade {
	return TokenMade{
		AccessToken: text.Reveal(), TokenType: "Bearer", ExpiresIn: int64(time.Until(t.Expires).Round(time.Second) / time.Second), Expires: t.Expires,
		Scope: strings.Join(t.Scopes, " "), Audience: t.Audience, KeyID: string(t.Key),
	}
}

// prove returns whom the text of a key proves, whatever it is narrowed to: that is
// judged where what is made of it is used.
func (v *verification) prove(ctx context.Context, c *caller, text string) (exchange.Principal, error) {
	through := v.guess(ctx, c.client, text)
	outcome := exchange.Outcome{Status: http.StatusServiceUnavailable} // nobody knows, until somebody does
	defer func() { v.callers.Done(through, outcome) }()
	if said := v.callers.Check(through); !said.Passed() { //nolint:contextcheck // the exchange has its own
		return exchange.Principal{}, throttled(said.Problem())
	}
	p, err := v.verifier.VerifyFor(ctx, text, apikey.Use{})
	if denial, ok := errors.AsType[*authn.Denial](err); ok {
		p, err = denial.Principal, nil
	}
	refusal, refused := errors.AsType[*authn.Refusal](err)
	if refused || err == nil && c.bound() != "" && p.Owner != c.bound() {
		outcome.Status, outcome.Reason = http.StatusUnauthorized, "unknown"
		if refused {
			outcome.Reason = refusal.Reason()
		}
		through.Claim = v.verifier.Claims(text)
		return exchange.Principal{}, invalid(Fault{"key", "is not a key that is good"})
	}
	if err != nil {
		return exchange.Principal{}, err
	}
	outcome.Status, through.Principal = http.StatusOK, p
	return p, nil
}
