package authz

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/warder-dev/warder/exchange"
)

// A Claim holds for a token that has one of several values in a claim: as the
// claim itself, or as a member of it when it is an array.
type Claim struct {
	// Path leads to the claim: its name, and for one within another, that of the outer
	// one first. {"realm_access", "roles"} is the claim roles of the object
	// realm_access. Required.
	Path []string

	// AnyOf are the values, compared with case: strings, booleans, and integers
	// between -2^53 and 2^53, beyond which the readers of JSON differ. Required.
	AnyOf []any
}

// maxInteger is the first integer that a float64 also has for its neighbours
// (RFC 8259, section 6).
const maxInteger = 1 << 53

// claims holds for a principal for whom each of its claims does.
type claims []claim

type claim struct {
	path  []string
	anyOf []value
}

// A value is a string, a boolean or an integer.
type value struct {
	kind   kind
	text   string
	number float64
}

type kind uint8

const (
	isOther kind = iota
	isText
	isNumber
	isTrue
	isFalse
)

func newClaims(list []Claim) (Condition, error) {
	var all claims
	var errs []error
	for i, c := range list {
		if len(c.Path) == 0 || slices.Contains(c.Path, "") {
			errs = append(errs, fmt.Errorf("[%d]: Path is empty, or has an empty name", i))
		}
		if len(c.AnyOf) == 0 {
			errs = append(errs, fmt.Errorf("[%d]: AnyOf is empty", i))
		}
		compiled := claim{path: slices.Clone(c.Path)}
		for _, v := range c.AnyOf {
			want, ok := wanted(v)
			if !ok {
				errs = append(errs, fmt.Errorf("[%d]: a value of type %T: want a string, a boolean or an integer below 2^53", i, v))
			}
			compiled.anyOf = append(compiled.anyOf, want)
		}
		all = append(all, compiled)
	}
	return all, errors.Join(errs...)
}

// wanted reads a value of a configuration.
func wanted(v any) (value, bool) {
	switch v := v.(type) {
	case string:
		return value{kind: isText, text: v}, true
	case bool:
		return truth(v), true
	case int:
		return integer(int64(v))
	case int64:
		return integer(v)
	case uint64: // as readers of YAML have it
		return integer(int64(min(v, maxInteger)))
	default:
		return value{}, false
	}
}

func truth(v bool) value {
	if v {
		return value{kind: isTrue}
	}
	return value{kind: isFalse}
}

func integer(n int64) (value, bool) {
	return value{kind: isNumber, number: float64(n)}, -maxInteger < n && n < maxInteger
}

// found reads a value of a token, in whichever type its reader gave it. What is
// none of those that can be wanted equals nothing.
func found(v any) value {
	switch v := v.(type) {
	case string:
		return value{kind: isText, text: v}
	case bool:
		return truth(v)
	case float64:
		return value{kind: isNumber, number: v}
	case int64:
		n, _ := integer(v)
		return n
	case int:
		n, _ := integer(int64(v))
		return n
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return value{}
		}
		return value{kind: isNumber, number: f}
	default:
		return value{}
	}
}

func (c claims) Holds(x *exchange.Exchange) (bool, error) {
	if x.Principal.IsZero() {
		return false, nil
	}
	for i := range c {
		if !c[i].holds(x.Principal.Claims) {
			return false, nil
		}
	}
	return true, nil
}

func (c *claim) holds(all map[string]any) bool {
	last := len(c.path) - 1
	for _, name := range c.path[:last] {
		inner, ok := all[name].(map[string]any)
		if !ok {
			return false
		}
		all = inner
	}
	switch v := all[c.path[last]].(type) {
	case []any:
		return slices.ContainsFunc(v, c.wants)
	case []string:
		return slices.ContainsFunc(v, func(s string) bool { return slices.Contains(c.anyOf, value{kind: isText, text: s}) })
	default:
		return c.wants(v)
	}
}

func (c *claim) wants(v any) bool {
	f := found(v)
	return f.kind != isOther && slices.Contains(c.anyOf, f)
}
