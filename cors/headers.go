package cors

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	maxBlanks  = 1    // around a name, on each side: browsers send none, some proxies add one
	maxEmpty   = 16   // elements of a list without a name (RFC 9110, section 5.6.1.2)
	maxNames   = 4096 // bytes of a preflight's names, where every name is allowed
	authHeader = "authorization"
)

// A headerSet is the request header fields that a page may set.
type headerSet struct {
	order   map[string]int // by name in lower case, sorted
	longest int            // bytes of the longest name
	any     bool           // all but Authorization, unless it is in order
}

// forbidden are the fields that no browser lets a page set (Fetch, "forbidden
// request-header"), as far as somebody may try.
func forbidden() []string {
	return []string{
		"accept-charset", "accept-encoding", "access-control-request-headers", "access-control-request-method",
		"access-control-request-private-network", "connection", "content-length", "cookie", "cookie2", "date", "dnt", "expect", "host",
		"keep-alive", "origin", "referer", "set-cookie", "te", "trailer", "transfer-encoding", "upgrade", "via",
	}
}

func newHeaderSet(names []string) (headerSet, error) {
	var errs []error
	var sorted []string
	s := headerSet{order: make(map[string]int, len(names))}
	for _, name := range names {
		lower := strings.ToLower(name)
		switch {
		case name == "*":
			s.any = true
		case !isToken(name):
			errs = append(errs, fmt.Errorf("cors: request header %q: want a field name", name))
		case slices.Contains(forbidden(), lower) || strings.HasPrefix(lower, "sec-") || strings.HasPrefix(lower, "proxy-"):
			errs = append(errs, fmt.Errorf("cors: request header %q: no browser lets a page set it", name))
		default:
			sorted = append(sorted, lower)
		}
	}
	slices.Sort(sorted)
	for i, name := range slices.Compact(sorted) {
		s.order[name] = i
		s.longest = max(s.longest, len(name))
	}
	return s, errors.Join(errs...)
}

// accepts reports whether the values of Access-Control-Request-Headers name
// allowed fields only. Browsers send the names in lower case, sorted, each once,
// in one field with commas between (Fetch, "CORS-unsafe request-header names");
// anything else is no browser's. A proxy may have divided the field, or put a
// blank and some empty elements into it (RFC 9110, section 5.6.1). It does not
// allocate, and reads little of what is too long (compare CVE-2025-47908).
func (s *headerSet) accepts(fields []string) bool {
	l := list{set: s, place: -1}
	for _, field := range fields {
		if !l.read(field) {
			return false
		}
	}
	return true
}

// A list is the state of reading names that have to be sorted.
type list struct {
	set   *headerSet
	place int    // in order, of the last name that is there
	last  string // the last name
	empty int    // elements
	bytes int    // of names
}

func (l *list) read(field string) bool {
	limit := l.set.longest
	if l.set.any {
		limit = maxNames
	}
	limit += 2 * maxBlanks
	for more := true; more; {
		// No more of it is searched than an allowed name is long.
		end := min(len(field), limit+1)
		i := strings.IndexByte(field[:end], ',')
		var name string
		switch {
		case i >= 0:
			name, field = field[:i], field[i+1:]
		case end > limit:
			return false
		default:
			name, more = field, false
		}
		if !l.next(unpad(name)) {
			return false
		}
	}
	return true
}

// unpad takes up to maxBlanks blanks or tabs off each end.
func unpad(name string) string {
	for range maxBlanks {
		if n := len(name); n > 0 && isBlank(name[n-1]) {
			name = name[:n-1]
		}
		if name != "" && isBlank(name[0]) {
			name = name[1:]
		}
	}
	return name
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' }

// next reports whether name may come next.
func (l *list) next(name string) bool {
	if name == "" {
		l.empty++
		return l.empty <= maxEmpty
	}
	place, listed := l.set.order[name]
	if !l.set.any {
		if !listed || place <= l.place {
			return false
		}
		l.place = place
		return true
	}
	if l.bytes += len(name); l.bytes > maxNames || name <= l.last || name == authHeader && !listed {
		return false
	}
	l.last = name
	return isToken(name) && name == strings.ToLower(name)
}
