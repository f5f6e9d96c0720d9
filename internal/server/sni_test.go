package server_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/internal/wire"
)

// handshakeRow is one question: a handshake for asked, and in it a request for host.
type handshakeRow struct {
	name        string
	at          string // "" for the gateway's own listener
	asked, host string
	want        string
}

// over1 asks over HTTP/1.1 at address.
func (n *handshakeRow) over1(t *testing.T, address string, client *tls.Config) string {
	t.Helper()
	conn, err := (&tls.Dialer{Config: client}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatalf("%s: %v", n.name, err)
	}
	defer conn.Close()
	c := clientOn(conn)
	c.Send("GET / HTTP/1.1\r\nHost: " + n.host + "\r\n\r\n")
	w, _ := c.Response(http.MethodGet)
	if w == nil {
		return "no answer"
	}
	return w.Status[:3]
}

// TestTheNameOfTheHandshakeAtTheGateway: a request is for a name that its connection's
// handshake would have ended alike for, or its client is told to make another. The
// shadow of the same configuration says the same.
func TestTheNameOfTheHandshakeAtTheGateway(t *testing.T) {
	ca := testcert.NewCA(t, "root")
	var pairs []string
	for _, names := range [][]string{{"a.test", "b.test"}, {"c.test"}, {"a.test", "b.test", "c.test"}} {
		cert, key := ca.Issue(t, testcert.Leaf{Names: names}).Write(t, t.TempDir(), "tls")
		pairs = append(pairs, fmt.Sprintf("{cert_file: '%s', key_file: '%s'}", cert, key))
	}
	yaml := func(pairs ...string) string {
		return "hosts: [a.test, b.test, c.test, d.test]\nroutes: [{match: '/', upstream: api, public: true}]\n" +
			"tls: {http3: true, certificates: [" + strings.Join(pairs, ", ") + "]}\n" +
			"listeners:\n  behind: {listen: '127.0.0.1:0', forwarded: {from: x-forwarded-for, trusted_proxies: [127.0.0.1]}}\n"
	}
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	two := yaml(pairs[0], pairs[1])
	p := shadowed(t, upstream.URL(), two, two, settings{})
	client := func(asked string) *tls.Config {
		return &tls.Config{InsecureSkipVerify: true, ServerName: asked, MinVersion: tls.VersionTLS12} // which name is shown is another test's
	}
	rows := []handshakeRow{
		{"the name of the handshake", "", "a.test", "a.test", "200"},
		{"another of the same certificate", "", "a.test", "b.test", "200"},
		{"one of another certificate", "", "a.test", "c.test", "421"},
		{"the other way", "", "c.test", "a.test", "421"},
		{"in other case, with the root's dot and a port", "", "A.Test.", "C.Test.:443", "421"},
		{"alike, in other case, with the root's dot and a port", "", "A.Test.", "B.Test.:443", "200"},
		{"a host that no certificate is for", "", "a.test", "d.test", "200"},
		{"a host that is not served", "", "a.test", "other.test", "421"},
		{"no name, as proxies ask", "", "", "c.test", "200"},
		{"an address, which is no name", "", "127.0.0.1", "c.test", "200"},
		{"an unknown name, and what was shown for want of its own", "", "warder.internal", "b.test", "200"},
		{"an unknown name, and what was not shown", "", "warder.internal", "c.test", "421"},
		{"a listed proxy, by the name that it knows", "behind", "warder.internal", "c.test", "200"},
		{"a listed proxy, by another name that is served", "behind", "a.test", "c.test", "200"},
	}
	address := map[string]string{"": p.gateway, "behind": p.more["behind"]}
	attack.Case(t, "TLS-06", attack.Gateway, func(t *testing.T) {
		for i := range rows {
			row := &rows[i]
			if got := row.over1(t, address[row.at], client(row.asked)); got != row.want {
				t.Errorf("%s: HTTP/1.1: %s, want %s", row.name, got, row.want)
			}
			h := wire.DialHTTP2(t, address[row.at], client(row.asked), 6*wire.Patience)
			if got := ask2(t, h, 1, row.host); got != row.want {
				t.Errorf("%s: HTTP/2: %s, want %s", row.name, got, row.want)
			}
			_ = h.Close()
		}
		shared := wire.DialHTTP2(t, p.gateway, client("a.test"), 6*wire.Patience) // as browsers do for several names
		for i, want := range []string{"200", "421", "200"} {
			if got := ask2(t, shared, uint32(2*i+1), []string{"a.test", "c.test", "b.test"}[i]); got != want {
				t.Errorf("request %d over one connection: %s, want %s", i+1, got, want)
			}
		}
		for host, want := range map[string]int{"b.test": 200, "c.test": 421} {
			r := newRequest(t, "https://a.test/")
			r.Host = host
			w, err := p.over3(t, client("a.test")).RoundTrip(r)
			if err != nil || w.StatusCode != want {
				t.Errorf("HTTP/3, Host %s: %v, %v, want %d", host, w, err, want)
			}
		}
		if v := p.report(t, uint64(2*len(rows)+5)); v.Different > 0 || v.Same == 0 {
			t.Errorf("the shadow says %d same, %d different", v.Same, v.Different)
		}
		nginx := startNginx(t, `
server {
  listen {ADDR};
  proxy_set_header Host c.test;
  proxy_ssl_name a.test;
  location = /silent { proxy_pass https://`+p.gateway+`/; }
  location = /listed { proxy_ssl_server_name on; proxy_pass https://`+p.more["behind"]+`/; }
  location = /stranger { proxy_ssl_server_name on; proxy_pass https://`+p.gateway+`/; }
}`)
		for path, want := range map[string]int{"/silent": 200, "/listed": 200, "/stranger": 421} {
			if w := do(t, newRequest(t, "http://"+nginx+path)); w.StatusCode != want {
				t.Errorf("nginx, %s: %d, want %d", path, w.StatusCode, want)
			}
		}
		// One certificate for all: what is loaded now counts, also for connections that are open.
		p.write(t, upstream.URL()+"\"}\n  other: {url: \"http://127.0.0.1:1", yaml(pairs[2]))
		p.reload(t)
		if got := ask2(t, shared, 7, "c.test"); got != "200" {
			t.Errorf("after a certificate of both names: %s, want 200", got)
		}
	})
	eventually(t, func() (string, bool) {
		n := p.metric(t, `warder_refusals_total{reason="sni",stage="sni"}`)
		return n, n == "11"
	})
}

// ask2 asks for / of host in stream id, and returns the status.
func ask2(t *testing.T, h *wire.HTTP2, id uint32, host string) string {
	t.Helper()
	if err := h.SendRequest(id, "", wire.Getting(":authority", host)...); err != nil {
		t.Fatal(err)
	}
	return h.Await(id).Status
}
