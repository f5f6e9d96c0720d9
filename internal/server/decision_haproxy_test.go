package server_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/internal/wire"
)

const haproxyPage = "../../docs/guide/haproxy.md"

func TestHAProxyAsks(t *testing.T) {
	upstream := wire.Listen(t, serveSockets)
	p, store := startAsked(t, upstream, "haproxy")
	g := guarded{p, store, startHAProxy(t, p.asked, upstreamAddress(upstream), "bind {ADDR}"), upstream, http.StatusServiceUnavailable, attack.ViaHAProxy}
	if w := g.through(t, http.MethodGet, "/orders/1", "X-API-Key", g.key); w.StatusCode != http.StatusOK || w.Header.Get("X-Request-Id") == "" || w.Header.Get("Cache-Control") == "no-store" {
		t.Errorf("fields of a pass: %d %v", w.StatusCode, w.Header)
	}
	if w := g.through(t, http.MethodHead, "/orders/1"); w.StatusCode != http.StatusUnauthorized || w.Header.Get("Www-Authenticate") == "" {
		t.Errorf("HEAD without a key: %d %v", w.StatusCode, w.Header)
	}
	attack.CaseVia(t, "FWD-13", attack.ViaHAProxy, func(t *testing.T) {
		before, _ := g.arrived()
		for _, size := range []int{12 << 10, 15 << 10} {
			if w := g.through(t, http.MethodGet, "/admin/x", "X-API-Key", g.key, "X-Long", strings.Repeat("x", size)); w.StatusCode < 400 {
				t.Errorf("%d bytes of fields: %d", size, w.StatusCode)
			}
		}
		if after, _ := g.arrived(); after != before {
			t.Error("a request that nobody judged reached the upstream")
		}
	})
	g.attacks(t)
}

// crowd asks with many keys at once: each request arrives with its own identity.
func (g guarded) crowd(t *testing.T) {
	t.Helper()
	keys := map[string]string{}
	for i := range 20 {
		owner := fmt.Sprintf("owner-%d", i)
		_, keys[owner] = g.create(t, apikey.Spec{Environment: "live", Name: owner, Owner: owner, Scopes: []string{"orders:read"}})
	}
	const each = 10
	var wg sync.WaitGroup
	for owner, key := range keys {
		for range each {
			wg.Go(func() {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.proxy+"/orders/"+owner, http.NoBody)
				if err != nil {
					t.Error(err)
					return
				}
				r.Host = "api.example.com"
				r.Header.Set("X-Api-Key", key)
				w, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
				if err != nil || w.StatusCode != http.StatusOK {
					t.Errorf("%s: %v, %v", owner, w, err)
					return
				}
				_ = w.Body.Close()
			})
		}
	}
	wg.Wait()
	_, text := g.arrived()
	own := 0
	for head := range strings.SplitSeq(text, "\r\n\r\n") {
		target, found := strings.CutPrefix(head, "GET /orders/owner-")
		if !found {
			continue
		}
		n, _, _ := strings.Cut(target, " ")
		if own++; !strings.Contains(strings.ToLower(head)+"\r\n", "x-warder-owner: owner-"+n+"\r\n") {
			t.Errorf("another's identity:\n%s", head)
		}
	}
	if own != each*len(keys) {
		t.Errorf("%d requests arrived, want %d", own, each*len(keys))
	}
}

// What answers in warder's place, or not at all, opens nothing.
func TestHAProxyTakesNothingElseForAPass(t *testing.T) {
	t.Parallel() // it waits until the proxy does so no longer
	attack.CaseVia(t, "FWD-12", attack.ViaHAProxy, func(t *testing.T) {
		for name, answer := range map[string]string{
			"stuck": "", "500": "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", "204": "HTTP/1.1 204 No Content\r\n\r\n", "301": "HTTP/1.1 301 Moved Permanently\r\nLocation: /public/\r\nContent-Length: 0\r\n\r\n",
			"no HTTP": "hello\r\n\r\n", "a denial by 200": "HTTP/1.1 200 OK\r\nX-Warder-Status: 200\r\nContent-Length: 0\r\n\r\n", "half an answer": "HTTP/1.1 200 OK\r\nContent-Le",
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				other := wire.Listen(t, func(c *wire.Conn) {
					if _, err := c.Request(); err != nil {
						return
					}
					c.Say(answer)
					if answer == "" || name == "half an answer" {
						c.Drain()
					}
				})
				upstream := wire.Listen(t, wire.Answer(wire.OK))
				g := guarded{proxy: startHAProxy(t, upstreamAddress(other), upstreamAddress(upstream), "bind {ADDR}"), upstream: upstream}
				w := g.through(t, http.MethodGet, "/public/")
				if n, _ := g.arrived(); w.StatusCode == http.StatusOK || n != 0 {
					t.Errorf("%d, and %d requests reached the upstream", w.StatusCode, n)
				}
			})
		}
	})
}

// An action that breaks, wherever it does, opens nothing either.
func TestABrokenActionOpensNothing(t *testing.T) {
	attack.CaseVia(t, "FWD-12", attack.ViaHAProxy, func(t *testing.T) {
		for _, line := range []string{`txn:set_var("txn.warder", "asked")`, `local fields = {}`, `for _, name in ipairs(identity) do`, `txn:set_priv(answer)`} {
			upstream := wire.Listen(t, wire.Answer(wire.OK))
			warder := wire.Listen(t, wire.Answer(wire.OK))
			whole := guarded{proxy: startHAProxy(t, upstreamAddress(warder), upstreamAddress(upstream), "bind {ADDR}"), upstream: upstream}
			if w := whole.through(t, http.MethodGet, "/public/"); w.StatusCode != http.StatusOK {
				t.Fatalf("the whole action: %d", w.StatusCode)
			}
			before, _ := whole.arrived()
			broken := guarded{proxy: startHAProxy(t, upstreamAddress(warder), upstreamAddress(upstream), "bind {ADDR}", line, `error("broken") `+line), upstream: upstream}
			w := broken.through(t, http.MethodGet, "/public/")
			if after, _ := broken.arrived(); w.StatusCode != http.StatusServiceUnavailable || after != before {
				t.Errorf("%s: %d, and %d requests reached the upstream", line, w.StatusCode, after-before)
			}
		}
	})
}

// Behind TLS and HTTP/2 of HAProxy's, the same request is judged, as one of https.
func TestHAProxyAsksAboutHTTPS(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{yaml: askedYAML("haproxy") + "https: {require: true}\nhosts: [api.example.com]\nforwarded: {trusted_proxies: [127.0.0.1], from: x-forwarded-for, proto: true}\n"})
	root, folder := testcert.NewCA(t, "root"), t.TempDir()
	cert, key := root.Issue(t, testcert.Leaf{Names: []string{"api.example.com"}}).Write(t, folder, "tls")
	var pem []byte
	for _, name := range []string{cert, key} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		pem = append(pem, text...)
	}
	if err := os.WriteFile(filepath.Join(folder, "both.pem"), pem, 0o600); err != nil {
		t.Fatal(err)
	}
	for scheme, bind := range map[string]string{"http": "bind {ADDR}", "https": "bind {ADDR} ssl crt " + filepath.Join(folder, "both.pem") + " alpn h2,http/1.1"} {
		proxy := startHAProxy(t, p.asked, upstreamAddress(upstream), bind)
		transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: root.Pool(), ServerName: "api.example.com", MinVersion: tls.VersionTLS12}}
		r := newRequest(t, scheme+"://"+proxy+"/orders/1?a=b")
		r.Host = "api.example.com"
		r.Header.Set("X-Api-Key", p.key)
		w, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = w.Body.Close()
		transport.CloseIdleConnections()
		if passed := w.StatusCode == http.StatusOK; passed != (scheme == "https") || (w.ProtoMajor == 2) != passed {
			t.Errorf("%s: %d over %s", scheme, w.StatusCode, w.Proto)
		}
	}
}

// startHAProxy runs HAProxy with the guide's configuration and action, bound by
// bind, whose {ADDR} is the address that is returned; edits are pairs of what is
// replaced in the action, and by what.
func startHAProxy(t *testing.T, asked, upstream, bind string, edits ...string) string {
	t.Helper()
	name, err := exec.LookPath("haproxy")
	if err != nil {
		name, err = exec.LookPath("/usr/sbin/haproxy") // not on every user's PATH
	}
	if err != nil {
		t.Fatalf("haproxy is needed (make needs installs it): %v", err)
	}
	cfg, action := onPage(t, haproxyPage, "HAProxy", "haproxy"), onPage(t, haproxyPage, "HAProxy", "lua")
	if len(cfg) != 1 || len(action) != 1 {
		t.Fatalf("the page has %d configurations and %d actions, want one of each", len(cfg), len(action))
	}
	folder, addr := t.TempDir(), wire.FreeAddress(t)
	for file, text := range map[string]string{
		"haproxy.cfg": strings.NewReplacer("/etc/haproxy", folder, "bind :80", strings.Replace(bind, "{ADDR}", addr, 1), "127.0.0.1:8000", upstream).Replace(cfg[0]),
		"warder.lua":  strings.NewReplacer(append(edits, "127.0.0.1:8083", asked)...).Replace(action[0]),
	} {
		if err := os.WriteFile(filepath.Join(folder, file), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, addr, func(ctx context.Context) *exec.Cmd {
		return exec.CommandContext(ctx, name, "-db", "-f", filepath.Join(folder, "haproxy.cfg"))
	})
	return addr
}
