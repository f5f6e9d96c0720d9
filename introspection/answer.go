package introspection

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/bearer"
)

// An answer is what is known of a token.
type answer struct {
	refusal   error // nil for an active token
	principal exchange.Principal
	bound     *bearer.Certificate
	until     time.Time // it is not remembered beyond
}

var (
	errAnswer = errors.New("introspection: the answer is not one of RFC 7662")
	errNobody = errors.New("introspection: nobody answered")
)

// leeway is how far nbf may be ahead: the issuer, by its own clock, called the
// token active.
const leeway = 30 * time.Second

// rules are what an answer is held against.
type rules struct {
	issuer   string
	audience []string // nil for any
	mapping  bearer.Mapping
	active   time.Duration // how long an answer is remembered
	inactive time.Duration
}

// read returns what body says (RFC 7662, section 2.2). An error means that it says
// nothing of the token.
func (r *rules) read(body []byte, now time.Time) (answer, error) {
	claims, err := bearer.Object(body)
	if err != nil {
		return answer{}, errAnswer
	}
	active, ok := claims["active"].(bool)
	if !ok {
		return answer{}, errAnswer
	}
	if !active {
		return answer{refusal: authn.Wrong("inactive"), until: now.Add(r.inactive)}, nil
	}
	return r.prove(claims, now), nil
}

// prove returns whom the claims of an active token prove, or why nobody.
func (r *rules) prove(claims map[string]any, now time.Time) answer {
	expires, err := r.judge(claims, now)
	if err != nil {
		return answer{refusal: err, until: now.Add(r.inactive)}
	}
	principal, bound, err := r.mapping.Principal(claims)
	if err != nil {
		return answer{refusal: err, until: now.Add(r.inactive)}
	}
	principal.Issuer, principal.Expires = r.issuer, expires
	until := now.Add(r.active)
	if !expires.IsZero() && expires.Before(until) {
		until = expires
	}
	return answer{principal: principal, bound: bound, until: until}
}

// judge holds the claims of an active token against the rules. The error is a
// refusal.
func (r *rules) judge(claims map[string]any, now time.Time) (expires time.Time, err error) {
	if !accessToken(claims) {
		return expires, authn.Wrong("type")
	}
	if iss, present := claims["iss"]; present && iss != r.issuer {
		return expires, authn.Wrong("issuer")
	}
	audience, ok := bearer.Strings(claims, "aud")
	if !ok || r.audience != nil && !slices.ContainsFunc(audience, func(a string) bool { return slices.Contains(r.audience, a) }) {
		return expires, authn.Wrong("audience")
	}
	expires, expOK := bearer.Date(claims, "exp")
	begins, nbfOK := bearer.Date(claims, "nbf")
	switch {
	case !expOK || !nbfOK:
		return expires, authn.Wrong("claims")
	case !expires.IsZero() && !now.Before(expires):
		return expires, authn.Wrong("expired")
	case now.Before(begins.Add(-leeway)):
		return expires, authn.Wrong("not-yet-valid")
	}
	return expires, nil
}

// accessToken reports whether claims say nothing else: endpoints answer for
// refresh tokens and for tokens that need a proof as well. token_type is the
// standard's; some issuers use the other names for it.
func accessToken(claims map[string]any) bool {
	for _, name := range []string{"token_type", "token_use", "typ"} {
		value, present := claims[name]
		if !present {
			continue
		}
		text, _ := value.(string)
		if !slices.Contains([]string{"bearer", "access_token", "access", "at+jwt", "jwt"}, strings.ToLower(text)) {
			return false
		}
	}
	return true
}
