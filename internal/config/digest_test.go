package config_test

import (
	"strings"
	"testing"
)

// TestDigest: what nodes may differ in does not change it, what they may not does, and
// no secret is in it.
func TestDigest(t *testing.T) {
	const api = "upstreams: {a: {url: 'http://h', credential: '${TOKEN}'}, b: {url: 'http://i'}}\nroutes: [{match: /, upstream: a, conditions: [{name: c, methods: [GET]}]}]\n"
	base := loaded(t, api, "TOKEN=t").Digest()
	if len(base) != 32 {
		t.Errorf("Digest = %q, want 32 digits", base)
	}
	for name, text := range map[string]string{
		"nothing":             api,
		"the default":         api + "keys: {freshness: 5s}\n",
		"where it listens":    api + "listen: 127.0.0.1:9090\nadmin_listen: 'off'\n",
		"files":               api + "db: other.db\naudit: {key_file: other}\n",
		"the machine":         api + "limits: {connections: 77}\nkeys: {cache_size: 10}\ntimeouts: {drain: 3s}\nlog: {level: debug}\n",
		"where upstreams are": strings.Replace(api, "http://h", "http://elsewhere", 1),
		"the order of a map":  strings.Replace(api, "{a: {url: 'http://h', credential: '${TOKEN}'}, b: {url: 'http://i'}}", "{b: {url: 'http://i'}, a: {url: 'http://h', credential: '${TOKEN}'}}", 1),
	} {
		if got := loaded(t, text, "TOKEN=u").Digest(); got != base { // the secret differs too
			t.Errorf("%s: another digest, want the same", name)
		}
	}
	seen := map[string]string{base: "nothing"}
	for name, text := range map[string]string{
		"a method":           strings.Replace(api, "[GET]", "[GET, HEAD]", 1),
		"a route":            strings.Replace(api, "match: /,", "match: /x,", 1),
		"hosts":              api + "hosts: [a.example]\n",
		"the policy of keys": api + "keys: {max_ttl: 24h, default_ttl: 1h}\n",
		"bodies":             api + "limits: {body_bytes: 1KiB}\n",
		"a limit":            api + "rate_limits: {x: {count: 1, per: 1m, by: [key]}}\ndefault_rate_limits: [x]\n",
		"another limit":      api + "rate_limits: {x: {count: 2, per: 1m, by: [key]}}\ndefault_rate_limits: [x]\n",
		"cors":               api + "cors: {x: {origins: ['https://a.example']}}\n",
		"the name of a part": api + "cors: {y: {origins: ['https://a.example']}}\n",
	} {
		got := loaded(t, text, "TOKEN=t").Digest()
		if other, known := seen[got]; known {
			t.Errorf("%s: the digest of %s, want another", name, other)
		}
		seen[got] = name
	}
}
