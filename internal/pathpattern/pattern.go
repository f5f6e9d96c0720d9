package pathpattern

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Pattern is one as [net/http.ServeMux] has them, "[METHOD ][HOST]/[PATH]", but
// for parameters, which may be within a segment.
type Pattern struct {
	method, host string
	segments     []Segment
	below        bool // it ends in a slash or "{name...}": it takes what is below
}

// Plain returns pattern with whole parameters where it has some within segments,
// for whoever understands whole ones only, and whether it has any.
func Plain(pattern string) (plain string, mixed bool) {
	at := strings.IndexByte(pattern, '/')
	if at < 0 {
		return pattern, false
	}
	segments := strings.Split(pattern[at:], "/")
	for i, segment := range segments {
		if isMixed(segment) {
			segments[i], mixed = fmt.Sprintf("{within%d}", i), true
		}
	}
	return pattern[:at] + strings.Join(segments, "/"), mixed
}

// isMixed reports whether a segment has a parameter in it, and is no whole one.
func isMixed(segment string) bool {
	if !strings.Contains(segment, "{") {
		return false
	}
	return len(segment) < 2 || segment[0] != '{' || segment[len(segment)-1] != '}' || strings.ContainsAny(segment[1:len(segment)-1], "{}")
}

var (
	errName  = errors.New("want each {name} to be a word of letters, digits and _, used once")
	errSlash = errors.New("has no path")
)

// Parse reads a pattern whose [Plain] form a ServeMux accepts.
func Parse(pattern string) (*Pattern, error) {
	p := &Pattern{}
	head, path, found := strings.Cut(pattern, "/")
	if !found {
		return nil, errSlash
	}
	if i := strings.IndexAny(head, " \t"); i >= 0 {
		p.method, head = head[:i], strings.TrimLeft(head[i:], " \t")
	}
	p.host = head
	segments := strings.Split(path, "/")
	var names []string
	for i, raw := range segments {
		last := i == len(segments)-1
		switch {
		case last && (raw == "" || strings.HasPrefix(raw, "{") && strings.HasSuffix(raw, "...}")):
			p.below = true
		case last && raw == "{$}":
			p.segments = append(p.segments, Literal(""))
		default:
			s, own, err := segmentOf(raw)
			if err != nil {
				return nil, err
			}
			names = append(names, own...)
			p.segments = append(p.segments, s)
		}
	}
	slices.Sort(names)
	if slices.ContainsFunc(names, func(name string) bool { return !isName(name) }) || len(slices.Compact(slices.Clone(names))) < len(names) {
		return nil, errName
	}
	return p, nil
}

// segmentOf reads one segment of a pattern of routes.
func segmentOf(raw string) (s Segment, names []string, err error) {
	if !strings.Contains(raw, "{") {
		text, err := url.PathUnescape(raw)
		if err != nil {
			text = raw // as ServeMux has it
		}
		return Literal(text), nil, nil
	}
	texts, names, err := Cut(raw)
	if err != nil {
		return s, nil, err
	}
	for i, text := range texts {
		if texts[i], err = DecodePart(text, "{}"); err != nil {
			return s, nil, err
		}
	}
	if slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, "/") }) {
		return s, nil, ErrCharacter
	}
	s, err = Between(texts...)
	return s, names, err
}

// isName reports whether name is an identifier of Go, as parameters have it.
func isName(name string) bool {
	for i, r := range name {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			return false
		}
	}
	return name != "" && utf8.ValidString(name)
}

// Weight is how much of p is free: 2 for a whole parameter, 1 for a segment with
// one in it.
func (p *Pattern) Weight() (n int) {
	for _, s := range p.segments {
		switch {
		case s.Mixed():
			n++
		case s.gaps() > 0:
			n += 2
		}
	}
	return n
}

// Takes reports whether p takes a request with this method, canonical host and
// canonical path, which has no empty segments within.
func (p *Pattern) Takes(method, host, path string) bool {
	if p.host != "" && p.host != host || p.method != "" && p.method != method && (p.method != "GET" || method != "HEAD") {
		return false
	}
	rest, more := strings.CutPrefix(path, "/")
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
	return more == p.below
}

// A relation tells which of two take what the other takes.
type relation struct{ first, second bool } // the first is within the second; the second within the first

// compare returns how the paths of p and q are related; apart when nothing is taken
// by both.
func (p *Pattern) compare(q *Pattern) (r relation, apart bool) {
	n := min(len(p.segments), len(q.segments))
	if len(p.segments) > n && !q.below || len(q.segments) > n && !p.below {
		return r, true
	}
	if len(p.segments) == len(q.segments) && p.below != q.below {
		return r, true
	}
	r = relation{first: len(q.segments) == n, second: len(p.segments) == n}
	for i := range n {
		a, b := p.segments[i], q.segments[i]
		if !a.Meets(b) {
			return r, true
		}
		r.first, r.second = r.first && a.Within(b), r.second && b.Within(a)
	}
	return r, false
}

// methods is compare for methods.
func methods(a, b string) (r relation, apart bool) {
	switch {
	case a == b:
		return relation{true, true}, false
	case b == "", b == "GET" && a == "HEAD":
		return relation{first: true}, false
	case a == "", a == "GET" && b == "HEAD":
		return relation{second: true}, false
	default:
		return r, true
	}
}

// Conflicts reports whether some requests are taken by both, and neither is the more
// specific. A pattern with a host is more specific than one without.
func (p *Pattern) Conflicts(q *Pattern) bool {
	if p.host != q.host {
		return false
	}
	paths, apart := p.compare(q)
	if apart {
		return false
	}
	m, apart := methods(p.method, q.method)
	if apart {
		return false
	}
	first, second := paths.first && m.first, paths.second && m.second
	return first == second
}

// Before reports whether p has a request that both take. They must not conflict.
func (p *Pattern) Before(q *Pattern) bool {
	if p.host != q.host {
		return p.host != ""
	}
	paths, _ := p.compare(q)
	m, _ := methods(p.method, q.method)
	return paths.first && m.first
}
