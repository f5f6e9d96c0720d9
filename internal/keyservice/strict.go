package keyservice

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/warder-dev/warder/internal/jsonwalk"
)

const (
	maxDepth  = 32 // of JSON: the deepest body that is taken has 4
	maxFaults = 20 // that one answer names
)

// errSyntax means that a body is not one JSON value of UTF-8 text.
var errSyntax = errors.New("keyservice: no JSON")

// halfMessage is what is wrong with an escape such as \ud800.
const halfMessage = "want whole characters: half of a surrogate pair is none"

// A pattern is one of a schema, with what it wants in words.
type pattern struct {
	re    *regexp.Regexp
	words string
}

// A checker compares values with the schemas of the document. What it lets pass
// encoding/json reads in one way only: names are exact and there once.
type checker struct {
	registry huma.Registry
	patterns map[string]pattern // of every schema, by their text
	walker   *jsonwalk.Walker
	faults   []Fault
}

// fault notes what is wrong with the field at path.
func (c *checker) fault(path, format string, args ...any) {
	if len(c.faults) < maxFaults {
		c.faults = append(c.faults, Fault{Field: path, Message: fmt.Sprintf(format, args...)})
	}
}

// body compares text with s. The error is errSyntax.
func (c *checker) body(text []byte, s *huma.Schema) error {
	var err error
	if c.walker, err = jsonwalk.New(text); err != nil {
		return errSyntax
	}
	return c.value("body", s, 0)
}

// value reads one value; s is nil for one that only has to be JSON.
func (c *checker) value(path string, s *huma.Schema, depth int) error {
	token := c.walker.Next()
	if depth > maxDepth {
		return errSyntax
	}
	if s != nil && s.Ref != "" {
		s = c.registry.SchemaFromRef(s.Ref)
	}
	if s != nil && kindOf(token) != s.Type && (s.Type != huma.TypeNumber || kindOf(token) != huma.TypeInteger) {
		c.fault(path, "want %s", kindName(s.Type))
		s = nil
	}
	switch token.Kind {
	case '{':
		return c.object(path, s, depth)
	case '[':
		return c.array(path, s, depth)
	case '"':
		if token.Half() {
			c.fault(path, halfMessage)
		} else if s != nil {
			c.text(path, s, token.Text())
		}
	case '0':
		c.number(path, s, json.Number(token.Raw))
	}
	return nil
}

// kindOf is the schema type of a token.
func kindOf(token jsonwalk.Token) string {
	switch token.Kind {
	case '{':
		return huma.TypeObject
	case '[':
		return huma.TypeArray
	case '"':
		return huma.TypeString
	case 't', 'f':
		return huma.TypeBoolean
	case '0':
		if bytes.ContainsAny(token.Raw, ".eE") {
			return huma.TypeNumber
		}
		return huma.TypeInteger
	default:
		return "null"
	}
}

func kindName(kind string) string {
	switch kind {
	case huma.TypeObject, huma.TypeArray, huma.TypeInteger:
		return "an " + kind
	default:
		return "a " + kind
	}
}

// object reads members until the end of an object.
func (c *checker) object(path string, s *huma.Schema, depth int) error {
	seen := make(map[string]bool)
	for c.walker.More() {
		token := c.walker.Next()
		name := token.Text()
		at := member(path, name)
		if token.Half() {
			c.fault(at, halfMessage)
		}
		if seen[name] {
			c.fault(at, "is there twice")
		}
		seen[name] = true
		if err := c.value(at, c.property(at, s, name), depth+1); err != nil {
			return err
		}
	}
	c.walker.Next()
	if s == nil {
		return nil
	}
	for _, name := range s.Required {
		if !seen[name] {
			c.fault(member(path, name), "is missing")
		}
	}
	if s.MaxProperties != nil && len(seen) > *s.MaxProperties {
		c.fault(path, "want at most %d", *s.MaxProperties)
	}
	return nil
}

// property is the schema of a member; nil, with a fault, for one that there is
// not.
func (c *checker) property(at string, s *huma.Schema, name string) *huma.Schema {
	if s == nil {
		return nil
	}
	if p, ok := s.Properties[name]; ok {
		return p
	}
	if more, ok := s.AdditionalProperties.(*huma.Schema); ok {
		return more
	}
	c.fault(at, "is no member that can be set here")
	return nil
}

// member is the path of a member. What belongs to the body itself has no prefix.
func member(path, name string) string {
	if path == "body" {
		return fieldName(name)
	}
	return path + "." + fieldName(name)
}

// array reads elements until the end of an array.
func (c *checker) array(path string, s *huma.Schema, depth int) error {
	var items *huma.Schema
	if s != nil {
		items = s.Items
	}
	n := 0
	for ; c.walker.More(); n++ {
		if err := c.value(path+"["+strconv.Itoa(n)+"]", items, depth+1); err != nil {
			return err
		}
	}
	c.walker.Next()
	switch {
	case s == nil:
	case s.MaxItems != nil && n > *s.MaxItems:
		c.fault(path, "want at most %d", *s.MaxItems)
	case s.MinItems != nil && n < *s.MinItems:
		c.fault(path, "want at least %d", *s.MinItems)
	}
	return nil
}

// text checks a string.
func (c *checker) text(path string, s *huma.Schema, v string) {
	if s == nil {
		return
	}
	n := utf8.RuneCountInString(v)
	switch {
	case s.MaxLength != nil && n > *s.MaxLength:
		c.fault(path, "want at most %d characters", *s.MaxLength)
	case s.MinLength != nil && n < *s.MinLength:
		c.fault(path, "want at least %d characters", *s.MinLength)
	case s.Enum != nil && !slices.Contains(s.Enum, any(v)):
		c.fault(path, "want one of %s", enumText(s.Enum))
	case s.Pattern != "" && !c.patterns[s.Pattern].re.MatchString(v):
		c.fault(path, "want %s", cmp.Or(c.patterns[s.Pattern].words, "what matches "+s.Pattern))
	case s.Format == "date-time" && !validTime(v):
		c.fault(path, "want a time such as 2027-01-31T12:00:00Z")
	}
}

// validTime reports whether v is a time of RFC 3339 that every store can keep.
func validTime(v string) bool {
	t, err := time.Parse(time.RFC3339, v)
	return err == nil && t.UTC().Year() >= 1970 && t.UTC().Year() <= 9999
}

func enumText(all []any) string {
	names := make([]string, len(all))
	for i, one := range all {
		names[i] = strconv.Quote(fmt.Sprint(one))
	}
	return strings.Join(names, ", ")
}

// number checks an integer; the API takes no others.
func (c *checker) number(path string, s *huma.Schema, v json.Number) {
	if s == nil {
		return
	}
	n, err := v.Int64()
	least, most := int64(math.MinInt64), int64(math.MaxInt64)
	if s.Minimum != nil {
		least = int64(*s.Minimum)
	}
	if s.Maximum != nil {
		most = int64(*s.Maximum)
	}
	if err != nil || n < least || n > most {
		c.fault(path, "want a whole number of %d to %d", least, most)
	}
}

// parameter checks a parameter that is not in the body.
func (c *checker) parameter(name string, s *huma.Schema, v string) {
	if !utf8.ValidString(v) || strings.Contains(v, "\x00") {
		c.fault(name, "want UTF-8 without NUL")
		return
	}
	switch s.Type {
	case huma.TypeInteger:
		if strings.Trim(v, "-0123456789") != "" || v == "" {
			c.fault(name, "want a whole number")
			return
		}
		c.number(name, s, json.Number(v))
	case huma.TypeBoolean:
		if v != "true" && v != "false" {
			c.fault(name, "want true or false")
		}
	default:
		c.text(name, s, v)
	}
}
