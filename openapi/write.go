package openapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Write writes d as JSON: members in the order of the specification, names
// sorted, two blanks of indent. It reports everything that the specification
// forbids in d, at once, and then writes nothing.
func (d *Document) Write(w io.Writer) error {
	if err := d.check(); err != nil {
		return err
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // the text of a reader, not of a page
	e.SetIndent("", "  ")
	return e.Encode(d)
}

// check reports what is wrong with d, in an order that does not change.
func (d *Document) check() error {
	f := &faults{about: "document"}
	if !strings.HasPrefix(d.OpenAPI, "3.1.") {
		f.add("openapi %q: want 3.1", d.OpenAPI)
	}
	if d.Info.Title == "" || d.Info.Version == "" {
		f.add("info lacks its title or its version")
	}
	if len(d.Paths) == 0 && len(d.Components.SecuritySchemes) == 0 {
		f.add("it has neither paths nor components")
	}
	for _, name := range slices.Sorted(maps.Keys(d.Components.SecuritySchemes)) {
		if err := checkScheme(name, d.Components.SecuritySchemes[name]); err != nil {
			f.errs = append(f.errs, err)
		}
	}
	f.security(d, "security", d.Security)
	ids, shapes := make(map[string]bool), make(map[string]string)
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		shape := templates().ReplaceAllString(path, "{}")
		if other, taken := shapes[shape]; taken {
			f.add("paths %q and %q are the same", other, path)
		}
		shapes[shape] = path
		item := d.Paths[path]
		for _, m := range item.methods() {
			f.operation(d, m.name+" "+path, path, m.operation, ids)
		}
	}
	return errors.Join(f.errs...)
}

// templates finds the parameters of a path.
func templates() *regexp.Regexp { return regexp.MustCompile(`\{([^{}/]*)\}`) }

// A method is one operation of a path item, with its method.
type method struct {
	name      string
	operation *Operation
}

// slots returns where p keeps the operation of each method.
func (p *PathItem) slots() map[string]**Operation {
	return map[string]**Operation{
		http.MethodGet: &p.Get, http.MethodPut: &p.Put, http.MethodPost: &p.Post, http.MethodDelete: &p.Delete,
		http.MethodOptions: &p.Options, http.MethodHead: &p.Head, http.MethodPatch: &p.Patch, http.MethodTrace: &p.Trace,
	}
}

// methods returns the operations of p that exist, by method.
func (p *PathItem) methods() []method {
	var all []method
	slots := p.slots()
	for _, name := range slices.Sorted(maps.Keys(slots)) {
		if o := *slots[name]; o != nil {
			all = append(all, method{name, o})
		}
	}
	return all
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

// operation checks o; ids are the operation ids that are taken.
func (f *faults) operation(d *Document, at, path string, o *Operation, ids map[string]bool) {
	if !strings.HasPrefix(path, "/") {
		f.add("%q: want a path that begins with a slash", at)
	}
	if o.OperationID != "" && ids[o.OperationID] {
		f.add("%q: operationId %q is taken", at, o.OperationID)
	}
	ids[o.OperationID] = true
	f.parameters(at, path, o.Parameters)
	f.responses(at, o.Responses)
	f.security(d, at, o.Security)
}

// parameters checks list against itself and the path.
func (f *faults) parameters(at, path string, list []Parameter) {
	seen := make(map[[2]string]bool)
	for _, p := range list {
		key := [2]string{p.In, p.Name}
		switch {
		case p.Name == "" || p.Schema == nil || !slices.Contains([]string{InQuery, InHeader, InCookie, "path"}, p.In):
			f.add("%q: parameter %q in %q lacks its name, place or schema", at, p.Name, p.In)
		case seen[key]:
			f.add("%q: parameter %q in %q is there twice", at, p.Name, p.In)
		case p.In == "path" && (!p.Required || !strings.Contains(path, "{"+p.Name+"}")):
			f.add("%q: parameter %q must be required, and be in the path", at, p.Name)
		}
		seen[key] = true
	}
	for _, m := range templates().FindAllStringSubmatch(path, -1) {
		if !seen[[2]string{"path", m[1]}] {
			f.add("%q: {%s} has no parameter", at, m[1])
		}
	}
}

// responses checks that each answer has a status, a text, and headers with a schema.
func (f *faults) responses(at string, all Responses) {
	status := regexp.MustCompile(`^([1-5]([0-9][0-9]|XX)|default)$`)
	for _, code := range slices.Sorted(maps.Keys(all)) {
		if !status.MatchString(code) || all[code].Description == "" {
			f.add("%q: response %q: want a status and a description", at, code)
		}
		for _, name := range slices.Sorted(maps.Keys(all[code].Headers)) {
			if !token(name) || all[code].Headers[name].Schema == nil {
				f.add("%q: response %q: header %q: want a field name and a schema", at, code, name)
			}
		}
	}
}

// security checks that each scheme that s names is declared.
func (f *faults) security(d *Document, at string, s Security) {
	for _, requirement := range s {
		if requirement == nil {
			f.add("%q: a requirement is nil; {} is the optional one", at)
		}
		for _, name := range slices.Sorted(maps.Keys(requirement)) {
			if _, ok := d.Components.SecuritySchemes[name]; !ok {
				f.add("%q: security scheme %q is not declared", at, name)
			}
		}
	}
}
