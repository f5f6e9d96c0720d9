package cors

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/publicsuffix"
)

const (
	maxHost   = 253 // bytes of a name (RFC 1035, section 2.3.4)
	maxLabel  = 63
	maxOrigin = maxHost + len("https://:65535") // bytes; more is nobody's
	maxPort   = 65535
)

// An originSet is the origins that may read.
type originSet struct {
	exact    map[string]struct{}
	patterns map[pattern]struct{}
	labels   int // of the longest pattern's suffix: more are not looked up
}

// A pattern is scheme://*.suffix[:port].
type pattern struct{ scheme, suffix, port string }

var (
	errNull    = errors.New("any page can have this origin")
	errStar    = errors.New(`want "scheme://*.domain"; for every origin there is AnyOrigin`)
	errForm    = errors.New("want scheme://host[:port], lower case, nothing behind")
	errSuffix  = errors.New("everybody can have a name below this public suffix")
	errAddress = errors.New("there are no names below an address")
	errHTTP    = errors.New("plain http is anybody's on the network path; see InsecureHTTPOrigins")
)

// newOriginSet reports every unusable origin. noHTTP refuses plain http from
// other machines.
func newOriginSet(origins []string, noHTTP bool) (originSet, error) {
	s := originSet{exact: make(map[string]struct{}), patterns: make(map[pattern]struct{})}
	var errs []error
	for _, origin := range origins {
		if err := s.add(origin, noHTTP); err != nil {
			errs = append(errs, fmt.Errorf("cors: origin %q: %w", origin, err))
		}
	}
	return s, errors.Join(errs...)
}

func (s *originSet) add(origin string, noHTTP bool) error {
	switch origin {
	case "null":
		return errNull
	case "*":
		return errStar
	}
	scheme, rest, ok := strings.Cut(origin, "://")
	if !ok || !isScheme(scheme) {
		return errForm
	}
	suffix, star := strings.CutPrefix(rest, "*.")
	host, port, ok := splitHost(suffix)
	switch {
	case !ok && strings.Contains(rest, "*"):
		return errStar
	case !ok:
		return errForm
	case star && !isWeb(scheme):
		return errStar
	case noHTTP && scheme == "http" && !isLoopback(host):
		return errHTTP
	}
	if port == defaultPort(scheme) {
		port = ""
	}
	if star {
		return s.addPattern(pattern{scheme, host, port})
	}
	if port != "" {
		port = ":" + port
	}
	s.exact[scheme+"://"+host+port] = struct{}{}
	return nil
}

func (s *originSet) addPattern(p pattern) error {
	if isAddress(p.suffix) {
		return errAddress
	}
	if suffix, _ := publicsuffix.PublicSuffix(p.suffix); suffix == p.suffix && p.suffix != "localhost" {
		return errSuffix
	}
	s.patterns[p] = struct{}{}
	s.labels = max(s.labels, 1+strings.Count(p.suffix, "."))
	return nil
}

// has reports whether origin is in the set. It does not allocate, and its time
// depends on neither the size of the set nor, beyond a bound, that of origin.
func (s *originSet) has(origin string) bool {
	if len(origin) > maxOrigin {
		return false
	}
	if _, ok := s.exact[origin]; ok {
		return true
	}
	return s.labels > 0 && s.matches(origin)
}

// matches looks the suffixes of the host up, the shortest first.
func (s *originSet) matches(origin string) bool {
	scheme, rest, ok := strings.Cut(origin, "://")
	if !ok || !isWeb(scheme) {
		return false
	}
	host, port, ok := splitHost(rest)
	if !ok {
		return false
	}
	end := len(host)
	for range s.labels {
		dot := strings.LastIndexByte(host[:end], '.')
		if dot < 0 {
			return false
		}
		if _, ok := s.patterns[pattern{scheme, host[dot+1:], port}]; ok {
			return true
		}
		end = dot
	}
	return false
}

// splitHost divides host[:port], each in the one spelling that browsers send
// (RFC 6454, section 6.2); false for all others. The port may be the default one.
func splitHost(text string) (host, port string, ok bool) {
	host = text
	if i := strings.LastIndexByte(text, ':'); i > strings.LastIndexByte(text, ']') {
		host, port = text[:i], text[i+1:]
		if !isPort(port) {
			return "", "", false
		}
	}
	if strings.HasPrefix(host, "[") {
		return host, port, isIPv6(host)
	}
	return host, port, isName(host)
}

func isIPv6(host string) bool {
	inner, ok := strings.CutSuffix(host[1:], "]")
	if !ok || len(inner) > len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255") {
		return false
	}
	addr, err := netip.ParseAddr(inner)
	return err == nil && addr.Is6() && !addr.Is4In6() && addr.Zone() == "" && addr.String() == inner
}

// isName reports whether host is a name in lower case, or an IPv4 address. A name
// that ends like a number would be read as an address, in one of many spellings.
func isName(host string) bool {
	if len(host) > maxHost {
		return false
	}
	label, digits := 0, true // bytes of the label so far, and whether they are digits only
	for i := range len(host) {
		switch b := host[i]; {
		case b == '.':
			if label == 0 {
				return false
			}
			label, digits = 0, true
			continue
		case '0' <= b && b <= '9':
		case 'a' <= b && b <= 'z', b == '-', b == '_':
			digits = false
		default:
			return false
		}
		if label++; label > maxLabel {
			return false
		}
	}
	return label > 0 && (!digits || isIPv4(host))
}

func isIPv4(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Is4()
}

func isPort(port string) bool {
	if port == "" || len(port) > len("65535") || port[0] == '0' {
		return false
	}
	n := 0
	for i := range len(port) {
		if port[i] < '0' || port[i] > '9' {
			return false
		}
		n = n*10 + int(port[i]-'0')
	}
	return n <= maxPort
}

func isAddress(host string) bool { return strings.HasPrefix(host, "[") || isIPv4(host) }

// isLoopback reports whether host is this machine by its name alone, as browsers
// take it.
func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.IsLoopback()
}

// isWeb reports whether scheme is one whose hosts are names of the DNS.
func isWeb(scheme string) bool { return scheme == "http" || scheme == "https" }

// isScheme reports whether scheme is one in lower case (RFC 3986, section 3.1)
// that gives pages an origin of their own: those of files have the origin null.
func isScheme(scheme string) bool {
	if scheme == "" || len(scheme) > 32 || scheme == "file" || scheme == "data" {
		return false
	}
	for i := range len(scheme) {
		b := scheme[i]
		letter := 'a' <= b && b <= 'z'
		if !letter && (i == 0 || strings.IndexByte("0123456789+-.", b) < 0) {
			return false
		}
	}
	return true
}

func defaultPort(scheme string) string {
	switch scheme {
	case "https":
		return "443"
	case "http":
		return "80"
	default:
		return "0" // none: no port is written so
	}
}
