package config_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/secret"
)

func printed(t *testing.T, c *config.Config) string {
	t.Helper()
	var out bytes.Buffer
	if err := c.Print(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestPrintTellsWhereValuesComeFrom(t *testing.T) {
	c, err := load(t, shorthand+"db: ./${NAME}.db\nlog: {level: warn}\nlimits:\n  body_bytes: ${BODY}\n", config.Source{
		Environ: []string{"NAME=canary", "BODY=77KB", "WARDER_LOG_FORMAT=json"},
		Flags:   map[string]string{"listen": "127.0.0.1:9"},
	})
	if err != nil {
		t.Fatal(err)
	}
	text := printed(t, c)
	for _, want := range []string{
		`listen: "127.0.0.1:9" # --listen`,
		`admin_listen: "127.0.0.1:8081" # default`,
		`db: "./${NAME}.db" # warder.yaml:2`,
		`file: "./${NAME}.db.peppers" # warder.yaml:2`,
		`format: "json" # WARDER_LOG_FORMAT`,
		`level: "warn" # warder.yaml:3`,
		`body_bytes: "${BODY}" # warder.yaml:5`,
		`idle: 2m # default`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
	for _, never := range []string{"canary", "77KB"} {
		if strings.Contains(text, never) {
			t.Errorf("the value of a variable, %q, is in\n%s", never, text)
		}
	}
}

func TestPrintLoadsAgain(t *testing.T) {
	for name, file := range map[string]string{
		"shorthand": shorthand,
		"example":   config.Example(),
		"everybody": shorthand + "schemes:\n  a: {key: {in: cookie}}\n  b: {jwt: {issuers: [{issuer: 'https://h', audience: [x]}]}}\n  c: {session: {}}\n  d: {basic: {}}\n  e: {certificate: {subject: cn, grants: [{match: a*, scopes: ['a:*']}]}}\n" +
			"security: [{a: [x], b: []}, {apiKey: []}, {}]\nusers: {file: /u}\nsession: {password: true, oidc: {issuer: 'https://h', client_id: a, redirect_url: 'https://h/auth/callback', grants: [{claim: groups, value: staff, scopes: ['a:*']}, {}]}}\n",
		"conditions": reports + "  - {match: /, upstream: a, security: [{apiKey: [x]}, {}], conditions: [{name: a, effect: deny, times: [{days: [mon]}]}]}\n",
		"of routes":  "headers: {remove: [Server]}\ncsrf: {trusted_origins: ['https://a.example']}\n" + reports + "  - {match: /, upstream: a, headers: {frame_options: 'off', remove: []}, csrf: {trusted_origins: []}}\n  - {match: /b, upstream: a, headers: {}, csrf: {shadow: true}}\n",
		"odd values": "upstreams: {a: {url: 'http://h'}}\nroutes: []\ndb: \"a\\tb # ${X} $${Y} ' \\u00e9\"\nkeys: {realm: 'a: b', freshness: 1m30s}\nlimits: {body_bytes: unlimited}\n",
	} {
		t.Run(name, func(t *testing.T) {
			src := config.Source{Environ: []string{"X=1"}, StoreOnly: true}
			first, err := load(t, file, src)
			if err != nil {
				t.Fatal(err)
			}
			second, err := load(t, printed(t, first), src)
			if err != nil {
				t.Fatalf("%v in\n%s", err, printed(t, first))
			}
			if diff := cmp.Diff(first, second, cmpopts.IgnoreUnexported(config.Config{}), cmpopts.IgnoreTypes(secret.Text{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("it changed (-first +second):\n%s", diff)
			}
		})
	}
}

func TestPrintHidesSecrets(t *testing.T) {
	attack.Case(t, "LOG-10", attack.Library, func(t *testing.T) {
		const canary = "canary-4f1d9a"
		path := t.TempDir() + "/peppers"
		if err := os.WriteFile(path, []byte(canary+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		tests := []struct {
			name, file string
			src        config.Source
		}{
			{"variable", shorthand + "peppers: {value: '${P}'}\n", config.Source{Environ: []string{"P=" + canary}}},
			{"part of a variable", shorthand + "peppers: {value: 'a${P}b'}\n", config.Source{Environ: []string{"P=" + canary}}},
			{"file", shorthand + "peppers: {value: 'file:" + path + "'}\n", config.Source{}},
			{"file by variable", shorthand + "peppers: {value: '${P}'}\n", config.Source{Environ: []string{"P=file:" + path}}},
			{"environment", shorthand, config.Source{Environ: []string{"WARDER_PEPPERS_VALUE=" + canary}}},
			{"environment over file", shorthand + "peppers: {value: '${P}'}\n", config.Source{Environ: []string{"P=" + canary, "WARDER_PEPPERS_VALUE=" + canary}}},
			{"file by environment", shorthand, config.Source{Environ: []string{"WARDER_PEPPERS_VALUE=file:" + path}}},
			{"file by flag", shorthand, config.Source{Flags: map[string]string{"peppers-value": "file:" + path}}},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				c, err := load(t, tt.file, tt.src)
				if err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(c.Peppers.Value.Reveal(), canary) {
					t.Fatal("the secret was not loaded")
				}
				text := printed(t, c)
				if strings.Contains(text, canary) || !strings.Contains(text, `value: "[secret]"`) {
					t.Errorf("want [secret] and no canary in\n%s", text)
				}
			})
		}
		t.Run("any value by variable", func(t *testing.T) {
			c, err := load(t, "db: '/${P}/db'\nupstreams: {a: {url: 'http://h/${P}'}}\nroutes: [{match: '/${P}', upstream: a, scopes: ['${P}']}]\nlog: {file: '${P}'}\n",
				config.Source{Environ: []string{"P=" + canary}})
			if err != nil {
				t.Fatal(err)
			}
			if text := printed(t, c); strings.Contains(text, canary) {
				t.Errorf("the canary is in\n%s", text)
			}
		})
	})
}

func TestErrorsHideSecrets(t *testing.T) {
	attack.Case(t, "LOG-09", attack.Library, func(t *testing.T) {
		const canary = "canary-4f1d9a"
		secretFile := t.TempDir() + "/" + "secret"
		if err := os.WriteFile(secretFile, []byte(canary), 0o600); err != nil {
			t.Fatal(err)
		}
		routes := "upstreams: {a: {url: 'http://h'}}\nroutes:\n"
		tests := map[string]string{
			"upstream":                  "upstream: 'http://u:" + canary + "@h/'\n",
			"upstream that is no URL":   "upstream: 'http://u:" + canary + "@h:x/%zz'\n",
			"upstream without a scheme": "upstream: 'u:" + canary + "@h'\n",
			"upstream with a query":     "upstream: 'http://h/?password=" + canary + "'\n",
			"upstream's url":            "upstreams: {a: {url: 'http://u:" + canary + "@h'}}\nroutes: [{match: /, upstream: a}]\n",
			"DSN as db":                 shorthand + "db: 'postgres://u:" + canary + "@h/d'\n",
			"DSN as listen":             shorthand + "listen: 'postgres://u:" + canary + "@h/d'\n",
			"DSN as header":             shorthand + "keys: {header: 'postgres://u:" + canary + "@h/d'}\n",
			"DSN as upstream's name":    routes + "  - {match: /, upstream: 'u:" + canary + "@h'}\n",
			"DSN as pattern":            routes + "  - {match: 'postgres://u:" + canary + "@h/{d', upstream: a}\n",
			"DSN as scope":              routes + "  - {match: /, upstream: a, scopes: ['u:" + canary + "@h']}\n",
			"variable":                  shorthand + "listen: '${P}'\nkeys: {prefix: '${P}', header: '${P} '}\nlog: {level: '${P}', path: '${P}'}\nlimits: {body_bytes: '${P}'}\ntimeouts: {idle: '${P}'}\n",
			"variable in a route":       routes + "  - {match: '${P}', upstream: '${P}', scopes: ['${P} '], allow: ['${P}'], strip_prefix: '${P}'}\n",
			"secret in the file":        shorthand + "peppers: {value: '" + canary + "'}\n",
			"secret's file":             shorthand + "peppers: {value: 'file:/nowhere/${P}'}\n",
			"secret as a field":         shorthand + canary + ": a\n",
			"secret as a field twice":   shorthand + canary + ": a\n" + canary + ": a\n",
			"secret as an upstream":     "upstreams: {'" + canary + "!': {url: 'http://h'}}\nroutes: [{match: /, upstream: b}]\n",
			"secret as a variable":      shorthand + "db: '${" + canary + "}'\n",
			"secret file as a value":    shorthand + "listen: 'file:" + secretFile + "'\n",
			"broken YAML":               shorthand + "db: [" + canary + "\n",
			"broken map":                shorthand + "peppers: value: " + canary + "\n",
			"broken quote":              shorthand + "peppers: {value: \"" + canary + "\n",
			"broken escape":             shorthand + "db: \"\\" + canary + "\"\n",
			"broken indentation":        shorthand + "peppers:\n  value: a\n " + canary + "\n",
			"directive":                 "%YAML " + canary + "\n---\n" + shorthand,
			"tag":                       shorthand + "db: !<" + canary + "> x\n",
			"anchor":                    shorthand + "db: &" + canary + " x\n",
			"alias":                     shorthand + "db: *" + canary + "\n",
		}
		for name, file := range tests {
			t.Run(name, func(t *testing.T) {
				_, err := load(t, file, config.Source{Environ: []string{"P=" + canary}})
				if err == nil {
					t.Fatal("Load: no error")
				}
				if strings.Contains(err.Error(), canary) {
					t.Errorf("the canary is in: %v", err)
				}
			})
		}
		t.Run("environment and flags", func(t *testing.T) {
			for _, s := range config.Settings() {
				_, err := load(t, shorthand, config.Source{Environ: []string{s.Env + "=u:" + canary + "@h\n"}})
				if err != nil && strings.Contains(err.Error(), canary) {
					t.Errorf("%s: the canary is in: %v", s.Env, err)
				}
				_, err = load(t, shorthand, config.Source{Flags: map[string]string{s.Flag: "u:" + canary + "@h\n"}})
				if err != nil && strings.Contains(err.Error(), canary) {
					t.Errorf("--%s: the canary is in: %v", s.Flag, err)
				}
			}
		})
	})
}
