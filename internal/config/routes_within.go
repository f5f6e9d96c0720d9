package config

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/warder-dev/warder/internal/pathpattern"
)

// maxWithin bounds the routes whose patterns have parameters within a segment: each
// request may ask all of them.
const maxWithin = 1000

// hasWithin reports whether pattern has a parameter within a segment, which a
// ServeMux does not know: "/files/{name}.json".
func hasWithin(pattern string) bool {
	_, within := pathpattern.Plain(pattern)
	return within
}

// whyNoPattern returns why pattern is none; nil when it is one.
func whyNoPattern(pattern string) *string {
	plain, within := pathpattern.Plain(pattern)
	if !within {
		return nil
	}
	if reason := register(http.NewServeMux(), plain); reason != nil {
		return reason
	}
	if _, err := pathpattern.Parse(pattern); err != nil {
		reason := "\": " + err.Error()
		return &reason
	}
	return nil
}

// checkWithin looks for conflicts of routes with parameters within a segment.
func (l *loader) checkWithin() {
	routes := l.config.Routes
	parsed := make([]*pathpattern.Pattern, len(routes))
	var within []int
	for i := range routes {
		if routes[i].Match == "" || l.failed(fmt.Sprintf("routes[%d].match", i)) {
			continue
		}
		if hasWithin(routes[i].Match) {
			within = append(within, i)
		}
	}
	if len(within) > maxWithin {
		l.reject("routes", fmt.Sprintf("has %d patterns with parameters within a segment, want at most %d", len(within), maxWithin), "")
		return
	}
	if len(within) == 0 {
		return
	}
	for i := range routes {
		if routes[i].Match == "" || l.failed(fmt.Sprintf("routes[%d].match", i)) {
			continue
		}
		parsed[i], _ = pathpattern.Parse(routes[i].Match) // what is none was told
	}
	conflicts := 0
	for _, i := range within {
		for j, other := range parsed {
			if other == nil || j == i || j > i && hasWithin(routes[j].Match) || !parsed[i].Conflicts(other) {
				continue
			}
			if conflicts++; conflicts > maxConflicts {
				return
			}
			l.rejectPair(max(i, j), min(i, j))
			break
		}
	}
}

// rejectPair tells that two routes take the same requests.
func (l *loader) rejectPair(i, j int) {
	field, other := fmt.Sprintf("routes[%d].match", i), fmt.Sprintf("routes[%d].match", j)
	routes, what := l.config.Routes, "overlaps with"
	if routes[i].Match == routes[j].Match {
		what = "is the same as"
	}
	problem := fmt.Sprintf("%s %s %s (%s)", l.show(field), what, l.show(other), strings.TrimSuffix(other, ".match"))
	if o := l.origins[other]; o.line > 0 {
		problem = fmt.Sprintf("%s %s %s (routes[%d], line %d)", l.show(field), what, l.show(other), j, o.line)
	}
	hint := ""
	if what == "overlaps with" {
		hint = "for some requests neither is more specific: make one so"
	}
	l.reject(field, problem, hint)
}
