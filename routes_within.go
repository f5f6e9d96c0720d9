package warder

import (
	"net/http"

	"github.com/warder-dev/warder/internal/pathpattern"
)

// within are the entries whose patterns have parameters within a segment, which a
// ServeMux does not know: "/files/{name}.json".
type within []*entry

// register adds e to the mux, or to those that the mux does not know.
func (r *Routes) register(e *entry, mixed bool) error {
	others := r.within
	if mixed {
		others = r.entries
	}
	for _, earlier := range others {
		if e.path.Conflicts(earlier.path) {
			return conflictOf(e, earlier)
		}
	}
	switch {
	case mixed:
		r.within = append(r.within, e)
	case register(&r.mux, e) != nil:
		return r.conflict(e)
	}
	return nil
}

// find returns the entry of the most specific pattern that takes q; nil for none.
func (r *Routes) find(q *http.Request) *entry {
	h, _ := r.mux.Handler(q)
	e, _ := h.(*entry)
	if len(r.within) == 0 {
		return e
	}
	path := q.URL.EscapedPath()
	if !clean(path) {
		return e
	}
	best := e
	if best != nil && best.policy == nil {
		best = nil
	}
	for _, other := range r.within {
		if other.path.Takes(q.Method, q.Host, path) && (best == nil || other.path.Before(best.path)) {
			best = other
		}
	}
	if best == nil {
		return e
	}
	return best
}

// parsed reads the pattern of e, for comparing it with others.
func (e *entry) parsed() (err error) {
	e.path, err = pathpattern.Parse(e.pattern)
	if err == nil {
		e.wild = e.path.Weight()
	}
	return err
}
