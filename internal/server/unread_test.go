package server_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// careless answers each head at once and takes the body for the next request,
// unless it was told that there is none. It sends the paths that it acted on.
func careless(acted chan<- string) func(*wire.Conn) {
	return func(c *wire.Conn) {
		for {
			head, err := c.Head()
			if err != nil {
				return
			}
			line, _, _ := strings.Cut(head, " HTTP/1.1\r\n")
			acted <- line
			c.Say(wire.OK)
			if strings.Contains(head, "\r\nConnection: close\r\n") {
				c.Drain()
				return
			}
		}
	}
}

func TestAnUnreadBodyIsNoRequestThroughTheGateway(t *testing.T) {
	const forged = "GET /admin HTTP/1.1\r\nHost: a\r\nX-Warder-Owner: root\r\n\r\n"
	for _, c := range []struct{ id, method, path string }{
		{"SMUG-17", "GET", "/mine"},
		{"SMUG-17", "DELETE", "/mine"},
		{"SMUG-17", "OPTIONS", "/mine"},
		{"PROXY-02", "GET", "/open"},
		{"PROXY-02", "POST", "/open"},
	} {
		attack.Case(t, c.id, attack.Gateway, func(t *testing.T) {
			acted := make(chan string, 16)
			u := wire.Listen(t, careless(acted))
			p := start(t, u.URL(), settings{yaml: "routes:\n  - {match: /open, upstream: api, public: true}\n  - {match: /, upstream: api}\n"})
			client := wire.Dial(t, p.gateway)
			client.Send(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: a\r\nX-API-Key: %s\r\nContent-Length: %d\r\n\r\n%s", c.method, c.path, p.key, len(forged), forged))
			if w, _ := client.Response(c.method); w == nil || w.StatusCode != http.StatusOK {
				t.Fatalf("response = %v, want 200", w)
			}
			u.Await(t, func(_ []string, closed int) bool { return closed == 1 })
			close(acted)
			for line := range acted {
				if line != c.method+" "+c.path {
					t.Errorf("the upstream acted on %q", line)
				}
			}
		})
	}
}

// What is left, and is told: see docs/threat-model.md.
func TestUnaskedBytesAreCounted(t *testing.T) {
	u := wire.Listen(t, wire.Answer(wire.OK+wire.OK))
	p := start(t, u.URL(), settings{})
	p.get(t, "/a", p.key)
	eventually(t, func() (string, bool) {
		body, err := io.ReadAll(do(t, newRequest(t, "http://"+p.admin+"/metrics")).Body)
		text := string(body)
		return text, err == nil && strings.Contains(text, "\nwarder_upstream_unasked_bytes_total 1\n")
	})
	if text := p.log(t); !strings.Contains(text, "nobody asked for") {
		t.Errorf("log = %q, want a warning", text)
	}
}
