package forwarded

import (
	"net/netip"
	"strings"
)

// Limits of a name (RFC 1035, section 2.3.4), in bytes.
const (
	maxName  = 253
	maxLabel = 63
)

// maxPort is the longest port, in digits.
const maxPort = 5

// split returns the canonical host of Host, and its port. It reports false for
// what is no host.
//
// Of the names that RFC 3986, section 3.2.2 allows, only those of letters,
// digits, "-", "_" and "." pass: the others (percent-encoding and ! $ & ' ( ) *
// + , ; =) name nothing that resolves, and separate list elements or parameters
// where a host is written again, as in Forwarded. The underscore is in no host
// name of RFC 1123, but in names that are resolved inside of clusters and
// compose files.
func split(text string) (host, port string, ok bool) {
	if strings.HasPrefix(text, "[") {
		return splitIPv6(text)
	}
	end, upper := name(text)
	if end == 0 {
		return "", "", false
	}
	host = text[:end]
	if end < len(text) {
		if text[end] != ':' || !validPort(text[end+1:]) {
			return "", "", false
		}
		port = text[end+1:]
	}
	if host[end-1] == '.' {
		host = host[:end-1] // the root's dot: the same name, RFC 1034, section 3.1
	}
	if len(host) > maxName {
		return "", "", false
	}
	if upper {
		host = strings.ToLower(host) // ASCII only; RFC 4343
	}
	return host, port, true
}

// splitIPv6 reads "[address]" and "[address]:port". Zones are for the sender's
// own machine (RFC 4007, section 11) and refused.
func splitIPv6(text string) (host, port string, ok bool) {
	end := strings.IndexByte(text, ']')
	if end < 0 {
		return "", "", false
	}
	if rest := text[end+1:]; rest != "" {
		if rest[0] != ':' || !validPort(rest[1:]) {
			return "", "", false
		}
		port = rest[1:]
	}
	addr, err := netip.ParseAddr(text[1:end])
	if err != nil || !addr.Is6() || addr.Zone() != "" {
		return "", "", false
	}
	var buffer [64]byte
	canonical := append(addr.AppendTo(append(buffer[:0], '[')), ']')
	if host = text[:end+1]; host != string(canonical) {
		host = string(canonical) // RFC 5952
	}
	return host, port, true
}

// validPort reports whether text is a port; see [port].
func validPort(text string) bool {
	_, ok := port(text)
	return ok
}

// name is how many bytes of a name text begins with, labels of 1 to 63 bytes with
// or without the root's dot, and whether they hold upper-case letters; 0 for no name.
func name(text string) (end int, upper bool) {
	begin, seen := 0, byte(0) // of the label; what was seen in all
	for ; end < len(text); end++ {
		b := text[end]
		if b-'a' < 26 {
			continue // most are
		}
		class := classes[b]
		if class&nameByte != 0 {
			seen |= class
			continue
		}
		if class&dotByte == 0 {
			break
		}
		if end == begin || end-begin > maxLabel {
			return 0, false
		}
		begin = end + 1
	}
	if end-begin > maxLabel {
		return 0, false
	}
	return end, seen&upperByte != 0
}
