package forwarded_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/warder-dev/warder/forwarded"
)

// FuzzAddressesAsNetip reads entries of a list as net/netip does, where that has
// one reading for them.
func FuzzAddressesAsNetip(f *testing.F) {
	for _, seed := range []string{
		"203.0.113.9", "0.0.0.0", "255.255.255.255", "256.0.0.1", "00.0.0.1", "01.2.3.4", "1.2.3.04", "1.2.3", "1.2.3.4.5", "1..2.3", ".1.2.3", "1.2.3.", "1.2.3.4.",
		"1.2.3.4:80", "1.2.3.4:080", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4x", "1.2.3.4 5", "9999999999999.1.1.1", "::1", "2001:db8::9", "::ffff:1.2.3.4", "", "1", "1.2.3.4/32",
	} {
		f.Add(seed)
	}
	s, err := forwarded.XForwardedFor(forwarded.Config{TrustedProxies: prefixes("10.0.0.0/8")})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsAny(text, ", \t[]%") || len(text) > 64 {
			return // lists, blanks, brackets and zones have rules of their own
		}
		x := via("10.0.0.1:1", "X-Forwarded-For", text)
		s.Check(x)
		host, number, hasPort := strings.Cut(text, ":")
		want, err := netip.ParseAddr(text)
		if err != nil && hasPort && !strings.Contains(number, ":") {
			var p netip.AddrPort
			p, err = netip.ParseAddrPort(text)
			want = p.Addr()
			if err == nil && (len(number) > 1 && number[0] == '0' || !want.Is4()) {
				return // a second spelling, which is refused
			}
		}
		if got := !x.ClientDoubtful; got != (err == nil) || got && x.Client != want.Unmap() {
			t.Errorf("%q (host %q): client %v, doubtful %v; netip says %v, %v", text, host, x.Client, x.ClientDoubtful, want, err)
		}
	})
}
