package apikey

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/warder-dev/warder/internal/pathpattern"
)

// How much may narrow one key.
const (
	maxAddresses = 100
	maxMethods   = 20
	maxPaths     = 100
	maxPath      = 512 // bytes of a pattern
	maxOrigins   = 20
	maxOrigin    = 270 // bytes: a name of 253 with its scheme and port
)

// mappedBits is how many bits stand before the IPv4 address in one that is mapped
// (RFC 4291, section 2.5.5.2).
const mappedBits = 96

// unmapped returns the ranges with IPv4 as IPv4.
func unmapped(ranges []netip.Prefix) []netip.Prefix {
	all := slices.Clone(ranges)
	for i, p := range all {
		if p.Addr().Is4In6() && p.Bits() >= mappedBits {
			all[i] = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mappedBits)
		}
	}
	return all
}

func checkAddresses(ranges []netip.Prefix) error {
	if len(ranges) > maxAddresses {
		return &SpecError{"addresses", fmt.Sprintf("want at most %d", maxAddresses)}
	}
	for i, p := range ranges {
		switch {
		case !p.IsValid():
			return &SpecError{"addresses", fmt.Sprintf("number %d: want an address or a range such as 192.0.2.0/24", i+1)}
		case p.Addr().Is4In6():
			return &SpecError{"addresses", fmt.Sprintf("number %d: want the range as IPv4", i+1)}
		case p != p.Masked():
			return &SpecError{"addresses", fmt.Sprintf("number %d: has bits behind its length", i+1)}
		}
	}
	return nil
}

func checkMethods(methods []string) error {
	if len(methods) > maxMethods {
		return &SpecError{"methods", fmt.Sprintf("want at most %d", maxMethods)}
	}
	for i, m := range methods {
		if !isToken(m) || m != strings.ToUpper(m) || HoldsKey(m) {
			return &SpecError{"methods", fmt.Sprintf("number %d: want a method in upper case, such as GET", i+1)}
		}
	}
	return nil
}

func checkPaths(patterns []string) error {
	if len(patterns) > maxPaths {
		return &SpecError{"paths", fmt.Sprintf("want at most %d", maxPaths)}
	}
	for i, text := range patterns {
		if len(text) > maxPath {
			return &SpecError{"paths", fmt.Sprintf("number %d: want at most %d bytes", i+1, maxPath)}
		}
		if _, err := parsePath(text); err != nil {
			return &SpecError{"paths", fmt.Sprintf("number %d: %v", i+1, err)}
		}
		if costs, mend := pathpattern.Foreign(text); costs != "" { // the key would be good for no path that was meant
			return &SpecError{"paths", fmt.Sprintf("number %d: %s; %s", i+1, costs, mend)}
		}
		if HoldsKey(text) {
			return &SpecError{"paths", fmt.Sprintf("number %d: holds the text of a key", i+1)}
		}
	}
	return nil
}

func checkOrigins(kind Kind, origins []string) error {
	switch {
	case kind == KindPublic && len(origins) == 0:
		return &SpecError{"origins", "want one at least: anybody can read a public key"}
	case kind != KindPublic && len(origins) > 0:
		return &SpecError{"origins", "are for keys of the kind public"}
	case len(origins) > maxOrigins:
		return &SpecError{"origins", fmt.Sprintf("want at most %d", maxOrigins)}
	}
	for i, origin := range origins {
		if !validOrigin(origin) {
			return &SpecError{"origins", fmt.Sprintf("number %d: want https://host[:port] in lower case and nothing behind; http for localhost only", i+1)}
		}
		if HoldsKey(origin) {
			return &SpecError{"origins", fmt.Sprintf("number %d: holds the text of a key", i+1)}
		}
	}
	return nil
}

// plainOrigins returns the origins as browsers send them: without the port that
// the scheme has anyway.
func plainOrigins(origins []string) []string {
	all := slices.Clone(origins)
	for i, origin := range all {
		switch scheme, _, _ := strings.Cut(origin, "://"); scheme {
		case "https":
			all[i] = strings.TrimSuffix(origin, ":443")
		case "http":
			all[i] = strings.TrimSuffix(origin, ":80")
		}
	}
	return all
}

// validOrigin reports whether text is an origin in the one spelling of browsers
// (RFC 6454, section 6.2), of a page that nobody on the way can have changed.
func validOrigin(text string) bool {
	if len(text) > maxOrigin {
		return false
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme+"://"+u.Host != text || u.User != nil {
		return false
	}
	host, port := u.Hostname(), u.Port()
	if port != "" && !validPort(port) || port == "" && strings.HasSuffix(u.Host, ":") {
		return false
	}
	addr, err := netip.ParseAddr(host)
	isAddr := err == nil
	switch {
	case isAddr && (addr.String() != host || addr.Zone() != "" || addr.Is4In6() || addr.Is6() != strings.HasPrefix(u.Host, "[")):
		return false
	case !isAddr && !validHost(host):
		return false
	}
	local := host == "localhost" || strings.HasSuffix(host, ".localhost") || isAddr && addr.IsLoopback()
	return u.Scheme == "https" || u.Scheme == "http" && local
}

// validHost reports whether host is a name in lower case (RFC 1035, section
// 2.3.4) that no browser would read as an address.
func validHost(host string) bool {
	if len(host) > 253 {
		return false
	}
	numeric := false
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		numeric = true
		for i := range len(label) {
			switch b := label[i]; {
			case '0' <= b && b <= '9':
			case 'a' <= b && b <= 'z', b == '-', b == '_':
				numeric = false
			default:
				return false
			}
		}
		numeric = numeric || strings.HasPrefix(label, "0x")
	}
	return !numeric
}

// validPort reports whether port is a number of 1 to 65535 as it is written.
func validPort(port string) bool {
	n := 0
	for i := range len(port) {
		if port[i] < '0' || port[i] > '9' {
			return false
		}
		n = n*10 + int(port[i]-'0')
		if n > 65535 {
			return false
		}
	}
	return n > 0 && port[0] != '0'
}
