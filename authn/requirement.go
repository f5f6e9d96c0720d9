package authn

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/openapi"
)

// A Requirement is what a request must prove, as OpenAPI's security is: one of
// the alternatives, in order of preference. The last one may be empty,
// Alternative{}: then a request without any credential passes as nobody.
//
//	authn.Requirement{{{Scheme: key, Scopes: []string{"orders:read"}}}, {{Scheme: bearer}, {Scheme: certificate}}, {}}
type Requirement []Alternative

// An Alternative is a set of needs, all of which must be satisfied, as OpenAPI's
// Security Requirement Object is. The first one says who the principal is. A nil
// Alternative is refused: nothing becomes optional by being forgotten.
type Alternative []Need

// A Need is one scheme's credential, whose principal must have been granted
// every one of the scopes.
type Need struct {
	Scheme Scheme   // Required.
	Scopes []string // words of segments divided by ":", without "*"
}

// Require returns the requirement of one scheme's credential with all of scopes.
func Require(scheme Scheme, scopes ...string) Requirement {
	return Requirement{{{Scheme: scheme, Scopes: scopes}}}
}

// maxSchemes is how many schemes a requirement may name: each of them is asked
// for each request.
const maxSchemes = 16

// check reports everything that is wrong with r.
func (r Requirement) check() error {
	var errs []error
	for i, alternative := range r {
		switch {
		case alternative == nil:
			errs = append(errs, fmt.Errorf("authn: Requirement[%d] is nil; Alternative{} is the optional one", i))
		case len(alternative) == 0 && i < len(r)-1:
			errs = append(errs, fmt.Errorf("authn: Requirement[%d]: what is optional must be the last", i))
		}
		errs = append(errs, alternative.check(i)...)
	}
	schemes, err := r.schemes()
	if err := errors.Join(append(errs, err)...); err != nil {
		return err
	}
	if len(schemes) == 0 {
		return errors.New("authn: Requirement names no scheme; a public route has no Stage")
	}
	if len(schemes) > maxSchemes {
		return fmt.Errorf("authn: Requirement names %d schemes, want at most %d", len(schemes), maxSchemes)
	}
	return nil
}

// check reports what is wrong within a, which is the i-th.
func (a Alternative) check(i int) (errs []error) {
	names := make(map[string]bool)
	for j, need := range a {
		at := fmt.Sprintf("authn: Requirement[%d][%d]", i, j)
		for _, scope := range need.Scopes {
			if !validScope(scope) {
				errs = append(errs, fmt.Errorf("%s: scope %q: want segments of letters, digits and ._-/ divided by \":\"", at, scope))
			}
		}
		if missing(need.Scheme) {
			errs = append(errs, fmt.Errorf("%s: Scheme is missing", at))
			continue
		}
		name := need.Scheme.Name()
		if !openapi.ValidName(name) {
			errs = append(errs, fmt.Errorf("%s: scheme %q: want a name of letters, digits and ._-", at, name))
		}
		if names[name] {
			errs = append(errs, fmt.Errorf("%s: scheme %q is in the alternative already: join the scopes", at, name))
		}
		names[name] = true
	}
	return errs
}

// missing reports whether s is nil or a nil pointer.
func missing(s Scheme) bool {
	v := reflect.ValueOf(s)
	return s == nil || v.Kind() == reflect.Pointer && v.IsNil()
}

// validScope reports whether scope can be required: segments, no wildcard.
func validScope(scope string) bool {
	return exchange.ValidScope(scope) && scope[len(scope)-1] != '*'
}

// schemes returns each scheme of r once, in the order in which they are named
// first. One name is one scheme: two values under it are an error, since what
// is documented could not be what is enforced.
func (r Requirement) schemes() (all []Scheme, err error) {
	index := make(map[string]int)
	var errs []error
	for _, alternative := range r {
		for _, need := range alternative {
			if missing(need.Scheme) {
				continue // reported where it stands
			}
			name := need.Scheme.Name()
			i, known := index[name]
			if !known {
				index[name] = len(all)
				all = append(all, need.Scheme)
			} else if !same(all[i], need.Scheme) {
				errs = append(errs, fmt.Errorf("authn: scheme %q: two schemes have this name", name))
			}
		}
	}
	return all, errors.Join(errs...)
}

// same reports whether a and b are one scheme for certain.
func same(a, b Scheme) bool {
	return reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}
