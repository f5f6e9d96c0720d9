package authn

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/warder-dev/warder/openapi"
)

// A Describer is a [Scheme] that says what it is in OpenAPI's words, so that
// what is documented is what is enforced.
type Describer interface {
	// Describe adds the scheme to doc under its name; see
	// [openapi.Document.AddSecurityScheme].
	Describe(doc *openapi.Document) error
}

// Describe adds each scheme of r to doc, and returns r for the security of an
// operation. It reports everything that it cannot describe at once, by the names
// of the schemes; doc may then hold others of them already.
//
// OpenAPI has no order within an alternative, and so does not say whose
// principal a request bears.
func (r Requirement) Describe(doc *openapi.Document) (openapi.Security, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	var errs []error
	schemes, _ := r.schemes() // checked
	for _, scheme := range schemes {
		if err := describe(scheme, doc); err != nil {
			errs = append(errs, fmt.Errorf("authn: scheme %q: %w", scheme.Name(), err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	security := make(openapi.Security, len(r))
	for i, alternative := range r {
		security[i] = make(openapi.SecurityRequirement, len(alternative))
		for _, need := range alternative {
			security[i][need.Scheme.Name()] = append([]string{}, need.Scopes...)
		}
	}
	return security, nil
}

var (
	errNoDescriber = errors.New("it does not describe itself")
	errUndescribed = errors.New("its description is not there under its name")
)

func describe(scheme Scheme, doc *openapi.Document) error {
	d, ok := scheme.(Describer)
	if !ok {
		return errNoDescriber
	}
	if err := d.Describe(doc); err != nil {
		return err
	}
	if _, ok := doc.Components.SecuritySchemes[scheme.Name()]; !ok {
		return errUndescribed
	}
	return nil
}

// Statuses returns the statuses of the refusals that a Stage with this
// requirement gives by itself, ascending: 400, 401 and 503, and 403 where it asks
// for a scope.
func (r Requirement) Statuses() []int {
	for _, alternative := range r {
		for _, need := range alternative {
			if len(need.Scopes) > 0 {
				return []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable}
			}
		}
	}
	return []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusServiceUnavailable}
}

// Responses returns the refusals of [Requirement.Statuses] for the responses of
// an operation. [openapi.Document.AddRefusal] has references to them instead.
func (r Requirement) Responses() openapi.Responses {
	responses := make(openapi.Responses)
	for _, status := range r.Statuses() {
		responses[strconv.Itoa(status)] = openapi.Refusal(status)
	}
	return responses
}

// Requirement returns what s requires, so that a stage describes what it
// enforces. The caller may change it: s does not.
func (s *Stage) Requirement() Requirement { return s.requirement.clone() }

func (r Requirement) clone() Requirement {
	c := slices.Clone(r)
	for i, alternative := range c {
		c[i] = slices.Clone(alternative)
		for j, need := range c[i] {
			c[i][j].Scopes = slices.Clone(need.Scopes)
		}
	}
	return c
}
