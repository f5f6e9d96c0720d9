package jwt_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/jwt"
	"github.com/warder-dev/warder/secret"
)

const (
	ours     = "https://warder.example.com"
	upstream = "https://orders.internal"
)

func newSigner(tb testing.TB, cfg jwt.SignerConfig) *jwt.Signer {
	tb.Helper()
	if cfg.Issuer == "" {
		cfg.Issuer = ours
	}
	s, err := jwt.NewSigner(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// upstreamOf is what an upstream verifies with: any verifier that has the key set.
func upstreamOf(tb testing.TB, keySet []byte) *jwt.Scheme {
	tb.Helper()
	return scheme(tb, jwt.Issuer{Issuer: ours, Audience: []string{upstream}, KeySet: keySet, Leeway: -1, OwnerClaim: "owner"})
}

func somebody() exchange.Principal {
	return exchange.Principal{Issuer: "warder", Subject: "k1", KeyID: "k1", Owner: "acme", Environment: "live", Scopes: exchange.PatternScopes("orders:*", "a")}
}

func of(p exchange.Principal) *exchange.Exchange {
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
	x.Principal = p
	return x
}

func identity(tb testing.TB, s *jwt.Signer, audience string) func(*exchange.Exchange) (string, error) {
	tb.Helper()
	f, err := s.Identity(audience)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// The upstream tells who comes through warder from who does not.
func TestForgedIdentities(t *testing.T) {
	attack.Case(t, "PROXY-24", attack.Library, func(t *testing.T) {
		for _, algorithm := range []string{jwt.ES256, jwt.EdDSA} {
			synctest.Test(t, func(t *testing.T) {
				s := newSigner(t, jwt.SignerConfig{Algorithm: algorithm})
				verifier := upstreamOf(t, s.KeySet())
				token, err := identity(t, s, upstream)(of(somebody()))
				if err != nil {
					t.Fatal(err)
				}
				got := present(t, verifier, token)
				if got.status != 200 || got.principal.Issuer != ours || got.principal.Subject != "k1" || got.principal.Owner != "acme" {
					t.Fatalf("ours: got %+v", got)
				}
				if names := got.principal.Scopes.Names(); !slices.Equal(names, []string{"orders:*", "a"}) {
					t.Errorf("scopes %q", names)
				}
				c := got.principal.Claims
				id, _ := c["sub_id"].(map[string]any)
				if c["key_id"] != "k1" || c["environment"] != "live" || id["iss"] != "warder" || id["sub"] != "k1" || id["format"] != "iss_sub" || len(c["jti"].(string)) < 22 { //nolint:errcheck // a test
					t.Errorf("claims %v", c)
				}

				forger := newSigner(t, jwt.SignerConfig{Algorithm: algorithm})
				forged, err := identity(t, forger, upstream)(of(somebody()))
				if err != nil {
					t.Fatal(err)
				}
				want(t, verifier, "signed by another key", forged, 401, "unknown-key")
				own := strings.Split(token, ".")
				want(t, verifier, "another's claims with our signature", own[0]+"."+strings.Split(forged, ".")[1]+"."+own[2], 401, "signature")
				elsewhere, err := identity(t, s, "https://users.internal")(of(somebody()))
				if err != nil {
					t.Fatal(err)
				}
				want(t, verifier, "for another upstream", elsewhere, 401, "audience")
				want(t, verifier, "unsigned", segment([]byte(`{"alg":"none"}`))+"."+own[1]+".", 401, "malformed")
				pass(time.Minute - 1)
				want(t, verifier, "in its last moment", token, 200, "")
				pass(1)
				want(t, verifier, "after a minute", token, 401, "expired")
			})
		}
	})
}

func TestIdentitiesAreGivenOutAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSigner(t, jwt.SignerConfig{})
		f := identity(t, s, upstream)
		get := func(p exchange.Principal) string {
			t.Helper()
			token, err := f(of(p))
			if err != nil || token == "" {
				t.Fatalf("got %q, %v", token, err)
			}
			return token
		}
		first := get(somebody())
		pass(30*time.Second - 1)
		if get(somebody()) != first {
			t.Error("it was signed anew within half of its life")
		}
		pass(1)
		if get(somebody()) == first {
			t.Error("it was given out beyond half of its life")
		}
		all := map[string]string{}
		for name, change := range map[string]func(*exchange.Principal){
			"himself":            func(*exchange.Principal) {},
			"another issuer":     func(p *exchange.Principal) { p.Issuer = "x" },
			"another subject":    func(p *exchange.Principal) { p.Subject = "k2" },
			"parts moved":        func(p *exchange.Principal) { p.Issuer, p.Subject = "warderk", "1" },
			"another key":        func(p *exchange.Principal) { p.KeyID = "k2" },
			"another owner":      func(p *exchange.Principal) { p.Owner = "b" },
			"no owner":           func(p *exchange.Principal) { p.Owner = "" },
			"other environment":  func(p *exchange.Principal) { p.Environment = "test" },
			"fewer scopes":       func(p *exchange.Principal) { p.Scopes = exchange.PatternScopes("a") },
			"scopes joined":      func(p *exchange.Principal) { p.Scopes = exchange.PatternScopes("orders:*a") },
			"scopes are literal": func(p *exchange.Principal) { p.Scopes = exchange.LiteralScopes("orders:*", "a", "b") },
			"sooner expiry":      func(p *exchange.Principal) { p.Expires = time.Now().Add(20 * time.Second) },
		} {
			p := somebody()
			change(&p)
			token := get(p)
			if other, taken := all[token]; taken {
				t.Errorf("%s and %s have one token", name, other)
			}
			all[token] = name
		}
		literal := somebody()
		literal.Scopes = exchange.LiteralScopes("orders:*", "a")
		got := present(t, upstreamOf(t, s.KeySet()), get(literal))
		if names := got.principal.Scopes.Names(); !slices.Equal(names, []string{"a"}) {
			t.Errorf("of a foreign token's scopes, the upstream is told %q: a wildcard was made of a character", names)
		}
		if token, err := f(of(exchange.Principal{})); token != "" || err != nil {
			t.Errorf("nobody: got %q, %v", token, err)
		}
	})
}

func TestAnIdentityEndsWithItsCredential(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSigner(t, jwt.SignerConfig{})
		verifier := upstreamOf(t, s.KeySet())
		f := identity(t, s, upstream)
		for _, tt := range []struct{ left, lasts time.Duration }{{20 * time.Second, 20 * time.Second}, {time.Hour, time.Minute}, {-time.Second, 5 * time.Second}} {
			p := somebody()
			p.Expires = time.Now().Add(tt.left)
			token, err := f(of(p))
			if err != nil {
				t.Fatal(err)
			}
			got := present(t, verifier, token)
			if lasts := time.Until(got.principal.Expires); got.status != 200 || lasts != tt.lasts {
				t.Errorf("%v left: got %d, it lasts %v, want %v", tt.left, got.status, lasts, tt.lasts)
			}
		}
	})
}

func TestAnIdentityThatIsKnownAllocatesNothing(t *testing.T) {
	s := newSigner(t, jwt.SignerConfig{})
	f := identity(t, s, upstream)
	p := somebody()
	p.Scopes = exchange.PatternScopes("orders:read", "orders:write")
	x := of(p)
	if got := testing.AllocsPerRun(100, func() { _, _ = f(x) }); got != 0 {
		t.Errorf("%v allocations, want none", got)
	}
}

func TestKeySetHandler(t *testing.T) {
	s := newSigner(t, jwt.SignerConfig{KeySetMaxAge: time.Minute})
	get := func(method, tag string) *http.Response {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(method, "/.well-known/jwks.json", nil)
		r.Header.Set("If-None-Match", tag)
		s.JWKS().ServeHTTP(w, r)
		return w.Result()
	}
	got := get(http.MethodGet, "")
	body, err := io.ReadAll(got.Body)
	if err != nil || string(body) != string(s.KeySet()) || got.StatusCode != 200 {
		t.Errorf("got %d %s, %v", got.StatusCode, body, err)
	}
	if got.Header.Get("Content-Type") != "application/jwk-set+json" || got.Header.Get("Cache-Control") != "public, max-age=60" {
		t.Errorf("header %v", got.Header)
	}
	if again := get(http.MethodGet, got.Header.Get("ETag")); again.StatusCode != 304 {
		t.Errorf("unchanged: got %d", again.StatusCode)
	}
	if head := get(http.MethodHead, ""); head.StatusCode != 200 || head.ContentLength != int64(len(body)) {
		t.Errorf("HEAD: got %d with %d bytes", head.StatusCode, head.ContentLength)
	}
	if post := get(http.MethodPost, ""); post.StatusCode != 405 || post.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: got %d", post.StatusCode)
	}
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil || len(set.Keys) != 1 {
		t.Fatalf("set %s: %v", body, err)
	}
	for _, name := range []string{"d", "k", "p"} {
		if _, ok := set.Keys[0][name]; ok {
			t.Errorf("the set has the private member %q", name)
		}
	}
}

// A verifier with the old set and one with the new one both know every token.
func TestKeysOfASignerRotate(t *testing.T) {
	generate := func(algorithm string) secret.Text {
		t.Helper()
		key, err := jwt.GenerateKey(algorithm)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	one, two := generate(jwt.ES256), generate(jwt.EdDSA)
	announced := newSigner(t, jwt.SignerConfig{Key: one, Others: []secret.Text{two}})
	turned := newSigner(t, jwt.SignerConfig{Key: two, Others: []secret.Text{one, two}})
	for _, verifier := range []*jwt.Scheme{upstreamOf(t, announced.KeySet()), upstreamOf(t, turned.KeySet())} {
		for _, s := range []*jwt.Signer{announced, turned} {
			token, err := s.Sign(jwt.Claims{Subject: "a", Audience: upstream, Type: "at+jwt"})
			if err != nil {
				t.Fatal(err)
			}
			want(t, verifier, "before and after", token, 200, "")
		}
	}
}

func TestNewSignerReportsEveryErrorAtOnce(t *testing.T) {
	weak := secret.New("-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n")
	_, err := jwt.NewSigner(jwt.SignerConfig{Lifetime: time.Hour, KeySetMaxAge: time.Millisecond, CacheSize: 1 << 30, Key: weak, Others: []secret.Text{secret.New("hunter2")}})
	for _, want := range []string{"issuer", "lifetime", "KeySetMaxAge", "CacheSize", "Key: ", "Others[0]: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not mention %q", err, want)
		}
	}
	if err != nil && strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %q repeats a key", err)
	}
	if _, err := jwt.NewSigner(jwt.SignerConfig{Issuer: ours, Algorithm: "RS256"}); err == nil {
		t.Error("a key for RS256 was made")
	}
	s := newSigner(t, jwt.SignerConfig{})
	for _, c := range []jwt.Claims{{}, {Subject: "a"}, {Audience: "a"}, {Subject: "a\n", Audience: "a"}, {Subject: strings.Repeat("a", 1025), Audience: "a"}} {
		if token, err := s.Sign(c); err == nil {
			t.Errorf("Sign(%+v) = %q", c, token)
		}
	}
	if _, err := s.Identity(""); err == nil {
		t.Error("an identity for no audience")
	}
}

func BenchmarkIdentity(b *testing.B) {
	for _, algorithm := range []string{jwt.ES256, jwt.EdDSA} {
		for name, size := range map[string]int{"known": 0, "signed": -1} {
			b.Run(algorithm+"/"+name, func(b *testing.B) {
				f := identity(b, newSigner(b, jwt.SignerConfig{Algorithm: algorithm, CacheSize: size}), upstream)
				p := somebody()
				p.Scopes = exchange.PatternScopes("orders:read", "orders:write")
				x := of(p)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := f(x); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// TestWhatASignedTokenSays reads tokens with the claims of access tokens.
func TestWhatASignedTokenSays(t *testing.T) {
	s := newSigner(t, jwt.SignerConfig{})
	reader := upstreamOf(t, s.KeySet())
	base := jwt.Claims{Subject: "k1", Audience: upstream}
	for name, tt := range map[string]struct {
		change func(*jwt.Claims)
		claim  string
		want   string // as JSON; "" for none
	}{
		"one audience":        {func(*jwt.Claims) {}, "aud", `"` + upstream + `"`},
		"one of a list":       {func(c *jwt.Claims) { c.Audience, c.Audiences = "", []string{upstream} }, "aud", `"` + upstream + `"`},
		"two":                 {func(c *jwt.Claims) { c.Audiences = []string{"b"} }, "aud", `["` + upstream + `","b"]`},
		"a client":            {func(c *jwt.Claims) { c.ClientID = "k1" }, "client_id", `"k1"`},
		"no client":           {func(*jwt.Claims) {}, "client_id", ""},
		"a secret":            {func(c *jwt.Claims) { c.KeySecret = 7 }, "key_secret", "7"},
		"no secret":           {func(*jwt.Claims) {}, "key_secret", ""},
		"a certificate":       {func(c *jwt.Claims) { c.Certificate = [32]byte{1} }, "cnf", `{"x5t#S256":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`},
		"without certificate": {func(*jwt.Claims) {}, "cnf", ""},
	} {
		c := base
		tt.change(&c)
		token, err := s.Sign(c)
		if err != nil {
			t.Fatal(err)
		}
		p, err := reader.Verify(t.Context(), token)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := ""
		if value, present := p.Claims[tt.claim]; present {
			text, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			got = string(text)
		}
		if got != tt.want || p.Scheme != reader.Name() {
			t.Errorf("%s: %s is %s, want %s", name, tt.claim, got, tt.want)
		}
	}
	for name, c := range map[string]jwt.Claims{
		"nobody": {Subject: "k1"}, "an empty list": {Subject: "k1", Audiences: []string{}}, "an empty one": {Subject: "k1", Audiences: []string{upstream, ""}},
		"a line": {Subject: "k1", Audience: "a\nb"},
	} {
		if _, err := s.Sign(c); err == nil {
			t.Errorf("a token is signed for %s", name)
		}
	}
	if _, err := reader.Verify(t.Context(), strings.Repeat("x", 20<<10)); err == nil || reader.Remembered() != 0 {
		t.Errorf("a long token: %v, and %d are remembered", err, reader.Remembered())
	}
}
