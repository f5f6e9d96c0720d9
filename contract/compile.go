package contract

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// What a document may take, and what is said of it.
const (
	maxSchemas  = 100_000
	maxHops     = 32 // references to references
	maxErrors   = 20
	maxWarnings = 200
)

// A compiler turns the tree of a document into what judges requests.
type compiler struct {
	root     map[string]any
	old      bool // OpenAPI 3.0
	schemas  map[string]*schema
	patterns map[string]*regexp.Regexp
	programs int
	errs     []error
	warnings []string
	warned   map[string]bool
}

func (c *compiler) fail(place, problem string) {
	if len(c.errs) < maxErrors {
		c.errs = append(c.errs, &Error{shortPlace(place), problem})
	}
}

func (c *compiler) warn(place, problem string) {
	text := shortPlace(place) + ": " + problem
	if len(c.warnings) < maxWarnings && !c.warned[text] {
		c.warned[text] = true
		c.warnings = append(c.warnings, text)
	}
}

// lookup finds what a reference within the document names.
func (c *compiler) lookup(ref string) (value any, ok bool) {
	fragment, err := url.PathUnescape(ref[1:])
	if err != nil {
		return nil, false
	}
	value = any(c.root)
	if fragment == "" {
		return value, true
	}
	rest, ok := strings.CutPrefix(fragment, "/")
	if !ok {
		return nil, false
	}
	for token := range strings.SplitSeq(rest, "/") {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		switch v := value.(type) {
		case map[string]any:
			if value, ok = v[token]; !ok {
				return nil, false
			}
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(v) || token != strconv.Itoa(i) {
				return nil, false
			}
			value = v[i]
		default:
			return nil, false
		}
	}
	return value, true
}

// refOf returns the reference of an object, checked; ok is false when it has none
// that can be followed, which is told.
func (c *compiler) refOf(place string, object map[string]any) (ref string, given, ok bool) {
	value, given := object["$ref"]
	if !given {
		return "", false, false
	}
	ref, isText := value.(string)
	switch {
	case !isText:
		c.fail(child(place, "$ref"), "is no text")
	case !strings.HasPrefix(ref, "#"):
		c.fail(child(place, "$ref"), "leads out of the document, where nobody reads: put what it names into components, and refer to it by #/components/")
	case ref != "#" && !strings.HasPrefix(ref, "#/"):
		c.fail(child(place, "$ref"), "names an anchor: refer by a pointer, such as #/components/schemas/User")
	default:
		return ref, true, true
	}
	return "", true, false
}

// object returns value, or what its references lead to.
func (c *compiler) object(place string, value any) (object map[string]any, at string, ok bool) {
	at = place
	for range maxHops {
		object, ok = value.(map[string]any)
		if !ok {
			c.fail(at, "is no object")
			return nil, at, false
		}
		ref, given, valid := c.refOf(at, object)
		if !given {
			return object, at, true
		}
		if !valid {
			return nil, at, false
		}
		if value, ok = c.lookup(ref); !ok {
			c.fail(child(at, "$ref"), "names nothing in the document")
			return nil, at, false
		}
		at = ref
	}
	c.fail(child(place, "$ref"), "leads from one reference to the next without end")
	return nil, place, false
}

// schema compiles value, which stands at place. It returns a schema in any case.
func (c *compiler) schema(place string, value any) *schema {
	if s, ok := c.schemas[place]; ok {
		return s
	}
	s := unbounded()
	if len(c.schemas) >= maxSchemas {
		c.fail(place, "is one schema too many: the limit is "+itoa(maxSchemas))
		return s
	}
	c.schemas[place] = s
	switch v := value.(type) {
	case bool:
		s.never = !v
	case map[string]any:
		c.compile(place, v, s)
	default:
		c.fail(place, "is no schema, want an object")
	}
	return s
}

// compile fills s.
func (c *compiler) compile(place string, object map[string]any, s *schema) {
	if ref, given, ok := c.refOf(place, object); given {
		if target, found := c.lookup(cmp.Or(ref, "#")); ok && found {
			s.ref, s.alias = c.schema(ref, target), c.old || len(object) == 1
		} else if ok {
			c.fail(child(place, "$ref"), "names nothing in the document")
		}
		if c.old {
			return // siblings have no effect (OpenAPI 3.0, section 4.7.23)
		}
	}
	for _, name := range sorted(object) {
		at, value := child(place, name), object[name]
		if name == "$ref" || c.number(at, name, value, object, s) || c.array(at, name, value, s) || c.members(at, name, value, s) || c.combination(at, name, value, s) {
			continue
		}
		c.other(at, name, value, s)
	}
	if s.nullable && s.types == anyType && len(object) == 1 {
		s.nullable = false // it says nothing else
	}
	if s.nullable && s.enum != nil {
		s.enum[canonical(nil)] = struct{}{}
	}
}

// number compiles what is about numbers and texts.
func (c *compiler) number(place, name string, value any, object map[string]any, s *schema) bool {
	switch name {
	case "minimum":
		s.minimum = c.numeric(place, value)
		if object["exclusiveMinimum"] == true {
			s.minimum, s.above = nil, s.minimum
		}
	case "maximum":
		s.maximum = c.numeric(place, value)
		if object["exclusiveMaximum"] == true {
			s.maximum, s.below = nil, s.maximum
		}
	case "exclusiveMinimum", "exclusiveMaximum":
		if _, flag := value.(bool); flag && c.old {
			return true
		}
		if name == "exclusiveMinimum" {
			s.above = c.numeric(place, value)
		} else {
			s.below = c.numeric(place, value)
		}
	case "multipleOf":
		if s.multiple = c.numeric(place, value); s.multiple != nil && s.multiple.rat().Sign() <= 0 {
			c.fail(place, "is not above 0")
			s.multiple = nil
		}
	case "minLength":
		s.minLength = c.count(place, value)
	case "maxLength":
		s.maxLength = c.count(place, value)
	case "pattern":
		s.pattern = c.pattern(place, value)
	case "format":
		s.format, _ = value.(string)
	default:
		return false
	}
	return true
}

// array compiles what is about arrays.
func (c *compiler) array(place, name string, value any, s *schema) bool {
	switch name {
	case "items":
		if _, tuple := value.([]any); tuple {
			c.fail(place, "is a list: write prefixItems")
			return true
		}
		s.items = c.schema(place, value)
	case "prefixItems":
		s.prefix = c.list(place, value)
	case "contains":
		s.contains = c.schema(place, value)
	case "minItems":
		s.minItems = c.count(place, value)
	case "maxItems":
		s.maxItems = c.count(place, value)
	case "minContains":
		s.minContains = c.count(place, value)
	case "maxContains":
		s.maxContains = c.count(place, value)
	case "uniqueItems":
		s.unique = c.flag(place, value)
	case "unevaluatedItems":
		s.unevaluatedItems = c.schema(place, value)
	default:
		return false
	}
	return true
}

// members compiles what is about objects.
func (c *compiler) members(place, name string, value any, s *schema) bool {
	switch name {
	case "properties":
		s.properties = c.named(place, value)
	case "patternProperties":
		for text, one := range c.eachMember(place, value) {
			if p := c.pattern(child(place, text), text); p != nil {
				s.patterns = append(s.patterns, patternProperty{p, c.schema(child(place, text), one)})
			}
		}
	case "additionalProperties":
		s.additional = c.schema(place, value)
	case "unevaluatedProperties":
		s.unevaluatedProperties = c.schema(place, value)
	case "propertyNames":
		s.names = c.schema(place, value)
	case "required":
		s.required = c.words(place, value)
	case "minProperties":
		s.minProperties = c.count(place, value)
	case "maxProperties":
		s.maxProperties = c.count(place, value)
	case "dependentRequired":
		s.dependentRequired = map[string][]string{}
		for member, list := range c.eachMember(place, value) {
			s.dependentRequired[member] = c.words(child(place, member), list)
		}
	case "dependentSchemas":
		s.dependent = c.named(place, value)
	default:
		return false
	}
	return true
}

// combination compiles what joins schemas.
func (c *compiler) combination(place, name string, value any, s *schema) bool {
	switch name {
	case "allOf":
		s.all = c.list(place, value)
	case "anyOf":
		s.any = c.list(place, value)
	case "oneOf":
		s.one = c.list(place, value)
	case "not":
		s.not = c.schema(place, value)
	case "if":
		s.condition = c.schema(place, value)
	case "then":
		s.then = c.schema(place, value)
	case "else":
		s.other = c.schema(place, value)
	default:
		return false
	}
	return true
}

// other compiles the rest.
func (c *compiler) other(place, name string, value any, s *schema) {
	switch name {
	case "type":
		s.types = c.types(place, value)
	case "nullable":
		s.nullable = c.old && c.flag(place, value)
	case "enum":
		list, ok := value.([]any)
		if !ok {
			c.fail(place, "is no list")
			return
		}
		s.allow(list)
	case "const":
		s.allow([]any{value})
	case "$schema":
		if text, _ := value.(string); text != "https://json-schema.org/draft/2020-12/schema" && text != "https://spec.openapis.org/oas/3.1/dialect/base" {
			c.fail(place, "is another dialect: want that of JSON Schema 2020-12")
		}
	case "$id", "$dynamicRef", "$recursiveRef", "dependencies", "additionalItems":
		c.fail(place, "is not understood: what it means would not be enforced")
	case "title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly", "xml", "externalDocs", "discriminator",
		"$comment", "$defs", "definitions", "contentEncoding", "contentMediaType", "contentSchema", "$anchor", "$dynamicAnchor", "$vocabulary":
	default:
		if !strings.HasPrefix(name, "x-") {
			c.warn(place, "is no word of JSON Schema: it has no effect")
		}
	}
}

// allow lets s have the values of list, and what enum and const beside it have in
// common.
func (s *schema) allow(list []any) {
	set := make(map[string]struct{}, len(list))
	var kinds types
	var listed []any
	for _, value := range list {
		text := canonical(value)
		if _, before := s.enum[text]; s.enum != nil && !before {
			continue
		}
		set[text] = struct{}{}
		listed = append(listed, value)
		kinds |= typeOfValue(value)
	}
	s.enum, s.listed = set, listed
	if s.types == anyType {
		s.types = kinds
	}
}

func (c *compiler) types(place string, value any) types {
	list, many := value.([]any)
	if !many {
		list = []any{value}
	}
	if many && c.old {
		c.fail(place, "is a list, which OpenAPI 3.0 does not know: write one type, and nullable")
	}
	var all types
	for _, one := range list {
		name, _ := one.(string)
		t := typeOf(name)
		if t == 0 || t == nullType && c.old {
			c.fail(place, "is no type: want object, array, string, number, integer or boolean")
		}
		all |= t
	}
	return all
}

func (c *compiler) numeric(place string, value any) *number {
	n, ok := value.(*number)
	if !ok {
		c.fail(place, "is no number")
		return nil
	}
	return n
}

// count reads a whole number that bounds something; -1 for none.
func (c *compiler) count(place string, value any) int {
	n, ok := value.(*number)
	if !ok || !n.whole || n.rat().Sign() < 0 {
		c.fail(place, "is no whole number of 0 or more")
		return -1
	}
	if n.exact != nil || n.small > 1<<40 {
		return 1 << 40
	}
	return int(n.small)
}

func (c *compiler) flag(place string, value any) bool {
	b, ok := value.(bool)
	if !ok {
		c.fail(place, "is neither true nor false")
	}
	return b
}

func (c *compiler) words(place string, value any) (words []string) {
	list, ok := value.([]any)
	if !ok {
		c.fail(place, "is no list")
	}
	for i, one := range list {
		word, ok := one.(string)
		if !ok {
			c.fail(child(place, itoa(i)), "is no text")
		}
		words = append(words, word)
	}
	return words
}

func (c *compiler) list(place string, value any) (all []*schema) {
	list, ok := value.([]any)
	if !ok || len(list) == 0 {
		c.fail(place, "is no list of schemas")
	}
	for i, one := range list {
		all = append(all, c.schema(child(place, itoa(i)), one))
	}
	return all
}

func (c *compiler) named(place string, value any) map[string]*schema {
	all := map[string]*schema{}
	for name, one := range c.eachMember(place, value) {
		all[name] = c.schema(child(place, name), one)
	}
	return all
}

// eachMember yields the members of value, sorted; it must be an object.
func (c *compiler) eachMember(place string, value any) func(yield func(string, any) bool) {
	object, ok := value.(map[string]any)
	if !ok {
		c.fail(place, "is no object")
	}
	return func(yield func(string, any) bool) {
		for _, name := range sorted(object) {
			if !yield(name, object[name]) {
				return
			}
		}
	}
}

// finish reports schemas that never end.
func (c *compiler) finish() {
	for _, place := range sorted(c.schemas) {
		if c.schemas[place].complete() {
			c.fail(place, "refers to itself without going into a member or an item: nothing could ever match it")
			return
		}
	}
}

// external reports every reference that leads out of the document, wherever it
// stands but in examples.
func (c *compiler) external(place string, value any) {
	switch v := value.(type) {
	case []any:
		for i, item := range v {
			c.external(child(place, itoa(i)), item)
		}
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok && !strings.HasPrefix(ref, "#") {
			c.refOf(place, v)
		}
		for _, name := range sorted(v) {
			if !slices.Contains([]string{"example", "examples", "default", "enum", "const"}, name) && !strings.HasPrefix(name, "x-") {
				c.external(child(place, name), v[name])
			}
		}
	}
}

func itoa(n int) string { return strconv.Itoa(n) }
