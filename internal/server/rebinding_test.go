package server_test

import (
	"net"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// A page that makes its own name resolve to the loopback address reads nothing of
// the admin listener; an orchestrator asks the health listener under any name.
func TestTheAdminListenerKnowsItsNames(t *testing.T) {
	upstream := wire.Listen(t, func(*wire.Conn) {})
	p := start(t, upstream.URL(), settings{})
	_, port, err := net.SplitHostPort(p.admin)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(addr, path, host string) string {
		c := wire.Dial(t, addr)
		c.Send("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n")
		text, _ := c.Rest()
		return text
	}
	attack.Case(t, "HOST-10", attack.Admin, func(t *testing.T) {
		for _, path := range []string{"/healthz", "/readyz", "/metrics", "/none", "/ui/", "/v1/keys"} {
			for host, want := range map[string]bool{
				"localhost": true, "LOCALHOST.:" + port: true, "127.0.0.1:" + port: true, "[::1]": true, "127.9.9.9": true,
				"evil.test": false, "evil.test:" + port: false, "localhost.evil.test": false, "127.0.0.1.evil.test": false, "127.1": false, "0x7f000001": false, "192.0.2.7": false, "[2001:db8::1]": false,
			} {
				got := ask(p.admin, path, host)
				if served := !strings.HasPrefix(got, "HTTP/1.1 421 "); served != want || !want && strings.Contains(got, host) {
					t.Errorf("%s with Host %s: served = %v, want %v:\n%.300s", path, host, served, want, got)
				}
			}
		}
	})
	if got := ask(p.health, "/healthz", "pod.internal"); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("the health listener, under a name: %.100s", got)
	}
	c := wire.Dial(t, p.health)
	c.Send("GET /healthz HTTP/1.0\r\n\r\n") // as HAProxy's checks ask
	if got, _ := c.Rest(); !strings.HasPrefix(got, "HTTP/1.0 200 ") {
		t.Errorf("the health listener, in HTTP/1.0: %.100s", got)
	}
}
