package exchange

import "strings"

// Ambiguity is a set of ways in which a path has more than one reading. A path
// with an ambiguity that its route does not allow is refused.
type Ambiguity uint8

// The ambiguities that a route of the gateway may allow.
const (
	DotSegments    Ambiguity = 1 << iota // "." and ".." segments, encoded or not: resolved
	EmptySegments                        // "//": merged into one
	PathParameters                       // ";name=value" in a segment: not part of what is matched
	EncodedSlash                         // "%2F": kept, and never a separator
)

// String lists the set's names, for the log.
func (a Ambiguity) String() string {
	var names []string
	for _, n := range []struct {
		bit  Ambiguity
		name string
	}{{DotSegments, "dot-segments"}, {EmptySegments, "empty-segments"}, {PathParameters, "path-parameters"}, {EncodedSlash, "encoded-slash"}} {
		if a&n.bit != 0 {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, ",")
}
