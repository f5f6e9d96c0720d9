package forwarded_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/problem"
)

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// proxies are what the tests trust.
func proxies() []netip.Prefix {
	return prefixes("10.0.0.0/8", "192.168.1.0/24", "2001:db8:ffff::/48")
}

type constructor func(forwarded.Config) (*forwarded.Stage, error)

func stage(tb testing.TB, build constructor, cfg forwarded.Config) *forwarded.Stage {
	tb.Helper()
	if cfg.TrustedProxies == nil && !cfg.TrustUnixSocket {
		cfg.TrustedProxies = proxies()
	}
	s, err := build(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// via is a request from peer with the fields, each a name and a value.
func via(peer string, fields ...string) *exchange.Exchange {
	x := request("a.example", peer)
	for i := 0; i < len(fields); i += 2 {
		x.Request.Header.Add(fields[i], fields[i+1])
	}
	return x
}

// listRow is a list and the client that it names to a listed peer, 10.0.0.1.
type listRow struct {
	name     string
	lines    []string
	client   string
	doubtful bool
}

func checkLists(t *testing.T, s *forwarded.Stage, field string, rows []listRow) {
	t.Helper()
	for _, tt := range rows {
		x := via("10.0.0.1:1234")
		x.Request.Header[field] = tt.lines
		if v := s.Check(x); !v.Passed() {
			t.Errorf("%s: %s: %v %s", field, tt.name, v.Kind(), v.Reason())
		}
		if x.Client.String() != tt.client || x.ClientDoubtful != tt.doubtful {
			t.Errorf("%s: %s: %.60q names %v, doubtful = %v; want %s, %v", field, tt.name, tt.lines, x.Client, x.ClientDoubtful, tt.client, tt.doubtful)
		}
	}
}

func chains() []listRow {
	return []listRow{
		{"no field", nil, "10.0.0.1", false},
		{"one entry", []string{"203.0.113.9"}, "203.0.113.9", false},
		{"a listed hop between", []string{"203.0.113.9, 10.0.0.2"}, "203.0.113.9", false},
		{"listed hops of both families", []string{"203.0.113.9, 2001:db8:ffff::1, 192.168.1.7"}, "203.0.113.9", false},
		{"an invented entry", []string{"198.51.100.1, 203.0.113.9"}, "203.0.113.9", false},
		{"an invented entry that is listed", []string{"10.9.9.9, 203.0.113.9, 10.0.0.2"}, "203.0.113.9", false},
		{"nonsense in front", []string{"unknown, , 1.2.3, 203.0.113.9"}, "203.0.113.9", false},
		{"all are listed: the leftmost", []string{"10.0.0.9, 10.0.0.2"}, "10.0.0.9", false},
		{"a listed entry alone", []string{"192.168.1.255"}, "192.168.1.255", false},
		{"next to the list", []string{"192.168.2.0"}, "192.168.2.0", false},
		{"IPv6", []string{"2001:db8::9"}, "2001:db8::9", false},
		{"IPv6 in its one spelling", []string{"2001:DB8:0::9"}, "2001:db8::9", false},
		{"blanks around", []string{" \t203.0.113.9\t , \t10.0.0.2 "}, "203.0.113.9", false},
		{"no blanks", []string{"203.0.113.9,10.0.0.2"}, "203.0.113.9", false},
	}
}

func lines() []listRow {
	return []listRow{
		{"two lines", []string{"198.51.100.1", "203.0.113.9"}, "203.0.113.9", false},
		{"a listed line last", []string{"198.51.100.1, 203.0.113.9", "10.0.0.2"}, "203.0.113.9", false},
		{"three lines, all but one listed", []string{"203.0.113.9", "10.0.0.3, 10.0.0.4", "10.0.0.2"}, "203.0.113.9", false},
		{"nonsense before what decides", []string{"unknown", "203.0.113.9"}, "203.0.113.9", false},
		{"nonsense behind", []string{"203.0.113.9", "unknown"}, "10.0.0.1", true},
	}
}

func forms() []listRow {
	rows := []listRow{
		{"a port", []string{"203.0.113.9:80"}, "203.0.113.9", false},
		{"brackets", []string{"[2001:db8::9]"}, "2001:db8::9", false},
		{"brackets and a port", []string{"[2001:db8::9]:80"}, "2001:db8::9", false},
		{"a listed hop with a port", []string{"203.0.113.9, 10.0.0.2:4711"}, "203.0.113.9", false},
		{"300 entries", []string{strings.Repeat("198.51.100.1, ", 299) + "203.0.113.9"}, "203.0.113.9", false},
		{"300 listed hops", []string{"203.0.113.9" + strings.Repeat(", 10.0.0.2", 299)}, "203.0.113.9", false},
		{"301 listed hops", []string{"203.0.113.9" + strings.Repeat(", 10.0.0.2", 300)}, "10.0.0.2", true},
		{"9 KiB", []string{strings.Repeat("a", 9<<10) + ", 203.0.113.9"}, "203.0.113.9", false},
	}
	for _, bad := range []string{
		"unknown", "_hidden", "", " ", `"203.0.113.9"`, "203.0.113.9:", "203.0.113.9:99999", "203.0.113.9:080", "203.0.113.9:a", "203.0.113.9 198.51.100.1",
		"[203.0.113.9]", "[2001:db8::9", "2001:db8::9]", "[2001:db8::9]80", "[2001:db8::9]:", "[]", "[", ":", "2001:db8", "2001:db8::9:80:80:80:80:80:80",
		"for=203.0.113.9", "203.0.113.9;", "a.example", "http://203.0.113.9", "203.0.113.9\x00", "２０３.0.113.9",
		strings.Repeat("a", 9<<10), "203.0.113.9" + strings.Repeat(" ", 500) + "198.51.100.1", strings.Repeat("a", 1<<20),
	} {
		rows = append(rows,
			listRow{"alone", []string{bad}, "10.0.0.1", true},
			listRow{"behind an address", []string{"203.0.113.9, " + bad}, "10.0.0.1", true},
			listRow{"before a listed hop", []string{bad + ", 10.0.0.2"}, "10.0.0.2", true},
			listRow{"before the client", []string{bad + ", 203.0.113.9"}, "203.0.113.9", false},
		)
	}
	return rows
}

func mapped() []listRow {
	return []listRow{
		{"as the client", []string{"::ffff:203.0.113.9"}, "203.0.113.9", false},
		{"in hexadecimal", []string{"::ffff:cb00:7109"}, "203.0.113.9", false},
		{"in brackets with a port", []string{"[::ffff:203.0.113.9]:80"}, "203.0.113.9", false},
		{"as a listed hop", []string{"203.0.113.9, ::ffff:10.0.0.2"}, "203.0.113.9", false},
	}
}

func zones() []listRow {
	return []listRow{
		{"a zone", []string{"fe80::1%eth0"}, "10.0.0.1", true},
		{"an encoded zone", []string{"[fe80::1%25eth0]:80"}, "10.0.0.1", true},
		{"a zone on a listed address", []string{"203.0.113.9, 2001:db8:ffff::1%1"}, "10.0.0.1", true},
		{"a zone on an IPv4 address", []string{"203.0.113.9%1"}, "10.0.0.1", true},
		{"a zone on a mapped address", []string{"::ffff:203.0.113.9%1"}, "10.0.0.1", true},
	}
}

func numbers() []listRow {
	var rows []listRow
	for _, bad := range []string{
		"010.0.0.1", "10.0.0.01", "1.2.3", "1.2", "16909060", "0x1.2.3.4", "0x7f000001", "1.2.3.4.", "1.2.3.4.5", "1.2.3.256", "1..2.3", "+1.2.3.4", "1.2.3.4/32", "-1.2.3.4",
	} {
		rows = append(rows, listRow{bad, []string{bad}, "10.0.0.1", true}, listRow{bad + " hides nobody", []string{"203.0.113.9, " + bad + ", 10.0.0.2"}, "10.0.0.2", true})
	}
	return rows
}

func TestXForwardedFor(t *testing.T) {
	s := stage(t, forwarded.XForwardedFor, forwarded.Config{})
	for _, c := range []struct {
		id   string
		rows []listRow
	}{{"IP-02", chains()}, {"IP-03", lines()}, {"IP-04", forms()}, {"IP-05", mapped()}, {"IP-06", zones()}, {"IP-07", numbers()}} {
		attack.Case(t, c.id, attack.Library, func(t *testing.T) { checkLists(t, s, "X-Forwarded-For", c.rows) })
	}
}

// everyModel has a stage of each trust model.
func everyModel(t *testing.T, cfg forwarded.Config) map[string]*forwarded.Stage {
	t.Helper()
	single := cfg
	single.Header = "CF-Connecting-IP"
	return map[string]*forwarded.Stage{
		"Direct":        forwarded.Direct(),
		"XForwardedFor": stage(t, forwarded.XForwardedFor, cfg),
		"Forwarded":     stage(t, forwarded.Forwarded, cfg),
		"SingleHeader":  stage(t, forwarded.SingleHeader, single),
	}
}

// claimed are the fields that carry an address, scheme or host anywhere.
func claimed() []string {
	return []string{
		"X-Forwarded-For", "203.0.113.9", "Forwarded", "for=203.0.113.9;proto=https;host=evil.example", "CF-Connecting-IP", "203.0.113.9",
		"X-Real-IP", "203.0.113.9", "True-Client-IP", "203.0.113.9", "X-Client-IP", "203.0.113.9", "X-Cluster-Client-IP", "203.0.113.9",
		"Fastly-Client-IP", "203.0.113.9", "X-Envoy-External-Address", "203.0.113.9", "X-Original-Forwarded-For", "203.0.113.9",
		"X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil.example", "X-Forwarded-Port", "443", "X-Forwarded-Ssl", "on",
	}
}

func TestAnUnlistedPeerIsNotBelieved(t *testing.T) {
	attack.Case(t, "IP-01", attack.Library, func(t *testing.T) {
		for model, s := range everyModel(t, forwarded.Config{ReadProto: true, ReadHost: true, ClientCertHeader: "Ssl-Client-Cert"}) {
			for _, peer := range []string{"198.51.100.7", "11.0.0.0", "9.255.255.255", "192.168.2.1", "2001:db8:fffe::1", "::ffff:198.51.100.7", "fe80::1%eth0"} {
				x := via(net.JoinHostPort(peer, "1"), append(claimed(), "Ssl-Client-Cert", "garbage", "X-Forwarded-Proto", "http,https")...)
				want := netip.MustParseAddr(peer).Unmap().WithZone("")
				if v := s.Check(x); !v.Passed() || x.Client != want || x.ClientDoubtful || x.Scheme != "http" || x.Host != "a.example" || x.ClientCert != nil {
					t.Errorf("%s, from %s: %v, client %v, doubtful %v, %s, %s, certificate %v", model, peer, v.Kind(), x.Client, x.ClientDoubtful, x.Scheme, x.Host, x.ClientCert)
				}
			}
		}
	})
}

func TestMappedAddressesInTheList(t *testing.T) {
	attack.Case(t, "IP-05", attack.Library, func(t *testing.T) {
		for _, list := range [][]netip.Prefix{prefixes("10.0.0.0/8"), prefixes("::ffff:10.0.0.0/104")} {
			s := stage(t, forwarded.XForwardedFor, forwarded.Config{TrustedProxies: list})
			for _, peer := range []string{"10.0.0.1:1", "[::ffff:10.0.0.1]:1", "[::ffff:a00:1]:1"} {
				x := via(peer, "X-Forwarded-For", "::ffff:203.0.113.9, ::ffff:10.0.0.2")
				if s.Check(x); x.Client.String() != "203.0.113.9" || x.Peer.String() != "10.0.0.1:1" {
					t.Errorf("list %v, peer %s: client %v, peer %v", list, peer, x.Client, x.Peer)
				}
			}
		}
	})
}

func TestListedNetworks(t *testing.T) {
	for _, tt := range []struct {
		name string
		list []netip.Prefix
		in   []string
		out  []string
	}{
		{"one network", prefixes("192.168.1.0/24"), []string{"192.168.1.0", "192.168.1.255"}, []string{"192.168.0.255", "192.168.2.0", "::c0a8:100"}},
		{"one address", prefixes("192.168.1.7/32", "2001:db8::7/128"), []string{"192.168.1.7", "2001:db8::7"}, []string{"192.168.1.6", "192.168.1.8", "2001:db8::6", "2001:db8::8"}},
		{"the ends of a family", prefixes("0.0.0.0/8", "255.0.0.0/8"), []string{"0.0.0.1", "255.255.255.255"}, []string{"1.0.0.0", "254.255.255.255", "::1"}},
		{"IPv6", prefixes("2001:db8:1::/48"), []string{"2001:db8:1::", "2001:db8:1:ffff:ffff:ffff:ffff:ffff"}, []string{"2001:db8:0:ffff:ffff:ffff:ffff:ffff", "2001:db8:2::"}},
		{"next to each other", prefixes("10.1.0.0/16", "10.0.0.0/16", "10.2.0.0/16"), []string{"10.0.0.0", "10.0.255.255", "10.1.0.0", "10.2.255.255"}, []string{"10.3.0.0", "9.255.255.255"}},
		{"within each other", prefixes("10.0.1.0/24", "10.0.0.0/8", "10.0.2.0/24"), []string{"10.0.3.0", "10.255.255.255"}, []string{"11.0.0.0"}},
		{"apart, and unsorted", prefixes("172.16.0.0/12", "2001:db8::/32", "10.0.0.0/8", "fc00::/7"), []string{"172.31.255.255", "10.0.0.1", "2001:db8::1", "fdff::1"}, []string{"172.32.0.0", "11.0.0.1", "2001:db9::", "fe00::"}},
	} {
		s := stage(t, forwarded.XForwardedFor, forwarded.Config{TrustedProxies: tt.list})
		believed := func(peer string) bool {
			x := via(net.JoinHostPort(peer, "1"), "X-Forwarded-For", "203.0.113.9")
			s.Check(x)
			return x.Client.String() == "203.0.113.9"
		}
		for _, peer := range tt.in {
			if !believed(peer) {
				t.Errorf("%s: %s is not believed", tt.name, peer)
			}
		}
		for _, peer := range tt.out {
			if believed(peer) {
				t.Errorf("%s: %s is believed", tt.name, peer)
			}
		}
	}
}

func TestTrustInEverybodyIsRefused(t *testing.T) {
	halves := func(list ...string) []netip.Prefix { return prefixes(list...) }
	var eighths []netip.Prefix // every IPv4 address, in parts that are each allowed
	for i := range 256 {
		eighths = append(eighths, netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(i)}), 8))
	}
	attack.Case(t, "IP-09", attack.Library, func(t *testing.T) {
		for name, list := range map[string][]netip.Prefix{
			"all of IPv4": halves("0.0.0.0/0"), "all of IPv6": halves("::/0"), "all of IPv4, written as IPv6": halves("::ffff:0.0.0.0/96"),
			"in halves": halves("0.0.0.0/1", "128.0.0.0/1"), "a /7": halves("10.0.0.0/7"), "global unicast": halves("2000::/3"), "hidden among others": halves("10.0.0.0/8", "::/0"),
			"in 256 parts": eighths,
		} {
			for _, build := range []constructor{forwarded.XForwardedFor, forwarded.Forwarded} {
				if _, err := build(forwarded.Config{TrustedProxies: list}); err == nil || !strings.Contains(err.Error(), "InsecureTrustAll") {
					t.Errorf("%s: error = %v, want one that names InsecureTrustAll", name, err)
				}
				if _, err := build(forwarded.Config{TrustedProxies: list, InsecureTrustAll: true}); err != nil {
					t.Errorf("%s, by word: %v", name, err)
				}
			}
		}
	})
	for _, private := range []string{"10.0.0.0/8", "fc00::/7", "fd00::/8", "2600::/12", "172.16.0.0/12"} {
		if _, err := forwarded.XForwardedFor(forwarded.Config{TrustedProxies: prefixes(private)}); err != nil {
			t.Errorf("%s: %v", private, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	some := proxies()
	for _, tt := range []struct {
		name  string
		build constructor
		cfg   forwarded.Config
		want  []string
	}{
		{"nobody listed", forwarded.XForwardedFor, forwarded.Config{}, []string{"TrustedProxies is empty"}},
		{"everybody by word, and nobody listed", forwarded.Forwarded, forwarded.Config{InsecureTrustAll: true}, []string{"TrustedProxies is empty"}},
		{"an invalid prefix", forwarded.XForwardedFor, forwarded.Config{TrustedProxies: []netip.Prefix{{}}}, []string{"invalid prefix"}},
		{"network or address", forwarded.XForwardedFor, forwarded.Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/8")}}, []string{"10.0.0.0/8", "10.0.0.1/32"}},
		{"no field", forwarded.SingleHeader, forwarded.Config{TrustedProxies: some}, []string{"Header is missing"}},
		{"a field that is a list", forwarded.SingleHeader, forwarded.Config{TrustedProxies: some, Header: "x-forwarded-for"}, []string{`"x-forwarded-for"`}},
		{"a field that is none", forwarded.SingleHeader, forwarded.Config{TrustedProxies: some, Header: "a b"}, []string{`"a b"`}},
		{"a field where none is read", forwarded.XForwardedFor, forwarded.Config{TrustedProxies: some, Header: "X-Real-IP"}, []string{"SingleHeader only"}},
		{"a certificate in a field of another meaning", forwarded.XForwardedFor, forwarded.Config{TrustedProxies: some, ClientCertHeader: "authorization"}, []string{"ClientCertHeader"}},
		{"a certificate in the address's field", forwarded.SingleHeader, forwarded.Config{TrustedProxies: some, Header: "X-A", ClientCertHeader: "x-a"}, []string{"ClientCertHeader"}},
		{"everything at once", forwarded.SingleHeader, forwarded.Config{TrustedProxies: prefixes("::/0"), Header: "a:b", ClientCertHeader: "c d"}, []string{"InsecureTrustAll", `"a:b"`, `"c d"`}},
	} {
		s, err := tt.build(tt.cfg)
		if err == nil || s != nil {
			t.Errorf("%s: no error", tt.name)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not say %q", tt.name, err, want)
			}
		}
	}
}

// overUnix notes on x what a server notes of a Unix socket.
func overUnix(x *exchange.Exchange, network string) *exchange.Exchange {
	r := x.Request
	x.Request = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.UnixAddr{Name: "/run/w.sock", Net: network}))
	return x
}

func TestUnixSocket(t *testing.T) {
	attack.Case(t, "IP-10", attack.Library, func(t *testing.T) {
		for _, tt := range []struct {
			name            string
			trust, server   bool
			remote, claims  string
			client          string
			doubtful, https bool
		}{
			{"by word", true, true, "@", "203.0.113.9", "203.0.113.9", false, true},
			{"by word, a listed hop", true, true, "@", "203.0.113.9, 10.0.0.2", "203.0.113.9", false, true},
			{"by word, nonsense", true, true, "@", "unix:", "invalid IP", true, true},
			{"not said", false, true, "@", "203.0.113.9", "invalid IP", false, false},
			{"text that looks like one", true, false, "@", "203.0.113.9", "invalid IP", false, false},
			{"text that is nothing", true, false, "garbage", "203.0.113.9", "invalid IP", false, false},
		} {
			s := stage(t, forwarded.XForwardedFor, forwarded.Config{TrustedProxies: proxies(), TrustUnixSocket: tt.trust, ReadProto: true})
			x := via(tt.remote, "X-Forwarded-For", tt.claims, "X-Forwarded-Proto", "https")
			if tt.server {
				x = overUnix(x, "unix")
			}
			if v := s.Check(x); !v.Passed() || x.Client.String() != tt.client || x.ClientDoubtful != tt.doubtful || (x.Scheme == "https") != tt.https {
				t.Errorf("%s: %v, client %v, doubtful %v, %s", tt.name, v.Kind(), x.Client, x.ClientDoubtful, x.Scheme)
			}
		}
	})
	alone := stage(t, forwarded.XForwardedFor, forwarded.Config{TrustUnixSocket: true})
	x := via("10.0.0.1:1", "X-Forwarded-For", "203.0.113.9")
	if alone.Check(x); x.Client.String() != "10.0.0.1" {
		t.Errorf("only the socket is listed, and 10.0.0.1 named %v", x.Client)
	}
}

func TestUnixSocketOfAServer(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", t.TempDir()+"/w.sock")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan string, 1)
	s := stage(t, forwarded.XForwardedFor, forwarded.Config{TrustUnixSocket: true})
	server := httptest.NewUnstartedServer(s.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen <- exchange.From(r.Context()).Client.String()
	})))
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	defer server.Close()
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", listener.Addr().String())
	}}}
	defer client.CloseIdleConnections()
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://a.example/", http.NoBody)
	r.Header.Set("X-Forwarded-For", "203.0.113.9")
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if got := <-seen; got != "203.0.113.9" {
		t.Errorf("client = %s, want the forwarded one", got)
	}
}

func TestSingleHeader(t *testing.T) {
	s := stage(t, forwarded.SingleHeader, forwarded.Config{Header: "cf-connecting-ip"})
	attack.Case(t, "IP-04", attack.Library, func(t *testing.T) {
		checkLists(t, s, "Cf-Connecting-Ip", []listRow{
			{"no field", nil, "10.0.0.1", false},
			{"an address", []string{"203.0.113.9"}, "203.0.113.9", false},
			{"a listed one", []string{"10.0.0.9"}, "10.0.0.9", false},
			{"IPv6", []string{"2001:db8::9"}, "2001:db8::9", false},
			{"mapped", []string{"::ffff:203.0.113.9"}, "203.0.113.9", false},
			{"a port", []string{"203.0.113.9:80"}, "203.0.113.9", false},
			{"empty", []string{""}, "10.0.0.1", true},
			{"a list", []string{"198.51.100.1, 203.0.113.9"}, "10.0.0.1", true},
			{"two lines", []string{"198.51.100.1", "203.0.113.9"}, "10.0.0.1", true},
			{"a word", []string{"unknown"}, "10.0.0.1", true},
			{"a zone", []string{"fe80::1%eth0"}, "10.0.0.1", true},
			{"leading zeros", []string{"010.0.0.1"}, "10.0.0.1", true},
		})
	})
	x := via("10.0.0.1:1", claimed()...)
	x.Request.Header.Del("Cf-Connecting-Ip")
	if s.Check(x); x.Client.String() != "10.0.0.1" {
		t.Errorf("another field than the configured one named %v", x.Client)
	}
}

type schemeRow struct {
	name   string
	fields []string
	scheme string // "" for 400
}

func checkSchemes(t *testing.T, s *forwarded.Stage, rows []schemeRow) {
	t.Helper()
	for _, tt := range rows {
		x := via("10.0.0.1:1", tt.fields...)
		v := s.Check(x)
		switch {
		case tt.scheme != "" && (!v.Passed() || x.Scheme != tt.scheme):
			t.Errorf("%s: %v, %s; want %s", tt.name, v.Kind(), x.Scheme, tt.scheme)
		case tt.scheme == "" && (v.Passed() || v.Problem().Type != problem.InvalidForwarded):
			t.Errorf("%s: %v, %s; want 400", tt.name, v.Kind(), x.Scheme)
		}
	}
}

func TestScheme(t *testing.T) {
	const field = "X-Forwarded-Proto"
	attack.Case(t, "TLS-04", attack.Library, func(t *testing.T) {
		read := stage(t, forwarded.XForwardedFor, forwarded.Config{ReadProto: true})
		checkSchemes(t, read, []schemeRow{
			{"none", nil, "http"},
			{"https", []string{field, "https"}, "https"},
			{"http", []string{field, "http"}, "http"},
			{"case is ignored", []string{field, "HTTPS"}, "https"},
			{"WebSocket's word for it", []string{field, "wss"}, "https"},
			{"WebSocket's word for the plain one", []string{field, "ws"}, "http"},
			{"two values", []string{field, "http,https"}, ""},
			{"two equal values", []string{field, "https, https"}, ""},
			{"two lines", []string{field, "https", field, "http"}, ""},
			{"two equal lines", []string{field, "https", field, "https"}, ""},
			{"empty", []string{field, ""}, ""},
			{"another scheme", []string{field, "ftp"}, ""},
			{"with a blank", []string{field, "http s"}, ""},
			{"Forwarded says otherwise", []string{field, "https", "Forwarded", "for=203.0.113.9;proto=http"}, "https"},
			{"Forwarded alone", []string{"Forwarded", "for=203.0.113.9;proto=https"}, "http"},
			{"other words for it", []string{"X-Forwarded-Ssl", "on", "Front-End-Https", "on", "X-Forwarded-Scheme", "https", "X-Forwarded-Port", "443"}, "http"},
		})
		checkSchemes(t, stage(t, forwarded.XForwardedFor, forwarded.Config{}), []schemeRow{
			{"not configured", []string{field, "https"}, "http"},
			{"not configured, two values", []string{field, "http,https"}, "http"},
		})
		checkSchemes(t, stage(t, forwarded.Forwarded, forwarded.Config{ReadProto: true}), []schemeRow{
			{"of the element", []string{"Forwarded", "for=203.0.113.9;proto=https"}, "https"},
			{"of the element, other case", []string{"Forwarded", "For=203.0.113.9;PROTO=Https"}, "https"},
			{"of the element that decides", []string{"Forwarded", "for=198.51.100.1;proto=http, for=203.0.113.9;proto=https, for=10.0.0.2;proto=http"}, "https"},
			{"of an element that hides the client", []string{"Forwarded", "for=unknown;proto=https"}, "https"},
			{"of the leftmost, when all are listed", []string{"Forwarded", "for=10.0.0.3;proto=https, for=10.0.0.2;proto=http"}, "https"},
			{"none", []string{"Forwarded", "for=203.0.113.9"}, "http"},
			{"twice", []string{"Forwarded", "for=203.0.113.9;proto=https;proto=http"}, ""},
			{"another scheme", []string{"Forwarded", "for=203.0.113.9;proto=ftp"}, ""},
			{"two in one", []string{"Forwarded", `for=203.0.113.9;proto="http,https"`}, ""},
			{"no grammar", []string{"Forwarded", "for=203.0.113.9;proto"}, ""},
			{"X-Forwarded-Proto says otherwise", []string{"Forwarded", "for=203.0.113.9;proto=https", field, "http"}, "https"},
			{"X-Forwarded-Proto alone", []string{field, "https"}, "http"},
			{"X-Forwarded-Proto with two values", []string{field, "http,https"}, "http"},
		})
	})
	x := via("10.0.0.1:1", field, "http")
	x.Request.TLS = new(tls.ConnectionState)
	if stage(t, forwarded.XForwardedFor, forwarded.Config{ReadProto: true}).Check(x); x.Scheme != "http" {
		t.Errorf("TLS from the proxy made %s of the client's http", x.Scheme)
	}
}

func TestForwardedHost(t *testing.T) {
	const field = "X-Forwarded-Host"
	type row struct {
		name, peer string
		fields     []string
		host, port string // "" for 400
	}
	check := func(t *testing.T, s *forwarded.Stage, rows []row) {
		t.Helper()
		for _, tt := range rows {
			x := via(tt.peer, tt.fields...)
			v := s.Check(x)
			if v.Passed() != (tt.host != "") || v.Passed() && (x.Host != tt.host || x.Port != tt.port) {
				t.Errorf("%s: %v, %s, %s; want %q, %q", tt.name, v.Kind(), x.Host, x.Port, tt.host, tt.port)
			}
			if !v.Passed() && v.Problem().Type.Status() != http.StatusBadRequest {
				t.Errorf("%s: status %d, want 400", tt.name, v.Problem().Type.Status())
			}
			if x.Request.Host != "a.example" {
				t.Errorf("%s: the request's own Host became %s", tt.name, x.Request.Host)
			}
		}
	}
	const listed, other = "10.0.0.1:1", "198.51.100.7:1"
	attack.Case(t, "HOST-08", attack.Library, func(t *testing.T) {
		check(t, stage(t, forwarded.XForwardedFor, forwarded.Config{ReadHost: true}), []row{
			{"listed", listed, []string{field, "B.Example.:8443"}, "b.example", "8443"},
			{"listed, no field", listed, nil, "a.example", ""},
			{"unlisted", other, []string{field, "b.example"}, "a.example", ""},
			{"unlisted, two values", other, []string{field, "b.example, c.example"}, "a.example", ""},
			{"two values", listed, []string{field, "b.example, c.example"}, "", ""},
			{"two lines", listed, []string{field, "b.example", field, "c.example"}, "", ""},
			{"two equal lines", listed, []string{field, "b.example", field, "b.example"}, "", ""},
			{"empty", listed, []string{field, ""}, "", ""},
			{"no host", listed, []string{field, "b.example@evil"}, "", ""},
			{"beyond ASCII", listed, []string{field, "bücher.example"}, "", ""},
			{"Forwarded is not read", listed, []string{"Forwarded", "for=203.0.113.9;host=b.example"}, "a.example", ""},
		})
		check(t, stage(t, forwarded.XForwardedFor, forwarded.Config{}), []row{
			{"not configured", listed, []string{field, "b.example"}, "a.example", ""},
			{"not configured, two values", listed, []string{field, "b.example, c.example"}, "a.example", ""},
		})
		check(t, stage(t, forwarded.Forwarded, forwarded.Config{ReadHost: true}), []row{
			{"of the element", listed, []string{"Forwarded", `for=203.0.113.9;host="b.example:8443"`}, "b.example", "8443"},
			{"of the element that decides", listed, []string{"Forwarded", "for=198.51.100.1;host=evil.example, for=203.0.113.9;host=b.example, for=10.0.0.2;host=c.example"}, "b.example", ""},
			{"none in it", listed, []string{"Forwarded", "for=203.0.113.9"}, "a.example", ""},
			{"twice", listed, []string{"Forwarded", "for=203.0.113.9;host=b.example;host=c.example"}, "", ""},
			{"two in one", listed, []string{"Forwarded", `for=203.0.113.9;host="b.example, c.example"`}, "", ""},
			{"X-Forwarded-Host is not read", listed, []string{"Forwarded", "for=203.0.113.9", field, "b.example"}, "a.example", ""},
			{"unlisted", other, []string{"Forwarded", "for=203.0.113.9;host=b.example"}, "a.example", ""},
		})
	})
}

func TestFields(t *testing.T) {
	full := forwarded.Config{ReadProto: true, ReadHost: true, ClientCertHeader: "ssl-client-cert"}
	want := map[string][]string{
		"Direct":        nil,
		"XForwardedFor": {"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Ssl-Client-Cert"},
		"Forwarded":     {"Forwarded", "Ssl-Client-Cert"},
		"SingleHeader":  {"Cf-Connecting-Ip", "X-Forwarded-Proto", "X-Forwarded-Host", "Ssl-Client-Cert"},
	}
	for model, s := range everyModel(t, full) {
		if got := s.Fields(); !slices.Equal(got, want[model]) {
			t.Errorf("%s: %v, want %v", model, got, want[model])
		}
	}
	if got := stage(t, forwarded.XForwardedFor, forwarded.Config{}).Fields(); !slices.Equal(got, []string{"X-Forwarded-For"}) {
		t.Errorf("nothing else configured: %v", got)
	}
}

func FuzzXForwardedFor(f *testing.F) {
	for _, rows := range [][]listRow{chains(), lines(), forms(), mapped(), zones(), numbers()} {
		for _, tt := range rows {
			if text := strings.Join(tt.lines, "\n"); len(text) < 1<<10 {
				f.Add(text)
			}
		}
	}
	s := stage(f, forwarded.XForwardedFor, forwarded.Config{})
	trusted := proxies()
	f.Fuzz(func(t *testing.T, text string) {
		x := via("10.0.0.1:1")
		x.Request.Header["X-Forwarded-For"] = strings.Split(text, "\n")
		if v := s.Check(x); !v.Passed() {
			t.Fatalf("%q: %v", text, v.Kind())
		}
		if !x.Client.IsValid() || x.Client.Is4In6() || x.Client.Zone() != "" {
			t.Errorf("%q: client %v", text, x.Client)
		}
		listed := slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(x.Client) })
		if x.ClientDoubtful && !listed {
			t.Errorf("%q: the doubtful client %v is no listed hop", text, x.Client)
		}
		// What a listed proxy appends decides, whatever stands before it.
		y := via("10.0.0.1:1")
		y.Request.Header["X-Forwarded-For"] = strings.Split(text+", 203.0.113.77", "\n")
		if s.Check(y); y.Client.String() != "203.0.113.77" || y.ClientDoubtful {
			t.Errorf("%q, and 203.0.113.77 appended: client %v, doubtful %v", text, y.Client, y.ClientDoubtful)
		}
	})
}

func TestOrdinaryProxiesAllocateNothing(t *testing.T) {
	for name, tt := range ordinary(t) {
		if got := testing.AllocsPerRun(100, func() { tt.s.Check(tt.x) }); got != 0 {
			t.Errorf("%s: allocations = %v, want 0", name, got)
		}
	}
}

type ordinaryRow struct {
	s *forwarded.Stage
	x *exchange.Exchange
}

func ordinary(tb testing.TB) map[string]ordinaryRow {
	tb.Helper()
	var cdn []netip.Prefix // as many networks as a CDN has
	for i := range 200 {
		cdn = append(cdn, netip.PrefixFrom(netip.AddrFrom4([4]byte{100, byte(i), 0, 0}), 20), netip.PrefixFrom(netip.AddrFrom16([16]byte{0x26, 0, byte(i)}), 44))
	}
	return map[string]ordinaryRow{
		"one hop": {
			stage(tb, forwarded.XForwardedFor, forwarded.Config{}),
			via("10.0.0.1:1234", "X-Forwarded-For", "203.0.113.9"),
		},
		"one hop and scheme": {
			stage(tb, forwarded.XForwardedFor, forwarded.Config{ReadProto: true}),
			via("10.0.0.1:1234", "X-Forwarded-For", "203.0.113.9", "X-Forwarded-Proto", "https"),
		},
		"two hops of IPv6": {
			stage(tb, forwarded.XForwardedFor, forwarded.Config{}),
			via("10.0.0.1:1234", "X-Forwarded-For", "2001:db8::9, 2001:db8:ffff::7"),
		},
		"Forwarded": {
			stage(tb, forwarded.Forwarded, forwarded.Config{ReadProto: true, ReadHost: true}),
			via("10.0.0.1:1234", "Forwarded", `for="[2001:db8::9]:4711";proto=https;host=api.example`),
		},
		"single field, 400 networks": {
			stage(tb, forwarded.SingleHeader, forwarded.Config{TrustedProxies: cdn, Header: "CF-Connecting-IP"}),
			via("100.7.0.1:1234", "CF-Connecting-IP", "203.0.113.9"),
		},
		"unlisted": {
			stage(tb, forwarded.XForwardedFor, forwarded.Config{}),
			via("198.51.100.7:1234", "X-Forwarded-For", "203.0.113.9"),
		},
	}
}

func BenchmarkProxies(b *testing.B) {
	for name, tt := range ordinary(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if v := tt.s.Check(tt.x); !v.Passed() {
					b.Fatal(v.Reason())
				}
			}
		})
	}
}

// TestTheSchemeOfWhatIsRefused is what is known: whoever asks whether a credential
// was sent in the clear must not be told so of a request that may have come over
// https.
func TestTheSchemeOfWhatIsRefused(t *testing.T) {
	s := stage(t, forwarded.XForwardedFor, forwarded.Config{ReadProto: true, ReadHost: true})
	rfc := stage(t, forwarded.Forwarded, forwarded.Config{ReadProto: true})
	deaf := stage(t, forwarded.XForwardedFor, forwarded.Config{ReadHost: true})
	for _, tt := range []struct {
		name   string
		s      *forwarded.Stage
		peer   string
		host   string // of the request
		fields []string
		want   string
	}{
		{"two schemes", s, "10.0.0.1:1", "a.example", []string{"X-Forwarded-Proto", "https, http"}, ""},
		{"a scheme that is none", s, "10.0.0.1:1", "a.example", []string{"X-Forwarded-Proto", "ftp"}, ""},
		{"an element that is none", rfc, "10.0.0.1:1", "a.example", []string{"Forwarded", "proto=https;proto=http"}, ""},
		{"no host, before the scheme was read", s, "10.0.0.1:1", "a,b", []string{"X-Forwarded-Proto", "https"}, ""},
		{"no forwarded host, and https", s, "10.0.0.1:1", "a.example", []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "a,b"}, "https"},
		{"no forwarded host, and http", s, "10.0.0.1:1", "a.example", []string{"X-Forwarded-Proto", "http", "X-Forwarded-Host", "a,b"}, "http"},
		{"no host, from who is not listed", s, "192.0.2.1:1", "a,b", []string{"X-Forwarded-Proto", "https"}, "http"},
		{"no host, and no scheme is read", deaf, "10.0.0.1:1", "a,b", []string{"X-Forwarded-Proto", "https"}, "http"},
	} {
		x := via(tt.peer, tt.fields...)
		x.Request.Host = tt.host
		if v := tt.s.Check(x); v.Passed() || x.Scheme != tt.want {
			t.Errorf("%s: passed %v, scheme %q, want %q", tt.name, v.Passed(), x.Scheme, tt.want)
		}
	}
}
