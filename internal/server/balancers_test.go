package server_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/internal/wire"
)

// behindBalancer believes PROXY headers from 127.0.0.1, and X-Forwarded-For from
// a proxy that is behind that balancer.
const behindBalancer = `
proxy_protocol: {trusted_peers: [127.0.0.1]}
forwarded: {from: x-forwarded-for, trusted_proxies: [192.0.2.9], proto: true}
timeouts: {header: 500ms}
routes:
  - {match: "/", upstream: api, public: true}
`

// header is a PROXY header of version 1 for a client.
func header(client string) string {
	family, to := "TCP4", "10.0.0.1"
	if strings.Contains(client, ":") {
		family, to = "TCP6", "2001:db8::1"
	}
	return "PROXY " + family + " " + client + " " + to + " 12345 443\r\n"
}

const proxy2 = "\r\n\r\n\x00\r\nQUIT\n"

// seen is which client the upstream was told of: the last X-Forwarded-For.
func seen(u *wire.Upstream) string {
	all := strings.Join(u.Received(), "")
	_, after, ok := cutLast(all, "\r\nX-Forwarded-For: ")
	if !ok {
		return ""
	}
	client, _, _ := strings.Cut(after, "\r\n")
	return client
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func TestLoadBalancersInFrontOfTheGateway(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{yaml: behindBalancer})
	const request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
	for _, tt := range []struct {
		id, name, from, begin, fields string
		client                        string // that the upstream is told of; "" for a connection that ends
		answered                      bool   // with 400, before it ends
	}{
		{"TLS-15", "version 1", "127.0.0.1", header("203.0.113.7"), "", "203.0.113.7", false},
		{"TLS-15", "version 1, IPv6", "127.0.0.1", header("2001:db8::7"), "", "2001:db8::7", false},
		{"TLS-15", "version 2", "127.0.0.1", proxy2 + "\x21\x11\x00\x0c\xcb\x00\x71\x07\x0a\x00\x00\x01\x30\x39\x01\xbb", "", "203.0.113.7", false},
		{"TLS-15", "unknown: the balancer's own", "127.0.0.1", "PROXY UNKNOWN\r\n", "", "127.0.0.1", false},
		{"TLS-15", "LOCAL: the balancer's own", "127.0.0.1", proxy2 + "\x20\x00\x00\x00", "", "127.0.0.1", false},
		{"TLS-15", "an unlisted peer, without", "127.0.0.2", "", "", "127.0.0.2", false},
		{"TLS-15", "an unlisted peer, version 1", "127.0.0.2", header("203.0.113.7"), "", "", true},
		{"TLS-15", "an unlisted peer, version 2", "127.0.0.2", proxy2 + "\x21\x11\x00\x0c\xcb\x00\x71\x07\x0a\x00\x00\x01\x30\x39\x01\xbb", "", "", true},
		{"TLS-15", "missing where it is required", "127.0.0.1", "", "", "", false},
		{"TLS-15", "a line that is too long", "127.0.0.1", "PROXY TCP4 " + strings.Repeat("1", 200) + "\r\n", "", "", false},
		{"TLS-15", "an extension beyond the end", "127.0.0.1", proxy2 + "\x21\x11\x00\x10\xcb\x00\x71\x07\x0a\x00\x00\x01\x30\x39\x01\xbb\x04\xff\xffx", "", "", false},
		{"TLS-15", "a second header", "127.0.0.1", header("203.0.113.7") + header("203.0.113.8"), "", "", true},
		{"IP-01", "fields of a client that the balancer names", "127.0.0.1", header("203.0.113.7"), "X-Forwarded-For: 198.51.100.1\r\nX-Real-IP: 198.51.100.2\r\nForwarded: for=198.51.100.3\r\n", "203.0.113.7", false},
		{"IP-01", "fields of the balancer itself", "127.0.0.1", "PROXY UNKNOWN\r\n", "X-Forwarded-For: 198.51.100.1\r\n", "127.0.0.1", false},
		{"IP-02", "a listed proxy behind the balancer", "127.0.0.1", header("192.0.2.9"), "X-Forwarded-For: 198.51.100.1, 198.51.100.2\r\n", "198.51.100.2", false},
		{"IP-05", "IPv4 as IPv6: the listed proxy", "127.0.0.1", header("::ffff:192.0.2.9"), "X-Forwarded-For: 198.51.100.1\r\n", "198.51.100.1", false},
		{"IP-05", "IPv4 as IPv6: a client", "127.0.0.1", header("::ffff:203.0.113.7"), "", "203.0.113.7", false},
		{"IP-06", "a zone", "127.0.0.1", header("fe80::1%lo"), "", "", false},
		{"IP-07", "leading zeros", "127.0.0.1", header("010.0.0.1"), "", "", false},
	} {
		attack.Case(t, tt.id, attack.Gateway, func(t *testing.T) {
			before := len(upstream.Received())
			c := dialFrom(t, tt.from, p.gateway)
			c.Send(tt.begin + request + tt.fields + "\r\n")
			text, closed := c.Rest()
			asked := len(upstream.Received()) > before || strings.HasPrefix(text, "HTTP/1.1 200 ")
			switch {
			case !closed:
				t.Errorf("%s: the connection stays open after %q", tt.name, text)
			case tt.client != "" && (!strings.HasPrefix(text, "HTTP/1.1 200 ") || seen(upstream) != tt.client):
				t.Errorf("%s: %.30q, the upstream was told of %q, want %q", tt.name, text, seen(upstream), tt.client)
			case tt.client == "" && (asked || (text != "") != tt.answered || tt.answered && !strings.HasPrefix(text, "HTTP/1.1 400 ")):
				t.Errorf("%s: got %q, want a refusal", tt.name, text)
			}
		})
	}
	attack.Case(t, "TLS-15", attack.Gateway, func(t *testing.T) {
		slow := dialFrom(t, "127.0.0.1", p.gateway)
		slow.Send("PROXY TCP4 ")
		good := dialFrom(t, "127.0.0.1", p.gateway) // is served while the slow one is waited for
		good.Send(header("203.0.113.9") + request + "\r\n")
		if text, _ := good.Rest(); !strings.HasPrefix(text, "HTTP/1.1 200 ") {
			t.Errorf("beside a slow balancer: %q", text)
		}
		if text, closed := slow.Rest(); text != "" || !closed {
			t.Errorf("a header that does not end: %q, closed %v", text, closed)
		}
	})
	if text := p.metric(t, "warder_proxy_protocol_refused_total"); text == "" || text == "0" {
		t.Errorf("refused balancers = %q, want a number", text)
	}
	log := p.log(t)
	for _, want := range []string{`"client":"203.0.113.7"`, `"peer":"127.0.0.1:`, "a listed peer of the PROXY protocol was refused"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
}

// metric is the value of a metric, as the admin listener tells it.
func (p *program) metric(t *testing.T, name string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.admin+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(do(t, r).Body)
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "\n"+name+" ")
	value, _, _ := strings.Cut(after, "\n")
	return value
}

// TestBalancersBelowTLS: the header comes before the handshake, on the redirect's
// listener too.
func TestBalancersBelowTLS(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	ca := testcert.NewCA(t, "root")
	cert, key := ca.Issue(t, testcert.Leaf{}).Write(t, t.TempDir(), "tls")
	p := start(t, upstream.URL(), settings{yaml: "proxy_protocol: {trusted_peers: [127.0.0.0/8]}\nhosts: [localhost]\nhttps: {require: true}\n" +
		"tls: {redirect_listen: '127.0.0.1:0', certificates: [{cert_file: '" + cert + "', key_file: '" + key + "'}]}\n" +
		"routes:\n  - {match: '/', upstream: api, public: true}\n"})
	const request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
	attack.Case(t, "TLS-15", attack.Gateway, func(t *testing.T) {
		for name, tt := range map[string]struct {
			begin string
			ok    bool
		}{"with": {header("203.0.113.7"), true}, "without": {"", false}} {
			raw := dialFrom(t, "127.0.0.1", p.gateway)
			raw.Send(tt.begin)
			secured := tls.Client(raw.Conn, &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost", MinVersion: tls.VersionTLS12})
			if err := secured.HandshakeContext(t.Context()); (err == nil) != tt.ok {
				t.Fatalf("%s a header: handshake %v", name, err)
			}
			if !tt.ok {
				continue
			}
			c := wire.Client{Conn: secured, Reader: bufio.NewReader(secured)}
			c.Send(request)
			if w, body := c.Response(http.MethodGet); w == nil || body != "ok" || seen(upstream) != "203.0.113.7" {
				t.Errorf("%s a header: %v, the upstream was told of %q", name, w, seen(upstream))
			}
		}
		plain := dialFrom(t, "127.0.0.1", p.redirect)
		plain.Send(header("203.0.113.7") + request)
		if text, _ := plain.Rest(); !strings.HasPrefix(text, "HTTP/1.1 308 ") {
			t.Errorf("the redirect's listener: %q", text)
		}
		plain = dialFrom(t, "127.0.0.1", p.redirect)
		plain.Send(request)
		if text, closed := plain.Rest(); text != "" || !closed {
			t.Errorf("the redirect's listener, without: %q", text)
		}
	})
	if err := p.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}
