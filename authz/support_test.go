package authz_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/warder-dev/warder/authz"
	"github.com/warder-dev/warder/exchange"
)

// request is an exchange as the stages before leave it.
func request(change ...func(*exchange.Exchange)) *exchange.Exchange {
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/orders/7", nil))
	x.Path = "/orders/7"
	x.Client = netip.MustParseAddr("192.0.2.1")
	x.Start = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) // a Monday
	x.Principal = exchange.Principal{
		Issuer: "warder", Subject: "k1", KeyID: "k1", Owner: "acme", Environment: "live", Scheme: "apiKey",
		Scopes: exchange.PatternScopes("orders:*"),
	}
	for _, f := range change {
		f(x)
	}
	return x
}

func newStage(tb testing.TB, rules ...authz.Rule) *authz.Stage {
	tb.Helper()
	return newConfigured(tb, authz.Config{Rules: rules})
}

func newConfigured(tb testing.TB, cfg authz.Config) *authz.Stage {
	tb.Helper()
	s, err := authz.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// holds reports whether r holds for x.
func holds(tb testing.TB, r authz.Rule, x *exchange.Exchange) bool {
	tb.Helper()
	r.Name, r.Effect = "r", authz.Require
	v := newStage(tb, r).Check(x)
	if v.Kind() == exchange.Failed {
		tb.Fatalf("could not be judged: %v", v.Err())
	}
	return v.Passed()
}

// always is a condition that is as it says.
type always bool

func (a always) Holds(*exchange.Exchange) (bool, error) { return bool(a), nil }

// broken is a condition that cannot be judged.
type broken struct{}

var errBroken = errors.New("no such claim")

func (broken) Holds(*exchange.Exchange) (bool, error) { return false, errBroken }

// rule is one of a name, an effect and further conditions.
func rule(name string, e authz.Effect, conditions ...authz.Condition) authz.Rule {
	return authz.Rule{Name: name, Effect: e, Conditions: conditions}
}
