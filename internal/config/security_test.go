package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/config"
)

// What a file says of security is read whole or not at all: nothing becomes
// public because it was left out, emptied or misspelt.
func TestSecurityOfAFile(t *testing.T) {
	attack.Case(t, "MULTI-07", attack.CLI, func(t *testing.T) {
		const session = "users: {file: /u}\nsession: {password: true}\nschemes: {login: {session: {}}}\n"
		for _, tt := range []struct{ name, file, want, err string }{ // want: the alternatives, as "apiKey+login | {}"; "public" for none
			{"missing everywhere: a key is asked for", reports + "  - {match: /, upstream: a}\n", "apiKey", ""},
			{"missing inherits", session + "security: [{login: []}]\n" + reports + "  - {match: /, upstream: a}\n", "login", ""},
			{"its own instead", session + "security: [{login: []}]\n" + reports + "  - {match: /, upstream: a, security: [{apiKey: []}]}\n", "apiKey", ""},
			{"optional by word", reports + "  - {match: /, upstream: a, security: [{apiKey: []}, {}]}\n", "apiKey | {}", ""},
			{"public by word", session + "security: [{login: []}]\n" + reports + "  - {match: /, upstream: a, public: true}\n", "public", ""},
			{"empty list", reports + "  - {match: /, upstream: a, security: []}\n", "", "routes[0].security: names no scheme"},
			{"empty list for all", "security: []\n" + reports + "  - {match: /, upstream: a}\n", "", "security: names no scheme"},
			{"nothing behind the name", reports + "  - {match: /, upstream: a, security: }\n", "", "routes[0].security"},
			{"null", reports + "  - {match: /, upstream: a, security: null}\n", "", "routes[0].security"},
			{"empty map alone", reports + "  - {match: /, upstream: a, security: [{}]}\n", "", "routes[0].security: names no scheme"},
			{"empty maps", reports + "  - {match: /, upstream: a, security: [{}, {}]}\n", "", "routes[0].security"},
			{"empty map first", reports + "  - {match: /, upstream: a, security: [{}, {apiKey: []}]}\n", "", "routes[0].security[0]"},
			{"a null in the list", reports + "  - {match: /, upstream: a, security: [null, {apiKey: []}]}\n", "", "routes[0].security[0]"},
			{"unknown scheme", reports + "  - {match: /, upstream: a, security: [{apikey: []}]}\n", "", "routes[0].security[0].apikey: no scheme has this name"},
			{"unknown scheme beside a known one", reports + "  - {match: /, upstream: a, security: [{apiKey: []}, {key: []}]}\n", "", "routes[0].security[1].key: no scheme has this name"},
			{"unknown scheme together with a known one", reports + "  - {match: /, upstream: a, security: [{apiKey: [], key: []}]}\n", "", "routes[0].security[0].key: no scheme has this name"},
			{"public and a requirement", reports + "  - {match: /, upstream: a, public: true, security: [{apiKey: []}]}\n", "", "routes[0].public: contradicts"},
			{"misspelt", reports + "  - {match: /, upstream: a, securty: [{apiKey: []}]}\n", "", "securty"},
			{"a map for the list", reports + "  - {match: /, upstream: a, security: {apiKey: []}}\n", "", "routes[0].security"},
			{"a word for the list", reports + "  - {match: /, upstream: a, security: none}\n", "", "routes[0].security"},
			{"sessions that nobody can begin", "schemes: {login: {session: {}}}\n" + reports + "  - {match: /, upstream: a, security: [{login: []}]}\n", "", "login"},
		} {
			path := filepath.Join(t.TempDir(), "warder.yaml")
			if err := os.WriteFile(path, []byte(tt.file), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, err := config.Load(config.Source{File: path})
			switch {
			case tt.err != "" && err == nil:
				t.Errorf("%s: accepted, as %s", tt.name, security(cfg))
			case tt.err != "" && !strings.Contains(err.Error(), tt.err):
				t.Errorf("%s: %v, want %q", tt.name, err, tt.err)
			case tt.err == "" && err != nil:
				t.Errorf("%s: %v", tt.name, err)
			case tt.err == "" && security(cfg) != tt.want:
				t.Errorf("%s: %s, want %s", tt.name, security(cfg), tt.want)
			}
		}
	})
}

// security writes what the first route asks for.
func security(c *config.Config) string {
	if c.Routes[0].Public {
		return "public"
	}
	var all []string
	for _, alternative := range c.RouteSecurity(&c.Routes[0]) {
		var names []string
		for name := range alternative {
			names = append(names, name)
		}
		if names == nil {
			names = []string{"{}"}
		}
		all = append(all, strings.Join(names, "+"))
	}
	return strings.Join(all, " | ")
}
