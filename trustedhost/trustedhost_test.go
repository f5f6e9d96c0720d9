package trustedhost_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/trustedhost"
)

func stage(tb testing.TB, hosts ...string) *trustedhost.Stage {
	tb.Helper()
	return configured(tb, trustedhost.Config{Hosts: hosts})
}

func configured(tb testing.TB, cfg trustedhost.Config) *trustedhost.Stage {
	tb.Helper()
	s, err := trustedhost.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// sent is what forwarded makes of a request with Host; it reports false when
// forwarded refuses it.
func sent(host string) (*exchange.Exchange, bool) {
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.Host = host
	x := exchange.New(r)
	return x, forwarded.Direct().Check(x).Passed()
}

// status is the answer to Host of the edge with s behind forwarded: 200, 400,
// 421 or 503.
func status(tb testing.TB, s *trustedhost.Stage, host string) int {
	tb.Helper()
	x, ok := sent(host)
	if !ok {
		return http.StatusBadRequest
	}
	v := s.Check(x)
	if v.Passed() {
		return http.StatusOK
	}
	return v.Problem().Type.Status()
}

type row struct {
	name, host string
	want       int
}

func check(t *testing.T, s *trustedhost.Stage, rows []row) {
	t.Helper()
	for _, tt := range rows {
		if got := status(t, s, tt.host); got != tt.want {
			t.Errorf("%s: Host %.60q: status = %d, want %d", tt.name, tt.host, got, tt.want)
		}
	}
}

func TestListedHosts(t *testing.T) {
	attack.Case(t, "HOST-01", attack.Library, func(t *testing.T) {
		for _, configured := range []string{"api.example.com", "API.Example.COM", "api.example.com."} {
			s := stage(t, configured)
			for _, host := range []string{"api.example.com", "API.Example.COM", "api.example.com:443", "api.example.com:8443", "api.example.com.", "Api.example.com.:80"} {
				if got := status(t, s, host); got != http.StatusOK {
					t.Errorf("listed %q: Host %q: status = %d, want 200", configured, host, got)
				}
				if x, _ := sent(host); x.Host != "api.example.com" {
					t.Errorf("Host %q is called %q by every later matcher", host, x.Host)
				}
			}
		}
	})
}

func TestUnlistedHosts(t *testing.T) {
	s := stage(t, "example.com", "*.example.com", "127.0.0.1")
	attack.Case(t, "HOST-02", attack.Library, func(t *testing.T) {
		server := httptest.NewServer(forwarded.Direct().Wrap(s.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))))
		defer server.Close()
		for _, tt := range []struct {
			name, head string
			want       int
		}{
			{"listed", "GET / HTTP/1.1\r\nHost: example.com\r\n", 204},
			{"unlisted", "GET / HTTP/1.1\r\nHost: evil.test\r\n", 421},
			{"unlisted, in an absolute target", "GET http://evil.test/ HTTP/1.1\r\nHost: example.com\r\n", 421},
			{"empty", "GET / HTTP/1.1\r\nHost:\r\n", 400},
			{"absent", "GET / HTTP/1.1\r\n", 400},
			{"two", "GET / HTTP/1.1\r\nHost: example.com\r\nHost: evil.test\r\n", 400},
			{"HTTP/1.0 with a listed one", "GET / HTTP/1.0\r\nHost: example.com\r\n", 204},
			{"HTTP/1.0 without", "GET / HTTP/1.0\r\n", 400},
		} {
			c := wire.Dial(t, strings.TrimPrefix(server.URL, "http://"))
			c.Send(tt.head + "Connection: close\r\n\r\n")
			if got, _ := c.Rest(); !strings.Contains(got, fmt.Sprintf(" %d ", tt.want)) || strings.Contains(got, "evil.test") {
				t.Errorf("%s: answer %.200q, want %d without the host", tt.name, got, tt.want)
			}
		}
	})
	attack.Case(t, "HOST-03", attack.Library, func(t *testing.T) {
		check(t, s, []row{
			{"one label in front", "a.example.com", 200},
			{"the name itself, listed too", "example.com", 200},
			{"an underscore in front", "a_b.example.com", 200},
			{"a longer name", "evil-example.com", 421},
			{"a longer name behind a dot", "a.evil-example.com", 421},
			{"as a part", "example.com.evil.net", 421},
			{"two labels in front", "a.b.example.com", 421},
			{"an asterisk", "*.example.com", 400},
			{"nothing in front", ".example.com", 400},
			{"the domain above", "com", 421},
			{"another address", "127.0.0.2", 421},
		})
		check(t, stage(t, "*.example.com"), []row{{"nothing in front of a wildcard", "example.com", 421}, {"listed by the wildcard", "a.example.com", 200}})
	})
	attack.Case(t, "HOST-04", attack.Library, func(t *testing.T) {
		rows := []row{{"an underscore where it is not listed", "my_host.test", 421}}
		for _, bad := range []string{
			"example.com:80@evil", "user@example.com", "example.com:99999", "example.com:", "example.com:8a", "example.com:80:80", " example.com", "example.com ", "exa mple.com",
			"example.com,evil.test", "example.com\tx", "example.com/", "example.com?x", `example.com\`, "example.com#", "example.com%00", strings.Repeat("a.", 144) + "example.com",
		} {
			rows = append(rows, row{"malformed", bad, 400})
		}
		check(t, s, rows)
	})
}

func TestAddresses(t *testing.T) {
	attack.Case(t, "HOST-05", attack.Library, func(t *testing.T) {
		check(t, stage(t, "127.0.0.1", "[::1]", "[2001:DB8::0:9]:8443"), []row{
			{"IPv6", "[::1]", 200},
			{"IPv6 with a port", "[::1]:80", 200},
			{"IPv6 in another spelling", "[0:0::1]", 200},
			{"IPv6 under its port", "[2001:db8::9]:8443", 200},
			{"IPv6 under another port", "[2001:db8::9]:80", 421},
			{"IPv6 that is not listed", "[::2]", 421},
			{"IPv4 written as IPv6", "[::ffff:127.0.0.1]", 421},
			{"a zone", "[::1%eth0]", 400},
			{"no brackets", "::1", 400},
			{"IPv4", "127.0.0.1:8080", 200},
			{"hexadecimal", "0x7f.1", 421},
			{"one number", "2130706433", 421},
			{"shortened", "127.1", 421},
			{"leading zeros", "127.000.000.001", 421},
			{"octal", "0177.0.0.1", 421},
		})
		network := configured(t, trustedhost.Config{Hosts: []string{"localhost"}, Addresses: []netip.Prefix{
			netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("::ffff:192.0.2.0/120"),
		}})
		check(t, network, []row{
			{"in the network", "127.9.9.9", 200},
			{"in the network, with a port", "127.0.0.1:8080", 200},
			{"IPv6", "[::1]:80", 200},
			{"IPv4 written as IPv6", "[::ffff:127.0.0.1]", 200},
			{"a network written as IPv6", "192.0.2.7", 200},
			{"outside of it", "128.0.0.1", 421},
			{"IPv6 outside of it", "[::2]", 421},
			{"hexadecimal", "0x7f.1", 421},
			{"shortened", "127.1", 421},
			{"leading zeros", "127.0.0.01", 421},
			{"a name that ends in a digit", "host1", 421},
			{"a listed name", "localhost", 200},
		})
	})
	check(t, stage(t, "0x7f.1"), []row{{"listed as a name", "0x7f.1", 200}, {"what it may mean", "127.0.0.1", 421}})
}

func TestNamesBeyondASCII(t *testing.T) {
	attack.Case(t, "HOST-06", attack.Library, func(t *testing.T) {
		for _, spelling := range []string{"bücher.example", "BÜCHER.example", "xn--bcher-kva.example", "bücher．example"} {
			check(t, stage(t, spelling), []row{
				{"encoded", "xn--bcher-kva.example", 200},
				{"encoded, other case", "XN--Bcher-KVA.example", 200},
				{"as letters", "bücher.example", 400},
				{"another dot", "xn--bcher-kva．example", 400},
			})
		}
		rows := []row{
			{"Cyrillic letters that look alike, encoded", "xn--xample-2of.com", 421},
			{"letters that look alike", "еxample.com", 400},
			{"full-width letters", "ｅxample.com", 400},
			{"a well-formed label", "xn--bcher-kva.example.com", 200},
			{"not at the start of a label", "axn--.example.com", 200},
			{"a well-formed label that is not listed", "xn--bcher-kva.test", 421},
		}
		for _, label := range []string{"xn--", "xn---", "xn--example-", "xn--a", "xn--a-", "xn--0", "xn--zzzzzzzz", "XN--example-"} {
			rows = append(rows,
				row{"encoded without need, or not at all", label + ".example.com", 400},
				row{"the same, not listed", label + ".test", 400},
				row{"the same, further in", "a." + label + ".test", 400},
				row{"the same, last", "a.test." + label, 400})
		}
		check(t, stage(t, "example.com", "*.example.com"), rows)
	})
}

func TestAnyNumberOfHosts(t *testing.T) {
	attack.Case(t, "HOST-07", attack.Library, func(t *testing.T) {
		for _, n := range []int{1, 100, 1000, 10000} {
			s := stage(t, many(n)...)
			check(t, s, []row{
				{"the first", "h0.example.com", 200},
				{"the first, other case", "H0.Example.COM:8443", 200},
				{"the last", fmt.Sprintf("h%d.example.com", n-1), 200},
				{"the last, other case", fmt.Sprintf("H%d.EXAMPLE.com.", n-1), 200},
				{"behind the last", fmt.Sprintf("h%d.example.com", n), 421},
				{"a wildcard", fmt.Sprintf("x.w%d.example.com", n-1), 200},
				{"a wildcard, other case", fmt.Sprintf("X.W%d.Example.com", n-1), 200},
				{"unlisted", "evil.test", 421},
			})
		}
	})
}

// many is n names and n wildcards.
func many(n int) []string {
	var hosts []string
	for i := range n {
		hosts = append(hosts, fmt.Sprintf("h%d.example.com", i), fmt.Sprintf("*.w%d.example.com", i))
	}
	return hosts
}

func TestPorts(t *testing.T) {
	for _, tt := range []struct {
		name, scheme string
		hosts        []string
		host         string
		want         bool
	}{
		{"any", "http", []string{"a.test"}, "a.test:9", true},
		{"none sent, any", "http", []string{"a.test"}, "a.test", true},
		{"the one", "http", []string{"a.test:9"}, "a.test:9", true},
		{"another", "http", []string{"a.test:9"}, "a.test:8", false},
		{"none sent, and another than the scheme's", "http", []string{"a.test:9"}, "a.test", false},
		{"https leaves 443 out", "https", []string{"a.test:443"}, "a.test", true},
		{"http does not", "http", []string{"a.test:443"}, "a.test", false},
		{"http leaves 80 out", "http", []string{"a.test:80"}, "a.test", true},
		{"one of two", "http", []string{"a.test:8", "a.test:9"}, "a.test:9", true},
		{"none of two", "http", []string{"a.test:8", "a.test:9"}, "a.test:7", false},
		{"any, whatever else is listed before", "http", []string{"a.test:8", "a.test"}, "a.test:9", true},
		{"any, whatever else is listed behind", "http", []string{"a.test", "a.test:8"}, "a.test:9", true},
		{"a wildcard's", "http", []string{"*.a.test:9"}, "b.a.test:9", true},
		{"not a wildcard's", "http", []string{"*.a.test:9"}, "b.a.test", false},
		{"the wildcard takes what the name does not", "http", []string{"b.a.test:8", "*.a.test:9"}, "b.a.test:9", true},
		{"IPv6", "http", []string{"[::1]:9"}, "[::1]:9", true},
	} {
		x, _ := sent(tt.host)
		x.Scheme = tt.scheme
		if got := stage(t, tt.hosts...).Check(x).Passed(); got != tt.want {
			t.Errorf("%s: %v, Host %s over %s: passed = %v, want %v", tt.name, tt.hosts, tt.host, tt.scheme, got, tt.want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for host, reason := range map[string]string{
		"": "missing", "*": "every host", "*.com": "top level", "*.": "malformed name", "*.*.example.com": "malformed name", "a.*.com": "malformed name", "*example.com": "malformed name",
		"https://example.com": "malformed", "example.com/": "malformed name", "example.com:": "malformed port", "example.com:0": "malformed port", "example.com:080": "malformed port",
		"example.com:65536": "malformed port", "example.com:*": "malformed port", "example.com:+1": "malformed port", "::1": "without brackets", "[::1": "malformed address", "[::1]x": "malformed port",
		"[::1]:": "malformed port", "[127.0.0.1]": "malformed address", "[fe80::1%eth0]": "malformed address", "a..b": "malformed name", ".": "malformed name", "a b": "malformed name", "a,b": "malformed name",
		"xn--example-.com": "malformed name", "*.xn--a.com": "malformed name", "bü_cher.example": "malformed name", "a\u200db.example": "malformed name",
		strings.Repeat("a", 64) + ".test": "malformed name", strings.Repeat("a.", 140) + "test": "malformed name",
		"*.0.0.1": "for addresses", "*.1.0x7f": "for addresses", "*.1.0x": "for addresses", "user@example.com": "malformed name", "example.com..": "malformed name",
	} {
		s, err := trustedhost.New(trustedhost.Config{Hosts: []string{"good.example.com", host}})
		var bad *trustedhost.HostError
		if s != nil || !errors.As(err, &bad) || bad.Host != host || !strings.Contains(bad.Reason, reason) {
			t.Errorf("%q: error = %v, want one of it that says %q", host, err, reason)
		}
	}
	if s, err := trustedhost.New(trustedhost.Config{}); s != nil || err == nil {
		t.Errorf("nothing listed: error = %v", err)
	}
	network := netip.PrefixFrom(netip.MustParseAddr("10.0.0.1"), 8)
	_, err := trustedhost.New(trustedhost.Config{Hosts: []string{"a b", "c d"}, Addresses: []netip.Prefix{network, {}}})
	for _, want := range []string{`"a b"`, `"c d"`, `"10.0.0.1/8"`, "invalid Prefix"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v, want all of them, %s too", err, want)
		}
	}
}

func TestShadow(t *testing.T) {
	var told []string
	s := configured(t, trustedhost.Config{Hosts: []string{"example.com", "*.example.com"}, Shadow: func(x *exchange.Exchange) { told = append(told, x.Host) }})
	for _, host := range []string{"example.com", "evil.test", "xn--a.example.com"} {
		if got := status(t, s, host); got != http.StatusOK {
			t.Errorf("Host %s: status = %d, want 200", host, got)
		}
	}
	if want := []string{"evil.test", "xn--a.example.com"}; !slices.Equal(told, want) {
		t.Errorf("told of %v, want %v", told, want)
	}
	x, _ := sent("evil.test")
	x.Dry = true
	if !s.Check(x).Passed() || len(told) != 2 {
		t.Errorf("a dry run was told of: %v", told)
	}
	if s.Lists(x) {
		t.Error("shadow lists what it lets pass")
	}
}

func TestWithoutForwardedNothingPasses(t *testing.T) {
	s := configured(t, trustedhost.Config{Hosts: []string{"example.com"}, Shadow: func(*exchange.Exchange) {}})
	v := s.Check(exchange.New(httptest.NewRequest(http.MethodGet, "/", http.NoBody)))
	if v.Kind() != exchange.Failed || v.Problem().Type != problem.Unavailable {
		t.Errorf("verdict = %v, want a failure", v.Kind())
	}
}

func TestNothingIsAllocated(t *testing.T) {
	s := stage(t, many(1000)...)
	for _, host := range []string{"h7.example.com", "a.w7.example.com", "evil.test", "[::1]:80"} {
		x, _ := sent(host)
		if got := testing.AllocsPerRun(100, func() { s.Check(x) }); got != 0 {
			t.Errorf("Host %s: allocations = %v, want 0", host, got)
		}
	}
}

func FuzzHosts(f *testing.F) {
	for _, seed := range []string{
		"api.example.com", "*.example.com", "example.com:8443", "[::1]:80", "[2001:DB8::1]", "bücher.example", "xn--bcher-kva.example", "xn--example-.com", "a．b", "127.0.0.1", "0x7f.1", "my_api", "*", "::1",
	} {
		f.Add(seed, "a.example.com")
	}
	f.Fuzz(func(t *testing.T, pattern, host string) {
		s, err := trustedhost.New(trustedhost.Config{Hosts: []string{pattern}})
		if err != nil {
			var bad *trustedhost.HostError
			if !errors.As(err, &bad) || bad.Host != pattern {
				t.Errorf("%q: %v is no HostError of it", pattern, err)
			}
			return
		}
		if x, ok := sent(host); ok && s.Check(x).Passed() != s.Lists(x) {
			t.Errorf("%q, Host %q: Check and Lists differ", pattern, host)
		}
		// A listed host is served under the name that it was listed by, when a request can have it.
		if x, ok := sent(pattern); ok && !strings.HasPrefix(pattern, "*") && !s.Check(x).Passed() {
			t.Errorf("%q does not list itself", pattern)
		}
		// Whatever is listed, a name of its own below is not, and neither is one that it is a part of.
		if x, ok := sent("evil." + "x." + strings.TrimPrefix(pattern, "*.")); ok && s.Check(x).Passed() {
			t.Errorf("%q lists %q", pattern, x.Host)
		}
		if x, ok := sent("evil-" + strings.TrimPrefix(pattern, "*.")); ok && s.Check(x).Passed() && !strings.HasPrefix(pattern, "*") {
			t.Errorf("%q lists %q", pattern, x.Host)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	for _, n := range []int{1, 100, 10000} {
		s := stage(b, many(n)...)
		for name, host := range map[string]string{"name": fmt.Sprintf("h%d.example.com", n-1), "wildcard": fmt.Sprintf("a.w%d.example.com", n-1)} {
			x, _ := sent(host)
			b.Run(fmt.Sprintf("%s of %d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if v := s.Check(x); !v.Passed() {
						b.Fatal(v.Reason())
					}
				}
			})
		}
	}
}
