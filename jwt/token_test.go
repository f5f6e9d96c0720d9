package jwt_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/jwt"
	"github.com/warder-dev/warder/secret"
)

func TestGoodTokens(t *testing.T) {
	p := allPairs()
	all := issuer()
	all.Algorithms = []string{jwt.RS256, jwt.RS384, jwt.RS512, jwt.PS256, jwt.PS384, jwt.PS512, jwt.ES256, jwt.ES384, jwt.EdDSA}
	s := scheme(t, all)
	for _, by := range []signer{
		{"RS256", p.rsa, "rsa"},
		{"RS384", p.rsa, "rsa"},
		{"RS512", p.rsa, "rsa"},
		{"PS256", p.rsa, "rsa"},
		{"PS384", p.rsa, "rsa"},
		{"PS512", p.rsa, "rsa"},
		{"ES256", p.p256, "p256"},
		{"ES384", p.p384, "p384"},
		{"EdDSA", p.ed, "ed"},
	} {
		got := present(t, s, by.token(t, members{"scope": "a b", "plan": "pro"}))
		if got.status != 200 || got.principal.Issuer != issuerName || got.principal.Subject != "alice" || got.principal.Scheme != "bearer" {
			t.Errorf("%s: got %+v", by.method, got)
		}
		if got.principal.Ambient || got.principal.Claims["plan"] != "pro" || got.principal.Expires.IsZero() {
			t.Errorf("%s: principal %+v", by.method, got.principal)
		}
	}
	without := signer{"ES256", p.p256, ""}
	want(t, s, "no kid", without.sign(t, without.header(members{"kid": nil}), claims(nil)), 200, "")
	keys := issuer()
	keys.KeySet, keys.Keys = nil, []crypto.PublicKey{public(p.other), public(p.p256), public(p.rsa), public(p.ed)}
	want(t, scheme(t, keys), "keys without ids, token with one", es256().token(t, nil), 200, "")
}

func TestAlgorithmNone(t *testing.T) {
	attack.Case(t, "JWT-01", attack.Library, func(t *testing.T) {
		s := scheme(t)
		payload, err := json.Marshal(claims(nil))
		if err != nil {
			t.Fatal(err)
		}
		good := es256().token(t, nil)
		signature := good[strings.LastIndexByte(good, '.')+1:]
		for _, header := range []string{
			`{"alg":"none"}`, `{"alg":"None"}`, `{"alg":"nOnE"}`, `{"alg":"NONE"}`, `{}`, `{"alg":1}`, `{"alg":null}`, `{"alg":""}`, `{"alg":["ES256"]}`,
			`{"alg":"es256","kid":"p256"}`, `{"alg":" none"}`, `{"alg":"ES256 ","kid":"p256"}`,
		} {
			for _, signature := range []string{"", signature, "AA"} {
				want(t, s, header+" with signature "+signature, segment([]byte(header))+"."+segment(payload)+"."+signature, 401, "")
			}
		}
		head, _, _ := strings.Cut(good, ".")
		want(t, s, "a good header and no signature", head+"."+segment(payload)+".", 401, "")
	})
}

func TestAlgorithmConfusion(t *testing.T) {
	attack.Case(t, "JWT-02", attack.Library, func(t *testing.T) {
		p := allPairs()
		s := scheme(t)
		der, err := x509.MarshalPKIXPublicKey(&p.rsa.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range [][]byte{
			pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), der, p.rsa.N.Bytes(), x509.MarshalPKCS1PublicKey(&p.rsa.PublicKey), {},
		} {
			signed := segment([]byte(`{"alg":"HS256","kid":"rsa"}`)) + "." + segment([]byte(`{"iss":"`+issuerName+`"}`))
			mac := hmac.New(sha256.New, key)
			_, _ = mac.Write([]byte(signed))
			want(t, s, "a public key as secret", signed+"."+segment(mac.Sum(nil)), 401, "algorithm")
		}
		both := issuer()
		both.Algorithms = []string{jwt.RS256, jwt.HS256}
		mixed := issuer()
		mixed.KeySet, mixed.SecretKeySet = nil, secret.New(string(allKeys()))
		oct := issuer()
		oct.KeySet = jwks(members{"kty": "oct", "k": segment(make([]byte, 32))})
		asymmetric := issuer()
		asymmetric.KeySet, asymmetric.SecretKeySet = nil, secret.New(string(jwks(members{"kty": "oct", "k": segment(make([]byte, 32))})))
		asymmetric.Algorithms = []string{jwt.HS256, jwt.ES256}
		pemSecret := issuer()
		pemSecret.KeySet, pemSecret.Keys = nil, []crypto.PublicKey{[]byte("-----BEGIN PUBLIC KEY-----\nAAAAAAAAAAAAAAAAAAAA\n-----END PUBLIC KEY-----\n")}
		for name, cfg := range map[string]jwt.Issuer{
			"HMAC beside RSA": both, "public keys as secret ones": mixed, "secret keys as public ones": oct, "ECDSA with secret keys": asymmetric, "text as a public key": pemSecret,
		} {
			if _, err := jwt.New(jwt.Config{Issuers: []jwt.Issuer{cfg}}); err == nil {
				t.Errorf("%s: New accepted it", name)
			}
		}
	})
}

func TestSecretKeys(t *testing.T) {
	cfg := issuer()
	key := []byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
	cfg.KeySet, cfg.SecretKeySet = nil, secret.New(string(jwks(members{"kty": "oct", "kid": "h", "k": segment(key)})))
	cfg.Algorithms = []string{jwt.HS256, jwt.HS512}
	s := scheme(t, cfg)
	for _, method := range []string{"HS256", "HS512"} {
		want(t, s, method, signer{method, key, "h"}.token(t, nil), 200, "")
	}
	want(t, s, "HS384 is off the list", signer{"HS384", key, "h"}.token(t, nil), 401, "algorithm")
	want(t, s, "another secret", signer{"HS256", []byte("x"), "h"}.token(t, nil), 401, "signature")
	want(t, s, "a public key's", es256().token(t, nil), 401, "algorithm")
}

func TestWeakKeysAndSignatures(t *testing.T) {
	attack.Case(t, "JWT-03", attack.Library, func(t *testing.T) {
		p := allPairs()
		s := scheme(t)
		want(t, s, "off the list", signer{"RS384", p.rsa, "rsa"}.token(t, nil), 401, "algorithm")
		want(t, s, "PS256 with a salt of another length", saltless(t), 401, "signature")
		want(t, s, "another curve's key", signer{"ES256", p.p256, "p384"}.token(t, nil), 401, "signature")
		want(t, s, "another key", signer{"ES256", p.other, "p256"}.token(t, nil), 401, "signature")
		good := es256().token(t, nil)
		signed := good[:strings.LastIndexByte(good, '.')]
		signature, err := base64.RawURLEncoding.DecodeString(good[len(signed)+1:])
		if err != nil {
			t.Fatal(err)
		}
		der := append([]byte{0x30, 0x44, 0x02, 0x20}, append(slices.Clone(signature[:32]), append([]byte{0x02, 0x20}, signature[32:]...)...)...)
		for name, forged := range map[string][]byte{
			"zero": make([]byte, 64), "short": signature[:63], "long": append(slices.Clone(signature), 0), "as DER": der, "one byte": {1},
		} {
			want(t, s, "signature "+name, signed+"."+segment(forged), 401, "signature")
		}
		onlyES := issuer()
		onlyES.KeySet = jwks(jwk(p.p256, "p256").with(members{"alg": "ES256"}), jwk(p.rsa, "rsa").with(members{"alg": "PS256"}))
		want(t, scheme(t, onlyES), "a key that is for another algorithm", signer{"RS256", p.rsa, "rsa"}.token(t, nil), 401, "signature")

		for name, k := range map[string]members{
			"RSA of 1024 bits":         jwk(p.weak, "a"),
			"exponent 1":               jwk(p.rsa, "a").with(members{"e": "AQ"}),
			"exponent 3":               jwk(p.rsa, "a").with(members{"e": "Aw"}),
			"even exponent":            jwk(p.rsa, "a").with(members{"e": "AQAA"}),
			"exponent beyond 64 bits":  jwk(p.rsa, "a").with(members{"e": "AQAAAAAAAQAB"}),
			"even modulus":             jwk(p.rsa, "a").with(members{"n": segment(append(p.rsa.N.Bytes()[:255], 0))}),
			"a point off the curve":    jwk(p.p256, "a").with(members{"x": segment(make([]byte, 32))}),
			"the point at infinity":    jwk(p.p256, "a").with(members{"x": segment(make([]byte, 32)), "y": segment(make([]byte, 32))}),
			"a curve that differs":     jwk(p.p256, "a").with(members{"crv": "P-384"}),
			"alg that does not fit":    jwk(p.p256, "a").with(members{"alg": "ES384"}),
			"Ed25519 of 31 bytes":      jwk(p.ed, "a").with(members{"x": segment(make([]byte, 31))}),
			"a private key":            jwk(p.p256, "a").with(members{"d": "AQ"}),
			"for encryption":           jwk(p.p256, "a").with(members{"use": "enc"}),
			"for signing only":         jwk(p.p256, "a").with(members{"key_ops": []string{"sign"}}),
			"a curve of Bitcoin":       jwk(p.p256, "a").with(members{"crv": "secp256k1"}),
			"a kid that is a number":   jwk(p.p256, "a").with(members{"kid": 1}),
			"a key of no type":         jwk(p.p256, "a").with(members{"kty": nil}),
			"an algorithm of nobody's": jwk(p.p256, "a").with(members{"alg": "ES257"}),
		} {
			weak := issuer()
			weak.KeySet = jwks(k)
			if _, err := jwt.New(jwt.Config{Issuers: []jwt.Issuer{weak}}); err == nil {
				t.Errorf("%s: New accepted it", name)
			}
		}
		short := issuer()
		short.KeySet, short.SecretKeySet = nil, secret.New(string(jwks(members{"kty": "oct", "k": segment(make([]byte, 31))})))
		if _, err := jwt.New(jwt.Config{Issuers: []jwt.Issuer{short}}); err == nil {
			t.Error("a secret of 31 bytes: New accepted it")
		}
	})
}

func TestKeysInTheToken(t *testing.T) {
	attack.Case(t, "JWT-04", attack.Library, func(t *testing.T) {
		asked := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked++
			_, _ = w.Write(jwks(jwk(allPairs().other, "p256"), jwk(allPairs().other, "other")))
		}))
		t.Cleanup(server.Close)
		s := scheme(t)
		forger := signer{"ES256", allPairs().other, "p256"}
		for _, kid := range []any{"p256", "other", nil} {
			for name, more := range map[string]members{
				"jwk":      {"jwk": jwk(allPairs().other, "p256")},
				"jku":      {"jku": server.URL},
				"x5u":      {"x5u": server.URL},
				"x5c":      {"x5c": []string{"MIIB"}},
				"x5t":      {"x5t": "AAAA", "x5t#S256": "AAAA"},
				"all":      {"jwk": jwk(allPairs().other, "p256"), "jku": server.URL, "x5u": server.URL, "x5c": []string{"MIIB"}},
				"no types": {"jwk": 1, "jku": []int{1}, "x5u": true, "x5c": "x"},
			} {
				got := present(t, s, forger.sign(t, forger.header(more.with(members{"kid": kid})), claims(nil)))
				if got.status != 401 || got.reason != "signature" && got.reason != "unknown-key" {
					t.Errorf("%s with kid %v: got %d %q", name, kid, got.status, got.reason)
				}
			}
		}
		if asked > 0 {
			t.Errorf("%d requests were made", asked)
		}
		good := es256()
		want(t, s, "they are ignored beside a good signature", good.sign(t, good.header(members{"jku": server.URL, "x5c": 1}), claims(nil)), 200, "")
	})
}

func TestHeadersThatChangeTheMeaning(t *testing.T) {
	attack.Case(t, "JWT-09", attack.Library, func(t *testing.T) {
		s := scheme(t)
		by := es256()
		for name, more := range map[string]members{
			"unknown crit":   {"crit": []string{"x"}, "x": 1},
			"empty crit":     {"crit": []string{}},
			"crit of b64":    {"crit": []string{"b64"}, "b64": true},
			"b64 false":      {"b64": false},
			"nested":         {"cty": "JWT"},
			"compressed":     {"zip": "DEF"},
			"encrypted":      {"enc": "A128GCM"},
			"encrypted, dir": {"alg": "dir", "enc": "A256GCM"},
		} {
			want(t, s, name, by.sign(t, by.header(more), claims(nil)), 401, "header")
		}
		inner := by.token(t, nil)
		want(t, s, "a token as payload", by.raw(t, `{"alg":"ES256","kid":"p256"}`, inner), 401, "malformed")
		want(t, s, "five parts", inner+".AA.AA", 401, "malformed")
		want(t, s, "two parts", inner[:strings.LastIndexByte(inner, '.')], 401, "malformed")
		want(t, s, "JSON serialization is no b64token", `{"payload":"AA","signatures":[]}`, 401, "malformed")
		detached := strings.Split(inner, ".")
		want(t, s, "detached payload", detached[0]+".."+detached[2], 401, "malformed")
	})
}

func TestOneReading(t *testing.T) {
	attack.Case(t, "JWT-10", attack.Library, func(t *testing.T) {
		s := scheme(t)
		by := es256()
		const header = `{"alg":"ES256","kid":"p256"}`
		payload, err := json.Marshal(claims(nil))
		if err != nil {
			t.Fatal(err)
		}
		body := strings.TrimSuffix(string(payload), "}")
		want(t, s, "as it should be", by.raw(t, header, body+"}"), 200, "")
		for name, parts := range map[string][2]string{
			"alg twice":                {`{"alg":"ES256","alg":"ES256","kid":"p256"}`, body + "}"},
			"alg twice, once escaped":  {`{"alg":"ES256","\u0061lg":"none","kid":"p256"}`, body + "}"},
			"sub twice":                {header, body + `,"sub":"bob"}`},
			"twice, further in":        {header, body + `,"x":{"a":1,"a":1}}`},
			"bytes behind the header":  {header + "{}", body + "}"},
			"bytes behind the payload": {header, body + "}x"},
			"a list":                   {header, "[" + body + "}]"},
			"null":                     {header, "null"},
			"no payload":               {header, ""},
			"a comment":                {header, body + "/**/}"},
			"a byte order mark":        {header, "\xef\xbb\xbf" + body + "}"},
			"not UTF-8":                {header, body + ",\"x\":\"\xff\"}"},
			"half a surrogate pair":    {header, body + `,"x":"\ud800"}`},
			"NaN":                      {header, body + `,"x":NaN}`},
			"a number beyond floats":   {header, body + `,"x":1e400}`},
			"an integer beyond 64 bit": {header, body + `,"x":18446744073709551616}`},
			"nested 17 deep":           {header, body + `,"x":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + "}"},
		} {
			want(t, s, name, by.raw(t, parts[0], parts[1]), 401, "malformed")
		}
		want(t, s, "nested 16 deep", by.raw(t, header, body+`,"x":`+strings.Repeat("[", 15)+strings.Repeat("]", 15)+"}"), 200, "")

		good := by.raw(t, header, body+"}")
		parts := strings.Split(good, ".")
		for name, text := range map[string]string{
			"padding":                     good + "==",
			"padding in the header":       parts[0] + "==." + parts[1] + "." + parts[2],
			"the other alphabet":          parts[0] + "." + parts[1] + "." + "+" + parts[2][1:],
			"a blank":                     parts[0] + ". " + parts[1] + "." + parts[2],
			"a line break":                parts[0] + "\n." + parts[1] + "." + parts[2],
			"spare bits in the signature": parts[0] + "." + parts[1] + "." + spareBits(parts[2]),
			"a dot before":                "." + good,
			"a dot behind":                good + ".",
		} {
			want(t, s, name, text, 401, "malformed")
		}
	})
}

// spareBits sets a bit that no byte of the decoded text has.
func spareBits(text string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, text[len(text)-1])
	return text[:len(text)-1] + alphabet[last|1:last|1+1]
}

func TestSizeIsBoundedBeforeParsing(t *testing.T) {
	attack.Case(t, "JWT-11", attack.Library, func(t *testing.T) {
		s := scheme(t)
		by := es256()
		long := by.token(t, members{"x": strings.Repeat("y", 1<<20)})
		want(t, s, "1 MiB", long, 401, "too-large")
		deep := by.raw(t, `{"alg":"ES256","kid":"p256"}`, strings.Repeat(`{"a":`, 1500)+"1"+strings.Repeat("}", 1500))
		want(t, s, "nested 1,500 deep, within the limit", deep, 401, "malformed")
		want(t, s, "nested 10,000 deep", by.raw(t, `{"alg":"ES256","kid":"p256"}`, strings.Repeat("[", 10000)+strings.Repeat("]", 10000)), 401, "too-large")
		want(t, s, "a million dots", strings.Repeat(".", 1_000_000), 401, "too-large")
		dots := strings.Repeat(".", 16<<10)
		want(t, s, "16 Ki dots", dots, 401, "malformed")

		dotted := exchange.New(request(dots))
		huge := exchange.New(request(long))
		if raceEnabled {
			return
		}
		for name, x := range map[string]*exchange.Exchange{"16 Ki dots": dotted, "1 MiB": huge} {
			if got := testing.AllocsPerRun(100, func() { _, _ = s.Authenticate(x) }); got > 1 {
				t.Errorf("%s: %v allocations, want the refusal at most", name, got)
			}
		}
	})
}

func TestWhereATokenIsFound(t *testing.T) {
	attack.Case(t, "JWT-16", attack.Library, func(t *testing.T) {
		s := scheme(t)
		good := es256().token(t, nil)
		tests := []struct {
			name   string
			fields []string
			status int
			reason string
		}{
			{"absent", nil, 401, "no-credential"},
			{"one", []string{"Bearer " + good}, 200, ""},
			{"lower case", []string{"bearer " + good}, 200, ""},
			{"odd case", []string{"bEaReR " + good}, 200, ""},
			{"two blanks", []string{"Bearer  " + good}, 200, ""},
			{"two fields", []string{"Bearer " + good, "Bearer " + good}, 400, "repeated"},
			{"another scheme's field too", []string{"Basic YTpi", "Bearer " + good}, 400, "repeated"},
			{"two in one field", []string{"Bearer " + good + ", Bearer " + good}, 401, "malformed"},
			{"a tab", []string{"Bearer\t" + good}, 401, "malformed"},
			{"a blank and a tab", []string{"Bearer \t" + good}, 401, "malformed"},
			{"a blank behind", []string{"Bearer " + good + " "}, 401, "malformed"},
			{"empty", []string{""}, 401, "malformed"},
			{"scheme only", []string{"Bearer"}, 401, "malformed"},
			{"scheme and blank", []string{"Bearer "}, 401, "malformed"},
			{"quoted", []string{`Bearer "` + good + `"`}, 401, "malformed"},
			{"a comma", []string{"Bearer," + good}, 401, "malformed"},
			{"the token alone is another scheme", []string{good}, 401, "no-credential"},
			{"Basic is another scheme", []string{"Basic YTpi"}, 401, "no-credential"},
			{"Bearerx is another scheme", []string{"Bearerx " + good}, 401, "no-credential"},
			{"opaque", []string{"Bearer abc"}, 401, "malformed"},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				r := httptest.NewRequest(http.MethodGet, "/", nil)
				r.Header["Authorization"] = tt.fields
				if got := ask(t, s, r); got.status != tt.status || got.reason != tt.reason {
					t.Errorf("got %d %q, want %d %q", got.status, got.reason, tt.status, tt.reason)
				}
			})
		}
		form := httptest.NewRequest(http.MethodPost, "/?access_token="+good, strings.NewReader(url.Values{"access_token": {good}}.Encode()))
		form.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if got := ask(t, s, form); got.reason != "no-credential" || form.Form != nil {
			t.Errorf("in a form and query: %d %q, want them unread", got.status, got.reason)
		}
	})
}

func TestLeave(t *testing.T) {
	s := newScheme(t, jwt.Config{Issuers: []jwt.Issuer{issuer()}, Leave: func(token string) bool { return strings.HasPrefix(token, "warder_") }})
	want(t, s, "a key's text", "warder_live_x", 401, "no-credential")
	want(t, s, "a token", es256().token(t, nil), 200, "")
	want(t, s, "something else", "other_live_x", 401, "malformed")
}

// A scheme for what is no JWT shares the field: each leaves to the other what is
// not its own, and a token that is wrong is so for its own scheme only.
func TestTwoSchemesShareAuthorization(t *testing.T) {
	tokens := newScheme(t, jwt.Config{Issuers: []jwt.Issuer{issuer()}, Leave: func(token string) bool { return !jwt.Resembles(token) }})
	keys := newScheme(t, jwt.Config{Name: "others", Issuers: []jwt.Issuer{issuer()}, Leave: jwt.Resembles})
	stage, err := authn.New(authn.Config{Requirement: authn.Requirement{{{Scheme: tokens}}, {{Scheme: keys}}}})
	if err != nil {
		t.Fatal(err)
	}
	for token, reason := range map[string]string{es256().token(t, nil): "", es256().token(t, members{"aud": "x"}): "audience", "opaque": "malformed", "a.b.c": "malformed"} {
		x := exchange.New(request(token))
		if v := stage.Check(x); v.Passed() != (reason == "") || v.Reason() != reason {
			t.Errorf("%.20s: got %v %q, want %q", token, v.Kind(), v.Reason(), reason)
		}
	}
}

func TestChallenges(t *testing.T) {
	s := scheme(t)
	if got := s.Challenge("r"); got != `Bearer realm="r"` {
		t.Errorf("Challenge = %q", got)
	}
	if got := s.RefusalChallenge("r", authn.InvalidToken, nil); got != `Bearer realm="r", error="invalid_token"` {
		t.Errorf("RefusalChallenge = %q", got)
	}
}
