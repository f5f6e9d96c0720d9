package keytoken

import (
	"crypto/sha256"
	"encoding/base64"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/internal/bearer"
)

// errHeader is for a token that no key of the set has signed.
func errHeader() error { return authn.Wrong("unknown-key") }

// errClaims is for a token of ours that does not say what ours say: a service that has
// the same signing key made it for something else.
func errClaims() error { return authn.Wrong("claims") }

// read returns what the claims of a verified token say. expires is exp, which ends it
// whatever leeway its beginning has.
func read(claims map[string]any, scopes []string, expires time.Time) (*apikey.Token, error) {
	if !time.Now().Before(expires) {
		return nil, authn.Wrong("expired")
	}
	id, _ := claims["key_id"].(string)
	number, _ := claims["key_secret"].(int64)
	audience, ok := bearer.Strings(claims, "aud")
	if !ok || claims["sub"] != id || claims["client_id"] != id || !apikey.ValidID(id) || number < 1 || number > maxSecret {
		return nil, errClaims()
	}
	owner, _ := claims["owner"].(string)
	environment, _ := claims["environment"].(string)
	certificate, ok := certificate(claims)
	if !ok {
		return nil, errClaims()
	}
	return &apikey.Token{
		Key: apikey.ID(id), Secret: int(number), Scopes: scopes, Audience: audience, Owner: owner, Environment: apikey.Environment(environment),
		Certificate: certificate, Expires: expires,
	}, nil
}

// maxSecret is more secrets than any key has had.
const maxSecret = 1<<31 - 1

// certificate reads cnf, whose form package jwt has checked.
func certificate(claims map[string]any) (sum [sha256.Size]byte, ok bool) {
	value, present := claims["cnf"]
	if !present {
		return sum, true
	}
	cnf, _ := value.(map[string]any)
	text, _ := cnf["x5t#S256"].(string)
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != len(sum) {
		return sum, false
	}
	return [sha256.Size]byte(raw), true
}
