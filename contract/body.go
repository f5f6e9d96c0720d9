package contract

import (
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/warder-dev/warder/problem"
)

// What a body may hold beside its bytes.
const (
	bodyDepth   = 32
	bodyMembers = 10_000
	maxParts    = 100
)

// A body is a compiled Request Body Object.
type body struct {
	required bool
	media    []*media // the most specific first
}

// kind is how a media type is judged.
type kind uint8

const (
	opaque  kind = iota // nobody looks into it
	asJSON              // JSON and what ends in +json
	asForm              // application/x-www-form-urlencoded
	asParts             // multipart/form-data
	asOther             // multipart of another sort: parts are counted
)

// media is one Media Type Object.
type media struct {
	major, minor string // "*" for any
	kind         kind
	schema       *schema // nil for none
	place        string
	members      map[string]*parameter // of forms: those that the schema names
}

func isJSON(mediaType string) bool {
	return mediaType == "application/json" || strings.HasPrefix(mediaType, "application/") && strings.HasSuffix(mediaType, "+json")
}

// requestBody compiles one; nil for what cannot be.
func (r *reader) requestBody(o *Operation, place string, value any) *body {
	object, at, ok := r.object(place, value)
	if !ok {
		return nil
	}
	if o.Method == http.MethodGet || o.Method == http.MethodHead {
		r.warn(place, "has no meaning for "+o.Method+": such requests are refused with a body")
		return nil
	}
	b := &body{}
	if required, given := object["required"]; given {
		b.required = r.flag(child(at, "required"), required)
	}
	content := child(at, "content")
	for name, value := range r.eachMember(content, object["content"]) {
		plain, _, err := mime.ParseMediaType(name)
		major, minor, both := strings.Cut(plain, "/")
		if err != nil || !both || major == "" || minor == "" {
			r.fail(child(content, name), "is no media type")
			continue
		}
		inner, where, ok := r.object(child(content, name), value)
		if !ok {
			continue
		}
		m := &media{major: major, minor: minor, place: where, kind: kindOf(plain)}
		if schema, given := inner["schema"]; given {
			m.schema = r.schema(child(where, "schema"), schema)
		}
		if m.kind == opaque && minor != "*" {
			if m.schema != nil && isText(plain) {
				r.warn(where, "is of a type that nobody looks into: only the type is judged")
			}
			m.schema = nil
		}
		m.members = r.encodings(m, inner)
		b.media = append(b.media, m)
	}
	slices.SortStableFunc(b.media, func(a, b *media) int { return a.stars() - b.stars() })
	return b
}

// isText reports whether a schema says something of the media type's content.
func isText(mediaType string) bool {
	return strings.HasPrefix(mediaType, "text/") || strings.HasSuffix(mediaType, "xml")
}

func kindOf(mediaType string) kind {
	switch {
	case isJSON(mediaType):
		return asJSON
	case mediaType == "application/x-www-form-urlencoded":
		return asForm
	case mediaType == "multipart/form-data":
		return asParts
	case strings.HasPrefix(mediaType, "multipart/"):
		return asOther
	default:
		return opaque
	}
}

func (m *media) stars() (n int) {
	if m.minor == "*" {
		n++
	}
	if m.major == "*" {
		n++
	}
	return n
}

// encodings reads how the members of a form are written; the rest is settled when
// every schema is compiled.
func (r *reader) encodings(m *media, object map[string]any) map[string]*parameter {
	if m.kind != asForm && m.kind != asParts {
		return nil
	}
	members := map[string]*parameter{}
	value, given := object["encoding"]
	if !given {
		return members
	}
	place := child(m.place, "encoding")
	for name, value := range r.eachMember(place, value) {
		encoding, at, ok := r.object(child(place, name), value)
		if !ok {
			continue
		}
		p := &parameter{name: name, in: inQuery, place: at}
		if r.styleOf(p, parameterAt{place: at, object: encoding}); p.style == deepObject {
			r.fail(child(at, "style"), "is not understood in forms")
		}
		p.json = isJSON(strings.ToLower(textOf(encoding, "contentType")))
		members[name] = p
	}
	return members
}

// settleBody gives each member of a form its schema.
func (r *reader) settleBody(b *body) {
	for _, m := range b.media {
		if m.schema == nil || m.members == nil {
			continue
		}
		m.schema.asserted(func(s *schema) {
			for name, own := range s.properties {
				p := m.members[name]
				if p == nil {
					p = &parameter{name: name, in: inQuery, style: form, explode: true, place: m.place}
					m.members[name] = p
				}
				p.schema = own
			}
		})
		for _, name := range sorted(m.members) {
			p := m.members[name]
			if p.schema != nil && p.schema.kinds&(primitives|arrayType) == 0 && p.style == form {
				p.json = true // an object in a form is written as JSON (OpenAPI 3.1, section 4.8.14.4)
			}
			if p.schema != nil && p.schema.kinds&arrayType != 0 && p.schema.itemKinds()&primitives == 0 {
				p.json = true
			}
			r.settleParameter(p)
		}
	}
}

// choose finds the media type of a request.
func (b *body) choose(mediaType string) *media {
	major, minor, _ := strings.Cut(mediaType, "/")
	for _, m := range b.media {
		if (m.major == major || m.major == "*") && (m.minor == minor || m.minor == "*") {
			if m.stars() > 0 {
				return &media{major: major, minor: minor, kind: kindOf(mediaType), schema: m.schema, place: m.place, members: map[string]*parameter{}}
			}
			return m
		}
	}
	return nil
}

// content judges the bytes of a body.
func (e *evaluation) content(m *media, text []byte, parameters map[string]string) error {
	e.fault = problem.Fault{In: inBody}
	switch m.kind {
	case asJSON:
		value, err := parseJSON(string(text), jsonLimits{depth: bodyDepth, members: bodyMembers, number: maxNumber})
		if err != nil {
			return err
		}
		if m.schema != nil {
			e.check(m.schema, value)
		}
		return nil
	case asForm:
		return e.form(m, text)
	case asParts, asOther:
		return e.parts(m, text, parameters["boundary"])
	case opaque:
		return nil
	default:
		return errMedia
	}
}

var (
	errMedia    = errors.New("is of a type that nobody can judge")
	errForm     = errors.New("is no form: it is not percent-encoded, not UTF-8, or has too many pairs")
	errParts    = errors.New("is no multipart body with one reading, or has too many parts")
	errJSONText = errors.New("has a part in JSON where the document has a text")
	errCharset  = errors.New("has a part in another character set than UTF-8")
	errRepeated = errors.New("has a field that is there more than once")
)

// form judges a form (WHATWG URL, section 5.1).
func (e *evaluation) form(m *media, text []byte) error {
	fields, ok := splitPairs(string(text))
	if !ok {
		return errForm
	}
	known, texts := map[string]any{}, map[string]any{}
	for _, name := range fields.names {
		for _, value := range fields.values[name] {
			if !utf8.ValidString(name) || !utf8.ValidString(unescapeQuery(value)) {
				return errForm
			}
		}
		p := m.members[name]
		if p == nil {
			p = &parameter{name: name, style: form, explode: true, kinds: anyType &^ (arrayType | objectType)}
		}
		if err := p.add(known, texts, value{given: true, texts: fields.values[name], decode: unescapeQuery}); err != nil {
			return err
		}
	}
	if m.schema != nil {
		e.oneOf(m.schema, []any{known, texts})
	}
	return nil
}

// add puts what was sent for p into two readings of a form.
func (p *parameter) add(known, texts map[string]any, v value) error {
	if p.json {
		if len(v.texts) != 1 {
			return errRepeated
		}
		parsed, err := parseJSON(v.decode(v.texts[0]), jsonLimits{depth: bodyDepth, members: bodyMembers, number: maxNumber})
		known[p.name], texts[p.name] = parsed, parsed
		return err
	}
	all, detail := p.candidates(v)
	if detail != "" {
		return errRepeated
	}
	known[p.name], texts[p.name] = all[0], all[len(all)-1]
	return nil
}
