package contract

import (
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/openapi"
)

// maxName and maxPath bound what errors, logs and reports repeat, in bytes.
const (
	maxName = 100
	maxPath = 1024
)

// Read reads an OpenAPI document of version 3.0 or 3.1, in JSON or YAML. It
// reports what is wrong all at once, up to 20 things, each as *[Error]; they name
// places of the document and repeat little of it. Read opens nothing and asks
// nobody.
func Read(text []byte, options Options) (*Document, error) {
	if err := options.complete(); err != nil {
		return nil, err
	}
	root, err := parse(text, options)
	if err != nil {
		return nil, err
	}
	version, _ := root["openapi"].(string)
	switch {
	case strings.HasPrefix(version, "3.0."), strings.HasPrefix(version, "3.1."):
	case root["swagger"] != nil:
		return nil, &Error{"#/swagger", "is version 2: convert the document to OpenAPI 3"}
	default:
		return nil, &Error{"#/openapi", "is none of the versions that are known: want \"3.0.x\" or \"3.1.x\", as text"}
	}
	c := &compiler{
		root: root, old: strings.HasPrefix(version, "3.0."),
		schemas: map[string]*schema{}, patterns: map[string]*regexp.Regexp{}, warned: map[string]bool{},
	}
	r := &reader{compiler: c, limits: options, document: &Document{Version: version, Schemes: map[string]Scheme{}}, seen: map[string]string{}}
	r.read()
	if err := errors.Join(c.errs...); err != nil {
		return nil, err
	}
	r.document.Warnings = c.warnings
	return r.document, nil
}

// A reader makes a Document.
type reader struct {
	*compiler

	limits   Options
	document *Document
	security statement         // the document's own
	extended extensions        // the document's own
	items    []pending         // operations whose parameters are not compiled yet
	seen     map[string]string // method and pattern: where it was declared
}

// A statement is what is said of security; given is false for nothing.
type statement struct {
	alternatives []Alternative
	given        bool
}

// extensions are the x-warder-* of one place.
type extensions struct {
	limits, scopes, roles []string
	mode                  string
	openQuery             *bool
}

type pending struct {
	operation *Operation
	object    map[string]any
	shared    []parameterAt // of the path item
}

func (r *reader) read() {
	r.external("#", r.root)
	if info, ok := r.root["info"].(map[string]any); ok {
		title, _ := info["title"].(string)
		r.document.Title = shorten(title)
	}
	r.schemes()
	r.document.Base = r.base("#", r.root, "")
	r.security = r.securityOf("#", r.root)
	r.extended = r.extensionsOf("#", r.root, extensions{})
	if r.root["webhooks"] != nil {
		r.warn("#/webhooks", "is about requests to others: it has no effect")
	}
	paths, given := r.root["paths"]
	if !given {
		r.fail("#/paths", "is missing: the document declares nothing that could be protected")
		return
	}
	for template, item := range r.eachMember("#/paths", paths) {
		if !strings.HasPrefix(template, "x-") {
			r.pathItem(child("#/paths", template), template, item)
		}
	}
	if len(r.items) == 0 {
		r.fail("#/paths", "has no operations: the document declares nothing that could be protected")
	}
	if len(r.items) > r.limits.Operations {
		r.fail("#/paths", "has more than "+itoa(r.limits.Operations)+" operations")
		return
	}
	for i := range r.items {
		r.operation(&r.items[i])
	}
	r.finish()
	for i := range r.items {
		r.settle(r.items[i].operation)
		r.document.Operations = append(r.document.Operations, r.items[i].operation)
	}
}

// schemes reads components.securitySchemes.
func (r *reader) schemes() {
	components, _ := r.root["components"].(map[string]any)
	all, given := components["securitySchemes"]
	if !given {
		return
	}
	const place = "#/components/securitySchemes"
	for name, value := range r.eachMember(place, all) {
		object, at, ok := r.object(child(place, name), value)
		if !ok {
			continue
		}
		if len(name) > maxName || !openapi.ValidName(name) {
			r.fail(at, "is no name of a component: want letters, digits and ._-, at most "+itoa(maxName))
			continue
		}
		s := Scheme{Type: textOf(object, "type"), In: textOf(object, "in"), Name: textOf(object, "name"), Scheme: strings.ToLower(textOf(object, "scheme"))}
		switch {
		case s.Type == "apiKey" && (!slices.Contains([]string{"header", "query", "cookie"}, s.In) || s.Name == ""):
			r.fail(at, "is an apiKey without name, or in none of header, query and cookie")
		case s.Type == "http" && s.Scheme == "":
			r.fail(at, "is http without scheme, such as bearer")
		case !slices.Contains([]string{"apiKey", "http", "oauth2", "openIdConnect", "mutualTLS"}, s.Type):
			r.fail(child(at, "type"), "is none of apiKey, http, oauth2, openIdConnect and mutualTLS")
		}
		r.document.Schemes[name] = s
	}
}

func textOf(object map[string]any, name string) string {
	text, _ := object[name].(string)
	return text
}

// base returns the path of the first server, or inherited when there is none.
func (r *reader) base(place string, object map[string]any, inherited string) string {
	if r.limits.Base != "" {
		return strings.TrimSuffix(r.limits.Base, "/")
	}
	list, given := object["servers"].([]any)
	if !given || len(list) == 0 {
		return inherited
	}
	var base string
	for i, value := range list {
		server, at, ok := r.object(child(child(place, "servers"), itoa(i)), value)
		if !ok {
			return inherited
		}
		path, ok := r.serverPath(at, server)
		if !ok {
			return inherited
		}
		if i == 0 {
			base = path
		} else if path != base {
			r.warn(at, "has another path than the first server: only that of the first has an effect")
		}
	}
	return base
}

// serverPath is the path of a server's URL, with the defaults of its variables.
func (r *reader) serverPath(place string, server map[string]any) (path string, ok bool) {
	address := textOf(server, "url")
	variables, _ := server["variables"].(map[string]any)
	for _, name := range sorted(variables) {
		variable, _ := variables[name].(map[string]any)
		address = strings.ReplaceAll(address, "{"+name+"}", textOf(variable, "default"))
	}
	u, err := url.Parse(address)
	if err != nil || strings.ContainsAny(address, "{}") {
		r.fail(child(place, "url"), "is no URL, or has a variable without default")
		return "", false
	}
	path = strings.TrimRight(u.EscapedPath(), "/")
	if path != "" && path[0] != '/' {
		path = "/" + strings.TrimPrefix(path, "./") // relative to where the document was found: its root
	}
	if path == "/." {
		path = ""
	}
	return path, true
}

// securityOf reads security, whose absence differs from the empty list.
func (r *reader) securityOf(place string, object map[string]any) (s statement) {
	value, given := object["security"]
	if !given {
		return s
	}
	at := child(place, "security")
	list, ok := value.([]any)
	if !ok {
		r.fail(at, "is no list: [] says that anybody may call")
		return s
	}
	s = statement{alternatives: []Alternative{}, given: true}
	optional := false
	for i, value := range list {
		entry := child(at, itoa(i))
		alternative := Alternative{}
		for name, scopes := range r.eachMember(entry, value) {
			if _, known := r.document.Schemes[name]; !known {
				r.fail(child(entry, name), "names a scheme that components.securitySchemes lacks")
			}
			words := r.words(child(entry, name), scopes)
			r.checkScopes(child(entry, name), words)
			alternative[name] = words
		}
		if len(alternative) == 0 {
			optional = true
			continue
		}
		s.alternatives = append(s.alternatives, alternative)
	}
	if optional && len(s.alternatives) > 0 {
		s.alternatives = append(s.alternatives, Alternative{})
	}
	return s
}

func (r *reader) checkScopes(place string, words []string) {
	for i, word := range words {
		if !exchange.ValidScope(word) || strings.HasSuffix(word, "*") {
			r.fail(child(place, itoa(i)), "is no scope: want segments of letters, digits and ._-/ divided by \":\"")
		}
	}
}

// checkRoles wants words that can be written anywhere as they are, and one at least:
// a list that names nobody must not become one that lets everybody in.
func (r *reader) checkRoles(place string, words []string) {
	if len(words) == 0 {
		r.fail(place, "names no role: leave it out, or name one at least")
	}
	for i, word := range words {
		if word == "" || len(word) > maxName || strings.ContainsFunc(word, func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune("\"'\\`$", c) }) {
			r.fail(child(place, itoa(i)), "is no role: want printable ASCII without blanks, quotes, $ and backslashes, at most "+itoa(maxName))
		}
	}
}

// extensionsOf reads x-warder-*; what is not there is inherited. An extension of
// that name that nobody knows is an error: it was to have an effect.
func (r *reader) extensionsOf(place string, object map[string]any, inherited extensions) extensions {
	for _, name := range sorted(object) {
		rest, ours := strings.CutPrefix(name, "x-warder-")
		if !ours {
			continue
		}
		at, value := child(place, name), object[name]
		switch rest {
		case "limits":
			inherited.limits = r.words(at, value)
		case "scopes":
			inherited.scopes = r.words(at, value)
			r.checkScopes(at, inherited.scopes)
		case "roles":
			inherited.roles = r.words(at, value)
			r.checkRoles(at, inherited.roles)
		case "mode":
			inherited.mode, _ = value.(string)
			if !slices.Contains([]string{"off", "shadow", "enforce"}, inherited.mode) {
				r.fail(at, "is none of off, shadow and enforce")
			}
		case "unknown-query":
			word, _ := value.(string)
			if word != "allow" && word != "refuse" {
				r.fail(at, "is neither allow nor refuse")
			}
			allow := word == "allow"
			inherited.openQuery = &allow
		default:
			r.fail(at, "is no extension that warder knows: x-warder-limits, x-warder-scopes, x-warder-roles, x-warder-mode, x-warder-unknown-query")
		}
	}
	return inherited
}

// pathItem reads the operations of one path.
func (r *reader) pathItem(place, template string, value any) {
	object, at, ok := r.object(place, value)
	if !ok {
		return
	}
	base := r.base(at, object, r.document.Base)
	extended := r.extensionsOf(at, object, r.extended)
	shared := r.parameterList(at, object)
	for _, name := range sorted(object) {
		operation := child(at, name)
		switch name {
		case "get", "put", "post", "delete", "options", "head", "patch":
		case "trace":
			r.warn(operation, "is never forwarded: a TRACE would show credentials")
			continue
		default:
			continue
		}
		if len(r.items) > r.limits.Operations {
			return
		}
		members, _, ok := r.object(operation, object[name])
		if !ok {
			continue
		}
		o := &Operation{Method: strings.ToUpper(name), ID: shorten(textOf(members, "operationId")), place: operation}
		own := r.base(operation, members, base)
		o.Path = own + template
		if problem := o.split(); problem != "" {
			r.fail(place, problem)
			return
		}
		if other, taken := r.seen[o.Method+" "+o.Pattern]; taken {
			r.fail(operation, "is the same path as "+other+", but for the names of its parameters")
			continue
		}
		r.seen[o.Method+" "+o.Pattern] = operation
		r.authorize(o, members)
		r.extend(o, r.extensionsOf(operation, members, extended))
		r.items = append(r.items, pending{o, members, shared})
	}
}

// authorize sets what o asks for: its own security, or that of the document.
func (r *reader) authorize(o *Operation, members map[string]any) {
	s := r.securityOf(o.place, members)
	if !s.given {
		s = r.security
	}
	o.Security, o.Stated = s.alternatives, s.given
}

func (r *reader) extend(o *Operation, e extensions) {
	o.Limits, o.Scopes, o.Roles, o.Mode = e.limits, e.scopes, e.roles, e.mode
	o.openQuery = e.openQuery != nil && *e.openQuery
	if len(o.Scopes) > 0 && o.Public() {
		r.fail(o.place, "has x-warder-scopes and lets anybody call: nobody's scopes would be asked for")
	}
	if len(o.Roles) > 0 && o.Public() {
		r.fail(o.place, "has x-warder-roles and lets anybody call: who sends no credential has no roles")
	}
}

// operation compiles the parameters and the body.
func (r *reader) operation(p *pending) {
	o := p.operation
	own := r.parameterList(o.place, p.object)
	taken := map[string]bool{}
	for _, one := range slices.Concat(own, p.shared) {
		key := one.in + " " + one.name
		if taken[key] {
			continue // the operation's own
		}
		taken[key] = true
		if param := r.parameter(o, one); param != nil {
			o.parameters = append(o.parameters, param)
		}
	}
	for _, name := range sorted(o.spots) {
		if !taken["path "+name] {
			r.warn(o.place, "the path parameter "+shorten(name)+" is not declared: any text passes")
		}
	}
	if value, given := p.object["requestBody"]; given {
		o.body = r.requestBody(o, child(o.place, "requestBody"), value)
	}
}

// settle fills what needs every schema compiled.
func (r *reader) settle(o *Operation) {
	o.query = map[string]*parameter{}
	for _, p := range o.parameters {
		r.settleParameter(p)
		if p.in != inQuery {
			continue
		}
		if p.members == nil || p.style == deepObject {
			o.query[p.name] = p
			continue
		}
		for _, name := range p.members {
			o.query[name] = p
		}
		o.openQuery = o.openQuery || p.explicit
	}
	if o.body != nil {
		r.settleBody(o.body)
	}
}
