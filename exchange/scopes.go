package exchange

import (
	"slices"
	"strings"
)

// Scopes are the rights that one credential grants. The zero value grants
// nothing. Scopes are immutable and safe for concurrent use.
//
// A scope is a word of segments divided by ":", such as "orders:read"
// (characters of RFC 6749, section 3.3).
type Scopes struct {
	names    []string
	patterns bool
}

// PatternScopes returns grants in which a last segment "*" stands for one or
// more segments: "orders:*" covers "orders:read" and "orders:read:all", but
// neither "orders" nor "ordersx:read"; "*" alone covers everything. Only for
// grants that warder issued itself.
func PatternScopes(names ...string) Scopes {
	return Scopes{names: slices.Clone(names), patterns: true}
}

// LiteralScopes returns grants in which "*" is an ordinary character: for
// tokens that somebody else issued.
func LiteralScopes(names ...string) Scopes { return Scopes{names: slices.Clone(names)} }

// Allow reports whether scope is granted. The empty scope never is.
func (s Scopes) Allow(scope string) bool {
	if scope == "" {
		return false
	}
	for _, name := range s.names {
		if name == scope && (!s.patterns || !strings.HasSuffix(name, "*")) || s.patterns && covers(name, scope) {
			return true
		}
	}
	return false
}

// Names returns the scopes as they were granted; the caller must not change it.
func (s Scopes) Names() []string { return slices.Clip(s.names) }

// Patterns reports whether a last segment "*" stands for more: whether the scopes
// are those of [PatternScopes].
func (s Scopes) Patterns() bool { return s.patterns }

// covers reports whether pattern ends in a "*" segment that stands for the rest
// of scope, all of whose segments are non-empty.
func covers(pattern, scope string) bool {
	if pattern == "*" {
		return wellFormed(scope)
	}
	prefix, ok := strings.CutSuffix(pattern, ":*")
	if !ok {
		return false
	}
	rest, ok := strings.CutPrefix(scope, prefix)
	return ok && strings.HasPrefix(rest, ":") && wellFormed(rest[1:])
}

// wellFormed reports whether every segment of scope is non-empty.
func wellFormed(scope string) bool {
	return scope != "" && scope[0] != ':' && scope[len(scope)-1] != ':' && !strings.Contains(scope, "::")
}

// maxScope is the longest scope, in bytes.
const maxScope = 128

// ValidScope reports whether scope can be granted: 1 to 128 bytes, segments of
// letters, digits and the characters . _ - / divided by ":", none empty; the
// last one, or the only one, may be "*".
func ValidScope(scope string) bool {
	if len(scope) > maxScope || !wellFormed(scope) {
		return false
	}
	body := strings.TrimSuffix(scope, ":*")
	if body == "*" {
		return scope == "*"
	}
	for i := range len(body) {
		switch b := body[i]; {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		case b == '.', b == '_', b == '-', b == '/', b == ':':
		default:
			return false
		}
	}
	return true
}
