package forwarded

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/warder-dev/warder/exchange"
)

// Bounds of what a list names. Reading from the right seldom sees more than one
// or two entries; a chain beyond the bounds names nobody.
const (
	maxHops    = 300  // entries that are read
	maxEntry   = 64   // bytes of an address with its port; the longest has 47
	maxElement = 1024 // bytes of an element of Forwarded
)

// claims are what a listed peer says beside the address.
type claims struct {
	proto, host       string
	hasProto, hasHost bool
	broken            bool // it said something that nobody can read
	canonical         bool // host has no port, and is written as split returns it
}

// believe takes over what the listed peer of x says. It returns the word for the
// log when that cannot be read.
func (s *Stage) believe(x *exchange.Exchange) (reason string) {
	var c claims
	h := x.Request.Header
	switch s.source {
	case forwardedField:
		c = s.walkForwarded(x, h[s.field])
	case singleField:
		s.readSingle(x, h[s.field])
		c = s.oldClaims(h)
	case xForwardedFor:
		s.walkFor(x, h[s.field])
		c = s.oldClaims(h)
	case connection: // a peer of Direct is never listed
	}
	if reason := s.adopt(x, c); reason != "" {
		return reason
	}
	if s.certField != "" {
		cert, ok := forwardedCert(h[s.certField])
		if !ok {
			return "forwarded-certificate"
		}
		x.ClientCert = cert
	}
	return ""
}

// adopt sets scheme and host as c says, where the configuration reads them. It
// returns the word for the log when they cannot be read.
func (s *Stage) adopt(x *exchange.Exchange, c claims) (reason string) {
	if c.broken && (s.readProto || s.readHost) {
		x.Scheme = ""
		return "forwarded-malformed"
	}
	if s.readProto && c.hasProto {
		switch {
		case c.proto == "https", strings.EqualFold(c.proto, "https"), strings.EqualFold(c.proto, "wss"):
			x.Scheme = "https"
		case strings.EqualFold(c.proto, "http"), strings.EqualFold(c.proto, "ws"):
			x.Scheme = "http"
		default:
			x.Scheme = ""
			return "forwarded-proto"
		}
	}
	switch {
	case !s.readHost || !c.hasHost:
	case c.canonical:
		x.Host, x.Port = c.host, ""
	default:
		host, port, ok := split(c.host)
		if !ok {
			return "forwarded-host"
		}
		x.Host, x.Port = host, port
	}
	return ""
}

// oldClaims reads the fields beside X-Forwarded-For. Two of one name are two
// values: what no scheme and no host is.
func (s *Stage) oldClaims(h map[string][]string) (c claims) {
	if s.readProto {
		c.proto, c.hasProto = lone(h[protoField])
	}
	if s.readHost {
		c.host, c.hasHost = lone(h[hostField])
	}
	return c
}

// lone returns the only value, or "" when there are several.
func lone(values []string) (value string, present bool) {
	if len(values) == 1 {
		return values[0], true
	}
	return "", len(values) > 0
}

// readSingle sets the Client that the only value names.
func (s *Stage) readSingle(x *exchange.Exchange, values []string) {
	value, present := lone(values)
	if !present {
		return
	}
	if client, ok := address(value); ok {
		x.Client = client.addr()
		return
	}
	x.ClientDoubtful = true
}

// A walk goes from hop to hop, from the peer towards the client.
type walk struct {
	hops     int
	last     ip   // the address of the last hop that was named
	named    bool // one was
	doubtful bool // nobody can tell who was before it
}

// on takes a for the address before the last hop. It reports false when a
// decides: when it is the client, or when nobody can tell.
func (w *walk) on(trusted *ranges, a ip, ok bool) bool {
	if !ok {
		w.doubtful = true
		return false
	}
	w.last, w.named = a, true
	return trusted.contains(a)
}

// end notes on x where the walk ended.
func (w *walk) end(x *exchange.Exchange) {
	if w.named {
		x.Client = w.last.addr()
	}
	if w.doubtful {
		x.ClientDoubtful = true
	}
}

// walkFor reads X-Forwarded-For from the right; several lines are one list, in
// their order (RFC 9110, section 5.3). An empty entry names nobody: its proxy
// knew no address.
func (s *Stage) walkFor(x *exchange.Exchange, lines []string) {
	var w walk
	for _, line := range slices.Backward(lines) {
		if !w.entries(&s.trusted, line) {
			break
		}
	}
	w.end(x)
}

// entries goes through one line. It reports false when an entry decides.
func (w *walk) entries(trusted *ranges, line string) bool {
	for rest, more := line, true; more; w.hops++ {
		var entry string
		entry, rest, more = lastEntry(rest)
		a, ok := address(entry)
		if !w.on(trusted, a, ok && w.hops < maxHops) {
			return false
		}
	}
	return true
}

// lastEntry divides a list before its last entry, which it returns without the
// blanks around it. Of an entry that is longer than any address with its blanks
// only as much is read as shows that it is none.
func lastEntry(list string) (entry, rest string, more bool) {
	if len(list) <= 2*maxEntry && strings.IndexByte(list, ',') < 0 {
		return trim(list), "", false
	}
	window := max(0, len(list)-2*maxEntry)
	i := lastComma(list[window:])
	switch {
	case i >= 0:
		return trim(list[window+i+1:]), list[:window+i], true
	case window > 0:
		return list[window:], "", false
	default:
		return trim(list), "", false
	}
}

// lastComma is the place of the last comma, -1 without one: strings.LastIndexByte
// for what looks at eight bytes at once.
func lastComma(list string) int {
	const ones, highs = 0x0101_0101_0101_0101, 0x8080_8080_8080_8080
	end := len(list)
	for ; end >= 8; end -= 8 {
		w := list[end-8 : end]
		v := uint64(w[0]) | uint64(w[1])<<8 | uint64(w[2])<<16 | uint64(w[3])<<24 |
			uint64(w[4])<<32 | uint64(w[5])<<40 | uint64(w[6])<<48 | uint64(w[7])<<56
		if v ^= ',' * ones; (v-ones)&^v&highs != 0 {
			break // one of the eight is zero: a comma
		}
	}
	for end--; end >= 0 && list[end] != ','; end-- {
	}
	return end
}

// trim returns text without the blanks around it (RFC 9110, section 5.6.3).
func trim(text string) string {
	text = trimLeft(text)
	for text != "" && blank(text[len(text)-1]) {
		text = text[:len(text)-1]
	}
	return text
}

func trimLeft(text string) string {
	for text != "" && blank(text[0]) {
		text = text[1:]
	}
	return text
}

func blank(b byte) bool { return classes[b]&blankByte != 0 }

// address reads an IPv4 or IPv6 address, alone, or with a port: "192.0.2.1:80",
// "[2001:db8::1]", "[2001:db8::1]:80". Zones are for the sender's own machine
// (RFC 4007, section 11) and refused.
func address(text string) (ip, bool) {
	if text == "" || len(text) > maxEntry {
		return ip{}, false
	}
	if text[0] == '[' {
		if a, n := ipv6(text[1:]); n > 0 && closes(text[1+n:]) {
			return a, true
		}
	} else if a, n := ipv4(text); n > 0 {
		return a, n == len(text) || text[n] == ':' && validPort(text[n+1:])
	} else if a, n := ipv6(text); n == len(text) {
		return a, true
	}
	return rare(text)
}

// closes reports whether text is what stands behind an address in brackets.
func closes(text string) bool {
	return text == "]" || len(text) > 2 && text[0] == ']' && text[1] == ':' && validPort(text[2:])
}

// rare reads what [address] has no quick way for, such as an IPv6 address with one of
// IPv4 at its end.
func rare(text string) (ip, bool) {
	bracketed := text[0] == '['
	if strings.IndexByte(text, '%') >= 0 {
		return ip{}, false
	}
	switch colon := strings.IndexByte(text, ':'); {
	case bracketed:
		inside, behind, found := strings.Cut(text[1:], "]")
		if !found || behind != "" && (behind[0] != ':' || !validPort(behind[1:])) {
			return ip{}, false
		}
		text = inside
	case colon >= 0 && strings.IndexByte(text[colon+1:], ':') < 0:
		if !validPort(text[colon+1:]) {
			return ip{}, false
		}
		text = text[:colon]
	}
	a, err := netip.ParseAddr(text)
	if err != nil || bracketed && !a.Is6() {
		return ip{}, false
	}
	return ipOf(a).unmapped(), true
}
