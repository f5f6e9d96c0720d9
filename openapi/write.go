package openapi

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"slices"
)

// Write writes d as JSON: members in the order of the specification, names
// sorted, two blanks of indent. It reports everything that the specification
// forbids in d, at once, and then writes nothing.
func (d *Document) Write(w io.Writer) error {
	if err := d.Check(); err != nil {
		return err
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // the text of a reader, not of a page
	e.SetIndent("", "  ")
	return e.Encode(d)
}

// slots returns where p keeps the operation of each method.
func (p *PathItem) slots() map[string]**Operation {
	return map[string]**Operation{
		http.MethodGet: &p.Get, http.MethodPut: &p.Put, http.MethodPost: &p.Post, http.MethodDelete: &p.Delete,
		http.MethodOptions: &p.Options, http.MethodHead: &p.Head, http.MethodPatch: &p.Patch, http.MethodTrace: &p.Trace,
	}
}

// All yields the operations of p with their methods, sorted by these.
func (p *PathItem) All() iter.Seq2[string, *Operation] {
	return func(yield func(string, *Operation) bool) {
		slots := p.slots()
		for _, method := range slices.Sorted(maps.Keys(slots)) {
			if o := *slots[method]; o != nil && !yield(method, o) {
				return
			}
		}
	}
}

// AddOperation adds o as method of path: "GET", "/orders/{id}". An operation
// that is there already is not replaced: that is an error.
func (d *Document) AddOperation(method, path string, o Operation) error {
	item := d.Paths[path]
	slot, known := item.slots()[method]
	switch {
	case !known:
		return fmt.Errorf("openapi: OpenAPI has no method %q", method)
	case *slot != nil:
		return fmt.Errorf("openapi: operation %s %q is there already", method, path)
	}
	*slot = &o
	if d.Paths == nil {
		d.Paths = make(Paths)
	}
	d.Paths[path] = item
	return nil
}
