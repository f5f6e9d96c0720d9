package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/config"
)

// loaded is the configuration of a file with text.
func loaded(t *testing.T, text string, environ ...string) *config.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "warder.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Source{File: file, Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestChanges(t *testing.T) {
	const api = "upstreams: {a: {url: 'http://h', credential: '${TOKEN}'}}\nroutes: [{match: /, upstream: a, conditions: [{name: c, methods: [GET]}]}]\n"
	const (
		proxied = "forwarded: {from: x-forwarded-for, trusted_proxies: [10.0.0.0/8], proto: true}\n"
		asked   = "decision: {listen: '127.0.0.1:0', dialect: envoy-http}\nroutes: [{match: /}]\n"
	)
	for _, tt := range []struct {
		name, before, after string
		token               string // after; "t" before
		live, restart       []string
	}{
		{name: "nothing", before: api, after: "# another comment\n" + api},
		{name: "what is the default already", before: api, after: api + "listen: 127.0.0.1:8080\n"},
		{name: "a secret", before: api, after: api, token: "u", live: []string{"upstreams"}},
		{name: "deep in a list", before: api, after: strings.Replace(api, "[GET]", "[GET, HEAD]", 1), live: []string{"routes"}},
		{name: "what is inherited and what is empty", before: api, after: strings.Replace(api, "upstream: a,", "upstream: a, csrf: {trusted_origins: []},", 1), live: []string{"routes"}},
		{name: "one more in a map", before: api, after: api + "cors: {x: {origins: ['https://a.example']}}\n", live: []string{"cors"}},
		{name: "another name in a map", before: api + "cors: {x: {origins: ['*']}}\n", after: api + "cors: {y: {origins: ['*']}}\n", live: []string{"cors"}},
		{
			name: "parts of sections", before: api, after: api + "limits: {target_bytes: 4KiB, header_bytes: 32KiB}\nhttps: {port: 8443, get_status: 301}\ncsrf: {lifetime: 1h}\n",
			live: []string{"https.get_status", "csrf.lifetime", "limits.target_bytes"}, restart: []string{"https.port", "limits.header_bytes"},
		},
		{
			name: "a part that was not there", before: api, after: api + "tls: {acme: {names: [a.example], agree_to_terms: true}}\n",
			restart: []string{"tls.acme", "tls (whether listen speaks it)"},
		},
		{
			name: "certificates, and who signs those of clients", before: api + "tls: {certificates: [{cert_file: a, key_file: b}]}\n",
			after: api + "tls: {certificates: [{cert_file: a, key_file: c}], client_ca_file: d, client_auth: require}\n", live: []string{"tls.certificates", "tls.client_ca_file", "tls.client_auth"},
		},
		{
			name: "an end of TLS", before: api + "tls: {certificates: [{cert_file: a, key_file: b}]}\n", after: api,
			live: []string{"tls.certificates"}, restart: []string{"tls (whether listen speaks it)"},
		},
		{
			name: "an upstream that wants signed identities", before: api, after: strings.Replace(api, "credential: '${TOKEN}'", "identity: jwt", 1) + "identity: {issuer: 'https://w.example'}\n",
			live: []string{"upstreams"}, restart: []string{"identity.issuer", "upstreams (identity: jwt)"},
		},
		{
			name: "a field of a proxy's own", before: api + proxied, after: api + strings.Replace(proxied, "proto: true", "proto: true, client_cert_header: X-Cert", 1),
			live: []string{"forwarded.client_cert_header"},
		},
		{
			name: "a field of a proxy's own, where others take it away", before: asked + proxied, after: asked + strings.Replace(proxied, "proto: true", "proto: true, client_cert_header: X-Cert", 1),
			live: []string{"forwarded.client_cert_header"}, restart: []string{"forwarded (fields of the proxies' own, beside decision.listen)"},
		},
		{
			name: "other proxies, where others take fields away", before: asked + proxied, after: asked + strings.Replace(proxied, "10.0.0.0/8", "10.0.0.1", 1),
			live: []string{"forwarded.trusted_proxies"},
		},
	} {
		token := tt.token
		if token == "" {
			token = "t"
		}
		before, after := loaded(t, tt.before, "TOKEN=t"), loaded(t, tt.after, "TOKEN="+token)
		live, restart := before.Changes(after)
		if !slices.Equal(live, tt.live) || !slices.Equal(restart, tt.restart) {
			t.Errorf("%s: live %q, restart %q, want %q and %q", tt.name, live, restart, tt.live, tt.restart)
		}
		if live, restart = after.Changes(before); !slices.Equal(live, tt.live) || !slices.Equal(restart, tt.restart) {
			t.Errorf("%s, the other way: live %q, restart %q", tt.name, live, restart)
		}
	}
}

// TestTheGuideNamesWhatIsTakenOver: the table of the guide has each such setting,
// or its section, and each is one.
func TestTheGuideNamesWhatIsTakenOver(t *testing.T) {
	page, err := os.ReadFile("../../docs/guide/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(page), "| Taken over | |\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	named := make(map[string]bool)
	for line := range strings.SplitSeq(table, "\n") {
		for i, part := range strings.Split(strings.Split(line, "|")[1], "`") {
			if i%2 == 1 {
				named[part] = false
			}
		}
	}
	known := make(map[string]bool)
	for _, s := range config.Settings() {
		known[s.Field] = true
	}
	for part := range reflect.TypeFor[config.TLS]().Fields() { // lists are no Settings
		known["tls."+part.Tag.Get("yaml")] = true
	}
	for setting := range config.LiveSettings() {
		section, _, nested := strings.Cut(setting, ".")
		if nested && !known[setting] {
			t.Errorf("there is no setting %s", setting)
		}
		for _, name := range []string{setting, section} {
			if _, ok := named[name]; ok {
				named[name] = true
				section = ""
			}
		}
		if section != "" {
			t.Errorf("the guide does not name %s", setting)
		}
	}
	for name, used := range named {
		if !used {
			t.Errorf("the guide names %s, which needs a restart", name)
		}
	}
	if !found || len(named) < 15 {
		t.Errorf("the guide's table has %d settings", len(named))
	}
}
