package keytoken_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/apikey/keytoken"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/jwt"
	"github.com/warder-dev/warder/secret"
)

// A forger knows how tokens are made, and may have a signing key.
type forger struct{ key *ecdsa.PrivateKey }

func newForger(tb testing.TB) forger {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(tb, err)
	return forger{key}
}

// pem is the key for a configuration.
func (f forger) pem(tb testing.TB) secret.Text {
	tb.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(f.key)
	must(tb, err)
	return secret.New(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}

func encode(text []byte) string { return base64.RawURLEncoding.EncodeToString(text) }

// sign signs header and claims as they are, by ES256 (RFC 7518, section 3.4).
func (f forger) sign(tb testing.TB, header, claims string) string {
	tb.Helper()
	text := encode([]byte(header)) + "." + encode([]byte(claims))
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, f.key, sum[:])
	must(tb, err)
	return text + "." + encode(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// header is that of a set's first key.
func header(tb testing.TB, keySet []byte) string {
	tb.Helper()
	var set struct{ Keys []struct{ Kid, Alg string } }
	must(tb, json.Unmarshal(keySet, &set))
	return fmt.Sprintf(`{"alg":%q,"kid":%q,"typ":"at+jwt"}`, set.Keys[0].Alg, set.Keys[0].Kid)
}

// claims are those of a token of the key, changed; nil takes one away.
func claims(tb testing.TB, id apikey.ID, change map[string]any) string {
	tb.Helper()
	now := time.Now()
	all := map[string]any{
		"iss": issuer, "aud": issuer, "sub": string(id), "client_id": string(id), "key_id": string(id), "key_secret": 1,
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "jti": "1", "scope": "orders:read",
	}
	maps.Copy(all, change)
	for name, value := range all {
		if value == nil {
			delete(all, name)
		}
	}
	text, err := json.Marshal(all)
	must(tb, err)
	return string(text)
}

// TestForgedTokens sends what anybody can make, and what somebody can who has a key
// that signs something else, or even this.
func TestForgedTokens(t *testing.T) {
	own, other := newForger(t), newForger(t)
	w := newWorld(t, keytoken.Config{Keys: own.pem(t)})
	record, _ := w.create(t, apikey.Spec{Scopes: []string{"orders:*"}})
	foreign := newTokens(t, keytoken.Config{Keys: other.pem(t)})
	head, otherHead := header(t, w.tokens.KeySet()), header(t, foreign.KeySet())
	with := func(change map[string]any) string { return own.sign(t, head, claims(t, record.ID, change)) }
	good := with(nil)
	w.want(t, "one that is right", good, 200, "")
	goodHeader, goodClaims, goodSignature := parts(t, good)
	public, err := own.key.PublicKey.Bytes()
	must(t, err)
	mac := func(header string) string {
		text := encode([]byte(header)) + "." + goodClaims
		h := hmac.New(sha256.New, public)
		h.Write([]byte(text))
		return text + "." + encode(h.Sum(nil))
	}
	der := func() string {
		sum := sha256.Sum256([]byte(goodHeader + "." + goodClaims))
		signature, err := own.key.Sign(rand.Reader, sum[:], crypto.SHA256)
		must(t, err)
		return encode(signature)
	}
	now := time.Now()
	identity, err := jwt.NewSigner(jwt.SignerConfig{Issuer: issuer, Key: own.pem(t)})
	must(t, err)
	asIdentity, err := identity.Sign(jwt.Claims{Subject: string(record.ID), Audience: issuer, KeyID: string(record.ID), ClientID: string(record.ID), KeySecret: 1})
	must(t, err)
	long := strings.Repeat("x", 20<<10)
	for name, token := range map[string]string{
		"no algorithm":                   encode([]byte(`{"alg":"none","typ":"at+jwt"}`)) + "." + goodClaims + ".",
		"no algorithm, and a signature":  encode([]byte(`{"alg":"none","typ":"at+jwt"}`)) + "." + goodClaims + "." + goodSignature,
		"the public key as a secret":     mac(strings.Replace(head, "ES256", "HS256", 1)),
		"the public key, under our head": mac(head),
		"another key, under our head":    other.sign(t, head, claims(t, record.ID, nil)),
		"another key, under its own":     other.sign(t, otherHead, claims(t, record.ID, nil)),
		"an unknown key":                 own.sign(t, strings.Replace(head, `"kid":"`, `"kid":"x`, 1), claims(t, record.ID, nil)),
		"no kid":                         own.sign(t, `{"alg":"ES256","typ":"at+jwt"}`, claims(t, record.ID, nil)),
		"the key inside":                 other.sign(t, strings.Replace(head, "{", `{"jwk":{},"jku":"https://evil.example/keys",`, 1), claims(t, record.ID, nil)),
		"another type":                   own.sign(t, strings.Replace(head, "at+jwt", "JWT", 1), claims(t, record.ID, nil)),
		"an identity for upstreams":      asIdentity,
		"the head in another order":      own.sign(t, `{"typ":"at+jwt",`+strings.TrimPrefix(strings.Replace(head, `,"typ":"at+jwt"`, "", 1), "{"), claims(t, record.ID, nil)),
		"crit":                           own.sign(t, strings.Replace(head, "{", `{"crit":["x"],"x":1,`, 1), claims(t, record.ID, nil)),
		"a wider scope":                  goodHeader + "." + encode([]byte(strings.Replace(claims(t, record.ID, nil), "orders:read", "*", 1))) + "." + goodSignature,
		"no signature":                   goodHeader + "." + goodClaims + ".",
		"nothing for a signature":        goodHeader + "." + goodClaims,
		"a signature of zeros":           goodHeader + "." + goodClaims + "." + encode(make([]byte, 64)),
		"a signature in DER":             goodHeader + "." + goodClaims + "." + der(),
		"a padded signature":             good + "==",
		"one more part":                  good + ".x",
		"a key":                          record.Prefix + "_live_" + strings.Repeat("A", 50),
		"another issuer":                 with(map[string]any{"iss": "https://other.example"}),
		"no issuer":                      with(map[string]any{"iss": nil}),
		"another audience":               with(map[string]any{"aud": "https://other.example"}),
		"no audience":                    with(map[string]any{"aud": nil}),
		"an audience of another type":    with(map[string]any{"aud": []any{issuer, 1}}),
		"expired":                        with(map[string]any{"exp": now.Add(-time.Second).Unix()}),
		"no end":                         with(map[string]any{"exp": nil}),
		"an end in words":                with(map[string]any{"exp": "9999999999"}),
		"no beginning":                   with(map[string]any{"iat": nil}),
		"issued ahead":                   with(map[string]any{"iat": now.Add(time.Minute).Unix()}),
		"not yet":                        with(map[string]any{"nbf": now.Add(time.Minute).Unix()}),
		"an old one without an end near": with(map[string]any{"iat": now.Add(-16 * time.Minute).Unix(), "exp": now.Add(24 * time.Hour).Unix()}),
		"no key":                         with(map[string]any{"key_id": nil}),
		"another key's subject":          with(map[string]any{"sub": "7HqLk2mVxWcP"}),
		"another key's client":           with(map[string]any{"client_id": "7HqLk2mVxWcP"}),
		"no subject":                     with(map[string]any{"sub": nil}),
		"what is no id":                  with(map[string]any{"sub": "x", "client_id": "x", "key_id": "x"}),
		"an id that nobody has":          with(map[string]any{"sub": "7HqLk2mVxWcP", "client_id": "7HqLk2mVxWcP", "key_id": "7HqLk2mVxWcP"}),
		"no secret":                      with(map[string]any{"key_secret": nil}),
		"the secret 0":                   with(map[string]any{"key_secret": 0}),
		"the secret -1":                  with(map[string]any{"key_secret": -1}),
		"half a secret":                  with(map[string]any{"key_secret": 1.5}),
		"a secret in words":              with(map[string]any{"key_secret": "1"}),
		"a secret that overflows":        with(map[string]any{"key_secret": 1<<32 + 1}),
		"another secret":                 with(map[string]any{"key_secret": 2}),
		"bound to a key":                 with(map[string]any{"cnf": map[string]any{"jkt": "x"}}),
		"bound to nothing":               with(map[string]any{"cnf": map[string]any{}}),
		"a scope of another type":        with(map[string]any{"scope": []any{"orders:read"}}),
		"a member twice":                 own.sign(t, head, strings.Replace(claims(t, record.ID, nil), "{", `{"scope":"*",`, 1)),
		"no JSON":                        own.sign(t, head, "x"),
		"a list":                         own.sign(t, head, "[]"),
		"long":                           with(map[string]any{"x": long}),
	} {
		attack.Case(t, "KEY-38", attack.Library, func(t *testing.T) {
			for _, what := range []string{name, name + ", again"} { // a refusal is not remembered as a proof
				got, reason, p := w.ask(t, w.bearer(t, apikey.BearerConfig{}), request{}, token)
				if got != 401 || reason == "" || !p.IsZero() {
					t.Errorf("%s: %d %q, want 401", what, got, reason)
				}
			}
		})
	}
	w.want(t, "one that is right", good, 200, "")
	if n := w.tokens.Remembered(); n > 3 { // the right one, and two whose key or secret there is not
		t.Errorf("%d tokens are remembered", n)
	}
}

// A token of one installation is nothing in another one, also when both have one name.
func TestATokenOfAnotherInstallation(t *testing.T) {
	one, two := newWorld(t, keytoken.Config{}), newWorld(t, keytoken.Config{})
	shared := newForger(t)
	alike, renamed := newWorld(t, keytoken.Config{Keys: shared.pem(t)}), newWorld(t, keytoken.Config{Keys: shared.pem(t), Issuer: "https://two.example"})
	for name, tt := range map[string]struct {
		from, to *world
		reason   string
	}{
		"another key":                    {one, two, "malformed"},
		"the same key, and another name": {alike, renamed, "issuer"},
	} {
		attack.Case(t, "KEY-38", attack.Library, func(t *testing.T) {
			record, _ := tt.from.create(t, apikey.Spec{Scopes: []string{"orders:*"}})
			token := tt.from.token(t, record.ID, apikey.TokenSpec{})
			tt.from.want(t, name+", at home", token, 200, "")
			tt.to.want(t, name, token, 401, tt.reason)
		})
	}
}

func FuzzVerifyToken(f *testing.F) {
	own := newForger(f)
	tokens := newTokens(f, keytoken.Config{Keys: own.pem(f)})
	head := header(f, tokens.KeySet())
	good := own.sign(f, head, claims(f, "7HqLk2mVxWcP", nil))
	f.Add(good)
	f.Add(own.sign(f, head, claims(f, "7HqLk2mVxWcP", map[string]any{"key_secret": "1"})))
	f.Add(own.sign(f, head, "{}"))
	f.Add(encode([]byte(head)) + "..")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := tokens.VerifyToken(text, true)
		switch {
		case err == nil && text != good:
			t.Errorf("VerifyToken(%q) = %v: nobody has made it", text, k.Key)
		case err != nil && (k != nil || reasonOf(err) == ""):
			t.Errorf("VerifyToken(%q): %v is no refusal", text, err)
		}
	})
}
