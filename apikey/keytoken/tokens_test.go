package keytoken_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/apikey/keytoken"
	"github.com/warder-dev/warder/jwt"
	"github.com/warder-dev/warder/secret"
)

// joined are keys as one text has them.
func joined(keys ...secret.Text) secret.Text {
	var all strings.Builder
	for _, k := range keys {
		all.WriteString("# one of them\n" + k.Reveal())
	}
	return secret.New(all.String())
}

// TestRotation puts a new key into a fleet of two nodes, one after the other: at no step
// is a token of one refused by the other.
func TestRotation(t *testing.T) {
	before, next := newKey(t), newKey(t)
	ed, err := jwt.GenerateKey(jwt.EdDSA)
	must(t, err)
	steps := []secret.Text{before, joined(before, next), joined(next, before), next, joined(ed, next), ed}
	token := func(t *testing.T, signer *keytoken.Tokens) string {
		t.Helper()
		issuer, err := apikey.NewTokenIssuer(apikey.TokenIssuerConfig{Signer: signer, Audience: signer.Audience()})
		must(t, err)
		r := apikey.Record{ID: "7HqLk2mVxWcP", Secrets: []apikey.Secret{{Number: 1}}}
		_, text, err := issuer.Issue(&r, 1, apikey.TokenSpec{})
		must(t, err)
		return text.Reveal()
	}
	for i := range steps[:3] { // each with the next: nodes are restarted one by one
		one, two := newTokens(t, keytoken.Config{Keys: steps[i]}), newTokens(t, keytoken.Config{Keys: steps[i+1]})
		for from, to := range map[*keytoken.Tokens]*keytoken.Tokens{one: two, two: one} {
			// The last step is made when the former key's tokens have expired.
			if last := i == 2; last && from == one {
				continue
			}
			if _, err := to.VerifyToken(token(t, from), true); err != nil {
				t.Errorf("step %d: %v", i, err)
			}
		}
	}
	former := token(t, newTokens(t, keytoken.Config{Keys: steps[0]}))
	if _, err := newTokens(t, keytoken.Config{Keys: steps[3]}).VerifyToken(former, true); reasonOf(err) != "unknown-key" {
		t.Errorf("a key that was taken away: %v, want unknown-key", err)
	}
	// To another algorithm, which no token can choose.
	if _, err := newTokens(t, keytoken.Config{Keys: steps[4]}).VerifyToken(token(t, newTokens(t, keytoken.Config{Keys: steps[5]})), true); err != nil {
		t.Errorf("EdDSA: %v", err)
	}
	if _, err := newTokens(t, keytoken.Config{Keys: steps[4]}).VerifyToken(token(t, newTokens(t, keytoken.Config{Keys: next})), true); err != nil {
		t.Errorf("ES256, beside EdDSA: %v", err)
	}
}

func TestConfigsThatAreWrong(t *testing.T) {
	key := newKey(t)
	cut := secret.New(strings.Replace(joined(key, newKey(t)).Reveal(), "-----END PRIVATE KEY-----\n# one", "# one", 1))
	for name, tt := range map[string]struct {
		cfg  keytoken.Config
		want string
	}{
		"no issuer":           {keytoken.Config{}, "issuer"},
		"an issuer on lines":  {keytoken.Config{Issuer: "a\nb"}, "issuer"},
		"no PEM":              {keytoken.Config{Issuer: issuer, Keys: secret.New("canary")}, "keys: want one PEM block"},
		"a key that is cut":   {keytoken.Config{Issuer: issuer, Keys: cut}, "keys: want one PEM block"},
		"a certificate":       {keytoken.Config{Issuer: issuer, Keys: secret.New("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")}, "want one PEM block of PKCS #8"},
		"the same for twice":  {keytoken.Config{Issuer: issuer, Audience: []string{"a", "b", "a"}}, "twice"},
		"many":                {keytoken.Config{Issuer: issuer, Audience: strings.Split("a b c d e f g h i j k l m n o p q", " ")}, "17 audiences"},
		"an empty audience":   {keytoken.Config{Issuer: issuer, Audience: []string{""}}, "audience"},
		"a large cache":       {keytoken.Config{Issuer: issuer, CacheSize: 1<<20 + 1}, "CacheSize"},
		"many keys":           {keytoken.Config{Issuer: issuer, Keys: joined(manyKeys(t, 18)...)}, "17 other keys"},
		"everything together": {keytoken.Config{Keys: secret.New("canary"), CacheSize: 1<<20 + 1}, "CacheSize"},
	} {
		_, err := keytoken.New(tt.cfg)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "canary") || !strings.HasPrefix(err.Error(), "keytoken: ") {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
	for name, cfg := range map[string]apikey.TokenIssuerConfig{
		"nothing":            {},
		"no audience":        {Signer: newTokens(t, keytoken.Config{})},
		"an empty audience":  {Signer: newTokens(t, keytoken.Config{}), Audience: []string{""}},
		"a long life":        {Signer: newTokens(t, keytoken.Config{}), Audience: []string{"a"}, MaxLifetime: 1 << 50},
		"a negative life":    {Signer: newTokens(t, keytoken.Config{}), Audience: []string{"a"}, Lifetime: -1},
		"longer than itself": {Signer: newTokens(t, keytoken.Config{}), Audience: []string{"a"}, Lifetime: 2e9, MaxLifetime: 1e9},
	} {
		if _, err := apikey.NewTokenIssuer(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func manyKeys(t *testing.T, n int) (keys []secret.Text) {
	t.Helper()
	for range n {
		keys = append(keys, newKey(t))
	}
	return keys
}

// What is published is public, and says which key is which; what signs is not shown.
func TestTheKeySet(t *testing.T) {
	tokens := newTokens(t, keytoken.Config{Keys: joined(newKey(t), newKey(t))})
	w := httptest.NewRecorder()
	tokens.JWKS().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	var set struct{ Keys []map[string]string }
	must(t, json.Unmarshal(w.Body.Bytes(), &set))
	if w.Code != 200 || len(set.Keys) != 2 || w.Header().Get("Cache-Control") != "public, max-age=300" || w.Header().Get("Content-Type") != "application/jwk-set+json" {
		t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	for _, k := range set.Keys {
		if k["d"] != "" || k["kty"] != "EC" || k["use"] != "sig" || k["alg"] != "ES256" || len(k["kid"]) != 43 {
			t.Errorf("the set has %v", k)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		if got := fmt.Sprintf(verb, tokens); got != "[secret]" {
			t.Errorf("%s shows %.40s", verb, got)
		}
	}
}

// A resource server elsewhere, which knows nothing but the key set, reads a token as
// any other access token (RFC 9068).
func TestOthersVerifyByTheKeySet(t *testing.T) {
	w := newWorld(t, keytoken.Config{Audience: []string{"orders"}})
	record, _ := w.create(t, apikey.Spec{Owner: "acme", Scopes: []string{"orders:read"}})
	others, err := jwt.New(jwt.Config{Issuers: []jwt.Issuer{{Issuer: issuer, Audience: []string{"orders"}, KeySet: w.tokens.KeySet(), Types: []string{"at+jwt"}, OwnerClaim: "owner"}}})
	must(t, err)
	p, err := others.Verify(t.Context(), w.token(t, record.ID, apikey.TokenSpec{}))
	must(t, err)
	if p.Issuer != issuer || p.Subject != string(record.ID) || p.Owner != "acme" || !p.Scopes.Allow("orders:read") {
		t.Errorf("it proves %+v", p)
	}
	for _, name := range []string{"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} { // RFC 9068, section 2.2
		if p.Claims[name] == nil {
			t.Errorf("it lacks %s", name)
		}
	}
}

// A token that is remembered costs no signature and no allocation, also with what its
// key grants by now.
func TestARememberedTokenAllocatesNothing(t *testing.T) {
	w := newWorld(t, keytoken.Config{})
	record, _ := w.create(t, apikey.Spec{Scopes: []string{"orders:*", "a"}})
	token := w.token(t, record.ID, apikey.TokenSpec{})
	scheme := w.bearer(t, apikey.BearerConfig{Shared: true})
	x := request{}.with(t, token)
	authenticate := func() {
		if p, err := scheme.Authenticate(x); err != nil || !p.Token {
			t.Errorf("it proves %v, %v", p, err)
		}
	}
	eventually(t, w.verifier.Fresh)
	authenticate()
	if got := testing.AllocsPerRun(100, authenticate); got != 0 && !raceEnabled {
		t.Errorf("%v allocations, want none", got)
	}
}

func eventually(tb testing.TB, holds func() bool) {
	tb.Helper()
	for tick := time.Tick(time.Millisecond); tb.Context().Err() == nil && !holds(); {
		<-tick
	}
}

func TestTheMemoryOfTokensIsBounded(t *testing.T) {
	w := newWorld(t, keytoken.Config{CacheSize: 10})
	record, _ := w.create(t, apikey.Spec{Scopes: []string{"orders:*"}})
	for range 50 {
		w.want(t, "a token", w.token(t, record.ID, apikey.TokenSpec{}), 200, "")
		if n := w.tokens.Remembered(); n > 10 {
			t.Fatalf("%d tokens are remembered, want 10", n)
		}
	}
	dry := newWorld(t, keytoken.Config{})
	record, _ = dry.create(t, apikey.Spec{})
	token := dry.token(t, record.ID, apikey.TokenSpec{})
	if status, _, _ := dry.ask(t, dry.bearer(t, apikey.BearerConfig{}), request{dry: true}, token); status != 200 || dry.tokens.Remembered() != 0 {
		t.Errorf("dry: %d, and %d are remembered, want none", status, dry.tokens.Remembered())
	}
	none := newTokens(t, keytoken.Config{CacheSize: -1, Keys: newKey(t)})
	if _, err := none.VerifyToken("x", true); err == nil || none.Remembered() != 0 {
		t.Errorf("without memory: %v", err)
	}
}

func BenchmarkToken(b *testing.B) {
	for name, size := range map[string]int{"remembered": 0, "verified": -1} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b, keytoken.Config{CacheSize: size})
			record, _ := w.create(b, apikey.Spec{Scopes: []string{"orders:*"}})
			scheme := w.bearer(b, apikey.BearerConfig{})
			x := request{}.with(b, w.token(b, record.ID, apikey.TokenSpec{}))
			eventually(b, w.verifier.Fresh)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := scheme.Authenticate(x); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("made", func(b *testing.B) {
		w := newWorld(b, keytoken.Config{})
		record, _ := w.create(b, apikey.Spec{Scopes: []string{"orders:*"}})
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := w.issuer.Issue(&record, 1, apikey.TokenSpec{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// Example makes a token from a key, and asks whom it proves.
func Example() {
	tokens, err := keytoken.New(keytoken.Config{Issuer: "https://api.example.com"})
	if err != nil {
		panic(err)
	}
	issuer, err := apikey.NewTokenIssuer(apikey.TokenIssuerConfig{Signer: tokens, Audience: tokens.Audience()})
	if err != nil {
		panic(err)
	}
	r := apikey.Record{ID: "7HqLk2mVxWcP", Scopes: []string{"orders:*"}, Secrets: []apikey.Secret{{Number: 1}}}
	_, text, err := issuer.Issue(&r, 1, apikey.TokenSpec{Scopes: []string{"orders:read"}})
	if err != nil {
		panic(err)
	}
	t, err := tokens.VerifyToken(text.Reveal(), true)
	fmt.Println(t.Key, t.Scopes, t.Audience, err)
	// Output: 7HqLk2mVxWcP [orders:read] [https://api.example.com] <nil>
}
