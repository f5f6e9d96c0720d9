package credential

import (
	"net/http"
	"slices"
	"strings"
)

// Cookie returns the value of the cookie called name, as it was sent: quotes
// belong to it. Names are compared with case (RFC 6265, section 5.4), without
// the blanks around them. A pair that has no "=" is a cookie with no value under
// that name. It does not allocate.
func Cookie(h http.Header, name string) (value string, s State) {
	for _, field := range h["Cookie"] {
		for pair := range strings.SplitSeq(field, ";") {
			n, v, _ := strings.Cut(pair, "=")
			if trim(n) != name {
				continue
			}
			if s != Absent {
				return "", Repeated
			}
			value, s = trim(v), Once
		}
	}
	return value, s
}

// WithoutCookies returns the Cookie fields without the cookies that are called
// one of names, as [Cookie] finds them: the other pairs stay byte for byte, and
// fields that held nothing else are gone. It returns fields itself when there is
// nothing to remove.
func WithoutCookies(fields []string, names ...string) []string {
	if !holdsCookie(fields, names) {
		return fields
	}
	kept := make([]string, 0, len(fields))
	for _, field := range fields {
		var b strings.Builder
		for pair := range strings.SplitSeq(field, ";") {
			if cookieIsOne(pair, names) || trim(pair) == "" {
				continue
			}
			if b.Len() > 0 {
				b.WriteByte(';')
			} else {
				pair = strings.TrimLeft(pair, " \t")
			}
			b.WriteString(pair)
		}
		if b.Len() > 0 {
			kept = append(kept, b.String())
		}
	}
	return kept
}

func holdsCookie(fields, names []string) bool {
	for _, field := range fields {
		for pair := range strings.SplitSeq(field, ";") {
			if cookieIsOne(pair, names) {
				return true
			}
		}
	}
	return false
}

func cookieIsOne(pair string, names []string) bool {
	n, _, _ := strings.Cut(pair, "=")
	return slices.Contains(names, trim(n))
}

func trim(s string) string { return strings.Trim(s, " \t") }
