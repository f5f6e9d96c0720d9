package apikey

import (
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/warder-dev/warder/internal/pathpattern"
)

// A pathPattern is a path as patterns of routes have it (see [net/http.ServeMux]),
// with its segments decoded.
type pathPattern struct {
	segments []pathSegment
	below    bool // it ends in a slash or "{name...}": what comes behind is free
}

type pathSegment struct {
	pathpattern.Segment

	any bool // "{name}": one that is not empty, nor a slash alone, which routes take for the end of the path
}

var (
	errNoSlash  = errors.New(`want "/" in front, without a method or a host`)
	errWildcard = errors.New("want each {name} to have a name of its own, something between two in a segment, and {name...} and {$} to be the last segment")
	errEmpty    = errors.New("no path has an empty segment in it")
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
			p.segments = append(p.segments, pathSegment{Segment: pathpattern.Literal("")})
		case wild:
			name, tail := strings.CutSuffix(name, "...")
			if tail && more {
				return pathPattern{}, errWildcard
			}
			names = append(names, name)
			if p.below = tail; !tail {
				p.segments = append(p.segments, pathSegment{Segment: pathpattern.Any(), any: true})
			}
		default:
			s, own, err := parsePathSegment(raw)
			if err != nil {
				return pathPattern{}, err
			}
			names = append(names, own...)
			p.segments = append(p.segments, pathSegment{Segment: s})
		}
	}
	slices.Sort(names)
	if slices.ContainsFunc(names, func(name string) bool { return !isName(name) }) || len(slices.Compact(slices.Clone(names))) < len(names) {
		return pathPattern{}, errWildcard
	}
	return p, nil
}

// parsePathSegment reads a segment that is text, alone or around parameters.
func parsePathSegment(raw string) (s pathpattern.Segment, names []string, err error) {
	texts, names, err := pathpattern.Cut(raw)
	switch {
	case err != nil:
		return s, nil, errWildcard
	case len(names) == 0:
		decoded, err := pathpattern.Decode(raw, "")
		if decoded == "/" {
			err = pathpattern.ErrCharacter
		}
		return pathpattern.Literal(decoded), nil, err
	}
	for i, text := range texts {
		if texts[i], err = pathpattern.DecodePart(text, ""); err == nil && strings.Contains(texts[i], "/") {
			err = pathpattern.ErrCharacter
		}
		if err != nil {
			return s, nil, err
		}
	}
	if s, err = pathpattern.Between(texts...); err != nil {
		err = errWildcard
	}
	return s, names, err
}

// wildcard returns what stands between the braces of a segment that is one
// parameter.
func wildcard(raw string) (string, bool) {
	inner, ok := strings.CutPrefix(raw, "{")
	if !ok {
		return "", false
	}
	inner, ok = strings.CutSuffix(inner, "}")
	return inner, ok && !strings.ContainsAny(inner, "{}")
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
		if s := &p.segments[i]; !s.Matches(raw) || s.any && pathpattern.Spells(raw, "/") {
			return false
		}
	}
	return more == p.below
}
