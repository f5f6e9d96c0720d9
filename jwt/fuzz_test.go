package jwt_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/jwt"
)

// Whatever the field holds: no panic, and nobody but the one whom a signed token
// names; a changed token names nobody.
func FuzzAuthenticate(f *testing.F) {
	good := es256().token(f, nil)
	for _, seed := range []string{
		good, good + "=", strings.ReplaceAll(good, ".", ".."), strings.ToUpper(good), "a.b.c", "..", "", "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJIUzI1NiJ9.e30.AA", good[:50] + "A" + good[50:],
		segment([]byte(`{"alg":"ES256","kid":"p256"}`)) + "." + segment([]byte(`{"iss":"`+issuerName+`","exp":1e400}`)) + ".AA",
	} {
		f.Add("Bearer " + seed)
	}
	f.Add("bearer\t" + good)
	s := scheme(f)
	f.Fuzz(func(t *testing.T, field string) {
		r := request("")
		r.Header = http.Header{"Authorization": {field}}
		principal, err := s.Authenticate(exchange.New(r))
		_, token, _ := strings.Cut(field, " ")
		genuine := strings.TrimLeft(token, " ") == good
		if err == nil && (principal.IsZero() || !genuine) {
			t.Errorf("%q proves %v", field, principal)
		}
		if err != nil && len(token) > 20 && strings.Contains(err.Error(), token) {
			t.Errorf("the error %v repeats the token", err)
		}
	})
}

// Whatever a token is, opening it neither panics nor repeats it.
func FuzzOpen(f *testing.F) {
	good := es256().token(f, nil)
	for _, seed := range []string{good, "a.b.c", "..", segment([]byte(`{"alg":"ES256","crit":["x"]}`)) + "..AA"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if err := jwt.Open(text); err == nil && strings.Count(text, ".") != 2 {
			t.Errorf("%q was opened", text)
		}
	})
}

// Whatever a key set is: no panic, no error that repeats it, and keys only
// without an error.
func FuzzKeySet(f *testing.F) {
	p := allPairs()
	for _, seed := range []string{
		string(allKeys()), `{"keys":[]}`, `{"keys":[{}]}`, `{"keys":null}`, `[]`, "",
		string(jwks(jwk(p.p256, "a").with(members{"d": "AQ"}), jwk(p.weak, "b"))),
		string(jwks(members{"kty": "oct", "k": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"})),
		`{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB"},{"kty":"EC","crv":"P-256","x":"","y":""},{"kty":"OKP","crv":"X25519","x":"AA"}]}`,
		`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","key_ops":["verify"],"use":"sig","alg":"ES256"}]}`,
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, secretKeys bool) {
		n, err := jwt.ParseKeySet(text, secretKeys)
		if (err == nil) != (n > 0) {
			t.Errorf("%q: %d keys, error %v", text, n, err)
		}
		if err != nil && len(text) > 60 && strings.Contains(err.Error(), string(text)) {
			t.Errorf("the error %v repeats the set", err)
		}
	})
}
