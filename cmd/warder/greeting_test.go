package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/testcert"
)

// TestTheGreetingWorks pastes the lines that warder serve prints, when it speaks
// TLS, into a shell: with a certificate of its own, and with one of an authority
// that nobody else knows.
func TestTheGreetingWorks(t *testing.T) {
	leaf := testcert.Leaf{Names: []string{"api.test"}, Subject: "api.test"}
	t.Run("self-signed", func(t *testing.T) { pasteTheGreeting(t, testcert.SelfSigned(t, leaf)) })
	t.Run("private authority", func(t *testing.T) { pasteTheGreeting(t, testcert.NewCA(t, "own").Issue(t, leaf)) })
}

func pasteTheGreeting(t *testing.T, pair testcert.Pair) {
	t.Helper()
	api, err := startOrders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer api.close()
	folder := t.TempDir()
	cert, key := pair.Write(t, folder, "tls")
	text := fmt.Sprintf("hosts: [other.test, api.test]\ntls:\n  certificates: [{cert_file: %s, key_file: %s}]\n  redirect_listen: 127.0.0.1:0\n", cert, key)
	if err := os.WriteFile(filepath.Join(folder, "warder.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	serve := command(ctx, folder, "serve", "--config", "warder.yaml", "--upstream", api.url, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-file", "warder.log")
	stderr, err := serve.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = serve.Process.Kill(); _ = serve.Wait() }()
	var greeting, script []string
	for lines := bufio.NewScanner(stderr); len(script) < 2; {
		if !lines.Scan() {
			t.Fatalf("warder serve ended: %q", greeting)
		}
		greeting = append(greeting, lines.Text())
		if command, ok := strings.CutPrefix(lines.Text(), "  "); ok {
			script = append(script, command)
		}
	}
	whole := strings.Join(greeting, "\n")
	for _, want := range []string{"gateway on https://127.0.0.1:", "plain HTTP on http://127.0.0.1:"} {
		if !strings.Contains(whole, want) {
			t.Errorf("the greeting lacks %q: %s", want, whole)
		}
	}
	if strings.Contains(whole, "clear text") {
		t.Errorf("the greeting warns of plain HTTP: %s", whole)
	}
	shell := exec.CommandContext(ctx, "bash", "-c", "set -eu\n"+strings.Replace(strings.Join(script, "\n"), "curl ", "curl -sf ", 1)+"orders")
	shell.Dir, shell.Env = folder, append(os.Environ(), "USER=ada")
	if out, err := shell.CombinedOutput(); err != nil || !strings.Contains(string(out), "lantern") {
		t.Errorf("%v: %s\n%s", err, out, strings.Join(script, "\n"))
	}
}

func TestCurlTarget(t *testing.T) {
	for _, tt := range []struct {
		name   string
		cfg    config.Config
		public string
		want   string
	}{
		{"plain HTTP", config.Config{}, "127.0.0.1:8080", "http://127.0.0.1:8080/"},
		{"a Unix socket", config.Config{Hosts: []string{"api.example.com"}}, "/run/w.sock", "--unix-socket /run/w.sock http://api.example.com/"},
		{"a proxy in front that speaks TLS", config.Config{Hosts: []string{"*.example.com", "api.example.com"}, HTTPS: config.HTTPS{Require: true}}, "127.0.0.1:8080", "https://api.example.com/"},
		{
			"ACME, everywhere",
			config.Config{TLS: config.TLS{ACME: &config.ACME{Names: []string{"a.example.com"}}}},
			"[::]:443",
			"--resolve a.example.com:443:127.0.0.1 https://a.example.com:443/",
		},
		{
			"ACME on demand",
			config.Config{TLS: config.TLS{ACME: &config.ACME{OnDemand: []string{"b.example.com"}}}},
			"[::]:443",
			"--resolve b.example.com:443:127.0.0.1 https://b.example.com:443/",
		},
		{
			"the name of hosts that has a certificate",
			config.Config{Hosts: []string{"b.example.com", "a.example.com"}, TLS: config.TLS{ACME: &config.ACME{Names: []string{"a.example.com"}}}},
			"[::1]:8443", "--resolve a.example.com:8443:[::1] https://a.example.com:8443/",
		},
	} {
		if got := curlTarget(&tt.cfg, tt.public); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
