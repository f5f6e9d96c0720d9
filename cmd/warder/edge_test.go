package main

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/internal/wire"
)

// validate runs warder config validate on a file with the lines and one upstream.
func validate(t *testing.T, lines string, args ...string) (output string, ok bool) {
	t.Helper()
	folder := t.TempDir()
	text := lines + "\nupstream: http://127.0.0.1:8000\n"
	if err := os.WriteFile(filepath.Join(folder, "warder.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := command(t.Context(), folder, append([]string{"config", "validate", "warder.yaml"}, args...)...).CombinedOutput()
	return string(out), err == nil
}

func TestInsecurePoliciesDoNotStart(t *testing.T) {
	attack.Case(t, "CORS-04", attack.CLI, func(t *testing.T) {
		for _, tt := range []struct{ policy, want string }{
			{`origins: ["*"], credentials: true`, "cors.default.credentials"},
			{`origins: ["*"], private_network: true`, "cors.default.private_network"},
			{`origins: ["null"]`, "any page can have this origin"},
			{`origins: ["https://*.com"]`, "public suffix"},
			{`origins: ["https://*.github.io"]`, "public suffix"},
			{`origins: ["https://*"]`, "cors.default.origins[0]"},
			{`origins: ["http://app.example.com"], credentials: true`, "insecure_http_origins"},
			{`origins: ["https://app.example.com/"]`, "cors.default.origins[0]"},
			{`origins: ["/https:\/\/.*/"]`, "cors.default.origins[0]"},
			{`origins: [reflect]`, "cors.default.origins[0]"},
			{`origins: ["*", "https://app.example.com"]`, "let it stand alone"},
			{`origins: ["https://app.example.com"], exposed_headers: ["*"], credentials: on`, "cors.default"},
		} {
			if out, ok := validate(t, "cors: {default: {"+tt.policy+"}}"); ok || !strings.Contains(out, tt.want) {
				t.Errorf("%s: valid %v, want a refusal that says %q:\n%s", tt.policy, ok, tt.want, out)
			}
		}
		out, ok := validate(t, `cors: {default: {origins: ["http://app.example.com"], credentials: true, insecure_http_origins: true}}`)
		if !ok || !strings.Contains(out, "warning: warder.yaml:1: cors.default.insecure_http_origins: whoever is on the way is that origin") {
			t.Errorf("plain http, by the name of what it costs: valid %v:\n%s", ok, out)
		}
	})
	attack.Case(t, "IP-09", attack.CLI, func(t *testing.T) {
		for _, list := range []string{"0.0.0.0/0", `"::/0"`, "0.0.0.0/1, 128.0.0.0/1", "10.0.0.0/7", `10.0.0.0/8, "::/0"`} {
			const begin = "forwarded: {from: x-forwarded-for, trusted_proxies: ["
			if out, ok := validate(t, begin+list+"]}"); ok || !strings.Contains(out, "forwarded.trusted_proxies") {
				t.Errorf("%s: valid %v:\n%s", list, ok, out)
			}
			if out, ok := validate(t, begin+list+"], insecure_trust_all: true}"); !ok || !strings.Contains(out, "warning: ") {
				t.Errorf("%s, by word: valid %v, want a warning:\n%s", list, ok, out)
			}
			if out, ok := validate(t, begin+list+"], insecure_trust_all: true}", "--strict"); ok {
				t.Errorf("%s, by word, strictly: valid:\n%s", list, out)
			}
		}
	})
}

func TestAKeyThatEverybodyReads(t *testing.T) {
	attack.Case(t, "TLS-09", attack.CLI, func(t *testing.T) {
		cert, key := testcert.SelfSigned(t, testcert.Leaf{}).Write(t, t.TempDir(), "own")
		lines := "tls: {certificates: [{cert_file: " + cert + ", key_file: " + key + "}]}"
		for mode, told := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true, 0o602: true} {
			if err := os.Chmod(key, mode); err != nil {
				t.Fatal(err)
			}
			out, ok := validate(t, lines)
			if !ok || strings.Contains(out, "tls.certificates[0].key_file: everybody on this machine") != told {
				t.Errorf("mode %v: valid %v, want it told: %v:\n%s", mode, ok, told, out)
			}
			if out, ok := validate(t, lines, "--strict"); ok == told {
				t.Errorf("mode %v, strictly: valid %v:\n%s", mode, ok, out)
			}
		}
	})
}

// TestServeRefusesItsFiles: nothing is served with a key that everybody may read,
// where that is forbidden, nor without the authorities of clients.
func TestServeRefusesItsFiles(t *testing.T) {
	folder := t.TempDir()
	cert, key := testcert.SelfSigned(t, testcert.Leaf{}).Write(t, folder, "own")
	exposedCert, exposedKey := testcert.SelfSigned(t, testcert.Leaf{}).Write(t, folder, "exposed")
	if err := os.Chmod(exposedKey, 0o644); err != nil {
		t.Fatal(err)
	}
	testcert.Replace(t, filepath.Join(folder, "empty.pem"), nil)
	refused := func(t *testing.T, code int, tls, says string) {
		t.Helper()
		text := "upstream: http://127.0.0.1:1\nlisten: 127.0.0.1:0\nadmin_listen: \"off\"\ntls: {" + tls + "}\n"
		if err := os.WriteFile(filepath.Join(folder, "warder.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		wantRun(t, code, says, folder, "", "serve", "--config", "warder.yaml")
	}
	pair := func(cert, key string) string {
		return "certificates: [{cert_file: " + cert + ", key_file: " + key + "}]"
	}
	attack.Case(t, "TLS-09", attack.CLI, func(t *testing.T) {
		refused(t, exitServer, pair(exposedCert, exposedKey)+", strict_files: true", exposedKey)
	})
	attack.Case(t, "TLS-07", attack.Gateway, func(t *testing.T) {
		for name, code := range map[string]int{"missing.pem": exitNotFound, "empty.pem": exitServer} {
			file := filepath.Join(folder, name)
			refused(t, code, pair(cert, key)+", client_ca_file: "+file, file)
		}
	})
}

// TestCORSChangesAtSIGHUP: a connection that is open gets the new policy from its
// next request on, and a request under way ends by the old one.
func TestCORSChangesAtSIGHUP(t *testing.T) {
	release := make(chan struct{})
	upstream := wire.Listen(t, func(c *wire.Conn) {
		for {
			r, err := c.Request()
			if err != nil {
				return
			}
			if r.URL.Path == "/slow" {
				<-release
			}
			c.Say(wire.OK)
		}
	})
	const before, after = "cors: {default: {origins: [\"https://a.example\"]}}\n", "cors: {default: {origins: [\"https://b.example\"]}}\n"
	file := filepath.Join(t.TempDir(), "warder.yaml")
	writeFile(t, file, before, 0o600)
	s := startServed(t, upstream.URL(), "--config", file)
	kept, slow := lasting(t, s.gateway), lasting(t, s.gateway)
	send := func(c *wire.Client, path, origin string) {
		c.Send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nX-API-Key: " + s.key + "\r\nOrigin: " + origin + "\r\n\r\n")
	}
	allowed := func(c *wire.Client) string {
		w, body := c.Response(http.MethodGet)
		if w == nil || w.StatusCode != http.StatusOK || body != "ok" {
			t.Fatalf("got %v %q", w, body)
		}
		return w.Header.Get("Access-Control-Allow-Origin")
	}
	readers := func() (all []string) {
		for _, origin := range []string{"https://a.example", "https://b.example"} {
			if send(kept, "/", origin); allowed(kept) == origin {
				all = append(all, origin)
			}
		}
		return all
	}
	attack.Case(t, "CORS-11", attack.Gateway, func(t *testing.T) {
		if got := readers(); !slices.Equal(got, []string{"https://a.example"}) {
			t.Fatalf("before, %q may read", got)
		}
		send(slow, "/slow", "https://a.example")
		upstream.Await(t, func(received []string, _ int) bool { return strings.Contains(strings.Join(received, ""), "GET /slow ") })
		writeFile(t, file, after, 0o600)
		if err := s.process.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the new policy", func() bool { return slices.Equal(readers(), []string{"https://b.example"}) })
		close(release)
		if got := allowed(slow); got != "https://a.example" {
			t.Errorf("the request under way was answered for %q", got)
		}
	})
}
