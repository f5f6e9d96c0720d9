package session

import (
	"strings"

	"github.com/warder-dev/warder/internal/hexadecimal"
)

// maxPath is the longest return path, in bytes.
const maxPath = 2048

// LocalPath returns s when it is a path of our own site, with its query, and "/"
// otherwise: what a login may lead back to. A browser reads an address in more
// ways than one: it takes "\" for "/", leaves out tabs and line ends, resolves dot
// segments, and "//" at the beginning names another host. So every path passes
// that has one reading, and no other: printable ASCII of at most 2 KiB that begins
// with "/", without backslashes, "//", dot segments and fragments, also when they
// are encoded, once or more often.
func LocalPath(s string) string {
	path, query, _ := strings.Cut(s, "?")
	if len(s) > maxPath || !strings.HasPrefix(s, "/") || !visible(path) || !visible(query) {
		return "/"
	}
	if strings.Contains(path, "//") || encodesStructure(path) {
		return "/"
	}
	for segment := range strings.SplitSeq(path, "/") {
		if dots(segment) {
			return "/"
		}
	}
	return s
}

// visible reports whether s holds nothing but printable ASCII, less what no
// address has as it is.
func visible(s string) bool {
	for i := range len(s) {
		if b := s[i]; b <= ' ' || b > '~' || strings.IndexByte("\\#\"<>^`{|}", b) >= 0 {
			return false
		}
	}
	return true
}

// encodesStructure reports whether path hides a slash, a backslash, a control, a
// percent sign or a byte of a broken escape.
func encodesStructure(path string) bool {
	for i := 0; i < len(path); i++ {
		if path[i] != '%' {
			continue
		}
		b, _, ok := hexadecimal.Octet(path[i:])
		if !ok || b < ' ' || b == 0x7f || strings.IndexByte(`/\%`, b) >= 0 {
			return true
		}
		i += 2
	}
	return false
}

// dots reports whether segment is "." or "..", encoded or not, also before
// parameters.
func dots(segment string) bool {
	segment, _, _ = strings.Cut(segment, ";")
	segment = strings.ReplaceAll(strings.ToLower(segment), "%2e", ".")
	return segment == "." || segment == ".."
}
