package authz_test

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/warder-dev/warder/authz"
	"github.com/warder-dev/warder/exchange"
)

// prefixes reads "10.0.0.0/8 2001:db8::/32".
func prefixes(text string) []netip.Prefix {
	var all []netip.Prefix
	for word := range strings.FieldsSeq(text) {
		all = append(all, netip.MustParsePrefix(word))
	}
	return all
}

func TestClients(t *testing.T) {
	tests := []struct {
		name, ranges, client string
		want                 bool
	}{
		{"within", "192.0.2.0/24", "192.0.2.255", true},
		{"first of the range", "192.0.2.0/24", "192.0.2.0", true},
		{"behind", "192.0.2.0/24", "192.0.3.0", false},
		{"before", "192.0.2.0/24", "192.0.1.255", false},
		{"one of several, unsorted", "203.0.113.0/24 10.0.0.0/8 192.0.2.0/24", "10.255.0.1", true},
		{"between several", "203.0.113.0/24 10.0.0.0/8 192.0.2.0/24", "198.51.100.1", false},
		{"within the wider of two", "10.0.0.0/8 10.1.0.0/16", "10.200.0.1", true},
		{"within the narrower of two", "10.1.0.0/16 10.0.0.0/8", "10.1.0.1", true},
		{"behind a range within another", "10.0.0.0/8 10.0.0.0/16 10.1.0.0/32", "10.1.0.1", true},
		{"the same twice", "10.0.0.0/8 10.0.0.0/8", "10.0.0.1", true},
		{"one address", "192.0.2.7/32", "192.0.2.7", true},
		{"IPv6", "2001:db8::/32", "2001:db8:ffff::1", true},
		{"IPv6, behind", "2001:db8::/32", "2001:db9::", false},
		{"KEY-27: a mapped client is IPv4", "192.0.2.0/24", "::ffff:192.0.2.1", true},
		{"KEY-27: a mapped range is IPv4", "::ffff:192.0.2.0/120", "192.0.2.1", true},
		{"KEY-27: both mapped", "::ffff:192.0.2.0/120", "::ffff:192.0.2.1", true},
		{"KEY-27: a zone is the client's own business", "fe80::/10", "fe80::1%eth0", true},
		{"KEY-27: a zone on another address", "fe80::/10", "2001:db8::1%fe80::1", false},
		{"all of IPv6 is none of IPv4", "::/0", "192.0.2.1", false},
		{"all of IPv6 is none of mapped IPv4", "::/0", "::ffff:192.0.2.1", false},
		{"all of IPv4", "0.0.0.0/0", "::ffff:192.0.2.1", true},
		{"KEY-27: nobody's address is within nothing", "0.0.0.0/0 ::/0", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := request(func(x *exchange.Exchange) {
				x.Client = netip.Addr{}
				if tt.client != "" {
					x.Client = netip.MustParseAddr(tt.client)
				}
			})
			if got := holds(t, authz.Rule{Clients: prefixes(tt.ranges)}, x); got != tt.want {
				t.Errorf("%s within %s = %v, want %v", tt.client, tt.ranges, got, tt.want)
			}
		})
	}
}

func TestRangesThatAreNone(t *testing.T) {
	tests := []struct {
		name string
		p    netip.Prefix
		want string
	}{
		{"the zero value", netip.Prefix{}, "no range"},
		{"bits behind the length", netip.MustParsePrefix("10.0.0.1/8"), `want "10.0.0.0/8"`},
		{"mapped and wider than IPv4", netip.MustParsePrefix("::ffff:0:0/90"), "mapped range"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := authz.New(authz.Config{Rules: []authz.Rule{{Name: "a", Effect: authz.Deny, Clients: []netip.Prefix{tt.p}}}})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want one that says %s", err, tt.want)
			}
		})
	}
}

// The search by halves says what asking each range says.
func TestClientsAgainstEachRange(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	addr := func() netip.Addr { // few bits, so that ranges touch and lie within each other
		return netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(4)), byte(r.IntN(256))})
	}
	for range 500 {
		var ranges []netip.Prefix
		for range 1 + r.IntN(12) {
			ranges = append(ranges, netip.PrefixFrom(addr(), 16+r.IntN(17)).Masked())
		}
		for range 50 {
			a, want := addr(), false
			for _, p := range ranges {
				want = want || p.Contains(a)
			}
			x := request(func(x *exchange.Exchange) { x.Client = a })
			if got := holds(t, authz.Rule{Clients: ranges}, x); got != want {
				t.Fatalf("%v within %v = %v, want %v", a, ranges, got, want)
			}
		}
	}
}
