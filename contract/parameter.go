package contract

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/warder-dev/warder/credential"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// Where values are.
const (
	inPath   = "path"
	inQuery  = "query"
	inHeader = "header"
	inCookie = "cookie"
	inBody   = "body"
)

// Styles of parameters (OpenAPI 3.1, section 4.8.12.2).
const (
	simple         = "simple"
	form           = "form"
	spaceDelimited = "spaceDelimited"
	pipeDelimited  = "pipeDelimited"
	deepObject     = "deepObject"
)

// maxPairs bounds the pairs of a query and of a form.
const maxPairs = 1000

// primitives are the types that one text can stand for.
const primitives = booleanType | stringType | integerType | numberType

// A parameter is a compiled Parameter Object, or a member of a form, which is
// written like one.
type parameter struct {
	name, in, style string
	explode         bool
	required        bool
	empty           bool // it may be there without a value
	json            bool // its text is JSON
	schema          *schema
	place           string
	spot            spot // in a path

	kinds    types    // of the schema
	items    types    // of its items
	members  []string // what an object has; nil for what is none
	explicit bool     // of an object: it says that it takes others
}

// A parameterAt is a Parameter Object that is not compiled yet.
type parameterAt struct {
	place    string
	object   map[string]any
	in, name string
}

// parameterList returns the parameters of a path item or an operation.
func (r *reader) parameterList(place string, object map[string]any) (all []parameterAt) {
	value, given := object["parameters"]
	if !given {
		return nil
	}
	place = child(place, "parameters")
	list, ok := value.([]any)
	if !ok {
		r.fail(place, "is no list")
	}
	for i, value := range list {
		object, at, ok := r.object(child(place, itoa(i)), value)
		if !ok {
			continue
		}
		one := parameterAt{at, object, textOf(object, "in"), textOf(object, "name")}
		if one.name == "" || !slices.Contains([]string{inPath, inQuery, inHeader, inCookie}, one.in) {
			r.fail(at, "has no name, or is in none of path, query, header and cookie")
			continue
		}
		if one.in == inHeader {
			one.name = http.CanonicalHeaderKey(one.name)
		}
		if slices.ContainsFunc(all, func(other parameterAt) bool { return other.in == one.in && other.name == one.name }) {
			r.fail(at, "is in the list twice")
			continue
		}
		all = append(all, one)
	}
	return all
}

// parameter compiles one; nil for what has no effect.
func (r *reader) parameter(o *Operation, at parameterAt) *parameter {
	p := &parameter{name: at.name, in: at.in, place: at.place}
	if at.in == inHeader && slices.Contains([]string{"Accept", "Content-Type", "Authorization"}, at.name) || r.isCredential(at) {
		return nil // OpenAPI 3.1, section 4.8.12.2.1; what authn judges is not judged again
	}
	required, given := at.object["required"]
	p.required = given && r.flag(child(at.place, "required"), required)
	if empty, given := at.object["allowEmptyValue"]; given {
		p.empty = at.in == inQuery && r.flag(child(at.place, "allowEmptyValue"), empty)
	}
	if at.in == inPath {
		var known bool
		if p.spot, known = o.spots[at.name]; !known {
			r.warn(at.place, "is no part of the path: it has no effect")
			return nil
		}
		p.required = true
	}
	r.styleOf(p, at)
	content, hasContent := at.object["content"].(map[string]any)
	value, hasSchema := at.object["schema"]
	switch {
	case hasSchema && hasContent:
		r.fail(at.place, "has both schema and content")
	case hasSchema:
		p.schema = r.schema(child(at.place, "schema"), value)
	case hasContent && len(content) == 1:
		for media, value := range content {
			p.json = isJSON(strings.ToLower(media))
			object, inner, ok := r.object(child(child(at.place, "content"), media), value)
			if value, given := object["schema"]; ok && given && p.json {
				p.schema = r.schema(child(inner, "schema"), value)
			} else if ok && !p.json {
				r.warn(at.place, "is of a type that nobody looks into: any text passes")
			}
		}
	case hasContent:
		r.fail(child(at.place, "content"), "want one media type")
	default:
		r.warn(at.place, "has no schema: any text passes")
	}
	return p
}

// isCredential reports whether a parameter is the credential of a scheme.
func (r *reader) isCredential(at parameterAt) bool {
	for _, s := range r.document.Schemes {
		name := s.Name
		if s.In == inHeader {
			name = http.CanonicalHeaderKey(name)
		}
		if s.Type == "apiKey" && s.In == at.in && name == at.name {
			return true
		}
	}
	return false
}

// styleOf sets the style, which must be one that in has.
func (r *reader) styleOf(p *parameter, at parameterAt) {
	styles := []string{form}
	switch p.in {
	case inPath, inHeader:
		styles = []string{simple}
	case inQuery:
		styles = []string{form, spaceDelimited, pipeDelimited, deepObject}
	}
	p.style = styles[0]
	if value, given := at.object["style"]; given {
		style, _ := value.(string)
		if !slices.Contains(styles, style) {
			r.fail(child(at.place, "style"), "is not understood here: want "+strings.Join(styles, ", "))
			return
		}
		p.style = style
	}
	p.explode = p.style == form
	if value, given := at.object["explode"]; given {
		p.explode = r.flag(child(at.place, "explode"), value)
	}
}

// settleParameter finds out what the text of p stands for.
func (r *reader) settleParameter(p *parameter) {
	p.kinds, p.items = anyType&^(arrayType|objectType|nullType), anyType
	if p.schema == nil || p.json {
		return
	}
	p.kinds = p.schema.kinds
	if p.kinds&arrayType != 0 {
		if p.items = p.schema.itemKinds(); p.items&primitives == 0 {
			r.fail(p.place, "is a list of lists or objects, which no style can write: use content")
		}
	}
	if p.kinds&(primitives|arrayType) == 0 && p.kinds&objectType != 0 {
		p.members = p.schema.memberNames()
		if p.members == nil {
			p.members = []string{}
		}
		p.schema.asserted(func(s *schema) {
			p.explicit = p.explicit || s.additional != nil && !s.additional.never || s.unevaluatedProperties != nil && !s.unevaluatedProperties.never
		})
		if p.style == spaceDelimited || p.style == pipeDelimited {
			r.fail(p.place, "is an object, which its style cannot write here: use form or deepObject")
		}
	}
	if p.style == deepObject && p.members == nil {
		r.fail(p.place, "is no object, which deepObject is for")
	}
}

// pairs are the names and values of a query or a form, as they were sent: values
// are still encoded.
type pairs struct {
	values map[string][]string
	names  []string // in the order in which they came first
}

// splitPairs reads a query or a form (WHATWG URL, section 5.1). ok is false for
// what has two readings: a name or value whose encoding is broken.
func splitPairs(raw string) (p pairs, ok bool) {
	p.values = map[string][]string{}
	n := 0
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		if n++; n > maxPairs {
			return p, false
		}
		name, value, _ := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(name)
		if _, broken := url.QueryUnescape(value); err != nil || broken != nil {
			return p, false
		}
		if p.values[plain] == nil {
			p.names = append(p.names, plain)
		}
		p.values[plain] = append(p.values[plain], value)
	}
	return p, true
}

func unescapeQuery(text string) string {
	plain, err := url.QueryUnescape(text)
	if err != nil {
		return text // not after splitPairs
	}
	return plain
}

func unescapePath(text string) string {
	plain, err := url.PathUnescape(text)
	if err != nil {
		return text // the target is canonical
	}
	return plain
}

// same returns text as it is.
func same(text string) string { return text }

// A value is what was sent for a parameter.
type value struct {
	given  bool
	texts  []string            // encoded; more than one for what was repeated
	object map[string][]string // of an object whose members have names of their own
	decode func(string) string
	twice  bool // two readings: a cookie that is there twice
}

// parameters judges all of them.
func (e *evaluation) parameters(o *Operation, x *exchange.Exchange, openQuery bool) {
	query, readable := splitPairs(x.RawQuery)
	if !readable {
		e.faults = append(e.faults, problem.Fault{In: inQuery, Detail: "is not percent-encoded as a query is, or has too many pairs"})
	}
	var segments []string
	for _, p := range o.parameters {
		if p.in == inPath && segments == nil {
			segments = strings.Split(strings.TrimPrefix(x.Path, "/"), "/")
		}
		if p.in == inQuery && !readable {
			continue
		}
		e.fault = problem.Fault{In: p.in, Name: shorten(p.name)}
		if p.in == inPath {
			e.inPath(p, segments)
			continue
		}
		e.parameter(p, p.sent(x.Request, query))
	}
	if openQuery || o.openQuery || !readable {
		return
	}
	for _, name := range query.names {
		if !o.takes(name) {
			e.faults = append(e.faults, problem.Fault{In: inQuery, Detail: "has a parameter that is not declared"})
			return
		}
	}
}

// takes reports whether a parameter of the query has this name.
func (o *Operation) takes(name string) bool {
	if o.query[name] != nil && o.query[name].style != deepObject {
		return true
	}
	outer, _, nested := strings.Cut(name, "[")
	p := o.query[outer]
	return nested && p != nil && p.style == deepObject
}

// sent finds what was sent for p.
func (p *parameter) sent(r *http.Request, query pairs) (v value) {
	switch p.in {
	case inHeader:
		fields := r.Header[p.name]
		return value{given: len(fields) > 0, texts: fields, decode: strings.TrimSpace}
	case inCookie:
		text, state := credential.Cookie(r.Header, p.name)
		return value{given: state != credential.Absent, twice: state > credential.Once, texts: []string{text}, decode: same}
	default:
		return p.inPairs(query)
	}
}

// inPairs finds p in a query or a form.
func (p *parameter) inPairs(query pairs) (v value) {
	v.decode = unescapeQuery
	switch {
	case p.members != nil && p.style == deepObject:
		v.object = map[string][]string{}
		for _, name := range query.names {
			inner, nested := strings.CutPrefix(name, p.name+"[")
			if inner, closed := strings.CutSuffix(inner, "]"); nested {
				v.given = true
				v.twice = v.twice || !closed || strings.ContainsAny(inner, "[]")
				v.object[inner] = query.values[name]
			}
		}
	case p.members != nil && p.explode:
		v.object = map[string][]string{}
		for _, name := range p.members {
			if values, given := query.values[name]; given {
				v.object[name], v.given = values, true
			}
		}
	default:
		v.texts = query.values[p.name]
		v.given = v.texts != nil
	}
	return v
}

// parameter judges what was sent for p.
func (e *evaluation) parameter(p *parameter, v value) {
	switch {
	case !v.given && p.required:
		e.wrong(nil, "is missing")
		return
	case !v.given:
		return
	case v.twice:
		e.wrong(nil, "has two readings: it is there twice, or its name is not written as it should be")
		return
	case p.schema == nil && !p.json:
		return
	case p.empty && len(v.texts) == 1 && v.texts[0] == "":
		return
	case p.json:
		e.jsonParameter(p, v)
		return
	}
	candidates, detail := p.candidates(v)
	if detail != "" {
		e.wrong(nil, detail)
		return
	}
	e.oneOf(p.schema, candidates)
}

// oneOf judges the readings of one text: it is right when one of them is.
func (e *evaluation) oneOf(s *schema, candidates []any) {
	before := e.quiet
	e.quiet = 1
	for _, candidate := range candidates {
		if e.judge(s, candidate, nil, nil) {
			e.quiet = before
			return
		}
	}
	e.quiet = before
	if e.tooMuch() {
		return
	}
	e.check(s, candidates[0]) // again, for its faults
}

func (e *evaluation) jsonParameter(p *parameter, v value) {
	if len(v.texts) != 1 {
		e.wrong(nil, "is there more than once")
		return
	}
	parsed, err := parseJSON(v.decode(v.texts[0]), jsonLimits{depth: bodyDepth, members: maxPairs, number: maxNumber})
	if err != nil {
		e.wrong(nil, err.Error())
		return
	}
	if p.schema != nil {
		e.check(p.schema, parsed)
	}
}

// candidates returns what the texts can stand for, the likeliest first.
func (p *parameter) candidates(v value) (all []any, detail string) {
	if v.object != nil {
		return p.object(v)
	}
	if p.members != nil { // an object in one text
		return p.flat(v)
	}
	if p.kinds&primitives != 0 && len(v.texts) == 1 {
		text := v.decode(v.texts[0])
		all = append(all, typed(p.kinds, text))
		if _, isText := all[0].(string); !isText && p.kinds&stringType != 0 {
			all = append(all, text)
		}
	}
	if p.kinds&arrayType != 0 {
		all = append(all, p.list(v, p.items), p.list(v, stringType))
	}
	if all == nil && len(v.texts) > 1 {
		return nil, "is there more than once"
	}
	if all == nil {
		all = []any{v.decode(v.texts[0])}
	}
	return all, ""
}

// list is the array that the texts stand for.
func (p *parameter) list(v value, kinds types) []any {
	list := []any{}
	for _, text := range v.texts {
		if p.explode && p.style == form {
			list = append(list, typed(kinds, v.decode(text)))
			continue
		}
		for item := range strings.SplitSeq(p.undelimited(text, v.decode)) {
			list = append(list, typed(kinds, v.decode(item)))
		}
	}
	return list
}

// undelimited returns what to split, and by what: where the comma is data it is
// encoded, while a blank and a bar have no other form.
func (p *parameter) undelimited(text string, decode func(string) string) (string, string) {
	switch p.style {
	case spaceDelimited:
		return url.QueryEscape(decode(text)), "+"
	case pipeDelimited:
		return url.QueryEscape(decode(text)), "%7C"
	default:
		return text, ","
	}
}

// object is the object whose members were sent one by one.
func (p *parameter) object(v value) (all []any, detail string) {
	known, texts := map[string]any{}, map[string]any{}
	for name, values := range v.object {
		kinds := p.schema.member(name)
		switch {
		case kinds&arrayType != 0 && kinds&primitives == 0, kinds&arrayType != 0 && len(values) > 1:
			list, plain := []any{}, []any{}
			for _, text := range values {
				list, plain = append(list, typed(p.memberItems(name), v.decode(text))), append(plain, v.decode(text))
			}
			known[name], texts[name] = list, plain
		case len(values) > 1:
			return nil, "has a member that is there more than once"
		default:
			text := v.decode(values[0])
			known[name], texts[name] = typed(kinds, text), text
		}
	}
	return []any{known, texts}, ""
}

// memberItems are the types of the items of a member that is a list.
func (p *parameter) memberItems(name string) (kinds types) {
	p.schema.asserted(func(s *schema) {
		if own := s.properties[name]; own != nil {
			kinds |= own.itemKinds()
		}
	})
	if kinds == 0 {
		return anyType
	}
	return kinds
}

// flat is the object whose names and values are in one text.
func (p *parameter) flat(v value) (all []any, detail string) {
	if len(v.texts) != 1 {
		return nil, "is there more than once"
	}
	known, texts := map[string]any{}, map[string]any{}
	parts := strings.Split(v.texts[0], ",")
	add := func(name, text string) bool {
		name, text = v.decode(name), v.decode(text)
		kinds := p.schema.member(name)
		if _, twice := known[name]; twice {
			return false
		}
		known[name], texts[name] = typed(kinds, text), text
		return true
	}
	for i := 0; i < len(parts); i++ {
		if p.explode {
			name, text, ok := strings.Cut(parts[i], "=")
			if !ok || !add(name, text) {
				return nil, "is no list of name=value, each name once"
			}
			continue
		}
		if i+1 == len(parts) || !add(parts[i], parts[i+1]) {
			return nil, "is no list of names and values, each name once"
		}
		i++
	}
	return []any{known, texts}, ""
}

// typed is what text stands for where kinds are wanted. What it cannot be stays
// text, and is refused for that.
func typed(kinds types, text string) any {
	if kinds&(numberType|integerType) != 0 && len(text) <= maxNumber && text != "" && numberLength(text) == len(text) {
		n, err := parseNumber(text)
		if err == nil && (n.plain || kinds&numberType != 0) {
			return n
		}
	}
	if kinds&booleanType != 0 && (text == "true" || text == "false") {
		return text == "true"
	}
	return text
}
