package main

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/config"
)

// What a person is told to try is a request that the configuration lets pass.
func TestFirstTry(t *testing.T) {
	const upstream = "upstreams: {a: {url: 'http://127.0.0.1:1'}}\n"
	const people = "users: {file: ./users}\nschemes: {login: {basic: {}}, token: {key: {in: bearer}}, own: {key: {name: X-Own}}}\n"
	for _, tt := range []struct{ name, file, want string }{
		{"shorthand", "upstream: http://127.0.0.1:1\n", "X-API-Key: /"},
		{"a path before a wildcard", upstream + "routes:\n- {match: '/orders/{id}', upstream: a}\n- {match: GET /orders, upstream: a}\n", "X-API-Key: /orders"},
		{"a path without scopes before one with", upstream + "routes:\n- {match: /admin/, upstream: a, scopes: [admin]}\n- {match: /orders/, upstream: a}\n", "X-API-Key: /orders/"},
		{"scopes, when there is nothing else", upstream + "routes: [{match: 'GET /admin/{$}', upstream: a, scopes: ['b:c', admin]}]\n", "X-API-Key: /admin/ --scopes admin,b:c"},
		{"nothing but wildcards, other methods and hosts", upstream + "routes:\n- {match: '/{id}/x', upstream: a}\n- {match: POST /orders, upstream: a}\n- {match: api.test/b, upstream: a}\n", "X-API-Key: /"},
		{"proxies alone", "decision: {listen: '127.0.0.1:0', dialect: nginx}\nroutes: [{match: /}]\n", "X-API-Key: / by a proxy"},
		{"proxies, and others", upstream + "decision: {listen: '127.0.0.1:0', dialect: nginx}\nroutes:\n- {match: /a}\n- {match: '/{id}', upstream: a, scopes: [x]}\n", "X-API-Key: / --scopes x"},
		{"another field", upstream + people + "routes: [{match: /b, upstream: a, security: [{login: []}, {own: []}]}]\n", "X-Own: /b"},
		{"keys elsewhere", upstream + people + "routes: [{match: /, upstream: a, security: [{token: []}]}]\n", ""},
		{"a key and something else", upstream + people + "routes: [{match: /, upstream: a, security: [{own: [], login: []}]}]\n", ""},
		{"people alone", "upstream: http://127.0.0.1:1\n" + people + "security: [{login: []}]\n", ""},
		{"everybody", upstream + "routes: [{match: /, upstream: a, public: true}]\n", ""},
	} {
		file := filepath.Join(t.TempDir(), "warder.yaml")
		if err := os.WriteFile(file, []byte(tt.file), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(config.Source{File: file})
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		got := ""
		if try, some := firstTry(cfg); some {
			got = try.header + ": " + try.path + try.flags()
			if try.asked {
				got += " by a proxy"
			}
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// Of keys nothing is said where no route takes them.
func TestTheGreetingTellsOfKeysWhereTheyAreTaken(t *testing.T) {
	for file, want := range map[string]bool{
		"upstream: http://127.0.0.1:1\n":                                                                               true,
		"decision: {listen: '127.0.0.1:0', dialect: nginx}\nroutes: [{match: /}]\n":                                    true,
		"upstream: http://127.0.0.1:1\nusers: {file: users}\nschemes: {login: {basic: {}}}\nsecurity: [{login: []}]\n": false,
	} {
		folder := t.TempDir()
		name := filepath.Join(folder, "warder.yaml")
		if err := os.WriteFile(name, []byte(file+"db: "+filepath.Join(folder, "warder.db")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(config.Source{File: name})
		if err != nil {
			t.Fatal(err)
		}
		store, err := openStore(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		var greeting strings.Builder
		greet(t.Context(), &greeting, cfg, running{public: "127.0.0.1:8080", store: store})
		if err := store.db.Close(); err != nil {
			t.Error(err)
		}
		if got := strings.Contains(greeting.String(), "There is no key yet"); got != want {
			t.Errorf("%s: %s", file, greeting.String())
		}
		if got := strings.Contains(greeting.String(), "curl "); got != strings.HasSuffix(file, "1\n") {
			t.Errorf("%s: %s", file, greeting.String())
		}
	}
}

// TestTheGreetingNamesWhereProxiesAsk starts a gateway that proxies ask.
func TestTheGreetingNamesWhereProxiesAsk(t *testing.T) {
	folder := t.TempDir()
	const text = "upstream: http://127.0.0.1:1\ndecision: {listen: '127.0.0.1:0', dialect: nginx}\n"
	if err := os.WriteFile(filepath.Join(folder, "warder.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	serve := command(ctx, folder, "serve", "--config", "warder.yaml", "--listen", "127.0.0.1:0", "--admin-listen", "off", "--log-file", "warder.log")
	stderr, err := serve.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	var greeting strings.Builder
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		fmt.Fprintln(&greeting, lines.Text())
		if strings.Contains(lines.Text(), "decisions for") {
			stopped = true
			if err := serve.Process.Signal(os.Interrupt); err != nil {
				t.Error(err)
			}
		}
	}
	if err := serve.Wait(); err != nil || !stopped {
		t.Fatalf("warder serve ended: %v: %s", err, greeting.String())
	}
	if whole := greeting.String(); !strings.Contains(whole, "warder: decisions for nginx on http://127.0.0.1:") || !strings.Contains(whole, "/authz\n") {
		t.Errorf("the greeting: %s", whole)
	}
}

func TestDecisionURL(t *testing.T) {
	for _, tt := range []struct {
		address  string
		insecure bool
		want     string
	}{
		{"127.0.0.1:8083", false, "http://127.0.0.1:8083/authz"},
		{"[::]:8083", false, "https://[::]:8083/authz"},
		{"[::]:8083", true, "http://[::]:8083/authz"},
		{"/run/warder.sock", false, "/run/warder.sock"},
	} {
		if got := decisionURL(&config.Config{Decision: config.Decision{InsecureListen: tt.insecure}}, tt.address); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.address, got, tt.want)
		}
	}
	if got := decisionURL(&config.Config{Decision: config.Decision{Dialect: config.Envoy}}, "127.0.0.1:8083"); got != "http://127.0.0.1:8083" {
		t.Errorf("for Envoy: %s, want no path", got)
	}
}
