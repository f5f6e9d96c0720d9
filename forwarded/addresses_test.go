package forwarded_test

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
)

// FuzzAddressesAsNetip reads entries of a list as net/netip does, where that has
// one reading for them.
func FuzzAddressesAsNetip(f *testing.F) {
	for _, seed := range []string{
		"203.0.113.9", "0.0.0.0", "255.255.255.255", "256.0.0.1", "00.0.0.1", "01.2.3.4", "1.2.3.04", "1.2.3", "1.2.3.4.5", "1..2.3", ".1.2.3", "1.2.3.", "1.2.3.4.",
		"1.2.3.4:80", "1.2.3.4:080", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4x", "1.2.3.4 5", "9999999999999.1.1.1", "::1", "2001:db8::9", "::ffff:1.2.3.4", "", "1", "1.2.3.4/32",
		"::", "1::", "::1:2:3:4:5:6:7", "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1::2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7", ":::", "1:::2", "1::2::3",
		":1", "1:", ":", "12345::", "1::00000", "g::", "::FFFF:C000:0201", "::ffff:0:0", "::ffff:c000:201:1", "0:0:0:0:0:ffff:1.2.3.4", "ABCD:EF01::abcd", "1:2:3:4:5:6:1.2.3.4", "::1.2.3.4", "64:ff9b::1.2.3.4",
		"2001:db8::9:", "2001:db8:::9", "2001:db8::9x", "2001:db8::9/64",
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

// TestIPv6IsReadAsNetipReadsIt writes random addresses in the ways that they can be
// written in, and in some that they cannot.
func TestIPv6IsReadAsNetipReadsIt(t *testing.T) {
	s := stage(t, forwarded.XForwardedFor, forwarded.Config{})
	rfc := stage(t, forwarded.Forwarded, forwarded.Config{})
	random := rand.New(rand.NewPCG(1, 2))
	good := 0
	for range 20_000 {
		var b [16]byte
		for i := range b {
			if random.IntN(2) == 0 {
				b[i] = byte(random.Uint32())
			}
		}
		if random.IntN(8) == 0 {
			copy(b[:], []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255})
		}
		a := netip.AddrFrom16(b)
		for _, text := range []string{a.String(), a.StringExpanded(), strings.ToUpper(a.String()), mangled(random, a.StringExpanded()), mangled(random, a.String())} {
			want, err := netip.ParseAddr(text)
			if want.Is4() || want.Zone() != "" || strings.ContainsAny(text, ", ") {
				continue
			}
			if err == nil {
				good++
			}
			for field, x := range map[string]*exchange.Exchange{"X-Forwarded-For": via("10.0.0.1:1", "X-Forwarded-For", text), "in brackets": via("10.0.0.1:1", "X-Forwarded-For", "["+text+"]:80")} {
				if s.Check(x); x.ClientDoubtful != (err != nil) || err == nil && x.Client != want.Unmap() {
					t.Fatalf("%s %q: client %v, doubtful %v; netip says %v, %v", field, text, x.Client, x.ClientDoubtful, want, err)
				}
			}
			peer := request("a.example", "["+text+"]:80")
			if s.Check(peer); peer.Client.IsValid() != (err == nil) || err == nil && peer.Client != want.Unmap() {
				t.Fatalf("peer %q: %v; netip says %v, %v", text, peer.Client, want, err)
			}
			x := via("10.0.0.1:1", "Forwarded", `for="[`+text+`]"`)
			if rfc.Check(x); x.ClientDoubtful != (err != nil) || err == nil && x.Client != want.Unmap() {
				t.Fatalf("Forwarded %q: client %v, doubtful %v; netip says %v, %v", text, x.Client, x.ClientDoubtful, want, err)
			}
		}
	}
	if good < 60_000 {
		t.Errorf("only %d texts were addresses", good)
	}
}

// mangled is text with a byte changed, doubled or left out.
func mangled(random *rand.Rand, text string) string {
	i := random.IntN(len(text))
	switch random.IntN(3) {
	case 0:
		return text[:i] + string("0:f.g"[random.IntN(5)]) + text[i+1:]
	case 1:
		return text[:i] + text[i:i+1] + text[i:]
	default:
		return text[:i] + text[i+1:]
	}
}
