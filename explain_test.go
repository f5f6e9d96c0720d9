package warder_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/authz"
	"github.com/warder-dev/warder/exchange"
)

// TestExplain tells every stage, the one with the last word, and what was not asked.
func TestExplain(t *testing.T) {
	scheme := new(fickle)
	stage, err := authn.New(authn.Config{Requirement: authn.Require(scheme, "orders:read")})
	if err != nil {
		t.Fatal(err)
	}
	rules, err := authz.New(authz.Config{Rules: []authz.Rule{{Name: "reads", Effect: authz.Require, Methods: []string{"GET"}}}})
	if err != nil {
		t.Fatal(err)
	}
	s := &warder.Stack{Policy: &warder.Policy{Authn: stage, Authz: rules}}
	for name, tt := range map[string]struct {
		method string
		scopes exchange.Scopes
		err    error
		want   []string // stage and verdict
		found  []string // rule and result
	}{
		"it passes": {
			"GET", exchange.PatternScopes("orders:*"), nil,
			[]string{"paths passed", "authn passed", "authz passed"},
			[]string{"scheme fickle: proves", "alternative fickle with orders:read: holds", "require reads: holds"},
		},
		"a rule refuses": {
			"POST", exchange.PatternScopes("orders:*"), nil,
			[]string{"paths passed", "authn passed", "authz refused"},
			[]string{"scheme fickle: proves", "alternative fickle with orders:read: holds", "require reads: does not hold"},
		},
		"a scope lacks": {
			"GET", exchange.PatternScopes("other:*"), nil,
			[]string{"paths passed", "authn refused", "authz not reached"},
			[]string{"scheme fickle: proves", "alternative fickle with orders:read: does not hold"},
		},
		"it is wrong": {
			"GET",
			exchange.Scopes{},
			authn.Wrong("revoked"),
			[]string{"paths passed", "authn refused", "authz not reached"},
			[]string{"scheme fickle: is refused", "alternative fickle with orders:read: does not hold"},
		},
		"nobody knows": {
			"GET",
			exchange.Scopes{},
			errAway,
			[]string{"paths passed", "authn failed", "authz not reached"},
			[]string{"scheme fickle: cannot be judged", "alternative fickle with orders:read: does not hold"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			who := exchange.Principal{Issuer: "test", Subject: "ada", Scopes: tt.scopes}
			if tt.err != nil {
				who = exchange.Principal{}
			}
			scheme.answer.Store(&answer{who, tt.err})
			x := exchange.New(httptest.NewRequest(tt.method, "/", http.NoBody))
			e := s.Explain(x)
			var got, found []string
			for _, step := range e.Steps {
				verdict := "not reached"
				if step.Reached {
					verdict = step.Verdict.Kind().String()
				}
				got = append(got, step.Stage+" "+verdict)
				for _, f := range step.Findings {
					found = append(found, f.Rule+": "+f.Result)
				}
			}
			if !slices.Equal(got, tt.want) || !slices.Equal(found, tt.found) {
				t.Errorf("steps = %q, findings %q, want %q and %q", got, found, tt.want, tt.found)
			}
			if decided := s.Decide(exchange.New(httptest.NewRequest(tt.method, "/", http.NoBody))); decided.Verdict.Kind() != e.Trace.Verdict.Kind() || decided.Stage != e.Trace.Stage {
				t.Errorf("Explain says %s by %q, Decide %s by %q", e.Trace.Verdict.Kind(), e.Trace.Stage, decided.Verdict.Kind(), decided.Stage)
			}
			if !x.Dry {
				t.Error("the exchange is not dry: somebody might forward it")
			}
		})
	}
}

func TestExplainWithoutAPolicy(t *testing.T) {
	if e := new(warder.Stack).Explain(exchange.New(httptest.NewRequest(http.MethodGet, "/", http.NoBody))); e.Trace.Allowed() || e.Trace.Stage != "route" {
		t.Errorf("trace = %+v, want a failure of the route", e.Trace)
	}
}
