package config

import (
	"net/url"
	"slices"
	"strings"
)

// ServeMux compares each pattern that ends in "/" with every other of its kind:
// with thousands of routes that takes seconds. Patterns that have different
// literal segments before their first wildcard cannot match the same request;
// only within the groups that this leaves are conflicts looked for.

// A shape is what a pattern's group depends on.
type shape struct {
	begin    string // host and literal segments before the first wildcard, each with a "/"
	plain    bool   // any method, no wildcard, whole tree: never conflicts with what is below it
	open     bool   // ServeMux has no index for it
	segments int
}

func shapeOf(pattern string) shape {
	method, rest, found := strings.Cut(pattern, " ")
	if !found {
		method, rest = "", pattern
	}
	host, path, _ := strings.Cut(strings.TrimLeft(rest, " \t"), "/")
	segments := strings.Split(path, "/")
	s := shape{begin: host + "/", segments: len(segments)}
	literals, wild := 0, false
	for _, segment := range segments {
		if strings.HasPrefix(segment, "{") {
			wild = true
			continue
		}
		if segment == "" {
			continue
		}
		literals++
		if plain, err := url.PathUnescape(segment); err == nil {
			segment = plain
		}
		if !wild {
			s.begin += segment + "/"
		}
	}
	tree := strings.HasSuffix(path, "/") || path == "" || strings.HasSuffix(path, "...}")
	s.plain = method == "" && !wild && tree
	s.open = tree || literals == 0
	return s
}

// groupRoutes names the group of each route.
func groupRoutes(routes []Route) []string {
	shapes, order := make([]shape, len(routes)), make([]int, len(routes))
	for i, r := range routes {
		shapes[i], order[i] = shapeOf(r.Match), i
	}
	// Whatever begins as a shape does follows it at once, plain ones first.
	slices.SortStableFunc(order, func(a, b int) int {
		if c := strings.Compare(shapes[a].begin, shapes[b].begin); c != 0 || shapes[a].plain == shapes[b].plain {
			return c
		}
		if shapes[a].plain {
			return -1
		}
		return 1
	})
	groups := make([]string, len(routes))
	first, inside := "", false
	for _, i := range order {
		begin := shapes[i].begin
		if inside = inside && strings.HasPrefix(begin, first); !inside {
			groups[i] = "plain " + begin
			if shapes[i].plain {
				continue
			}
			first, inside = begin, true
		}
		groups[i] = first
	}
	return groups
}

// tooAlike reports whether looking for conflicts would take too long.
func tooAlike(routes []Route, groups []string) bool {
	type group struct{ patterns, segments int }
	open := map[string]group{}
	for i, r := range routes {
		if s := shapeOf(r.Match); s.open {
			g := open[groups[i]]
			open[groups[i]] = group{g.patterns + 1, g.segments + s.segments}
		}
	}
	compared := 0
	for _, g := range open {
		compared += g.patterns * g.segments
	}
	return compared > maxCompared
}
