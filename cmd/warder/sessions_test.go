package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/wire"
)

// startRedis runs a redis-server of this test alone, and returns its address and
// what kills it.
func startRedis(t *testing.T) (address string, kill func()) {
	t.Helper()
	address = wire.FreeAddress(t)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "redis-server", "--port", address[len("127.0.0.1:"):], "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir(), "--loglevel", "warning")
	if err := cmd.Start(); err != nil {
		t.Fatalf("redis-server: %v (package redis-server, see .ci/needs)", err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Cleanup(kill)
	return address, kill
}

// ask sends a request as a page of the gateway does, and returns the status and
// the session's cookie.
func (s *served) ask(t *testing.T, method, path, cookie string, form url.Values) (status int, session string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.gateway+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	w, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	_, _ = io.Copy(io.Discard, w.Body)
	for _, c := range w.Cookies() {
		session = c.Name + "=" + c.Value
	}
	return w.StatusCode, session
}

// awaits asks for the orders until the status is seen: a gateway connects to its
// store in the background.
func (s *served) awaits(t *testing.T, what, cookie string, want int) {
	t.Helper()
	status := 0
	for end := time.Now().Add(time.Minute); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		if status, _ = s.ask(t, http.MethodGet, "/orders", cookie, nil); status == want {
			return
		}
	}
	t.Fatalf("%s: %d, want %d", what, status, want)
}

// login logs ada in, and returns the cookie.
func (s *served) login(t *testing.T) string {
	t.Helper()
	status := 0
	for end := time.Now().Add(time.Minute); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		var cookie string
		status, cookie = s.ask(t, http.MethodPost, "/auth/login", "", url.Values{"username": {"ada"}, "password": {"correct horse"}})
		if status == http.StatusSeeOther && cookie != "" {
			return cookie
		}
	}
	t.Fatalf("the login: %d", status)
	return ""
}

// sharing starts two gateways whose sessions are on one server, and returns them
// with the file of their configuration and what kills the server.
func sharing(t *testing.T) (nodes [2]*served, yaml string, kill func()) {
	t.Helper()
	address, kill := startRedis(t)
	folder := t.TempDir()
	people, yaml := filepath.Join(folder, "people"), filepath.Join(folder, "warder.yaml")
	add := command(t.Context(), folder, "users", "add", "ada", "--users-file", people)
	add.Stdin = strings.NewReader("correct horse\n")
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("users add: %v: %s", err, out)
	}
	text := fmt.Sprintf(`
redis: {addresses: [%q]}
users: {file: %q}
session: {store: redis, password: true}
schemes: {login: {session: {}}}
security: [{login: []}]
`, address, people)
	if err := os.WriteFile(yaml, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	for i := range nodes {
		nodes[i] = startServed(t, upstream.URL(), "--config", yaml)
	}
	return nodes, yaml, kill
}

// TestSessionsThatTwoGatewaysShare: with session.store: redis a login at one
// gateway holds at the other, and so does its end; without the server there is
// neither a login nor a 401.
func TestSessionsThatTwoGatewaysShare(t *testing.T) {
	nodes, _, kill := sharing(t)
	cookie := nodes[0].login(t)
	nodes[1].awaits(t, "a login at the other gateway", cookie, http.StatusOK)
	if status, _ := nodes[1].ask(t, http.MethodPost, "/auth/logout", cookie, nil); status != http.StatusSeeOther {
		t.Errorf("the logout: %d", status)
	}
	nodes[0].awaits(t, "after a logout at the other gateway", cookie, http.StatusUnauthorized)
	cookie = nodes[0].login(t)
	kill()
	for _, node := range nodes {
		node.awaits(t, "without the server", cookie, http.StatusServiceUnavailable)
	}
}
