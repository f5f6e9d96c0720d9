package authz_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/warder-dev/warder/authz"
	"github.com/warder-dev/warder/exchange"
)

// passing are rules that a request passes, one for each sort of condition.
func passing() []authz.Rule {
	return []authz.Rule{
		{Name: "method", Effect: authz.Deny, Methods: []string{"POST", "DELETE"}},
		{Name: "path", Effect: authz.Deny, Paths: []string{"/admin/**", "/orders/*/items", "/ord%2Fers"}},
		{Name: "client", Effect: authz.Require, Clients: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}},
		{Name: "time", Effect: authz.Require, Times: []authz.Window{{From: "06:00", To: "22:00", Zone: "Europe/Berlin"}}},
		{Name: "environment", Effect: authz.Require, Environments: []string{"live"}},
		{Name: "owner", Effect: authz.Require, Owners: []string{"other", "acme"}},
		{Name: "issuer", Effect: authz.Require, Issuers: []string{"warder"}, Schemes: []string{"apiKey"}},
		{Name: "claims", Effect: authz.Require, Claims: []authz.Claim{
			{Path: []string{"realm_access", "roles"}, AnyOf: []any{"ops", "editor"}}, {Path: []string{"level"}, AnyOf: []any{3}},
		}},
		{Name: "scopes", Effect: authz.Require, AllScopes: []string{"orders:read"}, AnyScopes: []string{"users:read", "orders:write"}},
		{Name: "own", Effect: authz.Require, Conditions: []authz.Condition{yes}},
		{Name: "allow", Effect: authz.Allow, Methods: []string{"GET"}, Paths: []string{"/orders/**"}},
	}
}

func passed() *exchange.Exchange {
	return request(func(x *exchange.Exchange) {
		x.Principal.Claims = map[string]any{"realm_access": map[string]any{"roles": []any{"reader", "editor"}}, "level": 3.0}
		x.Start = time.Date(2026, 7, 6, 12, 0, 0, 0, time.UTC)
	})
}

func TestPassingAllocatesNothing(t *testing.T) {
	for _, r := range append(passing(), authz.Rule{}) {
		name, rules := r.Name, []authz.Rule{r}
		if name == "" {
			name, rules = "all of them", passing()
		}
		t.Run(name, func(t *testing.T) {
			s, x := newStage(t, rules...), passed()
			if got := testing.AllocsPerRun(100, func() {
				if v := s.Check(x); !v.Passed() {
					t.Error(v.Reason())
				}
			}); got != 0 {
				t.Errorf("%v allocations, want none", got)
			}
		})
	}
}

// A refusal costs no more: its problem is made once.
func TestRefusingAllocatesNothing(t *testing.T) {
	s, x := newStage(t, authz.Rule{Name: "a", Effect: authz.Allow, Owners: []string{"other"}}), passed()
	if got := testing.AllocsPerRun(100, func() {
		if s.Check(x).Passed() {
			t.Error("passed")
		}
	}); got != 0 {
		t.Errorf("%v allocations, want none", got)
	}
}

func BenchmarkCheck(b *testing.B) {
	for _, r := range append(passing(), authz.Rule{}) {
		name, rules := r.Name, []authz.Rule{r}
		if name == "" {
			name, rules = "all of them", passing()
		}
		b.Run(name, func(b *testing.B) {
			s, x := newStage(b, rules...), passed()
			b.ReportAllocs()
			for b.Loop() {
				if !s.Check(x).Passed() {
					b.Fatal("refused")
				}
			}
		})
	}
}
