package forwarded

import (
	"slices"
	"strings"

	"github.com/warder-dev/warder/exchange"
)

// An element of Forwarded (RFC 7239, section 4), read.
type element struct {
	claims

	node    string
	hasNode bool
	hasBy   bool
}

// walkForwarded reads Forwarded from the right and returns what the element that
// decides the address says beside it. Each line is read by itself. Empty
// elements are skipped (RFC 9110, section 5.6.1.2).
func (s *Stage) walkForwarded(x *exchange.Exchange, lines []string) claims {
	var w walk
	var e element
	for _, line := range slices.Backward(lines) {
		if !w.elements(&s.trusted, line, &e) {
			break
		}
	}
	w.end(x)
	return e.claims
}

// elements goes through one line, and reads the last element into e. It reports
// false when that decides.
func (w *walk) elements(trusted *ranges, line string, e *element) bool {
	for rest, more := line, true; more; w.hops++ {
		var text string
		text, rest, more = lastElement(rest)
		if text == "" && w.hops < maxHops {
			continue
		}
		*e = element{}
		a, ok := e.plain(text)
		switch {
		case w.hops >= maxHops:
			*e, ok = element{claims: claims{broken: true}}, false
		case !ok:
			a, ok = e.any(text)
		}
		if !w.on(trusted, a, ok) {
			return false
		}
	}
	return true
}

// lastElement divides a list before its last element, which it returns without
// the blanks around it. It reads from the right, so that a quote that a client
// left open changes nothing of what a proxy appended: in what follows the
// grammar, quotes pair up from either side. An element beyond the limit is cut:
// it follows no grammar then.
func lastElement(list string) (text, rest string, more bool) {
	if len(list) <= maxElement && strings.IndexByte(list, ',') < 0 {
		return trim(list), "", false
	}
	quoted := false
	for i := len(list) - 1; i >= max(0, len(list)-maxElement); i-- {
		switch {
		case list[i] == '"' && (!quoted || !escaped(list[:i])):
			quoted = !quoted
		case list[i] == ',' && !quoted:
			return trim(list[i+1:]), list[:i], true
		}
	}
	if quoted || len(list) > maxElement {
		return `"`, "", false
	}
	return trim(list), "", false
}

// escaped reports whether what follows before is escaped: behind an odd number
// of backslashes.
func escaped(before string) bool {
	n := len(before) - len(strings.TrimRight(before, `\`))
	return n%2 == 1
}

// plain reads an element as proxies mostly write it: names in lower case, no
// blanks, an address that is written in its usual form. It reports false for
// everything else, for which there is [element.any]; what plain reads, that reads alike.
func (e *element) plain(text string) (a ip, ok bool) {
	for {
		n := 0
		switch {
		case !e.hasNode && strings.HasPrefix(text, "for="):
			text = text[len("for="):]
			a, n = plainNode(text)
			e.hasNode = true
		case !e.hasProto && strings.HasPrefix(text, "proto="):
			text = text[len("proto="):]
			if n = len("https"); !strings.HasPrefix(text, "https") || len(text) > n && text[n] != ';' {
				n = token(text)
			}
			e.proto, e.hasProto = text[:n], true
		case !e.hasHost && strings.HasPrefix(text, "host="):
			text = text[len("host="):]
			end, upper := name(text)
			if end == 0 || end > maxName || upper || text[end-1] == '.' {
				return ip{}, false
			}
			n, e.host, e.hasHost, e.canonical = end, text[:end], true, true
		}
		switch {
		case n == 0:
			return ip{}, false
		case n == len(text):
			return a, e.hasNode
		case text[n] != ';':
			return ip{}, false
		}
		text = text[n+1:]
	}
}

// plainNode reads the node that text begins with: an IPv4 address, or one of either
// family in quotes, with or without a port. It returns how many bytes that are, 0 when
// text begins with none.
func plainNode(text string) (a ip, length int) {
	if text == "" || text[0] != '"' {
		return ipv4(text)
	}
	n := 1
	if n < len(text) && text[n] == '[' {
		a, n = ipv6(text[2:])
		if n += 2; n == 2 || n == len(text) || text[n] != ']' {
			return ip{}, 0
		}
		n++
	} else {
		a, n = ipv4(text[1:])
		if n++; n == 1 {
			return ip{}, 0
		}
	}
	if n < len(text) && text[n] == ':' {
		begin := n + 1
		for n = begin; n < len(text) && n < begin+maxPort && text[n]-'0' <= 9; n++ {
		}
		if !validPort(text[begin:n]) {
			return ip{}, 0
		}
	}
	if n == len(text) || text[n] != '"' {
		return ip{}, 0
	}
	return a, n + 1
}

// any reads an element, and the address that it names.
func (e *element) any(text string) (a ip, ok bool) {
	*e = element{}
	if !e.parse(text) {
		*e = element{claims: claims{broken: true}}
	}
	return node(e.node) // of a broken one: none
}

// parse reads pairs of names and values, divided by semicolons. Blanks around a
// semicolon, which the grammar does not have and proxies send, divide nothing
// else. It reports false for what does not follow the grammar, and for a parameter
// that is there twice: the whole element is broken then.
func (e *element) parse(text string) bool {
	for {
		text = trimLeft(text)
		if text == "" {
			return true
		}
		if text[0] == ';' {
			text = text[1:]
			continue
		}
		name, value, rest, ok := cutPair(text)
		rest = trimLeft(rest)
		if !ok || rest != "" && rest[0] != ';' || !e.set(name, value) {
			return false
		}
		text = rest
	}
}

// set notes a parameter. It reports false for one that was there before.
// Parameters that no standard names are nobody's, however often they come.
func (e *element) set(name, value string) bool {
	var seen *bool
	switch parameter(name) {
	case "for":
		e.node, seen = value, &e.hasNode
	case "proto":
		e.proto, seen = value, &e.hasProto
	case "host":
		e.host, seen = value, &e.hasHost
	case "by":
		seen = &e.hasBy
	default:
		return true
	}
	repeated := *seen
	*seen = true
	return !repeated
}

// parameter returns name in lower case, if it is one of the standard's: mostly it
// is written so.
func parameter(name string) string {
	switch name {
	case "for", "proto", "host", "by":
		return name
	}
	for _, known := range [...]string{"for", "proto", "host", "by"} {
		if strings.EqualFold(name, known) {
			return known
		}
	}
	return ""
}

// cutPair reads `name=token` or `name="quoted string"`.
func cutPair(text string) (name, value, rest string, ok bool) {
	end := token(text)
	if end == 0 || end == len(text) || text[end] != '=' {
		return "", "", "", false
	}
	name, text = text[:end], text[end+1:]
	if text == "" || text[0] != '"' {
		end = token(text)
		return name, text[:end], text[end:], end > 0
	}
	text = text[1:]
	for end = 0; end < len(text) && classes[text[end]]&quotedByte != 0; {
		end++
	}
	if end < len(text) && text[end] == '"' {
		return name, text[:end], text[end+1:], true
	}
	value, rest, ok = cutQuoted(text)
	return name, value, rest, ok
}

// token is how many bytes of a token text begins with.
func token(text string) (n int) {
	for n < len(text) && classes[text[n]]&tokenByte != 0 {
		n++
	}
	return n
}

// cutQuoted reads a quoted-string (RFC 9110, section 5.6.4) behind its first
// quote, and undoes its escapes.
func cutQuoted(text string) (value, rest string, ok bool) {
	var unescaped []byte
	for i := 0; i < len(text); i++ {
		switch b := text[i]; {
		case b == '"':
			return string(unescaped), text[i+1:], true
		case b == '\\':
			if i++; i == len(text) || !quotable(text[i]) {
				return "", "", false
			}
			unescaped = append(unescaped, text[i])
		case !quotable(b):
			return "", "", false
		default:
			unescaped = append(unescaped, b)
		}
	}
	return "", "", false
}

// quotable reports whether b may stand in a quoted-string: no control but the tab.
func quotable(b byte) bool { return classes[b]&quotedByte != 0 || b == '"' || b == '\\' }

// node reads the address of a node (RFC 7239, section 6). "unknown" and
// obfuscated identifiers name nobody; an obfuscated port is as good as one.
func node(text string) (ip, bool) {
	host, port := text, ""
	if strings.HasPrefix(text, "[") {
		end := strings.IndexByte(text, ']') + 1
		host, port = text[:end], text[end:]
	} else if i := strings.IndexByte(text, ':'); i >= 0 {
		host, port = text[:i], text[i:]
	}
	if port != "" && (port[0] != ':' || !validPort(port[1:]) && !obfuscated(port[1:])) {
		return ip{}, false
	}
	return address(host)
}

// obfuscated reports whether text is an obfuscated port (RFC 7239, section 6.3).
func obfuscated(text string) bool {
	if len(text) < 2 || text[0] != '_' {
		return false
	}
	for i := 1; i < len(text); i++ {
		switch b := text[i]; {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '.', b == '_', b == '-':
		default:
			return false
		}
	}
	return true
}
