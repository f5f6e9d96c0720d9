package config_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/config"
)

// weak loads a configuration and returns what weakens it.
func weak(t *testing.T, file string) []string {
	t.Helper()
	c, err := load(t, file, config.Source{})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range c.Findings() {
		all = append(all, f.String())
	}
	return all
}

func TestFindings(t *testing.T) {
	key := filepath.Join(t.TempDir(), "k")
	if err := os.WriteFile(key, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	pair := "tls: {certificates: [{cert_file: '" + key + "', key_file: '" + key + "'}]}\n"
	for _, tt := range []struct {
		name, file string
		mode       os.FileMode
		want       []string
	}{
		{"nothing", shorthand, 0o600, nil},
		{"a key of one's own", shorthand + pair, 0o600, nil},
		{"a key of the group", shorthand + pair, 0o640, nil},
		{"a key of everybody", shorthand + pair, 0o644, []string{"warder.yaml:2: tls.certificates[0].key_file: everybody on this machine may read or write the key; take that right away: chmod o-rw"}},
		{"a key that everybody may write", shorthand + pair, 0o602, []string{"warder.yaml:2: tls.certificates[0].key_file: everybody on this machine may read or write the key; take that right away: chmod o-rw"}},
		{"in clear text", shorthand + "listen: ':80'\n", 0o600, []string{"warder.yaml:2: listen: whoever is on the way between this machine and its clients reads the keys: there is no TLS, and no proxy that ends it; set tls, or forwarded and https.require"}},
		{"in clear text to a proxy", shorthand + "listen: ':80'\nforwarded: {from: forwarded, trusted_proxies: [10.0.0.1], proto: true}\n", 0o600, nil},
		{"insecure by name, in a list, a map and by itself", "upstreams: {a: {url: 'https://h', insecure_skip_verify: true}}\nroutes: [{match: /, upstream: a}]\n" +
			"peppers: {insecure_mode: true}\nschemes: {k: {key: {in: cookie, name: k, insecure_cookie_name: true}}}\n", 0o600, []string{
			"warder.yaml:3: peppers.insecure_mode: they can then check guesses of keys against a stolen database",
			"warder.yaml:4: schemes.k.key.insecure_cookie_name: parent domains, and whoever is on the way over plain HTTP, can set it",
			"warder.yaml:1: upstreams.a.insecure_skip_verify: whoever is between warder and the upstream can read and change everything",
		}},
		{"insecure by choice", shorthand + "redis: {addresses: ['127.0.0.1:6379']}\nrate_limits: {few: {count: 1, per: 1m, by: [key], store: redis, on_store_failure: insecure_open}}\ndefault_rate_limits: [few]\n", 0o600, []string{
			"warder.yaml:3: rate_limits.few.on_store_failure: is insecure_open: what cannot be judged passes",
		}},
		{"hosts that are only watched", "hosts: [a.example]\nhosts_shadow: true\n" + shorthand, 0o600, []string{
			"warder.yaml:2: hosts_shadow: it only watches: nothing is refused by it; take it away when what it would refuse is right",
		}},
		{"what only watches", "cors: {default: {origins: ['https://a.example'], shadow: true, explain: true}}\n" + shorthand + "csrf: {shadow: true}\n", 0o600, []string{
			"warder.yaml:1: cors.default.explain: header fields of requests come into the log; take it away when the mistake is found",
			"warder.yaml:1: cors.default.shadow: it only watches: nothing is refused by it; take it away when what it would refuse is right",
			"warder.yaml:3: csrf.shadow: it only watches: nothing is refused by it; take it away when what it would refuse is right",
		}},
	} {
		if err := os.Chmod(key, tt.mode); err != nil {
			t.Fatal(err)
		}
		if got := weak(t, tt.file); !slices.Equal(got, tt.want) {
			t.Errorf("%s:\n%s\nwant:\n%s", tt.name, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
		}
	}
}

// Every setting that is called insecure says what it costs.
func TestInsecureSettingsSayWhatTheyCost(t *testing.T) {
	schema, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	names := len(regexp.MustCompile(`"insecure_[a-z0-9_]+":`).FindAll(schema, -1)) // not values of that name
	if costs := strings.Count(string(schema), "It costs: "); names < 10 || costs != names {
		t.Errorf("%d settings are called insecure, and %d say what they cost", names, costs)
	}
}
