package keyservice

import (
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// An adapter is huma's way to a ServeMux that knows paths such as
// "/v1/keys/{id}:roll": a ServeMux takes whole segments only, so that operations
// which differ by what follows the colon share a pattern.
type adapter struct {
	mux      *http.ServeMux
	patterns []string                   // of the mux
	verbs    map[string]map[string]verb // by pattern, and what follows the colon
}

type verb struct {
	op    *huma.Operation
	serve func(huma.Context)
}

func newAdapter() *adapter {
	return &adapter{mux: http.NewServeMux(), verbs: make(map[string]map[string]verb)}
}

// Handle implements huma.Adapter.
func (a *adapter) Handle(op *huma.Operation, serve func(huma.Context)) {
	path, name, _ := strings.Cut(op.Path, "}:")
	if name != "" {
		path += "}"
	}
	pattern := op.Method + " " + path
	if a.verbs[pattern] == nil {
		a.verbs[pattern] = make(map[string]verb)
		a.patterns = append(a.patterns, pattern)
		a.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { a.serve(w, r, pattern) })
	}
	a.verbs[pattern][name] = verb{op, serve}
}

// serve finds the operation by what follows the colon of the last parameter.
func (a *adapter) serve(w http.ResponseWriter, r *http.Request, pattern string) {
	last, name := "", ""
	if at := strings.LastIndexByte(pattern, '{'); at >= 0 && strings.HasSuffix(pattern, "}") {
		last = pattern[at+1 : len(pattern)-1]
		id, after, colon := strings.Cut(r.PathValue(last), ":")
		r.SetPathValue(last, id)
		if name = after; colon && name == "" {
			name = ":"
		}
	}
	v, ok := a.verbs[pattern][name]
	if !ok {
		exchange.Respond(w, r, problem.New(problem.NotFound, "The key service has no such operation."), "no-operation", nil)
		return
	}
	v.serve(humago.NewContext(v.op, r, w))
}

// ServeHTTP implements huma.Adapter.
func (a *adapter) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }
