package config_test

import (
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/config"
)

const byEnvoy = shorthand + "decision: {listen: '127.0.0.1:0', dialect: envoy}\n"

func TestRateLimitDomainsThatAreNone(t *testing.T) {
	deep := "{key: a, limit: {name: a, count: 1, per: 1s}}"
	for range 5 {
		deep = "{key: a, descriptors: [" + deep + "]}"
	}
	if _, err := load(t, byEnvoy+"rate_limit_domains: [{domain: a, descriptors: ["+deep+"]}]\n", config.Source{}); err != nil {
		t.Errorf("six deep: %v", err)
	}
	deep = "{key: a, descriptors: [" + deep + "]}"
	for _, tt := range []struct{ name, yaml, want string }{
		{"without an Envoy", shorthand + "rate_limit_domains: [{domain: a, descriptors: [{key: k, limit: {name: a, count: 1, per: 1s}}]}]\n", `
warder.yaml:2:21: rate_limit_domains: has no effect without an Envoy that asks; set decision.listen and decision.dialect: envoy`},
		{"nothing", byEnvoy + "rate_limit_domains:\n  - {domain: a, descriptors: [{key: k}]}\n  - {domain: a, descriptors: []}\n", `
warder.yaml:4:32: rate_limit_domains[0].descriptors[0]: counts nothing; give it a limit, or descriptors that have one
warder.yaml:5:6: rate_limit_domains[1]: has no descriptors; give the keys that Envoy sends, such as - {key: remote_address, limit: {name: address, count: 100, per: 1m}}
warder.yaml:5:14: rate_limit_domains[1].domain: is that of an earlier entry; put its descriptors there`},
		{"names", "rate_limits: {few: {count: 1, per: 1s, by: [address]}}\ndefault_rate_limits: [few]\n" + byEnvoy + `rate_limit_domains:
  - domain: a
    descriptors:
      - {key: a, limit: {name: few, count: 1, per: 1s}}
      - {key: b, limit: {name: b, count: 1, per: 1s}}
      - {key: c, limit: {name: b, count: 1, per: 1s}}
      - {key: c, limit: {name: Big, count: 1, per: 1s}}
      - {key: d, value: x, limit: {name: d, count: 1}}
      - {key: e, limit: {name: e, count: 1, per: 1s, lease: 1, on_store_failure: closed}}
      - {key: f, limit: {name: f, count: 1, per: 1s, store: leased}}
`, `
warder.yaml:8:32: rate_limit_domains[0].descriptors[0].limit.name: is another limit's; give each a name of its own: metrics and stores know limits by it
warder.yaml:10:32: rate_limit_domains[0].descriptors[2].limit.name: is another limit's; give each a name of its own: metrics and stores know limits by it
warder.yaml:11:10: rate_limit_domains[0].descriptors[3]: has the key and value of an earlier one
warder.yaml:11:26: rate_limit_domains[0].descriptors[3].limit: has no name that fits; use up to 40 lower case letters, digits, - and _
warder.yaml:12:36: rate_limit_domains[0].descriptors[4].limit: does not say how much; give count and per, such as count: 600 and per: 1m, or concurrent
warder.yaml:13:61: rate_limit_domains[0].descriptors[5].limit.lease: has no effect without store: leased
warder.yaml:13:82: rate_limit_domains[0].descriptors[5].limit.on_store_failure: has no effect without a store; set store: redis or store: leased
warder.yaml:14:61: rate_limit_domains[0].descriptors[6].limit.store: has no server; set redis.addresses`},
		{"exact and in memory", "redis: {addresses: ['h:1']}\n" + byEnvoy + `rate_limit_domains:
  - domain: a
    descriptors:
      - {key: a, limit: {name: a, count: 1, per: 1s, store: redis}}
      - {key: b, descriptors: [{key: c, limit: {name: b, count: 1, per: 1s}}]}
`, `
warder.yaml:5:5: rate_limit_domains[0]: has the limits a with store: redis and b with store: memory, which count together; give both store: redis, or the first store: leased`},
		{"too deep", byEnvoy + "rate_limit_domains: [{domain: a, descriptors: [" + deep + "]}]\n", `nests deeper than 16`},
		{"long", byEnvoy + "rate_limit_domains: [{domain: " + strings.Repeat("a", 129) + ", descriptors: [{key: k, limit: {name: a, count: 1, per: 1s}}]}]\n", `rate_limit_domains[0].domain: is longer than 128 characters`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.yaml, config.Source{})
			if strings.HasPrefix(tt.want, "\n") {
				wantErrors(t, err, tt.want)
			} else if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

func TestRateLimitDomains(t *testing.T) {
	c, err := load(t, byEnvoy+`rate_limit_domains:
  - domain: a
    descriptors:
      - key: a
        limit: {name: a, count: 1, per: 1s}
        descriptors:
          - {key: b, value: x, limit: {name: b, count: 2, per: 1m, burst: 3, shadow: true}}
`, config.Source{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	c.DescriptorLimits(func(field string, limit *config.DescriptorLimit) { seen[field] = limit.Name })
	if len(seen) != 2 || seen["rate_limit_domains[0].descriptors[0].descriptors[0].limit"] != "b" || seen["rate_limit_domains[0].descriptors[0].limit"] != "a" {
		t.Errorf("the limits: %v", seen)
	}
	again, err := load(t, printed(t, c), config.Source{})
	if err != nil {
		t.Fatalf("%v in\n%s", err, printed(t, c))
	}
	changed, err := load(t, strings.Replace(printed(t, again), "burst: 3", "burst: 4", 1), config.Source{})
	if err != nil {
		t.Fatal(err)
	}
	if live, restart := again.Changes(changed); len(live) != 1 || live[0] != "rate_limit_domains" || len(restart) > 0 {
		t.Errorf("live %v, restart %v", live, restart)
	}
}

func TestWhatWeakensRateLimitDomains(t *testing.T) {
	got := weak(t, "redis: {addresses: ['127.0.0.1:6379']}\n"+byEnvoy+`rate_limit_domains:
  - domain: a
    descriptors:
      - {key: a, limit: {name: a, count: 1, per: 1s, store: redis, on_store_failure: insecure_open}}
      - {key: b, limit: {name: b, count: 1, per: 1s, store: redis, shadow: true}}
`)
	for i, want := range []string{
		"rate_limit_domains[0].descriptors[0].limit.on_store_failure: is insecure_open: what cannot be judged passes",
		"rate_limit_domains[0].descriptors[1].limit.shadow: it only watches",
	} {
		if len(got) != 2 || !strings.Contains(got[i], want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
