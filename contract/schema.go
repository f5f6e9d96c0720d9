package contract

import (
	"regexp"
	"slices"
	"strings"
)

// types is a set of types of JSON values. A number that is an integer has both.
type types uint8

const (
	nullType types = 1 << iota
	booleanType
	objectType
	arrayType
	stringType
	integerType
	numberType

	anyType = nullType | booleanType | objectType | arrayType | stringType | integerType | numberType
)

// typeOf returns the bit of a type's name; 0 for none.
func typeOf(name string) types {
	switch name {
	case "null":
		return nullType
	case "boolean":
		return booleanType
	case "object":
		return objectType
	case "array":
		return arrayType
	case "string":
		return stringType
	case "integer":
		return integerType
	case "number":
		return numberType | integerType
	default:
		return 0
	}
}

// String lists the names, for a client.
func (t types) String() string {
	var names []string
	for _, name := range []string{"null", "boolean", "object", "array", "string", "number"} {
		if bits := typeOf(name); t&bits == bits {
			names = append(names, name)
		}
	}
	if t&numberType == 0 && t&integerType != 0 {
		names = append(names, "integer")
	}
	return strings.Join(names, " or ")
}

// A schema is a compiled Schema Object (OpenAPI 3.1, section 4.8.24; JSON Schema
// 2020-12). Nothing changes it after Read.
type schema struct {
	never bool // the schema false
	ref   *schema
	alias bool // it says nothing but ref

	types    types // anyType for none given
	nullable bool  // OpenAPI 3.0: null passes, whatever else is said
	enum     map[string]struct{}
	listed   []any // the values of enum, but for null of nullable

	minimum, maximum, above, below, multiple *number

	minLength, maxLength int // characters; -1 for none
	pattern              *regexp.Regexp
	format               string

	prefix                   []*schema
	items, contains          *schema
	minItems, maxItems       int
	minContains, maxContains int
	unique                   bool

	properties                   map[string]*schema
	patterns                     []patternProperty
	additional, names            *schema
	required                     []string
	minProperties, maxProperties int
	dependentRequired            map[string][]string
	dependent                    map[string]*schema

	all, any, one               []*schema
	not, condition, then, other *schema

	unevaluatedItems, unevaluatedProperties *schema

	kinds types // what values can have, as far as types, enum and what is in place tell
	mark  uint8 // of the search for cycles: 0 not seen, 1 under way, 2 done
}

type patternProperty struct {
	pattern *regexp.Regexp
	schema  *schema
}

// inPlace yields the schemas that judge the same value.
func (s *schema) inPlace(yield func(*schema) bool) {
	for _, one := range []*schema{s.ref, s.not, s.condition, s.then, s.other} {
		if one != nil && !yield(one) {
			return
		}
	}
	for _, list := range [][]*schema{s.all, s.any, s.one} {
		for _, one := range list {
			if !yield(one) {
				return
			}
		}
	}
	for _, one := range s.dependent {
		if !yield(one) {
			return
		}
	}
}

// asserted yields s and the schemas in place that say what a value may be, each
// once: there may be many ways to one.
func (s *schema) asserted(yield func(*schema)) { s.visit(yield, map[*schema]struct{}{}) }

func (s *schema) visit(yield func(*schema), seen map[*schema]struct{}) {
	if _, before := seen[s]; before {
		return
	}
	seen[s] = struct{}{}
	yield(s)
	if s.ref != nil {
		s.ref.visit(yield, seen)
	}
	for _, list := range [][]*schema{s.all, s.any, s.one} {
		for _, one := range list {
			one.visit(yield, seen)
		}
	}
}

// itemKinds are the types that s lets items have.
func (s *schema) itemKinds() (kinds types) {
	s.asserted(func(one *schema) {
		for _, prefix := range one.prefix {
			kinds |= prefix.kinds
		}
		if one.items != nil {
			kinds |= one.items.kinds
		}
	})
	if kinds == 0 {
		return anyType
	}
	return kinds
}

// member returns the types that the member called name can have.
func (s *schema) member(name string) types {
	var kinds, rest types
	named := false
	s.asserted(func(one *schema) {
		if p := one.properties[name]; p != nil {
			kinds, named = kinds|p.kinds, true
		}
		if one.additional != nil && !one.additional.never {
			rest |= one.additional.kinds
		}
	})
	switch {
	case named:
		return kinds
	case rest != 0:
		return rest
	default:
		return anyType
	}
}

// memberNames are the names of all members that s knows, sorted.
func (s *schema) memberNames() []string {
	seen := map[string]struct{}{}
	s.asserted(func(one *schema) {
		for name := range one.properties {
			seen[name] = struct{}{}
		}
	})
	return sorted(seen)
}

// complete reports a schema that judges the same value by itself, and finds out
// what types values can have. It must be called once for every schema.
func (s *schema) complete() (cyclic bool) {
	switch s.mark {
	case 1:
		return true
	case 2:
		return false
	}
	s.mark = 1
	for one := range s.inPlace {
		if one.complete() {
			return true
		}
	}
	s.mark = 2
	s.kinds = s.types
	if s.never {
		s.kinds = 0
	}
	if s.ref != nil {
		s.kinds &= s.ref.kinds
	}
	for _, one := range s.all {
		s.kinds &= one.kinds
	}
	for _, list := range [][]*schema{s.any, s.one} {
		var union types
		for _, one := range list {
			union |= one.kinds
		}
		if len(list) > 0 {
			s.kinds &= union
		}
	}
	if s.nullable {
		s.kinds |= nullType
	}
	return false
}

// sorted returns the keys of m in order.
func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
