package authz

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/warder-dev/warder/exchange"
)

// errNoPath is for a request that passed no target stage: whatever stood in the
// request's own URL has more than one reading.
var errNoPath = errors.New("the request has no canonical path: is there a target stage before?")

// paths holds for a path that one of its patterns matches.
type paths []pattern

func newPaths(patterns []string) (Condition, error) {
	var all paths
	var errs []error
	for _, text := range patterns {
		p, err := parsePattern(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("pattern %q: %w", text, err))
		}
		all = append(all, p)
	}
	return all, errors.Join(errs...)
}

func (p paths) Holds(x *exchange.Exchange) (bool, error) {
	if x.Path == "" {
		return false, errNoPath
	}
	for i := range p {
		if p[i].matches(x.Path) {
			return true, nil
		}
	}
	return false, nil
}

// A pattern is a path whose segments are decoded. See [Rule].
type pattern struct {
	segments []segment
	rest     bool // it ends in "**"
}

type segment struct {
	text string
	any  bool // "*": one that is not empty
}

// parsePattern reads a pattern, and refuses what no canonical path could match.
func parsePattern(text string) (pattern, error) {
	rest, ok := strings.CutPrefix(text, "/")
	if !ok {
		return pattern{}, errors.New(`it does not begin with "/"`)
	}
	var p pattern
	for more := true; more; {
		var raw string
		raw, rest, more = strings.Cut(rest, "/")
		switch {
		case raw == "*":
			p.segments = append(p.segments, segment{any: true})
		case raw == "**" && !more:
			p.rest = true
		case strings.Contains(raw, "*"):
			return pattern{}, errors.New(`a star is a whole segment, two are the last one; write "%2A" for the character`)
		case raw == "" && more:
			return pattern{}, errors.New("no canonical path has an empty segment in it")
		default:
			decoded, err := decode(raw)
			if err != nil {
				return pattern{}, err
			}
			p.segments = append(p.segments, segment{text: decoded})
		}
	}
	return p, nil
}

// decode returns the text of a segment that a canonical path can have.
func decode(raw string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(raw); {
		c, n, ok := octet(raw[i:])
		switch {
		case !ok:
			return "", errors.New("a percent sign is followed by two hexadecimal digits")
		case n == 1 && (c <= ' ' || c >= 0x7f || strings.IndexByte("\"#<>?[]^`{|};", c) >= 0):
			return "", fmt.Errorf("%q stands percent-encoded in a path", rune(c))
		case c < ' ' || c == 0x7f || c == '\\':
			return "", errors.New("no canonical path has control characters or backslashes")
		}
		b.WriteByte(c)
		i += n
	}
	switch s := b.String(); {
	case s == "." || s == "..":
		return "", errors.New("no canonical path has dot segments")
	case !utf8.ValidString(s):
		return "", errors.New("no canonical path decodes to what is not UTF-8")
	default:
		return s, nil
	}
}

// octet returns the first byte of text once it is decoded, and how many bytes it
// is written in.
func octet(text string) (b byte, n int, ok bool) {
	if text[0] != '%' {
		return text[0], 1, true
	}
	if len(text) < 3 {
		return 0, 0, false
	}
	high, low := digit(text[1]), digit(text[2])
	return high<<4 | low, 3, high < 16 && low < 16
}

// digit is the value of a hexadecimal digit; 16 for none.
func digit(b byte) byte {
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

// matches reports whether the canonical path has p's segments. It does not
// allocate.
func (p *pattern) matches(path string) bool {
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
	return p.rest || !more
}

// spells reports whether raw decodes to text.
func spells(raw, text string) bool {
	if raw == text {
		return strings.IndexByte(text, '%') < 0
	}
	for i := range len(text) {
		if raw == "" {
			return false
		}
		b, n, ok := octet(raw)
		if !ok || b != text[i] {
			return false
		}
		raw = raw[n:]
	}
	return raw == ""
}
