package apikey

import (
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A pathPattern is a path as patterns of routes have it (see [net/http.ServeMux]),
// with its segments decoded.
type pathPattern struct {
	segments []pathSegment
	below    bool // it ends in a slash or "{name...}": what comes behind is free
}

type pathSegment struct {
	text string
	any  bool // "{name}": one that is not empty
}

var (
	errNoSlash   = errors.New(`want "/" in front, without a method or a host`)
	errWildcard  = errors.New("want each {name} to be a whole segment with a name of its own, and {name...} and {$} to be the last")
	errEmpty     = errors.New("no path has an empty segment in it")
	errDots      = errors.New("no path has dot segments")
	errEscape    = errors.New("want a percent sign to be followed by two hexadecimal digits")
	errCharacter = errors.New("want every other character percent-encoded, and neither control characters nor backslashes")
)

// parsePath reads a pattern, and refuses what no canonical path could match.
func parsePath(text string) (pathPattern, error) {
	rest, ok := strings.CutPrefix(text, "/")
	if !ok {
		return pathPattern{}, errNoSlash
	}
	var p pathPattern
	var names []string
	for more := true; more; {
		var raw string
		raw, rest, more = strings.Cut(rest, "/")
		switch name, wild := wildcard(raw); {
		case raw == "" && more:
			return pathPattern{}, errEmpty
		case raw == "":
			p.below = true
		case raw == "{$}" && !more:
			p.segments = append(p.segments, pathSegment{})
		case wild:
			name, tail := strings.CutSuffix(name, "...")
			if !isName(name) || slices.Contains(names, name) || tail && more {
				return pathPattern{}, errWildcard
			}
			names = append(names, name)
			if p.below = tail; !tail {
				p.segments = append(p.segments, pathSegment{any: true})
			}
		default:
			decoded, err := decodeSegment(raw)
			if err != nil {
				return pathPattern{}, err
			}
			p.segments = append(p.segments, pathSegment{text: decoded})
		}
	}
	return p, nil
}

// wildcard returns what stands between the braces of a segment.
func wildcard(raw string) (string, bool) {
	inner, ok := strings.CutPrefix(raw, "{")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(inner, "}")
}

// isName reports whether name is an identifier of Go, as wildcards have it.
func isName(name string) bool {
	for i, r := range name {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			return false
		}
	}
	return name != "" && utf8.ValidString(name)
}

// decodeSegment returns the text of a segment that a canonical path can have.
func decodeSegment(raw string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(raw); {
		c, n, ok := pathOctet(raw[i:])
		switch {
		case !ok:
			return "", errEscape
		case n == 1 && (c == '{' || c == '}'):
			return "", errWildcard
		case n == 1 && (c <= ' ' || c >= 0x7f || strings.IndexByte("\"#<>?[]^`|;", c) >= 0), c < ' ' || c == 0x7f || c == '\\':
			return "", errCharacter
		}
		b.WriteByte(c)
		i += n
	}
	switch s := b.String(); {
	case s == "." || s == "..":
		return "", errDots
	case !utf8.ValidString(s):
		return "", errCharacter
	default:
		return s, nil
	}
}

// pathOctet returns the first byte of text once it is decoded, and how many bytes
// it is written in.
func pathOctet(text string) (b byte, n int, ok bool) {
	if text[0] != '%' {
		return text[0], 1, true
	}
	if len(text) < 3 {
		return 0, 0, false
	}
	high, low := hexDigit(text[1]), hexDigit(text[2])
	return high<<4 | low, 3, high < 16 && low < 16
}

// hexDigit is the value of a hexadecimal digit; 16 for none.
func hexDigit(b byte) byte {
	switch {
	case '0' <= b && b <= '9':
		return b - '0'
	case 'a' <= b && b <= 'f':
		return b - 'a' + 10
	case 'A' <= b && b <= 'F':
		return b - 'A' + 10
	default:
		return 16
	}
}

// matches reports whether the canonical path is one of p's. It compares whole
// segments as what they decode to, with case, and does not allocate.
func (p *pathPattern) matches(path string) bool {
	rest, more := strings.CutPrefix(path, "/")
	if !more {
		return false // "*", the target of a request to the server as a whole
	}
	for i := range p.segments {
		if !more {
			return false
		}
		var raw string
		raw, rest, more = strings.Cut(rest, "/")
		if s := &p.segments[i]; s.any && raw == "" || !s.any && !spells(raw, s.text) {
			return false
		}
	}
	return more == p.below
}

// spells reports whether raw decodes to text.
func spells(raw, text string) bool {
	for i := range len(text) {
		if raw == "" {
			return false
		}
		b, n, ok := pathOctet(raw)
		if !ok || b != text[i] {
			return false
		}
		raw = raw[n:]
	}
	return raw == ""
}
