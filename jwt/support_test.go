package jwt_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	jwtlib "github.com/golang-jwt/jwt/v5"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/jwt"
)

const (
	issuerName = "https://login.example.com"
	audience   = "https://api.example.com"
)

// A signer signs the tokens of a test.
type signer struct {
	method string
	key    any // as the library signs with
	id     string
}

// pairs are made once: an RSA key takes a while.
type pairs struct {
	rsa, weak *rsa.PrivateKey
	p256      *ecdsa.PrivateKey
	other     *ecdsa.PrivateKey // P-256 too
	p384      *ecdsa.PrivateKey
	ed        ed25519.PrivateKey
}

var allPairs = sync.OnceValue(func() (p pairs) { //nolint:gochecknoglobals // made once for all tests
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	var err error
	p.rsa, err = rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	p.weak, err = rsa.GenerateKey(rand.Reader, 1024)
	must(err)
	p.p256, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	p.other, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	p.p384, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(err)
	_, p.ed, err = ed25519.GenerateKey(rand.Reader)
	must(err)
	return p
})

func es256() signer { return signer{"ES256", allPairs().p256, "p256"} }

// members are those of a header or payload; nil values are left out.
type members map[string]any

func (m members) with(more members) members {
	m = maps.Clone(m)
	maps.Copy(m, more)
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	return m
}

// claims are those of a good token.
func claims(more members) members {
	now := time.Now()
	return members{
		"iss": issuerName, "aud": audience, "sub": "alice", "iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
	}.with(more)
}

func (s signer) header(more members) members {
	return members{"alg": s.method, "kid": s.id, "typ": "JWT"}.with(more)
}

func segment(text []byte) string { return base64.RawURLEncoding.EncodeToString(text) }

// raw signs header and payload as they stand.
func (s signer) raw(tb testing.TB, header, payload string) string {
	tb.Helper()
	signed := segment([]byte(header)) + "." + segment([]byte(payload))
	signature, err := jwtlib.GetSigningMethod(s.method).Sign(signed, s.key)
	if err != nil {
		tb.Fatal(err)
	}
	return signed + "." + segment(signature)
}

func (s signer) sign(tb testing.TB, header, payload members) string {
	tb.Helper()
	h, err := json.Marshal(header)
	if err != nil {
		tb.Fatal(err)
	}
	p, err := json.Marshal(payload)
	if err != nil {
		tb.Fatal(err)
	}
	return s.raw(tb, string(h), string(p))
}

// token is a good one but for what more says of its claims.
func (s signer) token(tb testing.TB, more members) string {
	tb.Helper()
	return s.sign(tb, s.header(nil), claims(more))
}

// jwk returns the public key of private in JSON Web Key form.
func jwk(private any, id string) members {
	number := func(n *big.Int) string { return segment(n.Bytes()) }
	switch k := private.(type) {
	case *rsa.PrivateKey:
		return members{"kty": "RSA", "kid": id, "n": number(k.N), "e": number(big.NewInt(int64(k.E)))}
	case *ecdsa.PrivateKey:
		point, err := k.PublicKey.Bytes()
		if err != nil {
			panic(err)
		}
		half := (len(point) - 1) / 2
		return members{"kty": "EC", "kid": id, "crv": k.Params().Name, "x": segment(point[1 : 1+half]), "y": segment(point[1+half:])}
	case ed25519.PrivateKey:
		return members{"kty": "OKP", "kid": id, "crv": "Ed25519", "x": segment(k.Public().(ed25519.PublicKey))} //nolint:errcheck // it is one
	default:
		panic("no such key")
	}
}

func jwks(keys ...members) []byte {
	if keys == nil {
		keys = []members{}
	}
	text, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		panic(err)
	}
	return text
}

// allKeys is the set of an issuer that has keys of every kind.
func allKeys() []byte {
	p := allPairs()
	return jwks(jwk(p.rsa, "rsa"), jwk(p.p256, "p256"), jwk(p.p384, "p384"), jwk(p.ed, "ed"))
}

// issuer is one with static keys.
func issuer() jwt.Issuer {
	return jwt.Issuer{Issuer: issuerName, Audience: []string{audience}, KeySet: allKeys()}
}

func scheme(tb testing.TB, issuers ...jwt.Issuer) *jwt.Scheme {
	tb.Helper()
	if issuers == nil {
		issuers = []jwt.Issuer{issuer()}
	}
	return newScheme(tb, jwt.Config{Issuers: issuers})
}

func newScheme(tb testing.TB, cfg jwt.Config) *jwt.Scheme {
	tb.Helper()
	s, err := jwt.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

// A result is what a stage with one scheme says.
type result struct {
	status    int
	reason    string
	principal exchange.Principal
}

func ask(tb testing.TB, s authn.Scheme, r *http.Request) result {
	tb.Helper()
	return askWith(tb, s, exchange.New(r))
}

func askWith(tb testing.TB, s authn.Scheme, x *exchange.Exchange) result {
	tb.Helper()
	stage, err := authn.New(authn.Config{Requirement: authn.Require(s)})
	if err != nil {
		tb.Fatal(err)
	}
	v := stage.Check(x)
	got := result{status: http.StatusOK, reason: v.Reason(), principal: x.Principal}
	if p := v.Problem(); p != nil {
		got.status = p.Type.Status()
	}
	return got
}

func request(token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func present(tb testing.TB, s authn.Scheme, token string) result {
	tb.Helper()
	return ask(tb, s, request(token))
}

// want fails unless token gets status, and reason unless that is empty.
func want(tb testing.TB, s authn.Scheme, what, token string, status int, reason string) {
	tb.Helper()
	got := present(tb, s, token)
	if got.status != status || reason != "" && got.reason != reason {
		tb.Errorf("%s: got %d %q, want %d %q", what, got.status, got.reason, status, reason)
	}
}

func public(private crypto.Signer) crypto.PublicKey { return private.Public() }

// saltless is a PS256 token whose salt is not as long as the hash.
func saltless(tb testing.TB) string {
	tb.Helper()
	by := signer{"PS256", allPairs().rsa, "rsa"}
	good := by.token(tb, nil)
	signed := good[:strings.LastIndexByte(good, '.')]
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPSS(rand.Reader, allPairs().rsa, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: 20})
	if err != nil {
		tb.Fatal(err)
	}
	return signed + "." + segment(signature)
}

// pass lets the clock of a bubble go on.
func pass(d time.Duration) { <-time.After(d) }
