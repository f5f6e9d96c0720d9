package authn_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// fixed is a scheme with one answer.
type fixed struct {
	credential
	err error
}

func (f *fixed) Authenticate(*exchange.Exchange) (exchange.Principal, error) {
	return exchange.Principal{}, f.err
}

func TestDenial(t *testing.T) {
	who := exchange.Principal{Issuer: "warder", Subject: "k1"}
	no := problem.New(problem.Forbidden, "Not from here.")
	tests := []struct {
		name   string
		err    error
		status int
		reason string
	}{
		{"whole", &authn.Denial{Principal: who, Rule: "key-address", Problem: no}, 403, "key-address"},
		{"of nobody", &authn.Denial{Rule: "key-address", Problem: no}, 503, "unavailable"},
		{"without an answer", &authn.Denial{Principal: who, Rule: "key-address"}, 503, "unavailable"},
		{"nil", (*authn.Denial)(nil), 503, "unavailable"},
	}
	for _, tt := range tests {
		stage, err := authn.New(authn.Config{Requirement: authn.Require(&fixed{credential{name: "a"}, tt.err})})
		if err != nil {
			t.Fatal(err)
		}
		x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
		v := stage.Check(x)
		if v.Passed() || v.Problem().Type.Status() != tt.status || v.Reason() != tt.reason {
			t.Errorf("%s: %v, %q", tt.name, v.Kind(), v.Reason())
		}
		if tt.status == 403 && (x.Principal.Subject != "k1" || v.Problem().Detail != "Not from here." || len(v.Problem().Header) > 0) {
			t.Errorf("%s: refused %+v with %+v", tt.name, x.Principal, v.Problem())
		}
	}
}

// A stage says whether its operation takes public keys before it asks, and does
// not believe what somebody said before.
func TestPublicKeysAreTheStages(t *testing.T) {
	for _, takes := range []bool{false, true} {
		seen := !takes
		scheme := &asking{credential{name: "a"}, &seen}
		stage, err := authn.New(authn.Config{Requirement: authn.Require(scheme), PublicKeys: takes})
		if err != nil {
			t.Fatal(err)
		}
		x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
		x.TakesPublicKeys = !takes
		if v := stage.Check(x); !v.Passed() || seen != takes {
			t.Errorf("takes %v: %v, the scheme saw %v", takes, v.Kind(), seen)
		}
	}
}

// asking is a scheme that notes what the stage says.
type asking struct {
	credential
	seen *bool
}

func (a *asking) Authenticate(x *exchange.Exchange) (exchange.Principal, error) {
	*a.seen = x.TakesPublicKeys
	return exchange.Principal{Issuer: "a", Subject: "a"}, nil
}

// What Explain tells is what Check does: of a denial, and to schemes that ask whether
// public keys are taken.
func TestExplainAsCheckDoes(t *testing.T) {
	denial := &authn.Denial{Principal: exchange.Principal{Issuer: "warder", Subject: "k1"}, Rule: "key-address", Problem: problem.New(problem.Forbidden, "Not from here.")}
	stage, err := authn.New(authn.Config{Requirement: authn.Require(&fixed{credential{name: "a"}, denial})})
	if err != nil {
		t.Fatal(err)
	}
	found := stage.Explain(exchange.New(httptest.NewRequest(http.MethodGet, "/", nil)))
	if len(found) != 2 || found[0].Result != "is denied" || found[0].Detail != "key-address" || found[1].Result != "holds" {
		t.Errorf("found %+v", found)
	}
	var seen bool
	if stage, err = authn.New(authn.Config{Requirement: authn.Require(&asking{credential{name: "a"}, &seen}), PublicKeys: true}); err != nil {
		t.Fatal(err)
	}
	if stage.Explain(exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))); !seen {
		t.Error("the scheme is told that no public keys are taken")
	}
}

// What an alternative lacks is said without a second no.
func TestExplainSaysWhatIsLacking(t *testing.T) {
	stage, err := authn.New(authn.Config{Requirement: authn.Require(&fixed{credential{name: "a"}, authn.ErrNoCredential})})
	if err != nil {
		t.Fatal(err)
	}
	found := stage.Explain(exchange.New(httptest.NewRequest(http.MethodGet, "/", nil)))
	if len(found) != 2 || found[1].Result != "does not hold" || found[1].Detail != "lacks a proof by a" {
		t.Errorf("found %+v", found)
	}
}
