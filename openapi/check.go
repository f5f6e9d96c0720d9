package openapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// The places of references.
const (
	toResponses = "#/components/responses/"
	toSchemas   = "#/components/schemas/"
)

// Check reports everything that the specification forbids in d, at once and in
// an order that does not change. It does not follow schemas into what they mean.
func (d *Document) Check() error {
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
	f.head(d)
	f.components(d)
	f.security(d, "security", d.Security)
	ids, shapes := make(map[string]bool), make(map[string]string)
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		if other, taken := shapes[Shape(path)]; taken {
			f.add("paths %q and %q are the same", other, path)
		}
		shapes[Shape(path)] = path
		item := d.Paths[path]
		for method, o := range item.All() {
			f.operation(d, method+" "+path, path, o, ids)
		}
	}
	return errors.Join(f.errs...)
}

// Shape returns path without the names of its parameters: two paths with the
// same shape are the same path.
func Shape(path string) string { return templates().ReplaceAllString(path, "{}") }

// templates finds the parameters of a path.
func templates() *regexp.Regexp { return regexp.MustCompile(`\{([^{}/]*)\}`) }

// head checks what stands around the paths.
func (f *faults) head(d *Document) {
	for _, s := range d.Servers {
		if u, err := url.Parse(s.URL); s.URL == "" || err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			f.add("a server: want a URL without user, query and fragment")
		}
	}
	seen := make(map[string]bool)
	for _, tag := range d.Tags {
		if tag.Name == "" || seen[tag.Name] {
			f.add("tag %q: want a name, once", tag.Name)
		}
		seen[tag.Name] = true
	}
}

// components checks what has a name.
func (f *faults) components(d *Document) {
	c := &d.Components
	for _, name := range slices.Sorted(maps.Keys(c.SecuritySchemes)) {
		if err := checkScheme(name, c.SecuritySchemes[name]); err != nil {
			f.errs = append(f.errs, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Responses)) {
		at := "components.responses." + name
		if !ValidName(name) {
			f.add("%q: want a name of letters, digits and ._-", at)
		}
		f.response(d, at, c.Responses[name])
	}
	for _, name := range slices.Sorted(maps.Keys(c.Schemas)) {
		at := "components.schemas." + name
		if !ValidName(name) {
			f.add("%q: want a name of letters, digits and ._-", at)
		}
		s := c.Schemas[name]
		f.schema(d, at, &s)
	}
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
	f.parameters(d, at, path, o.Parameters)
	if b := o.RequestBody; b != nil {
		if len(b.Content) == 0 {
			f.add("%q: the request body lacks its content", at)
		}
		f.content(d, at+": request body", b.Content)
	}
	f.responses(d, at, o.Responses)
	f.security(d, at, o.Security)
}

// parameters checks list against itself and the path.
func (f *faults) parameters(d *Document, at, path string, list []Parameter) {
	seen := make(map[[2]string]bool)
	for _, p := range list {
		key := [2]string{p.In, p.Name}
		switch {
		case p.Name == "" || p.Schema == nil || !slices.Contains([]string{InQuery, InHeader, InCookie, InPath}, p.In):
			f.add("%q: parameter %q in %q lacks its name, place or schema", at, p.Name, p.In)
		case seen[key]:
			f.add("%q: parameter %q in %q is there twice", at, p.Name, p.In)
		case p.In == InPath && (!p.Required || !strings.Contains(path, "{"+p.Name+"}")):
			f.add("%q: parameter %q must be required, and be in the path", at, p.Name)
		}
		seen[key] = true
		f.schema(d, fmt.Sprintf("%s: parameter %s", at, p.Name), p.Schema)
	}
	for _, m := range templates().FindAllStringSubmatch(path, -1) {
		if !seen[[2]string{InPath, m[1]}] {
			f.add("%q: {%s} has no parameter", at, m[1])
		}
	}
}

// responses checks that each answer has a status, and what it is.
func (f *faults) responses(d *Document, at string, all Responses) {
	status := regexp.MustCompile(`^([1-5]([0-9][0-9]|XX)|default)$`)
	for _, code := range slices.Sorted(maps.Keys(all)) {
		if !status.MatchString(code) {
			f.add("%q: response %q: want a status", at, code)
		}
		f.response(d, at+": response "+code, all[code])
	}
}

// response checks that r has a text, and headers with a schema; or refers to one
// that is there.
func (f *faults) response(d *Document, at string, r Response) {
	if r.Ref != "" {
		name, ok := strings.CutPrefix(r.Ref, toResponses)
		target, known := d.Components.Responses[name]
		if !ok || !known || target.Ref != "" || r.Description != "" || r.Headers != nil || r.Content != nil {
			f.add("%q: want a reference to a response that is in the components, and nothing beside it", at)
		}
		return
	}
	if r.Description == "" {
		f.add("%q: want a description", at)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		if !token(name) || r.Headers[name].Schema == nil {
			f.add("%q: header %q: want a field name and a schema", at, name)
		}
		f.schema(d, at+": header "+name, r.Headers[name].Schema)
	}
	f.content(d, at, r.Content)
}

// content checks each media type's name, schema and example.
func (f *faults) content(d *Document, at string, all map[string]MediaType) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		kind, sub, ok := strings.Cut(name, "/")
		if sub, _, _ = strings.Cut(sub, ";"); !ok || !token(kind) || !token(sub) {
			f.add("%q: %q is no media type", at, name)
		}
		if example := all[name].Example; example != nil && !json.Valid(example) {
			f.add("%q: the example of %q is no JSON", at, name)
		}
		f.schema(d, at+": "+name, all[name].Schema)
	}
}

// schema checks that each reference of s goes to a schema that is there, and
// that nothing stands beside it.
func (f *faults) schema(d *Document, at string, s *Schema) {
	if s == nil {
		return
	}
	if s.Ref != "" {
		name, ok := strings.CutPrefix(s.Ref, toSchemas)
		if _, known := d.Components.Schemas[name]; !ok || !known || s.beside() {
			f.add("%q: want a reference to a schema that is in the components, and nothing beside it", at)
		}
		return
	}
	f.schema(d, at+"[]", s.Items)
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		property := s.Properties[name]
		f.schema(d, at+"."+name, &property)
	}
}

// beside reports whether s says anything else than its reference.
func (s *Schema) beside() bool {
	return s.Type != "" || s.Format != "" || s.Description != "" || s.Enum != nil || s.Items != nil || s.Properties != nil || s.Required != nil
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
