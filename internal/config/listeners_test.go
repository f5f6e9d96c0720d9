package config_test

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/config"
)

const atAPI = "upstream: http://127.0.0.1:8000\n"

func TestListenersAreChecked(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"no address", "listeners: {a: {hosts: [x.test]}}", "listeners.a: has no listen"},
		{"not an address", "listeners: {a: {listen: here}}", `listeners.a.listen: "here" is not an address`},
		{"not a path", "listeners: {a: {listen: 'unix:a.sock'}}", "listeners.a.listen: is no path of a Unix socket"},
		{"that of listen", "listeners: {a: {listen: '127.0.0.1:8080'}}", "listeners.a.listen: is the same address as listen"},
		{"that of admin_listen", "listeners: {a: {listen: '127.0.0.1:8081'}}", "listeners.a.listen: is the same address as admin_listen"},
		{"that of another", "listeners: {a: {listen: '127.0.0.1:9000'}, b: {listen: '127.0.0.1:9000'}}", "listeners.b.listen: is the same address as listeners.a.listen"},
		{"the socket of another", "listeners: {a: {listen: 'unix:/run/a'}, b: {listen: 'unix:/run/a'}}", "listeners.b.listen: is the same address as listeners.a.listen"},
		{"a name that is none", "listeners: {A b: {listen: '127.0.0.1:9000'}}", "this name is not one of a listener"},
		{"a field that there is not", "listeners: {a: {listen: '127.0.0.1:9000', host: [x]}}", `listeners.a.host: no field has this name; did you mean "hosts"?`},
		{"TLS with nothing", "listeners: {a: {listen: '127.0.0.1:9000', tls: 'on'}}", "listeners.a.tls: is on, and there is nothing to speak TLS with"},
		{"a host that is none", "listeners: {a: {listen: '127.0.0.1:9000', hosts: ['https://x']}}", "listeners.a.hosts[0]: is a URL"},
		{"nobody to believe", "listeners: {a: {listen: '127.0.0.1:9000', forwarded: {from: x-forwarded-for}}}", "listeners.a.forwarded: has no trusted_proxies"},
		{"nearly everybody", "listeners: {a: {listen: '127.0.0.1:9000', forwarded: {from: x-forwarded-for, trusted_proxies: [0.0.0.0/0]}}}", "listeners.a.forwarded.trusted_proxies[0]: holds nearly everybody"},
		{
			"everybody, for the world", "listeners: {a: {listen: '0.0.0.0:9000', forwarded: {from: x-forwarded-for, trusted_proxies: [0.0.0.0/0], insecure_trust_all: true}}}",
			"listeners.a.forwarded: believes everybody at an address that others reach",
		},
		{
			"everybody, inherited", "forwarded: {from: x-forwarded-for, trusted_proxies: [0.0.0.0/0], insecure_trust_all: true}\nlisteners: {a: {listen: '0.0.0.0:9000'}}",
			"listeners.a: believes everybody at an address that others reach",
		},
		{"nobody at a socket", "listeners: {a: {listen: 'unix:/run/a', forwarded: {from: x-forwarded-for, trusted_proxies: [10.0.0.1]}}}", "listeners.a.forwarded: believes nobody: who connects to a Unix socket"},
		{"nobody at a socket, inherited", "forwarded: {from: x-forwarded-for, trusted_proxies: [10.0.0.1]}\nlisteners: {a: {listen: 'unix:/run/a'}}", "listeners.a: believes nobody: it is a Unix socket"},
		{"a socket that is none", "listeners: {a: {listen: '127.0.0.1:9000', forwarded: {from: x-forwarded-for, trust_unix_socket: true}}}", "listeners.a.forwarded.trust_unix_socket: has no effect"},
		{"https that can never be", "listeners: {a: {listen: '127.0.0.1:9000', hosts: [x.test], https: {require: true}}}", "listeners.a.https.require: can never be met"},
		{
			"https that can never be, inherited", "hosts: [x.test]\nforwarded: {from: x-forwarded-for, trusted_proxies: [10.0.0.1], proto: true}\nhttps: {require: true}\nlisteners: {a: {listen: '127.0.0.1:9000', forwarded: {}}}",
			"listeners.a: https.require can never be met here",
		},
		{
			"https for every name", "hosts: [x.test]\nforwarded: {from: x-forwarded-for, trusted_proxies: [10.0.0.1], proto: true}\nhttps: {require: true}\nlisteners: {a: {listen: '127.0.0.1:9000', hosts: []}}",
			"listeners.a: has every name, and https.require needs hosts",
		},
		{"balancers", "listeners: {a: {listen: '127.0.0.1:9000', proxy_protocol: {trusted_peers: [0.0.0.0/1]}}}", "listeners.a.proxy_protocol.trusted_peers[0]: holds nearly everybody"},
		{"a field that is set and removed", "listeners: {a: {listen: '127.0.0.1:9000', headers: {remove: [X-Frame-Options]}}}", "listeners.a.headers.remove: has a field that headers sets"},
	} {
		file := filepath.Join(t.TempDir(), "warder.yaml")
		if err := os.WriteFile(file, []byte(atAPI+tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := config.Load(config.Source{File: file})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Count(err.Error(), file+":") != 1 {
			t.Errorf("%s: %v, want one error with its place, %q", tt.name, err, tt.want)
		}
	}
}

// TestTrustAtAPassedSocket: what holds for an address holds for the socket in its place.
func TestTrustAtAPassedSocket(t *testing.T) {
	c := loaded(t, atAPI+`
forwarded: {from: x-forwarded-for, trusted_proxies: [10.0.0.1]}
listeners:
  as: {listen: 127.0.0.1:9000}
  all: {listen: 127.0.0.1:9001, forwarded: {from: x-forwarded-for, trusted_proxies: [0.0.0.0/0], insecure_trust_all: true}}
  socket: {listen: "unix:/run/a", forwarded: {from: x-forwarded-for, trust_unix_socket: true}}
  nobody: {listen: "unix:/run/b", forwarded: {}}
`)
	world, here, socket := &net.TCPAddr{IP: net.IPv4zero, Port: 80}, &net.TCPAddr{IP: net.IPv6loopback, Port: 80}, &net.UnixAddr{Net: "unix", Name: "/run/x"}
	for _, tt := range []struct {
		name string
		at   net.Addr
		want string // "" for nothing
	}{
		{"as", world, ""},
		{"as", socket, "listeners.as: the passed socket (/run/x) believes nobody: it is a Unix socket"},
		{"all", here, ""},
		{"all", world, "listeners.all.forwarded: the passed socket (0.0.0.0:80) believes everybody at an address that others reach"},
		{"socket", socket, ""},
		{"socket", here, "listeners.socket.forwarded.trust_unix_socket: the passed socket ([::1]:80) has no effect"},
		{"nobody", socket, ""},
		{"nobody", world, ""},
	} {
		err := c.CheckPassed(tt.name, tt.at)
		if (err == nil) != (tt.want == "") || err != nil && !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s at %s: %v, want %q", tt.name, tt.at, err, tt.want)
		}
	}
}

// TestAt: what a listener does not say is as the gateway says.
func TestAt(t *testing.T) {
	c := loaded(t, atAPI+`
hosts: [x.test]
tls: {certificates: [{cert_file: a, key_file: b}]}
headers: {frame_options: SAMEORIGIN, referrer_policy: no-referrer}
listeners:
  as: {listen: 127.0.0.1:9000}
  own: {listen: 127.0.0.1:9001, tls: "off", hosts: [], headers: {referrer_policy: "off"}, https: {port: 8443}, proxy_protocol: {trusted_peers: [10.0.0.1]}, forwarded: {from: forwarded, trusted_proxies: [10.0.0.1]}}
`)
	as, own := c.At("as"), c.At("own")
	if as.Listen != "127.0.0.1:9000" || !as.TLS.Enabled() || !slices.Equal(as.Hosts, c.Hosts) || as.Forwarded.From != "direct" || as.HTTPS.Port != 443 || as.Headers.ReferrerPolicy != "no-referrer" {
		t.Errorf("a listener that says nothing: %+v", as)
	}
	if own.TLS.Enabled() || len(own.Hosts) > 0 || own.Forwarded.From != "forwarded" || own.HTTPS.Port != 8443 || own.HTTPS.GetStatus != 308 || own.Headers.ReferrerPolicy != "off" || own.Headers.FrameOptions != "SAMEORIGIN" || len(own.ProxyProtocol.TrustedPeers) != 1 {
		t.Errorf("one that says all: %+v", own)
	}
	if c.At("nobody") != c || c.At("") != c || len(c.Hosts) != 1 || c.Forwarded.From != "direct" {
		t.Error("the gateway's own settings are others")
	}
	var printed bytes.Buffer
	if err := c.Print(&printed); err != nil {
		t.Fatal(err)
	}
	again := loaded(t, printed.String())
	live, restart := c.Changes(again)
	for _, field := range slices.Concat(live, restart) {
		if strings.HasPrefix(field, "listeners.") && field != "listeners.own.forwarded" && field != "listeners.own.headers" { // whose empty lists are written out
			t.Errorf("what is printed says otherwise of %q:\n%s", field, printed.String())
		}
	}
	if h := again.At("own"); h.Headers.FrameOptions != "SAMEORIGIN" || h.Forwarded.From != "forwarded" || again.At("as").Hosts == nil || len(h.Hosts) > 0 {
		t.Errorf("what is printed: %+v", h)
	}
}

func TestChangesOfListeners(t *testing.T) {
	const one = atAPI + "listeners: {a: {listen: '127.0.0.1:9000', hosts: [x.test]}}\n"
	for _, tt := range []struct {
		name, after   string
		live, restart []string
	}{
		{"nothing", one, nil, nil},
		{"a name", strings.Replace(one, "x.test", "y.test", 1), []string{"listeners.a.hosts"}, nil},
		{"believed proxies", strings.Replace(one, "hosts:", "forwarded: {from: forwarded, trusted_proxies: [10.0.0.1]}, hosts:", 1), []string{"listeners.a.forwarded"}, nil},
		{"https", strings.Replace(one, "hosts:", "https: {port: 8443}, hosts:", 1), []string{"listeners.a.https"}, nil},
		{"the address", strings.Replace(one, "9000", "9001", 1), nil, []string{"listeners.a.listen"}},
		{"TLS", strings.Replace(one, "hosts:", "tls: 'off', hosts:", 1), nil, []string{"listeners.a.tls"}},
		{"balancers", strings.Replace(one, "hosts:", "proxy_protocol: {}, hosts:", 1), nil, []string{"listeners.a.proxy_protocol"}},
		{"another name of the listener", strings.Replace(one, "{a:", "{b:", 1), nil, []string{"listeners.a", "listeners.b"}},
	} {
		live, restart := loaded(t, one).Changes(loaded(t, tt.after))
		if !slices.Equal(live, tt.live) || !slices.Equal(restart, tt.restart) {
			t.Errorf("%s: live %q, restart %q, want %q and %q", tt.name, live, restart, tt.live, tt.restart)
		}
	}
}

// TestFindingsOfListeners: each listener is looked at by itself.
func TestFindingsOfListeners(t *testing.T) {
	c := loaded(t, atAPI+`
listeners:
  inside: {listen: 127.0.0.1:9000}
  open: {listen: "0.0.0.0:9001"}
  trusting: {listen: 127.0.0.1:9002, forwarded: {from: x-forwarded-for, trusted_proxies: [0.0.0.0/0], insecure_trust_all: true}}
`)
	var fields []string
	for _, f := range c.Findings() {
		fields = append(fields, f.Field)
	}
	if want := []string{"listeners.trusting.forwarded.insecure_trust_all", "listeners.open.listen"}; !slices.Equal(fields, want) {
		t.Errorf("findings at %q, want %q", fields, want)
	}
}
