package forwarded_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/problem"
)

func request(host, remote string) *exchange.Exchange {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host, r.RemoteAddr = host, remote
	return exchange.New(r)
}

type hostRow struct{ name, sent, host, port string } // host "" for 400

func hosts() []hostRow {
	long := strings.Repeat("a", 63)
	return []hostRow{
		{"a name", "api.example.com", "api.example.com", ""},
		{"with a port", "api.example.com:8443", "api.example.com", "8443"},
		{"case is ignored, RFC 4343", "API.Example.COM", "api.example.com", ""},
		{"the root's dot", "api.example.com.", "api.example.com", ""},
		{"the root's dot and a port", "api.example.com.:80", "api.example.com", "80"},
		{"one label", "localhost", "localhost", ""},
		{"underscore", "my_api:80", "my_api", "80"},
		{"IPv4", "127.0.0.1:80", "127.0.0.1", "80"},
		{"IPv6", "[::1]", "[::1]", ""},
		{"IPv6 with a port", "[2001:db8::1]:443", "[2001:db8::1]", "443"},
		{"IPv6 in its one spelling, RFC 5952", "[2001:DB8:0:0::1]:443", "[2001:db8::1]", "443"},
		{"highest port", "a:65535", "a", "65535"},
		{"port 0", "a:0", "a", "0"},
		{"longest label", long + ".a", long + ".a", ""},

		{"missing", "", "", ""},
		{"dot only", ".", "", ""},
		{"two dots at the end", "a..", "", ""},
		{"empty label", "a..b", "", ""},
		{"leading dot", ".a", "", ""},
		{"port only", ":80", "", ""},
		{"empty port", "a:", "", ""},
		{"port too high", "a:65536", "", ""},
		{"port of six digits", "a:000080", "", ""},
		{"port with a leading zero", "a:080", "", ""},
		{"port with a sign", "a:+80", "", ""},
		{"port with letters", "a:http", "", ""},
		{"two ports", "a:80:81", "", ""},
		{"IPv6 without brackets", "::1", "", ""},
		{"open bracket", "[::1", "", ""},
		{"text after the bracket", "[::1]a", "", ""},
		{"IPv4 in brackets", "[127.0.0.1]", "", ""},
		{"zone", "[fe80::1%eth0]", "", ""},
		{"encoded zone", "[fe80::1%25eth0]", "", ""},
		{"future address", "[v1.a]", "", ""},
		{"empty brackets", "[]", "", ""},
		{"blank", "a b", "", ""},
		{"blank before", " a", "", ""},
		{"blank after", "a ", "", ""},
		{"quote", `a"b`, "", ""},
		{"quote alone", `"`, "", ""},
		{"comma", "a,b", "", ""},
		{"two hosts", "a.example, b.example", "", ""},
		{"semicolon", "a;proto=https", "", ""},
		{"equals", "a=b", "", ""},
		{"at", "user@a", "", ""},
		{"slash", "a/b", "", ""},
		{"backslash", `a\b`, "", ""},
		{"question mark", "a?b", "", ""},
		{"hash", "a#b", "", ""},
		{"percent", "a%2eb", "", ""},
		{"CR", "a\rb", "", ""},
		{"LF", "a\nb", "", ""},
		{"NUL", "a\x00b", "", ""},
		{"non-ASCII", "exämple.com", "", ""},
		{"full-width dot", "a．b", "", ""},
		{"300 bytes", strings.Repeat("a.", 150), "", ""},
		{"label of 64 bytes", long + "a.b", "", ""},
		{"1 MiB", strings.Repeat("a", 1<<20), "", ""},
	}
}

func checkHosts(t *testing.T, rows []hostRow) {
	t.Helper()
	s := forwarded.Direct()
	for _, tt := range rows {
		x := request(tt.sent, "192.0.2.1:1234")
		v := s.Check(x)
		if v.Passed() != (tt.host != "") || x.Host != tt.host || x.Port != tt.port {
			t.Errorf("%s: Host %.40q: got %v, %q, %q; want %q, %q", tt.name, tt.sent, v.Kind(), x.Host, x.Port, tt.host, tt.port)
		}
		if !v.Passed() && (v.Problem().Type != problem.InvalidHost || v.Problem().Header.Get("Connection") != "close") {
			t.Errorf("%s: refused with %v %v, want invalid-host and the connection closed", tt.name, v.Problem(), v.Problem().Header)
		}
	}
}

func TestHosts(t *testing.T) {
	attack.Case(t, "PROXY-06", attack.Library, func(t *testing.T) { checkHosts(t, hosts()) })
}

func TestPeers(t *testing.T) {
	for _, tt := range []struct{ name, remote, peer, client string }{
		{"IPv4", "192.0.2.1:1234", "192.0.2.1:1234", "192.0.2.1"},
		{"IPv6", "[2001:db8::1]:1234", "[2001:db8::1]:1234", "2001:db8::1"},
		{"IPv4 written as IPv6", "[::ffff:192.0.2.1]:1234", "192.0.2.1:1234", "192.0.2.1"},
		{"zone", "[fe80::1%eth0]:1234", "[fe80::1%eth0]:1234", "fe80::1"},
		{"Unix socket", "@", "invalid AddrPort", "invalid IP"},
		{"named Unix socket", "/run/x.sock", "invalid AddrPort", "invalid IP"},
		{"nothing", "", "invalid AddrPort", "invalid IP"},
		{"no address", "client", "invalid AddrPort", "invalid IP"},
	} {
		x := request("a", tt.remote)
		// What a client claims is not read.
		for _, name := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip", "X-Forwarded-Host", "X-Forwarded-Proto"} {
			x.Request.Header.Set(name, "for=203.0.113.9;host=evil;proto=https")
		}
		if v := forwarded.Direct().Check(x); !v.Passed() {
			t.Errorf("%s: %v", tt.name, v.Kind())
		}
		if x.Peer.String() != tt.peer || x.Client.String() != tt.client || x.Scheme != "http" || x.Host != "a" {
			t.Errorf("%s: got %v, %v, %s, %s; want %s, %s, http, a", tt.name, x.Peer, x.Client, x.Scheme, x.Host, tt.peer, tt.client)
		}
	}
}

func TestSchemeIsTheConnections(t *testing.T) {
	x := request("a", "192.0.2.1:1")
	x.Request.TLS = &tls.ConnectionState{}
	forwarded.Direct().Check(x)
	if x.Scheme != "https" {
		t.Errorf("scheme = %q, want https", x.Scheme)
	}
}

func TestWrapRefuses(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host = "a,b"
	w := httptest.NewRecorder()
	forwarded.Direct().Wrap(http.NotFoundHandler()).ServeHTTP(w, r)
	if w.Code != http.StatusBadRequest || strings.Contains(w.Body.String(), "a,b") {
		t.Errorf("got %d %s, want 400 without the host", w.Code, w.Body)
	}
}

func FuzzHost(f *testing.F) {
	for _, h := range hosts() {
		f.Add(h.sent)
	}
	f.Fuzz(func(t *testing.T, host string) {
		s, x := forwarded.Direct(), request(host, "192.0.2.1:1")
		if !s.Check(x).Passed() {
			return
		}
		for _, b := range []byte(x.Host) {
			if b <= ' ' || b >= 0x7f || strings.IndexByte(`"',;=@/\?#%`, b) >= 0 || 'A' <= b && b <= 'Z' {
				t.Errorf("Host %q: %q holds %q", host, x.Host, b)
			}
		}
		again := x.Host
		if x.Port != "" {
			again += ":" + x.Port
		}
		y := request(again, "192.0.2.1:1")
		if !s.Check(y).Passed() || y.Host != x.Host || y.Port != x.Port {
			t.Errorf("Host %q: %q reads as %q %q", host, again, y.Host, y.Port)
		}
	})
}

func FuzzDirect(f *testing.F) {
	f.Add("[fe80::1%eth0]:1234")
	for _, seed := range []string{
		"192.0.2.1:1234", "192.0.2.1:01234", "192.0.2.256:1", "192.0.2.1:65536", "192.0.2.1", "192.0.2.01:1", "[2001:db8::7]:51234", "[2001:db8::7]:", "[2001:db8::7]", "[::ffff:192.0.2.1]:1",
		"[::ffff:c000:201]:1", "[::]:0", "[]:1", "[1:2:3:4:5:6:7:8]:1", "[1:2:3:4:5:6:7:8:9]:1", "[1:2:3:4:5:6:7::]:1", "[1:::2]:1", "[12345::]:1", "[1:]:1", "@", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, remote string) {
		x := request("a", remote)
		forwarded.Direct().Check(x)
		if x.Peer.IsValid() != x.Client.IsValid() || x.Client.Is4In6() || x.Client.Zone() != "" {
			t.Errorf("RemoteAddr %q: peer %v, client %v", remote, x.Peer, x.Client)
		}
		want, err := netip.ParseAddrPort(remote)
		if peer := netip.AddrPortFrom(want.Addr().Unmap(), want.Port()); (err == nil) != x.Peer.IsValid() || err == nil && (x.Peer != peer || x.Client != peer.Addr().WithZone("")) {
			t.Errorf("RemoteAddr %q: peer %v, client %v; netip says %v, %v", remote, x.Peer, x.Client, want, err)
		}
	})
}

func TestAnOrdinaryHostAllocatesNothing(t *testing.T) {
	s := forwarded.Direct()
	for _, host := range []string{"api.example.com", "api.example.com:8443", "[2001:db8::1]:443", "127.0.0.1:8000"} {
		x := request(host, "[2001:db8::7]:51234")
		if got := testing.AllocsPerRun(100, func() { s.Check(x) }); got != 0 {
			t.Errorf("Host %s: allocations = %v, want 0", host, got)
		}
	}
}

func BenchmarkDirect(b *testing.B) {
	s, x := forwarded.Direct(), request("api.example.com:8443", "192.0.2.1:51234")
	b.ReportAllocs()
	for b.Loop() {
		if v := s.Check(x); !v.Passed() {
			b.Fatal(v.Reason())
		}
	}
}
