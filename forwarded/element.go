package forwarded

import (
	"net/netip"
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
func (s *Stage) walkForwarded(x *exchange.Exchange, lines []string) (c claims) {
	hops := 0
	for _, line := range slices.Backward(lines) {
		for rest, more := line, true; more; hops++ {
			var text string
			text, rest, more = lastElement(rest)
			if text == "" && hops < maxHops {
				continue
			}
			e := parseElement(text)
			if hops >= maxHops {
				e = element{claims: claims{broken: true}}
			}
			c = e.claims
			a, ok := node(e.node) // of a broken one: none
			if !s.hop(x, a, ok) {
				return c
			}
		}
	}
	return c
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

// parseElement reads pairs of names and values, divided by semicolons. Blanks
// around a semicolon, which the grammar does not have and proxies send, divide
// nothing else. What does not follow the grammar, and a parameter that is there
// twice, make the whole element broken.
func parseElement(text string) (e element) {
	for {
		text = trimLeft(text)
		if text == "" {
			return e
		}
		if text[0] == ';' {
			text = text[1:]
			continue
		}
		name, value, rest, ok := cutPair(text)
		rest = trimLeft(rest)
		if !ok || rest != "" && rest[0] != ';' || !e.set(name, value) {
			return element{claims: claims{broken: true}}
		}
		text = rest
	}
}

// set notes a parameter. It reports false for one that was there before.
// Parameters that no standard names are nobody's, however often they come.
func (e *element) set(name, value string) bool {
	var seen *bool
	switch {
	case strings.EqualFold(name, "for"):
		e.node, seen = value, &e.hasNode
	case strings.EqualFold(name, "proto"):
		e.proto, seen = value, &e.hasProto
	case strings.EqualFold(name, "host"):
		e.host, seen = value, &e.hasHost
	case strings.EqualFold(name, "by"):
		seen = &e.hasBy
	default:
		return true
	}
	repeated := *seen
	*seen = true
	return !repeated
}

// cutPair reads `name=token` or `name="quoted string"`.
func cutPair(text string) (name, value, rest string, ok bool) {
	name, text, ok = cutToken(text)
	if !ok || text == "" || text[0] != '=' {
		return "", "", "", false
	}
	text = text[1:]
	if text != "" && text[0] == '"' {
		value, rest, ok = cutQuoted(text[1:])
	} else {
		value, rest, ok = cutToken(text)
	}
	return name, value, rest, ok
}

func cutToken(text string) (token, rest string, ok bool) {
	i := 0
	for i < len(text) && tokenByte(text[i]) {
		i++
	}
	return text[:i], text[i:], i > 0
}

// cutQuoted reads a quoted-string (RFC 9110, section 5.6.4) behind its first
// quote, and undoes its escapes.
func cutQuoted(text string) (value, rest string, ok bool) {
	var unescaped []byte
	start := 0 // of what is not in unescaped yet
	for i := 0; i < len(text); i++ {
		switch b := text[i]; {
		case b == '"':
			if unescaped == nil {
				return text[:i], text[i+1:], true
			}
			return string(append(unescaped, text[start:i]...)), text[i+1:], true
		case b == '\\':
			unescaped = append(unescaped, text[start:i]...)
			if i++; i == len(text) || !quotable(text[i]) {
				return "", "", false
			}
			unescaped, start = append(unescaped, text[i]), i+1
		case !quotable(b):
			return "", "", false
		}
	}
	return "", "", false
}

// quotable reports whether b may stand in a quoted-string: no control but the tab.
func quotable(b byte) bool { return b == '\t' || b >= ' ' && b != 0x7f }

// node reads the address of a node (RFC 7239, section 6). "unknown" and
// obfuscated identifiers name nobody; an obfuscated port is as good as one.
func node(text string) (netip.Addr, bool) {
	host, port := text, ""
	if strings.HasPrefix(text, "[") {
		end := strings.IndexByte(text, ']') + 1
		host, port = text[:end], text[end:]
	} else if i := strings.IndexByte(text, ':'); i >= 0 {
		host, port = text[:i], text[i:]
	}
	if port != "" && (port[0] != ':' || !validPort(port[1:]) && !obfuscated(port[1:])) {
		return netip.Addr{}, false
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
