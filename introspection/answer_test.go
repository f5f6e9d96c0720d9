package introspection_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/introspection"
)

func TestAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().Unix()
		for _, tt := range []struct {
			name   string
			answer members
			status int
			reason string
		}{
			{"active", active(nil), 200, ""},
			{"inactive", members{"active": false}, 401, "inactive"},
			{"inactive, with claims", active(members{"active": false}), 401, "inactive"},
			{"active is missing", active(members{"active": nil}), 503, ""},
			{"active as text", active(members{"active": "true"}), 503, ""},
			{"active as a number", active(members{"active": 1}), 503, ""},
			{"no subject", active(members{"sub": nil}), 401, "subject"},
			{"no subject, a client", active(members{"sub": nil, "client_id": "alice", "username": "alice"}), 401, "subject"},
			{"a subject of a wrong type", active(members{"sub": 1}), 401, "subject"},
			{"no iss", active(members{"iss": nil}), 200, ""},
			{"another iss", active(members{"iss": issuer + "/"}), 401, "issuer"},
			{"iss of a wrong type", active(members{"iss": []string{issuer}}), 401, "issuer"},
			{"no aud", active(members{"aud": nil}), 401, "audience"},
			{"another aud", active(members{"aud": "x"}), 401, "audience"},
			{"aud in a list", active(members{"aud": []string{"x", audience}}), 200, ""},
			{"aud in a list with a number", active(members{"aud": []any{1, audience}}), 401, "audience"},
			{"no exp", active(members{"exp": nil}), 200, ""},
			{"exp now", active(members{"exp": now}), 401, "expired"},
			{"exp next", active(members{"exp": now + 1}), 200, ""},
			{"exp as text", active(members{"exp": "9999999999"}), 401, "claims"},
			{"exp negative", active(members{"exp": -1}), 401, "claims"},
			{"nbf ahead", active(members{"nbf": now + 31}), 401, "not-yet-valid"},
			{"nbf within the leeway", active(members{"nbf": now + 30}), 200, ""},
			{"a refresh token", active(members{"token_use": "refresh_token"}), 401, "type"},
			{"a refresh token of another issuer", active(members{"typ": "Refresh"}), 401, "type"},
			{"an ID token", active(members{"typ": "ID"}), 401, "type"},
			{"a token that needs a proof", active(members{"token_type": "DPoP"}), 401, "type"},
			{"token_type of a wrong type", active(members{"token_type": 1}), 401, "type"},
			{"no token_type", active(members{"token_type": nil}), 200, ""},
			{"token_type in other words", active(members{"token_type": "access_token", "typ": "Bearer"}), 200, ""},
			{"bound to a key", active(members{"cnf": members{"jkt": "x"}}), 401, "confirmation"},
			{"an owner of a wrong type", active(members{"org": 1}), 401, "owner"},
		} {
			cfg := config()
			cfg.OwnerClaim = "org"
			o := &oracle{answers: map[string]members{"t": tt.answer}}
			s := o.scheme(t, cfg)
			want(t, s, tt.name, "t", tt.status, tt.reason)
			want(t, s, tt.name+", again", "t", tt.status, tt.reason)
			if asked := o.count(); tt.status == 503 && asked != 2 || tt.status != 503 && asked != 1 {
				t.Errorf("%s: asked %d times", tt.name, asked)
			}
		}
	})
}

func TestPrincipal(t *testing.T) {
	cfg := config()
	cfg.OwnerClaim, cfg.SubjectClaim = "org", "client_id"
	expires := time.Now().Add(time.Hour).Truncate(time.Second)
	o := &oracle{answers: map[string]members{"t": active(members{"client_id": "robot", "org": "acme", "exp": expires.Unix(), "tenant": 9007199254740993})}}
	got := present(t, o.scheme(t, cfg), "t").principal
	if got.Issuer != issuer || got.Subject != "robot" || got.Owner != "acme" || got.Scheme != "opaqueToken" || got.Ambient || !got.Expires.Equal(expires) {
		t.Errorf("got %+v", got)
	}
	if got.Claims["tenant"] != int64(9007199254740993) || !slices.Equal(got.Scopes.Names(), []string{"a", "b"}) {
		t.Errorf("claims %v, scopes %q", got.Claims, got.Scopes.Names())
	}
}

func TestBoundTokens(t *testing.T) {
	attack.Case(t, "JWT-18", attack.Library, func(t *testing.T) {
		mine := &x509.Certificate{Raw: []byte("mine")}
		sum := sha256.Sum256(mine.Raw)
		o := &oracle{answers: map[string]members{"t": active(members{"cnf": members{"x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])}})}}
		s := o.scheme(t, config())
		for name, cert := range map[string]*x509.Certificate{"none": nil, "another": {Raw: []byte("other")}, "its own": mine} {
			x := exchange.New(request("t"))
			x.ClientCert = cert
			if got := ask(t, s, x); got.status == 200 != (cert == mine) {
				t.Errorf("certificate %s: got %d %q", name, got.status, got.reason)
			}
		}
		if o.count() != 1 {
			t.Errorf("asked %d times, want once: the binding is checked each time", o.count())
		}
	})
}

func TestScopes(t *testing.T) {
	attack.Case(t, "JWT-19", attack.Library, func(t *testing.T) {
		for _, tt := range []struct {
			name   string
			more   members
			scopes []string // nil: refused
		}{
			{"none", members{"scope": nil}, []string{}},
			{"both: scope counts", members{"scp": []string{"c"}}, []string{"a", "b"}},
			{"scp", members{"scope": nil, "scp": []string{"c"}}, []string{"c"}},
			{"a wildcard is a character", members{"scope": "a:*"}, []string{"a:*"}},
			{"scope as a list", members{"scope": []string{"a"}}, nil},
			{"scp of a wrong type", members{"scp": 1}, nil},
		} {
			o := &oracle{answers: map[string]members{"t": active(tt.more)}}
			got := present(t, o.scheme(t, config()), "t")
			if (got.status == 200) != (tt.scopes != nil) || !slices.Equal(got.principal.Scopes.Names(), tt.scopes) || got.principal.Scopes.Allow("a:b") {
				t.Errorf("%s: got %d %q with %q", tt.name, got.status, got.reason, got.principal.Scopes.Names())
			}
		}
	})
}

// FuzzRead: whoever is proved was called active in a JSON object, and errors hold
// nothing of the answer.
func FuzzRead(f *testing.F) {
	for _, m := range []members{active(nil), {"active": false}, active(members{"exp": -1}), active(members{"cnf": 1}), active(members{"scope": 1}), {}} {
		f.Add(text(f, m.with(members{"iss": "i", "aud": "a"})))
	}
	for _, s := range []string{"", "null", "[]", `{"active":true,"active":false}`, `{"active":true}x`, `{"active":true,"sub":"a","aud":["a"]}`, `{"active":null}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		subject, refusal, err := introspection.Read(body, time.Unix(1e9, 0))
		if subject != "" && (refusal != nil || err != nil || !strings.Contains(string(body), "true")) {
			t.Errorf("%q proves %q with %v, %v", body, subject, refusal, err)
		}
		if subject == "" && refusal == nil && err == nil {
			t.Errorf("%q proves nobody without an error", body)
		}
		for _, err := range []error{refusal, err} {
			if err != nil && len(body) > 60 && strings.Contains(err.Error(), string(body)) {
				t.Errorf("the error %v repeats the answer", err)
			}
		}
	})
}
