package authz_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/warder-dev/warder/authz"
	"github.com/warder-dev/warder/exchange"
)

func TestPrincipals(t *testing.T) {
	nobody := func(x *exchange.Exchange) {
		x.Principal.Subject = "" // the rest stays, as a scheme with an error in it may leave it
		x.Principal.Claims = map[string]any{"department": "billing"}
	}
	tests := []struct {
		name   string
		rule   authz.Rule
		change func(*exchange.Exchange)
		want   bool
	}{
		{"environment", authz.Rule{Environments: []string{"test", "live"}}, nil, true},
		{"another environment", authz.Rule{Environments: []string{"test"}}, nil, false},
		{"case of an environment", authz.Rule{Environments: []string{"Live"}}, nil, false},
		{"no environment", authz.Rule{Environments: []string{"live"}}, func(x *exchange.Exchange) { x.Principal.Environment = "" }, false},
		{"nobody's environment", authz.Rule{Environments: []string{"live"}}, nobody, false},
		{"owner", authz.Rule{Owners: []string{"acme"}}, nil, true},
		{"another owner", authz.Rule{Owners: []string{"acm", "acme2"}}, nil, false},
		{"nobody's owner", authz.Rule{Owners: []string{"acme"}}, nobody, false},
		{"issuer", authz.Rule{Issuers: []string{"warder"}}, nil, true},
		{"another issuer", authz.Rule{Issuers: []string{"https://id.example"}}, nil, false},
		{"nobody's issuer", authz.Rule{Issuers: []string{"warder"}}, nobody, false},
		{"scheme", authz.Rule{Schemes: []string{"apiKey"}}, nil, true},
		{"another scheme", authz.Rule{Schemes: []string{"bearer"}}, nil, false},
		{"nobody's scheme", authz.Rule{Schemes: []string{"apiKey"}}, nobody, false},
		{"all scopes", authz.Rule{AllScopes: []string{"orders:read", "orders:write"}}, nil, true},
		{"all scopes but one", authz.Rule{AllScopes: []string{"orders:read", "users:read"}}, nil, false},
		{"any scope", authz.Rule{AnyScopes: []string{"users:read", "orders:read"}}, nil, true},
		{"no scope of any", authz.Rule{AnyScopes: []string{"users:read", "ordersx:read", "orders"}}, nil, false},
		{"nobody's scopes, all", authz.Rule{AllScopes: []string{"orders:read"}}, nobody, false},
		{"nobody's scopes, any", authz.Rule{AnyScopes: []string{"orders:read"}}, nobody, false},
		{"nobody's claims", authz.Rule{Claims: []authz.Claim{{Path: []string{"department"}, AnyOf: []any{"billing"}}}}, nobody, false},
		{"a key has no claims", authz.Rule{Claims: []authz.Claim{{Path: []string{"department"}, AnyOf: []any{"billing"}}}}, nil, false},
		{"all conditions at once", authz.Rule{Environments: []string{"live"}, Owners: []string{"acme"}, AllScopes: []string{"orders:read"}}, nil, true},
		{"all conditions but one", authz.Rule{Environments: []string{"live"}, Owners: []string{"other"}, AllScopes: []string{"orders:read"}}, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := request()
			if tt.change != nil {
				tt.change(x)
			}
			if got := holds(t, tt.rule, x); got != tt.want {
				t.Errorf("holds = %v, want %v", got, tt.want)
			}
		})
	}
}

const token = `{
	"department": "billing", "admin": true, "level": 3, "ratio": 0.5, "huge": 9007199254740993, "nothing": null, "object": {"a": 1},
	"roles": ["reader", "editor", 7, true, ["nested"], null, {"x": "y"}],
	"realm_access": {"roles": ["ops"], "deep": {"name": "x"}},
	"https://example.com/roles": "a.b"
}`

func TestClaims(t *testing.T) {
	tests := []struct {
		name string
		path []string
		any  []any
		want bool
	}{
		{"text", []string{"department"}, []any{"billing"}, true},
		{"one of several", []string{"department"}, []any{"sales", "billing"}, true},
		{"case", []string{"department"}, []any{"Billing"}, false},
		{"a part", []string{"department"}, []any{"bill"}, false},
		{"member of an array", []string{"roles"}, []any{"editor"}, true},
		{"no member", []string{"roles"}, []any{"edit"}, false},
		{"number in an array", []string{"roles"}, []any{7}, true},
		{"member of a member", []string{"roles"}, []any{"nested"}, false},
		{"value of a member", []string{"roles"}, []any{"y"}, false},
		{"boolean", []string{"admin"}, []any{true}, true},
		{"the other boolean", []string{"admin"}, []any{false}, false},
		{"a boolean is no text", []string{"admin"}, []any{"true"}, false},
		{"integer", []string{"level"}, []any{3}, true},
		{"integer of another type", []string{"level"}, []any{int64(3)}, true},
		{"integer as readers of YAML have it", []string{"level"}, []any{uint64(3)}, true},
		{"an integer is no text", []string{"level"}, []any{"3"}, false},
		{"a text is no integer", []string{"department"}, []any{0}, false},
		{"a fraction is no integer", []string{"ratio"}, []any{0}, false},
		{"beyond what all readers agree on", []string{"huge"}, []any{9007199254740991}, false},
		{"null is nothing", []string{"nothing"}, []any{"", false, 0}, false},
		{"missing is nothing", []string{"none"}, []any{"", false, 0}, false},
		{"an object is nothing", []string{"object"}, []any{"a", 1}, false},
		{"within an object", []string{"realm_access", "roles"}, []any{"ops"}, true},
		{"further within", []string{"realm_access", "deep", "name"}, []any{"x"}, true},
		{"within what is no object", []string{"department", "name"}, []any{"billing"}, false},
		{"within what is missing", []string{"none", "name"}, []any{"x"}, false},
		{"a dot divides nothing", []string{"realm_access.roles"}, []any{"ops"}, false},
		{"a name that is a URL", []string{"https://example.com/roles"}, []any{"a.b"}, true},
	}
	readers := map[string]func(*json.Decoder){"float64": func(*json.Decoder) {}, "json.Number": (*json.Decoder).UseNumber}
	for reader, set := range readers {
		for _, tt := range tests {
			t.Run(reader+": "+tt.name, func(t *testing.T) {
				d := json.NewDecoder(strings.NewReader(token))
				set(d)
				x := request()
				if err := d.Decode(&x.Principal.Claims); err != nil {
					t.Fatal(err)
				}
				always := authz.Claim{Path: []string{"admin"}, AnyOf: []any{true}}
				if got := holds(t, authz.Rule{Claims: []authz.Claim{always, {Path: tt.path, AnyOf: tt.any}}}, x); got != tt.want {
					t.Errorf("holds = %v, want %v", got, tt.want)
				}
			})
		}
	}
}

// Claims that Go code made, and not a reader of JSON.
func TestClaimsOfOtherTypes(t *testing.T) {
	x := request(func(x *exchange.Exchange) {
		x.Principal.Claims = map[string]any{
			"groups": []string{"ops"}, "int": 3, "int64": int64(4), "bad": json.Number("x"), "map": map[string]string{"a": "b"}, "func": func() {},
		}
	})
	tests := []struct {
		claim string
		value any
		want  bool
	}{
		{"groups", "ops", true},
		{"groups", "op", false},
		{"groups", 3, false},
		{"int", 3, true},
		{"int64", 4, true},
		{"bad", 0, false},
		{"map", "b", false},
		{"func", "x", false},
	}
	for _, tt := range tests {
		if got := holds(t, authz.Rule{Claims: []authz.Claim{{Path: []string{tt.claim}, AnyOf: []any{tt.value}}}}, x); got != tt.want {
			t.Errorf("%s has %v = %v, want %v", tt.claim, tt.value, got, tt.want)
		}
	}
}

func TestClaimsThatAreNone(t *testing.T) {
	for name, c := range map[string]authz.Claim{
		"no path":           {AnyOf: []any{"x"}},
		"an empty name":     {Path: []string{"a", ""}, AnyOf: []any{"x"}},
		"no value":          {Path: []string{"a"}},
		"a float":           {Path: []string{"a"}, AnyOf: []any{0.5}},
		"null":              {Path: []string{"a"}, AnyOf: []any{nil}},
		"a list":            {Path: []string{"a"}, AnyOf: []any{[]string{"x"}}},
		"2^53":              {Path: []string{"a"}, AnyOf: []any{1 << 53}},
		"-2^53":             {Path: []string{"a"}, AnyOf: []any{-1 << 53}},
		"2^64-1":            {Path: []string{"a"}, AnyOf: []any{^uint64(0)}},
		"one that is right": {Path: []string{"a"}, AnyOf: []any{"x", struct{}{}}},
	} {
		if _, err := authz.New(authz.Config{Rules: []authz.Rule{{Name: "a", Effect: authz.Deny, Claims: []authz.Claim{c}}}}); err == nil {
			t.Errorf("%s: was accepted", name)
		}
	}
}
