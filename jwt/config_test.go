package jwt_test

import (
	"crypto"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/jwt"
	"github.com/warder-dev/warder/openapi"
	"github.com/warder-dev/warder/secret"
)

func TestNewReportsEveryErrorAtOnce(t *testing.T) {
	_, err := jwt.New(jwt.Config{
		Name: "a b", MaxBytes: 1 << 20, CacheSize: 1 << 30, DescribeOpenIDConnect: true,
		Fetch: jwt.Fetch{Every: time.Millisecond, UnknownEvery: time.Millisecond, MaxStale: time.Nanosecond, Timeout: time.Hour},
		Issuers: []jwt.Issuer{
			{},
			{Issuer: "a\nb", Audience: []string{""}, Leeway: time.Hour, MaxAge: -1, Algorithms: []string{"none", "HS256"}, Types: []string{""}, ScopeClaims: []string{"a\x00"}},
			{Issuer: "c", Audience: []string{"a"}, KeySet: []byte("{}"), KeySetURL: "https://a.example"},
			{Issuer: "d", Audience: []string{"a"}, InsecureAnyAudience: true, KeySet: []byte("{}")},
			{Issuer: "e", Audience: []string{"a"}, SecretKeySet: secret.New("hunter2")},
			{Issuer: "f", Audience: []string{"a"}, Keys: []crypto.PublicKey{allPairs().p256, "text"}},
			{Issuer: "g", Audience: []string{"a"}, KeySetURL: "http://a.example"},
			{Issuer: "h", Audience: []string{"a"}, Algorithms: []string{jwt.RS256}, KeySet: jwks(jwk(allPairs().p256, "a"))},
			issuer(), issuer(),
		},
		Flows: &openapi.OAuthFlows{Implicit: &openapi.OAuthFlow{}},
	})
	if err == nil {
		t.Fatal("New accepted an invalid Config")
	}
	for _, want := range []string{
		`name "a b"`, "MaxBytes", "CacheSize", "DescribeOpenIDConnect", "Fetch.Every", "Fetch.UnknownEvery", "Fetch.MaxStale", "Fetch.Timeout",
		`issuer "": `, "exact, printable name", "want Audience", "an audience is empty", "leeway", "MaxAge", `"none" is unknown`, `"HS256": HMAC`, `type ""`, "claim",
		"exactly one of", "KeySet: is no JWK Set", "SecretKeySet: is no JWK Set", "entry 0 of Keys", "entry 1 of Keys", "KeySetURL: want https", "no key fits", "is there twice", "flows.implicit",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %q", want)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error repeats a secret: %v", err)
	}
	if _, err := jwt.New(jwt.Config{}); err == nil {
		t.Error("New accepted the zero Config")
	}
}

func TestDescribe(t *testing.T) {
	flows := &openapi.OAuthFlows{AuthorizationCode: &openapi.OAuthFlow{AuthorizationURL: "https://a.example/a", TokenURL: "https://a.example/t"}}
	discovered := jwt.Issuer{Issuer: "https://login.example.com/realm/", Audience: []string{"a"}, Discovery: true}
	for want, cfg := range map[string]jwt.Config{
		`{"type":"http","description":"A JSON Web Token.","scheme":"bearer","bearerFormat":"JWT"}`:                                                                                  {Issuers: []jwt.Issuer{issuer()}},
		`{"type":"oauth2","description":"A JSON Web Token.","flows":{"authorizationCode":{"authorizationUrl":"https://a.example/a","tokenUrl":"https://a.example/t","scopes":{}}}}`: {Issuers: []jwt.Issuer{issuer()}, Flows: flows},
		`{"type":"openIdConnect","description":"A JSON Web Token.","openIdConnectUrl":"https://login.example.com/realm/.well-known/openid-configuration"}`:                          {Issuers: []jwt.Issuer{discovered}, DescribeOpenIDConnect: true},
	} {
		s, err := jwt.NewWithLoader(cfg, new(endpoint).load)
		if err != nil {
			t.Error(err)
			continue
		}
		t.Cleanup(func() { s.Close() })
		doc := openapi.Document{OpenAPI: openapi.Version, Info: openapi.Info{Title: "a", Version: "1"}}
		if _, err := authn.Require(s).Describe(&doc); err != nil {
			t.Error(err)
		}
		if got, err := json.Marshal(doc.Components.SecuritySchemes[s.Name()]); err != nil || string(got) != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
}

// The secret keys of a configuration are in no error, whatever they lack.
func TestErrorsHideSecretKeys(t *testing.T) {
	for _, set := range []string{`{"keys":[{"kty":"oct","k":"hunter2hunter2"}]}`, `{"keys":[{"kty":"oct","kid":7,"k":"hunter2"}]}`, `hunter2`, `{"keys":[{"kty":"oct","alg":"hunter2","k":"hunter2"}]}`} {
		cfg := issuer()
		cfg.KeySet, cfg.SecretKeySet = nil, secret.New(set)
		_, err := jwt.New(jwt.Config{Issuers: []jwt.Issuer{cfg}})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error %v, want one without the key", err)
		}
	}
}
