package exchange_test

import (
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
)

func TestScopes(t *testing.T) {
	tests := []struct {
		name   string
		scopes exchange.Scopes
		ask    string
		want   bool
	}{
		{"exact", exchange.PatternScopes("orders:read"), "orders:read", true},
		{"another", exchange.PatternScopes("orders:read"), "orders:write", false},
		{"a prefix is no match", exchange.PatternScopes("orders:re"), "orders:read", false},
		{"wildcard covers a segment", exchange.PatternScopes("orders:*"), "orders:read", true},
		{"wildcard covers several segments", exchange.PatternScopes("orders:*"), "orders:read:all", true},
		{"wildcard against a longer word", exchange.PatternScopes("orders:*"), "ordersx:read", false},
		{"wildcard needs a segment", exchange.PatternScopes("orders:*"), "orders", false},
		{"wildcard needs a non-empty segment", exchange.PatternScopes("orders:*"), "orders:", false},
		{"wildcard needs every segment non-empty", exchange.PatternScopes("orders:*"), "orders::read", false},
		{"a star inside a segment is no wildcard", exchange.PatternScopes("ord*"), "orders", false},
		{"a star in the middle is no wildcard", exchange.PatternScopes("orders:*:read"), "orders:x:read", false},
		{"star alone covers everything", exchange.PatternScopes("*"), "orders:read", true},
		{"star alone does not cover nothing", exchange.PatternScopes("*"), "", false},
		{"a token's star is literal", exchange.LiteralScopes("orders:*"), "orders:read", false},
		{"a token's star alone is literal", exchange.LiteralScopes("*"), "orders:read", false},
		{"a token's scope matches itself", exchange.LiteralScopes("orders:*"), "orders:*", true},
		{"case counts", exchange.PatternScopes("Orders:read"), "orders:read", false},
		{"no scopes", exchange.Scopes{}, "orders:read", false},
		{"the empty scope is never granted", exchange.PatternScopes(""), "", false},
	}
	attack.Case(t, "KEY-28", attack.Library, func(t *testing.T) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				if got := tt.scopes.Allow(tt.ask); got != tt.want {
					t.Errorf("%v.Allow(%q) = %v, want %v", tt.scopes.Names(), tt.ask, got, tt.want)
				}
			})
		}
	})
}

func TestPrincipalsAreIssuerAndSubject(t *testing.T) {
	p := exchange.Principal{Issuer: "warder", Subject: "a"}
	for _, tt := range []struct {
		name  string
		other exchange.Principal
		want  bool
	}{
		{"both alike", exchange.Principal{Issuer: "warder", Subject: "a", Owner: "x"}, true},
		{"other issuer", exchange.Principal{Issuer: "https://idp", Subject: "a"}, false},
		{"other subject", exchange.Principal{Issuer: "warder", Subject: "b"}, false},
	} {
		if got := p.Same(&tt.other); got != tt.want {
			t.Errorf("%s: Same = %v, want %v", tt.name, got, tt.want)
		}
	}
	var nobody exchange.Principal
	if nobody.Same(&nobody) {
		t.Error("nobody is the same as nobody")
	}
}
