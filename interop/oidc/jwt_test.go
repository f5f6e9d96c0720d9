package oidc_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/interop/oidc"
	"github.com/warder-dev/warder/introspection"
	"github.com/warder-dev/warder/jwt"
	"github.com/warder-dev/warder/secret"
)

// audience is who the provider's access tokens are for.
const audience = "https://api.example"

func machine() oidc.Client {
	return oidc.Client{ID: "machine", Secret: "m", JWT: true, Audience: []string{audience}, Redirects: []string{"https://client.example/cb"}}
}

func opaque() oidc.Client {
	return oidc.Client{ID: "opaque", Secret: "o", Audience: []string{audience}}
}

// asker is a resource server, which may ask what tokens are.
func asker() oidc.Client { return oidc.Client{ID: "asker", Secret: "as + ked"} }

func start(t *testing.T) *oidc.Provider {
	t.Helper()
	return oidc.Start(t, oidc.Config{Clients: []oidc.Client{machine(), opaque(), asker()}, Users: []oidc.User{ada()}})
}

// leaf returns the certificate that the provider shows.
func leaf(t *testing.T, p *oidc.Provider) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(p.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func parse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// bearerOf returns a scheme for the provider's tokens that finds everything by
// discovery.
func bearerOf(t *testing.T, p *oidc.Provider, fetch jwt.Fetch, log *journal) *jwt.Scheme {
	t.Helper()
	fetch.RootCAs = p.Pool()
	s, err := jwt.New(jwt.Config{Fetch: fetch, Log: log.log(), Issuers: []jwt.Issuer{{Issuer: p.Issuer(), Audience: []string{audience}, Discovery: true}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestAccessTokens has the provider sign with the algorithms that it can.
func TestAccessTokens(t *testing.T) {
	p := start(t)
	s := bearerOf(t, p, jwt.Fetch{}, new(journal))
	for _, algorithm := range []jose.SignatureAlgorithm{jose.ES256, jose.RS256} {
		if algorithm != jose.ES256 {
			p.Rotate(t, algorithm)
		}
		token := p.Token(t, machine(), "orders:read", "orders:write")
		for range 2 { // the second one is remembered
			who, status, reason := outcome(t.Context(), s, token)
			if status != http.StatusOK || who.Issuer != p.Issuer() || who.Subject != "machine" || !who.Scopes.Allow("orders:write") || who.Scopes.Allow("orders:delete") {
				t.Errorf("%s: %d %s, %+v", algorithm, status, reason, who)
			}
		}
		forged := token[:len(token)-8] + strings.Repeat("A", 8)
		want(t, string(algorithm)+", another signature", s, forged, http.StatusUnauthorized, "signature")
	}
	other := bearerOf(t, start(t), jwt.Fetch{}, new(journal))
	want(t, "of another provider", other, p.Token(t, machine()), http.StatusUnauthorized, "issuer")
	want(t, "opaque", s, p.Token(t, opaque()), http.StatusUnauthorized, "malformed")
}

// TestAnIDTokenIsNoAccessToken logs a user in at the provider for another client,
// and calls with what that client got.
func TestAnIDTokenIsNoAccessToken(t *testing.T) {
	attack.Case(t, "JWT-08", attack.Library, func(t *testing.T) {
		p := start(t)
		s, err := jwt.New(jwt.Config{
			Fetch:   jwt.Fetch{RootCAs: p.Pool()},
			Issuers: []jwt.Issuer{{Issuer: p.Issuer(), Audience: []string{"machine"}, Discovery: true}}, // even when the client is who it is for
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		a := newAgent(t, leaf(t, p))
		client := machine()
		query := url.Values{"client_id": {client.ID}, "redirect_uri": client.Redirects, "response_type": {"code"}, "scope": {"openid"}, "nonce": {"n"}, "state": {"s"}}
		code := parse(t, a.answer(p, p.Issuer()+"/authorize?"+query.Encode(), ada())).Query().Get("code")
		form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": client.Redirects}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.Issuer()+oidc.TokenPath, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth(client.ID, client.Secret)
		w, err := a.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Body.Close()
		body, err := io.ReadAll(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		var tokens struct {
			ID     string `json:"id_token"`
			Access string `json:"access_token"`
		}
		if err := json.Unmarshal(body, &tokens); err != nil || tokens.ID == "" || tokens.Access == "" {
			t.Fatalf("%s, %v", body, err)
		}
		want(t, "the ID token", s, tokens.ID, http.StatusUnauthorized, "id-token")
		want(t, "the access token", s, tokens.Access, http.StatusOK, "")
	})
}

func TestIntrospection(t *testing.T) {
	p := start(t)
	introspect := func(edit func(*introspection.Config)) *introspection.Scheme {
		cfg := introspection.Config{
			URL: p.Issuer() + oidc.IntrospectPath, ClientID: asker().ID, ClientSecret: secret.New(asker().Secret), Issuer: p.Issuer(),
			Audience: []string{audience}, RootCAs: p.Pool(), CacheTTL: -1,
		}
		if edit != nil {
			edit(&cfg)
		}
		s, err := introspection.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	s, remembering := introspect(nil), introspect(func(c *introspection.Config) { c.CacheTTL = 0 })
	token := p.Token(t, opaque(), "orders:read")
	who, status, reason := outcome(t.Context(), s, token)
	if status != http.StatusOK || who.Issuer != p.Issuer() || who.Subject != "opaque" || !who.Scopes.Allow("orders:read") || who.Scopes.Allow("orders:write") {
		t.Errorf("%d %s, %+v", status, reason, who)
	}
	before := p.Asked(oidc.IntrospectPath)
	for range 3 {
		want(t, "remembered", remembering, token, http.StatusOK, "")
	}
	if got := p.Asked(oidc.IntrospectPath) - before; got != 1 {
		t.Errorf("three requests asked %d times, want once", got)
	}
	want(t, "a JWT, which the issuer knows as well", s, p.Token(t, machine(), "orders:read"), http.StatusOK, "")
	want(t, "one that nobody gave out", s, "forged", http.StatusUnauthorized, "inactive")
	want(t, "for somebody else", introspect(func(c *introspection.Config) { c.Audience = []string{"https://other.example"} }), token, http.StatusUnauthorized, "audience")
	want(t, "asked with a wrong secret", introspect(func(c *introspection.Config) { c.ClientSecret = secret.New("wrong") }), token, http.StatusServiceUnavailable, "")

	p.Revoke(t, opaque(), token)
	want(t, "revoked", s, token, http.StatusUnauthorized, "inactive")
	want(t, "revoked, and remembered from before", remembering, token, http.StatusOK, "")

	another := p.Token(t, opaque())
	p.Stop()
	want(t, "while the provider is gone", s, another, http.StatusServiceUnavailable, "")
	want(t, "while the provider is gone, remembered", remembering, token, http.StatusOK, "")
	p.Resume(t)
	want(t, "since it is back", s, another, http.StatusOK, "")
}
