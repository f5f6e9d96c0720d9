// Package keytoken_test reads tokens of keys as a service elsewhere does: with a
// library that is not warder's, and nothing but the published key set.
package keytoken_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/apikey/keytoken"
	"github.com/warder-dev/warder/jwt"
	"github.com/warder-dev/warder/secret"
)

const issuer = "https://api.example.com"

// fetch reads a key set as it is published.
func fetch(t *testing.T, tokens *keytoken.Tokens) jose.JSONWebKeySet {
	t.Helper()
	s := httptest.NewServer(tokens.JWKS())
	defer s.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }() // what was read counts
	var set jose.JSONWebKeySet
	if err := json.NewDecoder(answer.Body).Decode(&set); err != nil {
		t.Fatal(err)
	}
	return set
}

func TestAnotherLibraryReadsTokens(t *testing.T) {
	for _, algorithm := range []string{jwt.ES256, jwt.EdDSA} {
		key, err := jwt.GenerateKey(algorithm)
		if err != nil {
			t.Fatal(err)
		}
		next, err := jwt.GenerateKey(jwt.ES256)
		if err != nil {
			t.Fatal(err)
		}
		tokens, err := keytoken.New(keytoken.Config{Issuer: issuer, Audience: []string{"orders", "invoices"}, Keys: secret.New(key.Reveal() + next.Reveal())})
		if err != nil {
			t.Fatal(err)
		}
		maker, err := apikey.NewTokenIssuer(apikey.TokenIssuerConfig{Signer: tokens, Audience: tokens.Audience()})
		if err != nil {
			t.Fatal(err)
		}
		record := apikey.Record{ID: "7HqLk2mVxWcP", Owner: "acme", Environment: "live", Scopes: []string{"orders:read", "orders:write"}, Secrets: []apikey.Secret{{Number: 3}}}
		made, text, err := maker.Issue(&record, 3, apikey.TokenSpec{Scopes: []string{"orders:read"}})
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := josejwt.ParseSigned(text.Reveal(), []jose.SignatureAlgorithm{jose.SignatureAlgorithm(algorithm)})
		if err != nil {
			t.Fatalf("%s: %v", algorithm, err)
		}
		set := fetch(t, tokens)
		head := parsed.Headers[0]
		found := set.Key(head.KeyID)
		if len(set.Keys) != 2 || len(found) != 1 || !found[0].IsPublic() || head.ExtraHeaders[jose.HeaderType] != "at+jwt" {
			t.Fatalf("%s: the set has %d keys, %d of them %q, for %v", algorithm, len(set.Keys), len(found), head.KeyID, head.ExtraHeaders)
		}
		var registered josejwt.Claims
		var own struct {
			Client string `json:"client_id"`
			Key    string `json:"key_id"`
			Secret int    `json:"key_secret"`
			Scope  string `json:"scope"`
			Owner  string `json:"owner"`
		}
		if err := parsed.Claims(found[0].Key, &registered, &own); err != nil {
			t.Fatalf("%s: %v", algorithm, err)
		}
		if err := registered.Validate(josejwt.Expected{Issuer: issuer, Subject: "7HqLk2mVxWcP", AnyAudience: josejwt.Audience{"invoices"}, Time: time.Now()}); err != nil {
			t.Errorf("%s: %v", algorithm, err)
		}
		if !registered.Expiry.Time().Equal(made.Expires) || own.Client != "7HqLk2mVxWcP" || own.Key != own.Client || own.Secret != 3 || own.Scope != "orders:read" || own.Owner != "acme" {
			t.Errorf("%s: it says %+v %+v", algorithm, registered, own)
		}
		if err := parsed.Claims(set.Keys[1].Key, &registered); err == nil {
			t.Errorf("%s: the other key verifies it", algorithm)
		}
	}
}
