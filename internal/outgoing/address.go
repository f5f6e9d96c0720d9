package outgoing

import (
	"net/netip"
	"slices"
)

// Refuses reports whether addr is never asked: link-local, multicast and
// unspecified addresses, and those at which clouds hand out the machine's
// credentials. publicOnly adds loopback, private and other addresses that are
// nobody's on the Internet (RFC 6890). An IPv4 address inside an IPv6 one counts
// as itself.
func Refuses(addr netip.Addr, publicOnly bool) bool {
	addr = addr.Unmap().WithZone("")
	if !addr.IsValid() || never(addr) || publicOnly && private(addr) {
		return true
	}
	inner, ok := embedded(addr)
	return ok && (never(inner) || publicOnly && private(inner))
}

func never(addr netip.Addr) bool {
	return addr.IsUnspecified() || addr.IsMulticast() || addr.IsLinkLocalUnicast() || in(addr,
		"0.0.0.0/8",          // this network; Linux takes 0.0.0.0 for itself
		"100.100.100.200/32", // metadata services that are not link-local: Alibaba Cloud,
		"192.0.0.192/32",     // Oracle Cloud,
		"fd00:ec2::254/128",  // and AWS
		"255.255.255.255/32",
		"fec0::/10", // site-local, from before RFC 3879
	)
}

func private(addr netip.Addr) bool {
	return addr.IsLoopback() || addr.IsPrivate() || in(addr,
		"100.64.0.0/10",   // shared by carriers
		"192.0.0.0/24",    // protocol assignments
		"192.0.2.0/24",    // documentation, as the next two
		"198.51.100.0/24", //
		"203.0.113.0/24",  //
		"198.18.0.0/15",   // benchmarks
		"240.0.0.0/4",     // reserved
		"64:ff9b:1::/48",  // local translation
		"100::/64",        // discard
		"2001:db8::/32",   // documentation, as the next one
		"3fff::/20",       //
	)
}

func in(addr netip.Addr, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return netip.MustParsePrefix(p).Contains(addr) })
}

// embedded returns the IPv4 address that a translator or tunnel makes of addr.
func embedded(addr netip.Addr) (inner netip.Addr, ok bool) {
	if !addr.Is6() {
		return netip.Addr{}, false
	}
	b := addr.As16()
	switch {
	case in(addr, "64:ff9b::/96", "::/96"): // NAT64 (RFC 6052), and the old compatible form
		return netip.AddrFrom4([4]byte(b[12:])), !addr.IsLoopback()
	case in(addr, "2002::/16"): // 6to4 (RFC 3056)
		return netip.AddrFrom4([4]byte(b[2:6])), true
	default:
		return netip.Addr{}, false
	}
}
