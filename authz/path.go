package authz

import (
	"errors"
	"fmt"
	"strings"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/pathpattern"
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
	segments []pathpattern.Segment
	rest     bool // it ends in "**"
}

var errStar = errors.New(`a star takes a part of a segment, two are the whole last one; write "%2A" for the character`)

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
		case raw == "**" && !more:
			p.rest = true
		case strings.Contains(raw, "**"):
			return pattern{}, errStar
		case raw == "" && more:
			return pattern{}, errors.New("no canonical path has an empty segment in it")
		default:
			s, err := parseSegment(raw)
			if err != nil {
				return pattern{}, err
			}
			p.segments = append(p.segments, s)
		}
	}
	return p, nil
}

// parseSegment reads one, in which each star takes something.
func parseSegment(raw string) (pathpattern.Segment, error) {
	if !strings.Contains(raw, "*") {
		decoded, err := pathpattern.Decode(raw, "{}")
		return pathpattern.Literal(decoded), err
	}
	texts := strings.Split(raw, "*")
	for i, text := range texts {
		var err error
		if texts[i], err = pathpattern.DecodePart(text, "{}"); err != nil {
			return pathpattern.Segment{}, err
		}
	}
	return pathpattern.Between(texts...)
}

// matches reports whether the canonical path has p's segments. It does not
// allocate.
func (p *pattern) matches(path string) bool {
	rest, more := strings.CutPrefix(path, "/")
	if !more {
		return false // "*", the target of a request to the server as a whole
	}
	for _, s := range p.segments {
		if !more {
			return false
		}
		var raw string
		raw, rest, more = strings.Cut(rest, "/")
		if !s.Matches(raw) {
			return false
		}
	}
	return p.rest || !more
}
