package exchange

import "strings"

// IsOwnOrigin reports whether origin, the text of an Origin field, is that of
// the request's own target: its scheme, host and port (RFC 6454, section 5), as
// forwarded found them, in the one spelling that browsers send. It is false as
// long as those are not known.
func (x *Exchange) IsOwnOrigin(origin string) bool {
	if x.Scheme == "" || x.Host == "" {
		return false
	}
	rest, ok := strings.CutPrefix(origin, x.Scheme)
	if !ok {
		return false
	}
	if rest, ok = strings.CutPrefix(rest, "://"); !ok {
		return false
	}
	if rest, ok = strings.CutPrefix(rest, x.Host); !ok {
		return false
	}
	if x.Port == "" || x.Port == defaultPort(x.Scheme) {
		return rest == ""
	}
	return len(rest) == 1+len(x.Port) && rest[0] == ':' && rest[1:] == x.Port
}

func defaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}
