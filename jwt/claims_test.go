package jwt_test

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/jwt"
)

func TestTimes(t *testing.T) {
	attack.Case(t, "JWT-06", attack.Library, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := scheme(t)
			by := es256()
			now := time.Now().Unix() // whole: the clock of a bubble begins at midnight
			for _, tt := range []struct {
				name   string
				more   members
				status int
				reason string
			}{
				{"exp missing", members{"exp": nil}, 401, "claims"},
				{"exp past", members{"exp": now - 3600}, 401, "expired"},
				{"exp at the edge of the leeway", members{"exp": now - 30}, 401, "expired"},
				{"exp a second within it", members{"exp": now - 29}, 200, ""},
				{"exp with a fraction, which is cut", members{"exp": float64(now) - 29.5}, 401, "expired"},
				{"exp as text", members{"exp": fmt.Sprint(now + 600)}, 401, "claims"},
				{"exp negative", members{"exp": -1}, 401, "claims"},
				{"exp zero", members{"exp": 0}, 401, "expired"},
				{"exp beyond the year 9999", members{"exp": 253402300800}, 401, "claims"},
				{"exp at its last second", members{"exp": 253402300799}, 200, ""},
				{"exp in milliseconds", members{"exp": (now + 600) * 1000}, 401, "claims"},
				{"exp as a list", members{"exp": []int64{now + 600}}, 401, "claims"},
				{"exp true", members{"exp": true}, 401, "claims"},
				{"nbf ahead", members{"nbf": now + 3600}, 401, "not-yet-valid"},
				{"nbf a second beyond the leeway", members{"nbf": now + 31}, 401, "not-yet-valid"},
				{"nbf at the edge of the leeway", members{"nbf": now + 30}, 200, ""},
				{"nbf as text", members{"nbf": "0"}, 401, "claims"},
				{"iat ahead", members{"iat": now + 31}, 401, "issued-ahead"},
				{"iat at the edge of the leeway", members{"iat": now + 30}, 200, ""},
				{"iat missing", members{"iat": nil}, 200, ""},
				{"iat null", members{"iat": []any{}}, 401, "claims"},
			} {
				want(t, s, tt.name, by.token(t, tt.more), tt.status, tt.reason)
			}
			body := `{"iss":"` + issuerName + `","aud":"` + audience + `","sub":"alice","exp":`
			for exp, status := range map[string]int{"1e400": 401, "-0": 401, "9e9": 200, "null": 401, "1E+10": 200, "1e12": 401} {
				want(t, s, "exp "+exp, by.raw(t, `{"alg":"ES256","kid":"p256"}`, body+exp+"}"), status, "")
			}

			old := issuer()
			old.MaxAge, old.Leeway = time.Hour, -1
			aged := scheme(t, old)
			want(t, aged, "as old as MaxAge", by.token(t, members{"iat": now - 3600}), 401, "too-old")
			want(t, aged, "a second younger", by.token(t, members{"iat": now - 3599}), 200, "")
			want(t, aged, "of unknown age", by.token(t, members{"iat": nil}), 401, "claims")
			want(t, aged, "no leeway: exp now", by.token(t, members{"exp": now}), 401, "expired")
			want(t, aged, "no leeway: nbf now", by.token(t, members{"nbf": now}), 200, "")
			want(t, aged, "no leeway: nbf next", by.token(t, members{"nbf": now + 1}), 401, "not-yet-valid")
		})
	})
}

// What is remembered ends when the token does, to the nanosecond.
func TestARememberedTokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := issuer()
		old.MaxAge = 2 * time.Minute
		s := scheme(t, issuer(), jwt.Issuer{Issuer: "b", Audience: old.Audience, KeySet: allKeys(), MaxAge: old.MaxAge})
		byExp := es256().token(t, members{"exp": time.Now().Unix() + 60})
		byAge := es256().token(t, members{"iss": "b", "exp": time.Now().Unix() + 600})
		for _, tt := range []struct {
			token string
			after time.Duration
		}{{byExp, 90 * time.Second}, {byAge, 60 * time.Second}} {
			want(t, s, "at first", tt.token, 200, "")
			pass(tt.after - 1)
			want(t, s, "a nanosecond before its end", tt.token, 200, "")
			pass(1)
			want(t, s, "at its end", tt.token, 401, "")
		}
		if n := s.Remembered(); n != 0 {
			t.Errorf("%d tokens are remembered beyond their end", n)
		}
	})
}

func TestIssuerAndAudience(t *testing.T) {
	attack.Case(t, "JWT-07", attack.Library, func(t *testing.T) {
		two := issuer()
		two.Audience = []string{audience, "urn:second"}
		s := scheme(t, two)
		by := es256()
		for _, iss := range []any{
			issuerName + "/", issuerName + ".evil.example", issuerName[:len(issuerName)-1], strings.ToUpper(issuerName), " " + issuerName, "",
			nil, 1,
			[]string{issuerName},
			issuerName + "\x00", "http" + issuerName[len("https"):],
		} {
			want(t, s, fmt.Sprintf("iss %v", iss), by.token(t, members{"iss": iss}), 401, "issuer")
		}
		for _, tt := range []struct {
			name   string
			aud    any
			status int
		}{
			{"missing", nil, 401},
			{"another", "https://other.example", 401},
			{"a piece less", audience[:len(audience)-1], 401},
			{"a slash more", audience + "/", 401},
			{"another case", strings.ToUpper(audience), 401},
			{"empty", "", 401},
			{"two in one text", audience + " urn:second", 401},
			{"a list without it", []string{"a", "b"}, 401},
			{"an empty list", []string{}, 401},
			{"nested", []any{[]string{audience}}, 401},
			{"a list with a number", []any{audience, 1}, 401},
			{"an object", members{"a": audience}, 401},
			{"null", []any{nil}, 401},
			{"a list with it", []string{"a", audience}, 200},
			{"the second", "urn:second", 200},
		} {
			want(t, s, "aud "+tt.name, by.token(t, members{"aud": tt.aud}), tt.status, "")
		}
		anybody := issuer()
		anybody.Audience, anybody.InsecureAnyAudience = nil, true
		want(t, scheme(t, anybody), "any audience where that is said", by.token(t, members{"aud": nil}), 200, "")
		want(t, scheme(t, anybody), "of a wrong type still", by.token(t, members{"aud": 1}), 401, "claims")
	})
}

func TestKinds(t *testing.T) {
	attack.Case(t, "JWT-08", attack.Library, func(t *testing.T) {
		s, by := scheme(t), es256()
		only := issuer()
		only.Types = []string{"application/AT+JWT"}
		strict := scheme(t, only)
		for _, tt := range []struct {
			typ             any
			status, strict_ int
		}{
			{"JWT", 200, 401},
			{"jwt", 200, 401},
			{nil, 200, 401},
			{"at+jwt", 200, 200},
			{"application/at+JWT", 200, 200},
			{"logout+jwt", 401, 401},
			{"secevent+jwt", 401, 401},
			{"id+jwt", 401, 401},
			{"JWE", 401, 401},
			{"", 401, 401},
			{"application/", 401, 401},
			{1, 401, 401},
		} {
			token := by.sign(t, by.header(members{"typ": tt.typ}), claims(nil))
			want(t, s, fmt.Sprintf("typ %v", tt.typ), token, tt.status, "")
			want(t, strict, fmt.Sprintf("typ %v where at+jwt is wanted", tt.typ), token, tt.strict_, "")
		}
		for name, more := range map[string]members{
			"nonce":   {"nonce": "n"},
			"at_hash": {"at_hash": "h"},
			"c_hash":  {"c_hash": "h"},
			"s_hash":  {"s_hash": "h"},
			"typ ID":  {"typ": "ID"},
			"logout":  {"events": members{"http://schemas.openid.net/event/backchannel-logout": members{}}},
		} {
			want(t, s, name, by.token(t, more), 401, "id-token")
			want(t, s, name+" in an access token", by.sign(t, by.header(members{"typ": "at+jwt"}), claims(more)), 200, "")
		}
		want(t, s, "an inner typ of an access token", by.token(t, members{"typ": "Bearer"}), 200, "")
		loose := issuer()
		loose.InsecureIDTokens = true
		want(t, scheme(t, loose), "where ID tokens are let in", by.token(t, members{"nonce": "n"}), 200, "")
	})
}

func TestSubjectsAndOwners(t *testing.T) {
	cfg := issuer()
	cfg.OwnerClaim = "org"
	s, by := scheme(t, cfg), es256()
	for _, sub := range []any{nil, "", " ", "a ", "a\nb", "a\x00", "\u202eecila", 1, []string{"a"}, strings.Repeat("a", 256)} {
		if got := present(t, s, by.token(t, members{"sub": sub})); got.status != 401 {
			t.Errorf("sub %q: got %d", sub, got.status)
		}
		if sub != nil {
			want(t, s, fmt.Sprintf("org %q", sub), by.token(t, members{"org": sub}), 401, "owner")
		}
	}
	for _, sub := range []string{"a", "Ærøskøbing", "auth0|123", "a b", strings.Repeat("a", 255)} {
		if got := present(t, s, by.token(t, members{"sub": sub, "org": "acme"})); got.principal.Subject != sub || got.principal.Owner != "acme" {
			t.Errorf("sub %q: got %+v", sub, got)
		}
	}
	if got := present(t, s, by.token(t, nil)); got.status != 200 || got.principal.Owner != "" {
		t.Errorf("no owner: got %+v", got)
	}
}

func TestClaimsKeepTheirNumbers(t *testing.T) {
	got := present(t, scheme(t), es256().token(t, members{"tenant": 9007199254740993, "share": 0.5})).principal.Claims
	if got["tenant"] != int64(9007199254740993) || got["share"] != 0.5 {
		t.Errorf("claims %v: numbers changed", got)
	}
}

func TestBoundTokens(t *testing.T) {
	attack.Case(t, "JWT-18", attack.Library, func(t *testing.T) {
		s, by := scheme(t), es256()
		mine, other := &x509.Certificate{Raw: []byte("mine")}, &x509.Certificate{Raw: []byte("other")}
		sum := sha256.Sum256(mine.Raw)
		bound := by.token(t, members{"cnf": members{"x5t#S256": segment(sum[:])}})
		with := func(token string, cert *x509.Certificate) result {
			x := exchange.New(request(token))
			x.ClientCert = cert
			return askWith(t, s, x)
		}
		for range 2 { // verified, then remembered
			for _, tt := range []struct {
				name   string
				cert   *x509.Certificate
				status int
			}{{"none", nil, 401}, {"another", other, 401}, {"its own", mine, 200}, {"none again", nil, 401}} {
				if got := with(bound, tt.cert); got.status != tt.status || got.status == 401 && got.reason != "certificate" {
					t.Errorf("certificate %s: got %d %q, want %d", tt.name, got.status, got.reason, tt.status)
				}
			}
		}
		if got := with(by.token(t, nil), mine); got.status != 200 {
			t.Errorf("a token that is not bound, with a certificate: got %d", got.status)
		}
		for name, cnf := range map[string]any{
			"empty": members{}, "text": segment(sum[:]), "of a key (DPoP)": members{"jkt": segment(sum[:])},
			"of a key too": members{"x5t#S256": segment(sum[:]), "jkt": "x"}, "a short thumbprint": members{"x5t#S256": segment(sum[:20])},
			"a number": members{"x5t#S256": 1}, "padded": members{"x5t#S256": segment(sum[:]) + "="}, "a list": []any{},
		} {
			if got := with(by.token(t, members{"cnf": cnf}), mine); got.status != 401 || got.reason != "confirmation" {
				t.Errorf("cnf %s: got %d %q, want 401", name, got.status, got.reason)
			}
		}
	})
}

func TestScopes(t *testing.T) {
	attack.Case(t, "JWT-19", attack.Library, func(t *testing.T) {
		s, by := scheme(t), es256()
		for _, tt := range []struct {
			name   string
			more   members
			scopes []string // nil: refused
		}{
			{"none", nil, []string{}},
			{"scope", members{"scope": "a b:c"}, []string{"a", "b:c"}},
			{"scope with blanks", members{"scope": " a  b "}, []string{"a", "b"}},
			{"scope, empty", members{"scope": ""}, []string{}},
			{"scp as text", members{"scp": "a b"}, []string{"a", "b"}},
			{"scp as a list", members{"scp": []string{"a", "b"}}, []string{"a", "b"}},
			{"scp, empty", members{"scp": []string{}}, []string{}},
			{"both: scope counts", members{"scope": "a", "scp": []string{"b"}}, []string{"a"}},
			{"both, scope empty: it counts", members{"scope": "", "scp": []string{"b"}}, []string{}},
			{"a wildcard is a character", members{"scope": "orders:* *"}, []string{"orders:*", "*"}},
			{"scope as a list", members{"scope": []string{"a"}}, nil},
			{"scope as a number", members{"scope": 1}, nil},
			{"scope as an object", members{"scope": members{"a": true}}, nil},
			{"scp with a number in it", members{"scp": []any{"a", 1}}, nil},
			{"scp with a blank in it", members{"scp": []string{"a b"}}, nil},
			{"scp with an empty one", members{"scp": []string{""}}, nil},
			{"scope with a quote", members{"scope": `a"b`}, nil},
			{"scope with a tab", members{"scope": "a\tb"}, nil},
			{"scope that is not ASCII", members{"scope": "ä"}, nil},
			{"scope good, scp of a wrong type", members{"scope": "a", "scp": 1}, nil},
			{"600 scopes", members{"scope": strings.Repeat("a ", 600)}, nil},
		} {
			got := present(t, s, by.token(t, tt.more))
			if tt.scopes == nil {
				if got.status != 401 || got.reason != "scope" {
					t.Errorf("%s: got %d %q, want 401", tt.name, got.status, got.reason)
				}
				continue
			}
			if got.status != 200 || !slices.Equal(got.principal.Scopes.Names(), tt.scopes) {
				t.Errorf("%s: got %d %q with %q, want %q", tt.name, got.status, got.reason, got.principal.Scopes.Names(), tt.scopes)
			}
		}
		wild := present(t, s, by.token(t, members{"scope": "orders:*"})).principal.Scopes
		if wild.Allow("orders:read") {
			t.Error("a wildcard of a token covers something")
		}
		cfg := issuer()
		cfg.ScopeClaims = []string{"permissions"}
		named := present(t, scheme(t, cfg), by.token(t, members{"scope": "a", "permissions": []string{"p"}}))
		if !slices.Equal(named.principal.Scopes.Names(), []string{"p"}) {
			t.Errorf("a claim that is named: got %+v", named)
		}
		cfg.ScopeClaims = []string{}
		none := present(t, scheme(t, cfg), by.token(t, members{"scope": "a"}))
		if none.status != 200 || len(none.principal.Scopes.Names()) > 0 {
			t.Errorf("no claim is named: got %+v", none)
		}
	})
}

// Keys belong to their issuer, whatever they are called.
func TestTwoIssuersWithOneKeyID(t *testing.T) {
	attack.Case(t, "JWT-13", attack.Library, func(t *testing.T) {
		p := allPairs()
		a := jwt.Issuer{Issuer: "https://a.example", Audience: []string{audience}, KeySet: jwks(jwk(p.p256, "same"))}
		b := jwt.Issuer{Issuer: "https://b.example", Audience: []string{audience}, KeySet: jwks(jwk(p.other, "same"))}
		s := scheme(t, a, b)
		byA, byB := signer{"ES256", p.p256, "same"}, signer{"ES256", p.other, "same"}
		for range 2 {
			want(t, s, "A's by A", byA.token(t, members{"iss": a.Issuer}), 200, "")
			want(t, s, "B's by B", byB.token(t, members{"iss": b.Issuer}), 200, "")
			want(t, s, "A's by B", byB.token(t, members{"iss": a.Issuer}), 401, "signature")
			want(t, s, "B's by A", byA.token(t, members{"iss": b.Issuer}), 401, "signature")
		}
		first := present(t, s, byA.token(t, members{"iss": a.Issuer})).principal
		second := present(t, s, byB.token(t, members{"iss": b.Issuer})).principal
		if first.Subject != second.Subject || first.Same(&second) {
			t.Error("one subject of two issuers is one principal")
		}
	})
}
