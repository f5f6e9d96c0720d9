package authn_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
)

// scheme answers what a test tells it to.
type scheme struct {
	principal exchange.Principal
	err       error
}

func (scheme) Name() string                  { return "apiKey" }
func (scheme) Challenge(realm string) string { return `ApiKey realm="` + realm + `"` }
func (s scheme) Authenticate(*exchange.Exchange) (exchange.Principal, error) {
	return s.principal, s.err
}

func somebody(scopes ...string) exchange.Principal {
	return exchange.Principal{Issuer: "warder", Subject: "k1", Scopes: exchange.PatternScopes(scopes...)}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		name      string
		scheme    scheme
		scopes    []string
		status    int
		reason    string
		challenge bool
	}{
		{"proved", scheme{principal: somebody()}, nil, 200, "", false},
		{"absent", scheme{err: fmt.Errorf("header: %w", authn.ErrNoCredential)}, nil, 401, "no-credential", true},
		{"wrong", scheme{err: authn.Wrong("revoked")}, nil, 401, "revoked", true},
		{"wrapped wrong", scheme{err: fmt.Errorf("x: %w", authn.Wrong("expired"))}, nil, 401, "expired", true},
		{"repeated", scheme{err: authn.Unreadable("repeated")}, nil, 400, "repeated", false},
		{"store away", scheme{err: errors.New("connection refused")}, nil, 503, "unavailable", false},
		{"nobody without an error is no pass", scheme{}, nil, 503, "unavailable", false},
		{"scope granted", scheme{principal: somebody("orders:*")}, []string{"orders:read"}, 200, "", false},
		{"scope missing", scheme{principal: somebody("orders:read")}, []string{"orders:read", "orders:write"}, 403, "insufficient-scope", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := authn.New(authn.Config{Requirement: authn.Require(tt.scheme, tt.scopes...)})
			if err != nil {
				t.Fatal(err)
			}
			x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
			v := s.Check(x)
			status := 200
			if p := v.Problem(); p != nil {
				status = p.Type.Status()
				if got := p.Header.Get("WWW-Authenticate") != ""; got != tt.challenge {
					t.Errorf("challenge present = %v, want %v", got, tt.challenge)
				}
			}
			if status != tt.status || v.Reason() != tt.reason {
				t.Errorf("got %d %q, want %d %q", status, v.Reason(), tt.status, tt.reason)
			}
			if v.Passed() && !x.Principal.Same(&tt.scheme.principal) {
				t.Errorf("principal = %v", x.Principal)
			}
		})
	}
}

func TestNewReportsEveryErrorAtOnce(t *testing.T) {
	_, err := authn.New(authn.Config{Realm: "a\"b", Requirement: authn.Require(nil, "a b", "orders:*")})
	if err == nil {
		t.Fatal("New accepted an invalid Config")
	}
	for _, want := range []string{"Scheme is missing", "realm", `"a b"`, `"orders:*"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not mention %s", err, want)
		}
	}
}

// The answer is the same for every reason, unless the operator wants to be told.
func TestInsecureVerbose(t *testing.T) {
	for _, verbose := range []bool{false, true} {
		seen := map[string]bool{}
		for _, err := range []error{authn.Wrong("revoked"), authn.Wrong("expired"), authn.Wrong("unknown")} {
			s, failed := authn.New(authn.Config{Requirement: authn.Require(scheme{err: err}), InsecureVerbose: verbose})
			if failed != nil {
				t.Fatal(failed)
			}
			v := s.Check(exchange.New(httptest.NewRequest(http.MethodGet, "/", http.NoBody)))
			if told := strings.Contains(v.Problem().Detail, v.Reason()); told != verbose {
				t.Errorf("verbose %v: %q tells the reason: %v", verbose, v.Problem().Detail, told)
			}
			if len(v.Problem().Header.Values("WWW-Authenticate")) != 1 {
				t.Errorf("verbose %v: the challenge is lost", verbose)
			}
			seen[v.Problem().Detail] = true
		}
		if (len(seen) == 3) != verbose {
			t.Errorf("verbose %v: %d details", verbose, len(seen))
		}
	}
}
