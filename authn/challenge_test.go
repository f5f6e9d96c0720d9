package authn_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
)

// bearer is a scheme that says why.
type bearer struct{ *credential }

func (b bearer) Challenge(realm string) string { return authn.BearerChallenge(realm, "", nil) }

func (b bearer) RefusalChallenge(realm, code string, scopes []string) string {
	return authn.BearerChallenge(realm, code, scopes)
}

func TestRefusalChallenges(t *testing.T) {
	const plain = `Bearer realm="warder"`
	granted := exchange.LiteralScopes("a:read")
	tests := []struct {
		name       string
		key, token string // what the two schemes say
		scopes     []string
		status     int
		want       []string
	}{
		{"absent is plain", absent, absent, nil, 401, []string{`key realm="warder"`, plain}},
		{"a wrong token", absent, bad, nil, 401, []string{`key realm="warder"`, plain + `, error="invalid_token"`}},
		{"a wrong key: the token was absent", bad, absent, nil, 401, []string{`key realm="warder"`, plain}},
		{"both wrong", bad, bad, nil, 401, []string{`key realm="warder"`, plain + `, error="invalid_token"`}},
		{"a wrong token beside a good key", good, bad, nil, 401, []string{plain + `, error="invalid_token"`}},
		{"an unreadable token", absent, unreadable, nil, 400, []string{plain + `, error="invalid_request"`}},
		{"an unreadable key", unreadable, absent, nil, 400, nil},
		{"a wrong key before an unreadable token", bad, unreadable, nil, 400, []string{plain + `, error="invalid_request"`}},
		{"no scope", absent, good, []string{"a:read", "b:write"}, 403, []string{plain + `, error="insufficient_scope", scope="a:read b:write"`}},
		{"scope of a key", good, absent, []string{"a:read", "b:write"}, 403, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			key := &credential{name: "key", says: tt.key, scopes: granted}
			token := bearer{&credential{name: "token", says: tt.token, scopes: granted}}
			s := newStage(t, authn.Requirement{{{Scheme: key, Scopes: tt.scopes}}, {{Scheme: token, Scopes: tt.scopes}}})
			v := s.Check(exchange.New(httptest.NewRequest(http.MethodGet, "/", nil)))
			p := v.Problem()
			if p == nil || p.Type.Status() != tt.status {
				t.Fatalf("got %v, want %d", p, tt.status)
			}
			if got := p.Header.Values("WWW-Authenticate"); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A refusal costs nothing: a flood of wrong credentials is cheap.
func TestRefusingAllocatesNothing(t *testing.T) {
	for _, says := range []string{absent, bad, unreadable} {
		token := bearer{&credential{name: "token", says: says}}
		s := newStage(t, authn.Requirement{{{Scheme: &credential{name: "key", says: absent}}}, {{Scheme: token}}})
		x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
		if got := testing.AllocsPerRun(100, func() {
			if s.Check(x).Passed() {
				t.Error("passed")
			}
		}); got != 0 {
			t.Errorf("%s: %v allocations, want none", says, got)
		}
	}
	token := bearer{&credential{name: "token", says: good}}
	s := newStage(t, authn.Require(token, "a"))
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
	if got := testing.AllocsPerRun(100, func() {
		if s.Check(x).Passed() {
			t.Error("passed")
		}
	}); got != 0 {
		t.Errorf("insufficient: %v allocations, want none", got)
	}
}

// loud answers a refusal with a challenge that is none.
type loud struct{ bearer }

func (loud) RefusalChallenge(_, code string, _ []string) string {
	return "Bearer error=" + code + "\r\nX: y"
}

func TestRefusalChallengesAreChecked(t *testing.T) {
	_, err := authn.New(authn.Config{Requirement: authn.Require(loud{bearer{&credential{name: "token"}}})})
	if err == nil || !strings.Contains(err.Error(), "printable") {
		t.Errorf("error %v, want one about the challenge", err)
	}
}
