package config_test

import (
	"slices"
	"testing"

	"github.com/warder-dev/warder/internal/config"
)

const someLimits = shorthand + "rate_limits:\n"

func TestRateLimitsThatAreNone(t *testing.T) {
	tests := []struct{ name, yaml, want string }{
		{"no quota", someLimits + "  a: {by: [address]}\n", `warder.yaml:3:3: rate_limits.a: does not say how much; give count and per, such as count: 600 and per: 1m, or concurrent`},
		{"count without per", someLimits + "  a: {count: 1, by: [address]}\n", `warder.yaml:3:3: rate_limits.a: does not say how much; give count and per, such as count: 600 and per: 1m, or concurrent`},
		{"below nothing", someLimits + "  a: {count: -1, per: 1s, by: [address]}\n", `warder.yaml:3:14: rate_limits.a.count: is out of range; want 0 to 1000000000`},
		{"half a microsecond", someLimits + "  a: {count: 1, per: 500us, by: [address]}\n", `warder.yaml:3:22: rate_limits.a.per: is less than 1ms`},
		{"a burst of a lifetime", someLimits + "  a: {count: 1, per: 366d, burst: 11, by: [address]}\n", `warder.yaml:3:3: rate_limits.a: takes more than ten years to refill its burst`},
		{"LIMIT-09: cost above the burst", someLimits + "  a: {count: 5, per: 1s, cost: 6, by: [address]}\n", `warder.yaml:3:32: rate_limits.a.cost: is more than the burst: no request would ever pass`},
		{"LIMIT-09: cost of nothing", someLimits + "  a: {count: 5, per: 1s, cost: 0, by: [address]}\n", `warder.yaml:3:32: rate_limits.a.cost: is out of range; want 1 to 1000000000`},
		{"nobody", someLimits + "  a: {count: 1, per: 1s}\n", `warder.yaml:3:3: rate_limits.a: has no by; say whom it counts: [address], [key], [owner]`},
		{"by what is nothing", someLimits + "  a: {count: 1, per: 1s, by: [where, 'header:', 'claim:a..b', 'cel: ', key, key]}\n", `
warder.yaml:3:31: rate_limits.a.by[0]: "where" does not tell subjects apart; write address, key, owner, session, principal, route, header:NAME, claim:NAME or cel:EXPRESSION
warder.yaml:3:38: rate_limits.a.by[1]: "header:" does not tell subjects apart; write address, key, owner, session, principal, route, header:NAME, claim:NAME or cel:EXPRESSION
warder.yaml:3:49: rate_limits.a.by[2]: "claim:a..b" does not tell subjects apart; write address, key, owner, session, principal, route, header:NAME, claim:NAME or cel:EXPRESSION
warder.yaml:3:63: rate_limits.a.by[3]: "cel: " does not tell subjects apart; write address, key, owner, session, principal, route, header:NAME, claim:NAME or cel:EXPRESSION
warder.yaml:3:77: rate_limits.a.by[5]: is in the list twice`},
		{"both kinds", someLimits + "  a: {count: 1, per: 1s, concurrent: 2, by: [key]}\n", `warder.yaml:3:38: rate_limits.a.concurrent: is given together with what concerns requests per time; make a limit for each`},
		{"a cost in a field with a meaning", someLimits + "  a: {count: 1, per: 1s, by: [key], cost_header: content-length}\n", `warder.yaml:3:50: rate_limits.a.cost_header: "content-length" is not a field that can tell a cost; use a name such as X-Cost`},
		{"plans before anybody is known", someLimits + "  a: {count: 1, per: 1s, by: [address], plans: [{name: b, count: 2, owners: [c]}]}\n", `warder.yaml:3:48: rate_limits.a.plans: are for who is known, and this limit counts before anybody is asked; add key or owner to by`},
		{"plans", someLimits + "  a: {count: 1, per: 1s, by: [key], plans: [{name: b, count: 2}, {name: b, count: 2, claim: c}, {name: d, owners: [e]}]}\n", `
warder.yaml:3:46: rate_limits.a.plans[0]: fits everybody; name keys, plans of keys, owners, environments, a scope or a claim
warder.yaml:3:67: rate_limits.a.plans[1]: has one of claim and value; give both
warder.yaml:3:73: rate_limits.a.plans[1].name: is that of an earlier plan
warder.yaml:3:98: rate_limits.a.plans[2]: has no count`},
		{"name", someLimits + "  Off: {count: 1, per: 1s, by: [key]}\n  off: {count: 1, per: 1s, by: [key]}\n", `
warder.yaml:3:3: rate_limits: this name is not one of a limit; use 1 to 40 lower case letters, digits, - and _, the first a letter or digit
warder.yaml:4:3: rate_limits: this name is not one of a limit; use 1 to 40 lower case letters, digits, - and _, the first a letter or digit`},
		{"default that is not there", someLimits + "  address: {count: 1, per: 1s, by: [address]}\ndefault_rate_limits: [addrez, address, address]\n", `
warder.yaml:4:23: default_rate_limits[0]: no limit is called "addrez"; did you mean "address"?
warder.yaml:4:40: default_rate_limits[2]: is in the list twice`},
		{"delays that do not grow", shorthand + "brute_force: {delay: 2s, longest_delay: 1s, forget: 1s}\n", `warder.yaml:2:41: brute_force.longest_delay: is less than brute_force.delay`},
		{"forgotten before it is over", shorthand + "brute_force: {forget: 1m}\n", `warder.yaml:2:23: brute_force.forget: is less than brute_force.longest_delay`},
		{"a store that is not there", someLimits + "  a: {count: 1, per: 1s, by: [key], store: redis}\n", `warder.yaml:3:44: rate_limits.a.store: has no server; set redis.addresses`},
		{"a store for nothing", someLimits + "  a: {count: 1, per: 1s, by: [key], on_store_failure: closed, lease: 1}\n", `
warder.yaml:3:55: rate_limits.a.on_store_failure: has no effect without a store; set store: redis or store: leased
warder.yaml:3:70: rate_limits.a.lease: has no effect without store: leased`},
		{"a lease of more than there is", "redis: {addresses: ['h:1']}\n" + someLimits + "  a: {count: 2, per: 1s, by: [key], store: leased, lease: 3}\n  b: {concurrent: 1, by: [key], store: leased}\n", `
warder.yaml:4:59: rate_limits.a.lease: is more than the burst
warder.yaml:5:40: rate_limits.b.store: cannot be had together with concurrent: requests under way are counted on each node`},
		{"exact and in memory", "redis: {addresses: ['h:1']}\n" + someLimits + "  a: {count: 2, per: 1s, by: [key], store: redis}\n  b: {count: 2, per: 1s, by: [owner]}\ndefault_rate_limits: [a, b]\n", `warder.yaml:6:22: default_rate_limits: has the limits a with store: redis and b with store: memory, which count together; give both store: redis, or the first store: leased`},
		{"servers", shorthand + "redis: {addresses: ['redis://u:hunter2@h:1', h], ca_file: a}\n", `
warder.yaml:2:21: redis.addresses[0]: this value is not an address; write it like 127.0.0.1:6379
warder.yaml:2:46: redis.addresses[1]: "h" is not an address; write it like 127.0.0.1:6379
warder.yaml:2:59: redis.ca_file: has no effect without tls`},
		{"bypass", shorthand + "rate_limit_bypass: {addresses: [everywhere]}\n", `warder.yaml:2:33: rate_limit_bypass.addresses[0]: "everywhere" is neither an address nor a network; write it like 10.0.0.0/8`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.yaml, config.Source{})
			wantErrors(t, err, tt.want)
		})
	}
}

func TestRouteLimits(t *testing.T) {
	const limits = "rate_limits:\n  a: {count: 2, per: 1s, by: [address]}\n  k: {count: 9, per: 1s, by: [key]}\n  c: {concurrent: 1, by: [key]}\n  d: {concurrent: 1, by: [address]}\ndefault_rate_limits: [a, k]\n"
	tests := []struct{ name, route, want string }{
		{"unknown", "rate_limits: [b]", `warder.yaml:10:43: routes[0].rate_limits[0]: no limit is called "b"; did you mean "a"?`},
		{"cost above a burst", "cost: 3", `warder.yaml:10:35: routes[0].cost: is more than the burst of a: no request would ever pass`},
		{"nobody is known", "public: true, rate_limits: [k]", `warder.yaml:10:56: routes[0].rate_limits: names k, which counts by who is known: nobody is known on a public route; take a limit by address`},
		{"two of the same sort", "rate_limits: [c, d]", `warder.yaml:10:6: routes[0]: has several limits with concurrent; keep one of them`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, limits+reports+"  - {match: /, upstream: a, "+tt.route+"}\n", config.Source{})
			wantErrors(t, err, tt.want)
		})
	}
	for route, want := range map[string][]string{
		"rate_limits: []":           {"a", "k"},
		"rate_limits: [c]":          {"a", "k", "c"},
		"rate_limits: ['off', k]":   {"k"},
		"rate_limits: [k], cost: 2": {"a", "k"},
		"public: true":              {"a"},
	} {
		cfg, err := load(t, limits+reports+"  - {match: /, upstream: a, "+route+"}\n", config.Source{})
		if err != nil {
			t.Fatal(err)
		}
		if got := cfg.RouteLimits(&cfg.Routes[0]); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", route, got, want)
		}
	}
}

func TestWhereALimitCounts(t *testing.T) {
	for _, tt := range []struct {
		by    []string
		early bool
	}{
		{[]string{"address"}, true},
		{[]string{"route", "address", "header:X-Tenant"}, true},
		{[]string{"route"}, false},
		{[]string{"header:X-Tenant"}, false},
		{[]string{"address", "key"}, false},
		{[]string{"address", "cel:client"}, false},
	} {
		if got := (&config.RateLimit{By: tt.by}).Early(); got != tt.early {
			t.Errorf("%v: early = %v, want %v", tt.by, got, tt.early)
		}
	}
	if (&config.RateLimit{By: []string{"address"}, Concurrent: 1}).Early() {
		t.Error("a limit of what runs at once counts early")
	}
	if b, ok := config.ParseBy(`claim:https://acme\.example/tier.name`); !ok || !slices.Equal(b.Path, []string{"https://acme.example/tier", "name"}) {
		t.Errorf("got %+v, %v", b, ok)
	}
}
