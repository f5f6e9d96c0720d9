package jwt

import (
	"errors"
	"time"

	jwtlib "github.com/golang-jwt/jwt/v5"

	"github.com/warder-dev/warder/internal/bearer"
)

// registered are the claims that the library's validator judges (RFC 7519,
// section 4.1), with their types checked.
type registered struct {
	issuer, subject            string
	audience                   []string
	expires, notBefore, issued time.Time // zero when absent
}

var _ jwtlib.Claims = (*registered)(nil)

// register reads claims; ok is false when one has a wrong type.
func register(claims map[string]any) (r *registered, ok bool) {
	r = new(registered)
	for name, to := range map[string]*time.Time{"exp": &r.expires, "nbf": &r.notBefore, "iat": &r.issued} {
		if *to, ok = bearer.Date(claims, name); !ok {
			return nil, false
		}
	}
	for name, to := range map[string]*string{"iss": &r.issuer, "sub": &r.subject} {
		if *to, ok = claims[name].(string); !ok {
			return nil, false
		}
	}
	r.audience, ok = bearer.Strings(claims, "aud")
	return r, ok
}

func date(t time.Time) (*jwtlib.NumericDate, error) {
	if t.IsZero() {
		return nil, nil
	}
	return &jwtlib.NumericDate{Time: t}, nil
}

// GetExpirationTime, as the others, is for the library.
func (r *registered) GetExpirationTime() (*jwtlib.NumericDate, error) { return date(r.expires) }

// GetIssuedAt returns iat.
func (r *registered) GetIssuedAt() (*jwtlib.NumericDate, error) { return date(r.issued) }

// GetNotBefore returns nbf.
func (r *registered) GetNotBefore() (*jwtlib.NumericDate, error) { return date(r.notBefore) }

// GetIssuer returns iss.
func (r *registered) GetIssuer() (string, error) { return r.issuer, nil }

// GetSubject returns sub.
func (r *registered) GetSubject() (string, error) { return r.subject, nil }

// GetAudience returns aud.
func (r *registered) GetAudience() (jwtlib.ClaimStrings, error) { return r.audience, nil }

// reason is the word for the log.
func reason(err error) string {
	for _, known := range []struct {
		err  error
		word string
	}{
		{jwtlib.ErrTokenInvalidAudience, "audience"},
		{jwtlib.ErrTokenInvalidIssuer, "issuer"},
		{jwtlib.ErrTokenRequiredClaimMissing, "claims"},
		{jwtlib.ErrTokenExpired, "expired"},
		{jwtlib.ErrTokenNotValidYet, "not-yet-valid"},
		{jwtlib.ErrTokenUsedBeforeIssued, "issued-ahead"},
	} {
		if errors.Is(err, known.err) {
			return known.word
		}
	}
	return "claims"
}

// looksLikeIDToken reports whether claims has what access tokens do not: what
// binds an ID token to a login (OpenID Connect Core 1.0, sections 2 and 3.3.2.11),
// what makes a logout token (Back-Channel Logout 1.0, section 2.4), or a type
// inside that says so.
func looksLikeIDToken(claims map[string]any) bool {
	for _, name := range []string{"nonce", "at_hash", "c_hash", "s_hash", "events"} {
		if _, present := claims[name]; present {
			return true
		}
	}
	typ, _ := claims["typ"].(string)
	return mediaType(typ) == "id" || mediaType(typ) == "logout"
}
