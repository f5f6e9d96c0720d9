package keytoken_test

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/apikey/keytoken"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
)

// TestWhatATokenGrants: what was asked for, as far as the key grants it when the token
// is used.
func TestWhatATokenGrants(t *testing.T) {
	for name, tt := range map[string]struct {
		key, asked, later, want []string // later: the key's, when the token is used; nil for as before
	}{
		"all of it":                       {[]string{"orders:*", "a"}, nil, nil, []string{"a", "orders:*"}},
		"none of it":                      {[]string{"orders:*"}, []string{}, nil, nil},
		"one of a pattern":                {[]string{"orders:*"}, []string{"orders:read"}, nil, []string{"orders:read"}},
		"a narrower pattern":              {[]string{"orders:*"}, []string{"orders:eu:*"}, nil, []string{"orders:eu:*"}},
		"of everything":                   {[]string{"*"}, []string{"orders:*"}, nil, []string{"orders:*"}},
		"everything":                      {[]string{"*"}, []string{"*"}, nil, []string{"*"}},
		"one was taken":                   {[]string{"a", "b"}, nil, []string{"b"}, []string{"b"}},
		"one was added":                   {[]string{"a"}, nil, []string{"a", "b"}, []string{"a"}},
		"all were taken":                  {[]string{"a"}, nil, []string{}, nil},
		"the pattern became a word":       {[]string{"orders:*"}, nil, []string{"orders:read"}, []string{"orders:read"}},
		"the pattern became narrower":     {[]string{"orders:*"}, nil, []string{"orders:eu:*", "x"}, []string{"orders:eu:*"}},
		"the pattern became wider":        {[]string{"orders:eu:*"}, nil, []string{"orders:*"}, []string{"orders:eu:*"}},
		"everything became two":           {[]string{"*"}, nil, []string{"a", "b:*"}, []string{"a", "b:*"}},
		"the word is no longer a pattern": {[]string{"orders:*"}, []string{"orders:read"}, []string{"orders:write"}, nil},
		"a word that begins alike":        {[]string{"orders:*"}, nil, []string{"ordersx:read"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, keytoken.Config{})
				record, _ := w.create(t, apikey.Spec{Scopes: tt.key})
				token := w.token(t, record.ID, apikey.TokenSpec{Scopes: tt.asked})
				for range 2 { // what is remembered must not outlive a change
					_, _, before := w.ask(t, w.bearer(t, apikey.BearerConfig{}), request{}, token)
					if before.KeyID != string(record.ID) {
						t.Fatalf("the principal is %q", before.KeyID)
					}
				}
				if tt.later != nil {
					_, err := w.keys.Update(t.Context(), by(), record.ID, 0, apikey.Patch{Scopes: &tt.later})
					must(t, err)
					pass(settle)
				}
				status, _, p := w.ask(t, w.bearer(t, apikey.BearerConfig{}), request{}, token)
				got := slices.Sorted(slices.Values(p.Scopes.Names()))
				if status != 200 || !slices.Equal(got, tt.want) || !p.Scopes.Patterns() {
					t.Errorf("%d, it grants %q, want %q", status, got, tt.want)
				}
			})
		})
	}
}

// TestWhatNoTokenIsMadeFor names every field that cannot be.
func TestWhatNoTokenIsMadeFor(t *testing.T) {
	w := newWorld(t, keytoken.Config{Audience: []string{"orders", "invoices"}})
	w.issuer = w.maker(t, apikey.TokenIssuerConfig{MaxLifetime: 10 * time.Minute})
	record, _ := w.create(t, apikey.Spec{Scopes: []string{"orders:*"}})
	for name, tt := range map[string]struct {
		spec   apikey.TokenSpec
		fields string
	}{
		"a scope that the key lacks": {apikey.TokenSpec{Scopes: []string{"orders:read", "invoices:read"}}, "scopes"},
		"a wider pattern":            {apikey.TokenSpec{Scopes: []string{"*"}}, "scopes"},
		"what is no scope":           {apikey.TokenSpec{Scopes: []string{"orders: read"}}, "scopes"},
		"too many scopes":            {apikey.TokenSpec{Scopes: slices.Repeat([]string{"orders:read"}, 101)}, "scopes"},
		"somebody else":              {apikey.TokenSpec{Audience: []string{"orders", "billing"}}, "audience"},
		"nobody":                     {apikey.TokenSpec{Audience: []string{}}, "audience"},
		"the same ones again":        {apikey.TokenSpec{Audience: []string{"orders", "orders", "orders"}}, "audience"},
		"a long time":                {apikey.TokenSpec{Lifetime: 10*time.Minute + 1}, "lifetime"},
		"no time":                    {apikey.TokenSpec{Lifetime: time.Second - 1}, "lifetime"},
		"less than none":             {apikey.TokenSpec{Lifetime: -time.Second}, "lifetime"},
		"all at once":                {apikey.TokenSpec{Scopes: []string{"x"}, Audience: []string{"x"}, Lifetime: time.Hour}, "lifetime audience scopes"},
	} {
		made, text, err := w.issuer.Issue(&record, 1, tt.spec)
		if made != nil || !text.IsZero() || strings.Join(fields(err), " ") != tt.fields {
			t.Errorf("%s: %v, want %s", name, err, tt.fields)
		}
	}
	// A token has to fit into a header field: there are keys with more scopes than that.
	var many []string
	for i := range 90 {
		many = append(many, "orders:"+strings.Repeat("x", 110)+string(rune('a'+i%26))+string(rune('a'+i/26)))
	}
	large, _ := w.create(t, apikey.Spec{Scopes: many})
	if _, _, err := w.issuer.Issue(&large, 1, apikey.TokenSpec{}); strings.Join(fields(err), " ") != "scopes" {
		t.Errorf("all of many scopes: %v, want scopes", err)
	}
	if _, _, err := w.issuer.Issue(&large, 1, apikey.TokenSpec{Scopes: many[:3]}); err != nil {
		t.Errorf("three of many scopes: %v", err)
	}
}

// fields are those that err names.
func fields(err error) (names []string) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			names = append(names, fields(one)...)
		}
		return slices.Compact(names)
	}
	if one, ok := errors.AsType[*apikey.SpecError](err); ok {
		return []string{one.Field}
	}
	return nil
}

// What narrows a key narrows its tokens.
func TestATokenOfANarrowKey(t *testing.T) {
	w := newWorld(t, keytoken.Config{})
	spec := apikey.Spec{
		Scopes: []string{"orders:*"}, Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Methods: []string{"GET"}, Paths: []string{"/orders/"},
	}
	record, _ := w.create(t, spec)
	token := w.token(t, record.ID, apikey.TokenSpec{})
	for name, tt := range map[string]struct {
		r      request
		status int
		rule   string
	}{
		"as it shall":     {request{}, 200, ""},
		"another address": {request{client: "198.51.100.1"}, 403, apikey.RuleAddress},
		"another method":  {request{method: "POST"}, 403, apikey.RuleMethod},
		"another path":    {request{path: "/invoices/1"}, 403, apikey.RulePath},
	} {
		if status, rule, p := w.ask(t, w.bearer(t, apikey.BearerConfig{}), tt.r, token); status != tt.status || rule != tt.rule || p.KeyID != string(record.ID) || p.Scheme == "" {
			t.Errorf("%s: %d %q for %q, want %d %q", name, status, rule, p.KeyID, tt.status, tt.rule)
		}
		use := apikey.Use{Client: netip.MustParseAddr("192.0.2.1"), Method: "GET", Path: "/orders/1"}
		if _, err := w.verifier.VerifyToken(t.Context(), token, "", use); err != nil {
			t.Errorf("by its use: %v", err)
		}
		if _, err := w.verifier.VerifyToken(t.Context(), token, "", apikey.Use{}); err == nil {
			t.Error("it passes without a use")
		}
	}
}

// A token of a key that is bound to a certificate is bound to it, also when the key is
// no longer, and not to another one that the key is bound to by now.
func TestATokenOfABoundKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, keytoken.Config{})
		own, other := &x509.Certificate{Raw: []byte("own")}, &x509.Certificate{Raw: []byte("other")}
		record, _ := w.create(t, apikey.Spec{Certificate: sha256.Sum256(own.Raw)})
		token := w.token(t, record.ID, apikey.TokenSpec{})
		want := func(what string, with *x509.Certificate, status int) {
			t.Helper()
			if got, reason, _ := w.ask(t, w.bearer(t, apikey.BearerConfig{}), request{certificate: with}, token); got != status || status == 401 && reason != "certificate" {
				t.Errorf("%s: %d %s, want %d", what, got, reason, status)
			}
		}
		want("its own", own, 200)
		want("another one", other, 401)
		want("none", nil, 401)
		rebind := func(sum [32]byte) {
			t.Helper()
			_, err := w.keys.Update(t.Context(), by(), record.ID, 0, apikey.Patch{Certificate: &sum})
			must(t, err)
			pass(settle)
		}
		rebind(sha256.Sum256(other.Raw))
		want("the key's new one", other, 401)
		want("the key's former one", own, 401)
		rebind([32]byte{})
		want("the key's former one, and the key needs none", own, 200)
		want("none, and the key needs none", nil, 401)
	})
}

// TestWhomATokenIsFor: for all of the audience, or for some.
func TestWhomATokenIsFor(t *testing.T) {
	w := newWorld(t, keytoken.Config{Audience: []string{"orders", "invoices"}})
	record, _ := w.create(t, apikey.Spec{Scopes: []string{"orders:*"}})
	whole, narrow := w.token(t, record.ID, apikey.TokenSpec{}), w.token(t, record.ID, apikey.TokenSpec{Audience: []string{"invoices"}})
	for name, tt := range map[string]struct {
		audience, token string
		status          int
	}{
		"anybody":                     {"", narrow, 200},
		"whom it is for":              {"invoices", narrow, 200},
		"somebody else":               {"orders", narrow, 401},
		"one of several":              {"orders", whole, 200},
		"another of several":          {"invoices", whole, 200},
		"somebody tokens are not for": {"billing", whole, 401},
	} {
		status, reason, _ := w.ask(t, w.bearer(t, apikey.BearerConfig{TokenAudience: tt.audience}), request{}, tt.token)
		if status != tt.status || status == 401 && reason != "token-audience" {
			t.Errorf("%s: %d %s, want %d", name, status, reason, tt.status)
		}
	}
}

// Whom a token proves is whom its key proves: what counts by principal counts both as
// one. That it was a token is said.
func TestATokenProvesItsKey(t *testing.T) {
	w := newWorld(t, keytoken.Config{})
	quota := exchange.Quota{Name: "requests", Count: 10, Per: time.Minute}
	record, key := w.create(t, apikey.Spec{Owner: "acme", Plan: "free", Limits: []exchange.Quota{quota}, Scopes: []string{"orders:*"}})
	scheme := w.bearer(t, apikey.BearerConfig{})
	_, _, byKey := w.ask(t, scheme, request{}, key)
	_, _, byToken := w.ask(t, scheme, request{}, w.token(t, record.ID, apikey.TokenSpec{}))
	if !byKey.Same(&byToken) || byToken.KeyID != byKey.KeyID || byToken.SecretNumber != 1 || byToken.Owner != "acme" || byToken.Environment != "live" ||
		byToken.Plan != "free" || !slices.Equal(byToken.Quotas, byKey.Quotas) || byToken.Claims != nil {
		t.Errorf("a token proves %+v, its key %+v", byToken, byKey)
	}
	if byKey.Token || !byToken.Token {
		t.Errorf("a token is told as %v, a key as %v", byToken.Token, byKey.Token)
	}
}

// TestWhereTokensAreTaken: by schemes that were told so, and as bearer tokens alone.
func TestWhereTokensAreTaken(t *testing.T) {
	w := newWorld(t, keytoken.Config{})
	record, key := w.create(t, apikey.Spec{})
	token := w.token(t, record.ID, apikey.TokenSpec{})
	plain, err := apikey.NewBearer(apikey.BearerConfig{Verifier: w.verifier})
	must(t, err)
	shared := w.bearer(t, apikey.BearerConfig{Shared: true})
	header, err := apikey.NewHeader(apikey.HeaderConfig{Verifier: w.verifier})
	must(t, err)
	if status, reason, _ := w.ask(t, plain, request{}, token); status != 401 || reason != "malformed" {
		t.Errorf("a scheme of keys alone: %d %s, want 401", status, reason)
	}
	if !shared.Takes(token) || !shared.Takes(key) || shared.Takes("eyJhbGciOiJub25lIn0.e30.") {
		t.Error("a shared scheme takes keys and their tokens, and nothing else")
	}
	for _, text := range []string{token, key} {
		if status, _, _ := w.ask(t, shared, request{}, text); status != 200 {
			t.Errorf("a shared scheme: %d, want 200", status)
		}
	}
	x := request{}.with(t, token)
	x.Request.Header.Del("Authorization")
	x.Request.Header.Set("X-API-Key", token)
	if _, err := header.Authenticate(x); err == nil {
		t.Error("a token passes as a key in a header field")
	}
	if _, err := w.verifier.Verify(t.Context(), token); reasonOf(err) != "malformed" {
		t.Errorf("Verify of a token: %v, want malformed", err)
	}
	if _, err := w.verifier.VerifyToken(t.Context(), key, "", apikey.Use{}); reasonOf(err) != "unknown-key" {
		t.Errorf("VerifyToken of a key: %v, want unknown-key", err)
	}
	none, err := apikey.NewVerifier(apikey.VerifierConfig{Store: w.store, Peppers: peppers(t)})
	must(t, err)
	defer func() { must(t, none.Close()) }()
	if _, err := apikey.NewBearer(apikey.BearerConfig{Verifier: none, Tokens: true}); err == nil {
		t.Error("a scheme takes tokens that its verifier cannot read")
	}
	if _, err := none.VerifyToken(t.Context(), token, "", apikey.Use{}); reasonOf(err) != "malformed" || none.OwnsToken(token) {
		t.Errorf("a verifier without tokens: %v", err)
	}
}

func reasonOf(err error) string {
	if r, ok := errors.AsType[*authn.Refusal](err); ok {
		return r.Reason()
	}
	return ""
}

func peppers(t *testing.T) *apikey.Peppers {
	t.Helper()
	line, err := apikey.NewPepper(nil)
	must(t, err)
	p, err := apikey.ParsePeppers(line)
	must(t, err)
	return p
}
