package trustedhost

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// A HostError reports one unusable entry of [Config.Hosts] or [Config.Addresses].
type HostError struct {
	Host   string // as configured
	Reason string // a constant: "missing", "malformed name" and such
}

func (e *HostError) Error() string { return fmt.Sprintf("trustedhost: %s: %q", e.Reason, e.Host) }

// A pattern is one entry of Config.Hosts, read.
type pattern struct {
	name     string // canonical
	wildcard bool   // one label stands before name
	port     string // "" for any
}

// Limits of a name (RFC 1035, section 2.3.4), in bytes.
const (
	maxName  = 253
	maxLabel = 63
)

// parse reads an entry; reason says why it cannot be used.
func parse(text string) (p pattern, reason string) {
	switch {
	case text == "":
		return p, "missing"
	case text == "*":
		return p, "every host"
	case strings.HasPrefix(text, "["):
		return parseIPv6(text)
	case strings.Count(text, ":") > 1:
		return p, "IPv6 address without brackets"
	}
	name, port, found := strings.Cut(text, ":")
	if found && !validPort(port) {
		return p, "malformed port"
	}
	name, p.wildcard = strings.CutPrefix(name, "*.")
	p.port = port
	var ok bool
	if p.name, ok = canonicalName(name); !ok {
		return p, "malformed name"
	}
	if p.wildcard && !strings.Contains(p.name, ".") {
		return p, "wildcard for a whole domain of the top level"
	}
	if p.wildcard && numeric(p.name[strings.LastIndexByte(p.name, '.')+1:]) {
		return p, "wildcard for addresses"
	}
	return p, ""
}

// parseIPv6 reads "[address]" and "[address]:port", and writes the address in
// its one form (RFC 5952).
func parseIPv6(text string) (p pattern, reason string) {
	inside, behind, found := strings.Cut(text[1:], "]")
	a, err := netip.ParseAddr(inside)
	if !found || err != nil || !a.Is6() || a.Zone() != "" {
		return p, "malformed address"
	}
	port, found := strings.CutPrefix(behind, ":")
	if behind != "" && (!found || !validPort(port)) {
		return p, "malformed port"
	}
	return pattern{name: "[" + a.String() + "]", port: port}, ""
}

// validPort reports whether port is 1 to 65535 without leading zeros: the form
// in which requests have it.
func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == port
}

// canonicalName returns name in the form in which requests have it: lower case,
// no dot at the end, and encoded by IDNA's lookup form (RFC 5891, section 5)
// where it is not ASCII.
func canonicalName(name string) (string, bool) {
	name = strings.TrimSuffix(name, ".")
	if !ascii(name) {
		encoded, err := idna.Lookup.ToASCII(name)
		if err != nil {
			return "", false
		}
		name = strings.TrimSuffix(encoded, ".") // another character may be mapped to the dot
	}
	name = strings.ToLower(name)
	if name == "" || len(name) > maxName {
		return "", false
	}
	for label := range strings.SplitSeq(name, ".") {
		if !validLabel(label) {
			return "", false
		}
	}
	return name, true
}

// validLabel reports whether label is one of a host's name. The underscore is in
// no host name of RFC 1123, but in names inside of clusters.
func validLabel(label string) bool {
	if label == "" || len(label) > maxLabel {
		return false
	}
	for i := range len(label) {
		switch b := label[i]; {
		case 'a' <= b && b <= 'z', '0' <= b && b <= '9', b == '-', b == '_':
		default:
			return false
		}
	}
	return decodes(label)
}

// validLabels reports whether every label of host that claims to be encoded by
// IDNA is. It allocates for such labels only.
func validLabels(host string) bool {
	for rest := host; ; {
		i := strings.Index(rest, ace)
		if i < 0 {
			return true
		}
		if i > 0 && rest[i-1] != '.' {
			rest = rest[i+len(ace):]
			continue
		}
		label, behind, _ := strings.Cut(rest[i:], ".")
		if !decodes(label) {
			return false
		}
		rest = behind
	}
}

// ace begins a label that is encoded (RFC 5890, section 2.3.2.1).
const ace = "xn--"

// decodes reports whether label is not encoded, or the encoding of what needs
// it: two spellings of one name, one of them ASCII all along, pass two different
// matchers.
func decodes(label string) bool {
	if !strings.HasPrefix(label, ace) {
		return true
	}
	decoded, err := idna.Lookup.ToUnicode(label)
	if err != nil || ascii(decoded) {
		return false
	}
	again, err := idna.Lookup.ToASCII(decoded)
	return err == nil && again == label
}

func ascii(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}

// numeric reports whether label is a number to some reader of addresses.
func numeric(label string) bool {
	_, err := strconv.ParseUint(label, 0, 64)
	return err == nil || label == "0x" || strings.Trim(label, "0123456789") == ""
}

// unmapped returns p as IPv4 when it is IPv4 written as IPv6.
func unmapped(p netip.Prefix) netip.Prefix {
	const mapped = 96 // bits before the IPv4 address
	if p.Addr().Is4In6() && p.Bits() >= mapped {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped)
	}
	return p
}
