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
	host, port, found := strings.Cut(text, ":")
	if found && !validPort(port) {
		return "", "", false
	}
	host = strings.TrimSuffix(host, ".") // the root's dot: the same name, RFC 1034, section 3.1
	upper, ok := validName(host)
	if !ok {
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

// validPort reports whether port is 0 to 65535 in its one spelling: digits
// without leading zeros.
func validPort(port string) bool {
	if port == "" || len(port) > maxPort || port[0] == '0' && port != "0" {
		return false
	}
	n := 0
	for i := range len(port) {
		if port[i] < '0' || port[i] > '9' {
			return false
		}
		n = n*10 + int(port[i]-'0')
	}
	return n <= 65535
}

// validName reports whether name consists of labels of 1 to 63 bytes, and
// whether it holds upper-case letters.
func validName(name string) (upper, ok bool) {
	if name == "" || len(name) > maxName {
		return false, false
	}
	begin, seen := 0, byte(0) // of the label; what was seen in all
	for i := range len(name) {
		class := classes[name[i]]
		if class&(nameByte|dotByte) == 0 {
			return false, false
		}
		seen |= class
		if class&dotByte != 0 {
			if i == begin || i-begin > maxLabel {
				return false, false
			}
			begin = i + 1
		}
	}
	last := len(name) - begin
	return seen&upperByte != 0, last > 0 && last <= maxLabel
}
