package target

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/hexadecimal"
)

// ErrMalformed means that a path is none, whatever is allowed: it does not
// begin with "/", or it holds a byte that RFC 3986, section 3.3 has no place
// for, a broken percent-encoding, a control character or backslash in any
// encoding, text that is not UTF-8, or a dot segment between encoded slashes or
// before an encoded semicolon.
var ErrMalformed = errors.New("target: malformed path")

// An AmbiguityError reports a path with readings that were not allowed.
type AmbiguityError struct {
	Ambiguity exchange.Ambiguity // every ambiguity of the path, allowed or not
}

func (e *AmbiguityError) Error() string {
	return "target: the path has two readings: " + e.Ambiguity.String()
}

// A Result is the one reading of a path.
type Result struct {
	Path         string             // canonical, percent-encoded; begins with "/"
	UpstreamPath string             // Path with its path parameters
	Ambiguity    exchange.Ambiguity // what had to be resolved; kept encoded slashes too
}

// Canonical returns the one reading of the escaped path, without query, or
// [ErrMalformed], or an [*AmbiguityError] when path holds an ambiguity that is
// not in allow. Who rewrites a path judges the result with it again.
//
// Parameters are taken off first, then empty segments are merged, then dot
// segments are resolved (RFC 3986, section 5.2.4), so that nothing hides behind
// a later step. An encoded slash is never a separator; since some upstreams take
// it for one, a dot segment beside one is malformed.
//
// A path that is canonical already costs one scan and no allocation.
func Canonical(path string, allow exchange.Ambiguity) (Result, error) {
	if end := plainEnd(path); end >= 0 && end == len(path) {
		return Result{Path: path, UpstreamPath: path}, nil
	}
	if path == "" || path[0] != '/' {
		return Result{}, ErrMalformed
	}
	text, ok := normalize(path)
	if !ok {
		return Result{}, ErrMalformed
	}
	return resolve(text, allow)
}

// plainEnd returns where the path that text begins with ends, at a "?" or at the
// end, when it is canonical and has nothing to decode; else -1.
func plainEnd(text string) int {
	if text == "" || text[0] != '/' {
		return -1
	}
	start, i := 1, 1 // start of the segment
	for ; i < len(text); i++ {
		b := text[i]
		if pathByte(b) {
			continue
		}
		if b == '?' {
			break
		}
		if b != '/' || i == start || dots(text[start:i]) {
			return -1
		}
		start = i + 1
	}
	if dots(text[start:i]) {
		return -1
	}
	return i
}

// dots reports whether segment is a dot segment.
func dots(segment string) bool { return segment == "." || segment == ".." }

// pathBytes has a bit for each byte that may stand for itself in a path: pchar
// of RFC 3986, section 3.3, without "%" and without ";", which divides.
const (
	pathBytesLow  = 1<<'!' | 1<<'$' | 1<<'&' | 1<<'\'' | 1<<'(' | 1<<')' | 1<<'*' | 1<<'+' | 1<<',' | 1<<'-' | 1<<'.' | 1<<':' | 1<<'=' | (1<<10-1)<<'0'
	pathBytesHigh = 1<<('@'-64) | (1<<26-1)<<('A'-64) | 1<<('_'-64) | (1<<26-1)<<('a'-64) | 1<<('~'-64)
)

func pathByte(b byte) bool {
	if (b|0x20)-'a' < 26 { // most are letters
		return true
	}
	if b < 64 {
		return uint64(pathBytesLow)>>b&1 != 0
	}
	return b < 128 && uint64(pathBytesHigh)>>(b-64)&1 != 0
}

// unreserved are the characters whose encoding means nothing (RFC 3986, section 2.3).
func unreserved(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '-' || b == '.' || b == '_' || b == '~'
}

// normalize undoes the encoding of unreserved characters, once, and writes all
// others with upper-case digits. It reports false for what is malformed.
func normalize(path string) (string, bool) {
	const digits = "0123456789ABCDEF"
	out := make([]byte, 0, len(path))
	decoded := make([]byte, 0, len(path)) // only to see whether it is UTF-8
	for i := 0; i < len(path); i++ {
		b := path[i]
		if b != '%' {
			if b != '/' && b != ';' && !pathByte(b) {
				return "", false
			}
			out, decoded = append(out, b), append(decoded, b)
			continue
		}
		b, ok := octet(path[i:])
		if !ok || b < ' ' || b == 0x7f || b == '\\' {
			return "", false
		}
		i += 2
		decoded = append(decoded, b)
		if unreserved(b) {
			out = append(out, b)
		} else {
			out = append(out, '%', digits[b>>4], digits[b&15])
		}
	}
	return string(out), utf8.Valid(decoded)
}

// octet decodes the "%XX" that text begins with.
func octet(text string) (byte, bool) {
	if len(text) < 3 {
		return 0, false
	}
	high, low := hexadecimal.Digit(text[1]), hexadecimal.Digit(text[2])
	return high<<4 | low, high < 16 && low < 16
}

// A segment of a path, with and without its parameters.
type segment struct{ name, full string }

// resolve finds what is ambiguous in the normalized text and, when all of it is
// allowed, the reading that is left.
func resolve(text string, allow exchange.Ambiguity) (Result, error) {
	var found exchange.Ambiguity
	kept := make([]segment, 0, strings.Count(text, "/"))
	for rest, more := text[1:], true; more; {
		var full string
		full, rest, more = strings.Cut(rest, "/")
		name, _, parameters := strings.Cut(full, ";")
		if parameters {
			found |= exchange.PathParameters
		}
		if strings.Contains(full, "%2F") {
			found |= exchange.EncodedSlash
		}
		if hidesDots(full) {
			return Result{}, ErrMalformed
		}
		switch {
		case name == "" && more:
			found |= exchange.EmptySegments // merged: not kept
		case dots(name):
			found |= exchange.DotSegments
			if name == ".." && len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
			if !more {
				kept = append(kept, segment{}) // "/a/.." names a folder: it ends in a slash
			}
		default:
			kept = append(kept, segment{name: name, full: full})
		}
	}
	if found&^allow != 0 {
		return Result{}, &AmbiguityError{Ambiguity: found}
	}
	return join(kept, found), nil
}

// hidesDots reports whether a dot segment stands between the encoded slashes of
// a segment, or before an encoded semicolon: an upstream that decodes first and
// divides then would walk up the tree.
func hidesDots(full string) bool {
	if !strings.Contains(full, "%2F") {
		return dotsBeforeSemicolon(full)
	}
	for part := range strings.SplitSeq(full, "%2F") {
		if name, _, _ := strings.Cut(part, ";"); dots(name) || dotsBeforeSemicolon(part) {
			return true
		}
	}
	return false
}

// dotsBeforeSemicolon reports whether part is a dot segment for who takes its
// first encoded semicolon for a plain one. Part is normalized.
func dotsBeforeSemicolon(part string) bool {
	name, _, encoded := strings.Cut(part, "%3B")
	return encoded && dots(name)
}

// join writes the segments that are left.
func join(kept []segment, found exchange.Ambiguity) Result {
	var path, upstream strings.Builder
	for _, s := range kept {
		path.WriteString("/" + s.name)
		upstream.WriteString("/" + s.full)
	}
	r := Result{Path: path.String(), UpstreamPath: upstream.String(), Ambiguity: found}
	if found&exchange.PathParameters == 0 {
		r.UpstreamPath = r.Path
	}
	return r
}
