package credential

import (
	"net/url"
	"strings"
)

// Query returns the decoded value of the parameter called name in a raw query.
//
// It is Once when one parameter decodes to the name and its value decodes too.
// It is Unreadable when somebody else's parser may see the parameter where this
// one does not: in other case, as an array ("name[]"), behind a semicolon, or in
// a query with a name that does not decode. It does not allocate unless the name or
// value is escaped.
func Query(raw, name string) (value string, s State) {
	for pair := range strings.SplitSeq(raw, "&") {
		n, v, _ := strings.Cut(pair, "=")
		switch spelling(n, name) {
		case exact:
			if s != Absent {
				return "", Repeated
			}
			decoded, err := url.QueryUnescape(v)
			if err != nil || strings.Contains(v, ";") {
				return "", Unreadable
			}
			value, s = decoded, Once
		case alike:
			return "", Unreadable
		case other:
			if behindSemicolon(pair, name) {
				return "", Unreadable
			}
		}
	}
	return value, s
}

// WithoutQuery returns raw without the parameters that are called one of names
// in whatever spelling; the rest stays byte for byte. Names that do not decode
// stay: they are nobody's.
func WithoutQuery(raw string, names ...string) string {
	kept := raw
	for _, name := range names {
		kept = withoutParameter(kept, name)
	}
	return kept
}

func withoutParameter(raw, name string) string {
	var b strings.Builder
	removed, first := false, true
	for pair := range strings.SplitSeq(raw, "&") {
		n, _, _ := strings.Cut(pair, "=")
		if !undecodable(n) && spelling(n, name) != other || behindSemicolon(pair, name) {
			removed = true
			continue
		}
		if !first { // an empty pair is one too
			b.WriteByte('&')
		}
		first = false
		b.WriteString(pair)
	}
	if !removed {
		return raw
	}
	return b.String()
}

// behindSemicolon reports whether a parser that divides at semicolons too finds
// the parameter inside pair.
func behindSemicolon(pair, name string) bool {
	_, rest, found := strings.Cut(pair, ";")
	if !found {
		return false
	}
	for part := range strings.SplitSeq(rest, ";") {
		n, _, _ := strings.Cut(part, "=")
		if spelling(n, name) != other {
			return true
		}
	}
	return false
}

// The ways in which a parameter's name can stand to the one that is looked for.
type likeness uint8

const (
	other likeness = iota
	exact          // it decodes to the name
	alike          // some parser may take it for the name, or nobody knows
)

// spelling tells how the encoded name of a parameter stands to name.
func spelling(encoded, name string) likeness {
	if encoded == name {
		return exact
	}
	if undecodable(encoded) {
		return alike
	}
	decoded := encoded
	if strings.ContainsAny(encoded, "%+") {
		decoded, _ = url.QueryUnescape(encoded) // it is decodable
	}
	if decoded == name {
		return exact
	}
	if i := strings.IndexByte(decoded, '['); i > 0 {
		decoded = decoded[:i]
	}
	if fold(decoded, name) {
		return alike
	}
	return other
}

// undecodable reports whether encoded has a percent sign without two digits.
func undecodable(encoded string) bool {
	for i := 0; i < len(encoded); i++ {
		if encoded[i] != '%' {
			continue
		}
		if i+2 >= len(encoded) || !hex(encoded[i+1]) || !hex(encoded[i+2]) {
			return true
		}
		i += 2
	}
	return false
}

func hex(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'f' || 'A' <= b && b <= 'F'
}

// fold reports whether a parser that ignores case, blanks around a name, and the
// difference between "_", "." and " " (as PHP does) takes sent for name.
func fold(sent, name string) bool {
	sent = strings.Trim(sent, " \t\x00")
	if len(sent) != len(name) {
		return false
	}
	for i := range len(sent) {
		if foldByte(sent[i]) != foldByte(name[i]) {
			return false
		}
	}
	return true
}

func foldByte(b byte) byte {
	switch {
	case 'A' <= b && b <= 'Z':
		return b + 'a' - 'A'
	case b == '.' || b == ' ':
		return '_'
	default:
		return b
	}
}
