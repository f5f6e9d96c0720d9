package authn

import (
	"errors"
	"fmt"

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

// Responses returns the answers that a Stage with this requirement gives by
// itself, for the responses of an operation: 400, 401 and 503, and 403 where it
// asks for a scope.
func (r Requirement) Responses() openapi.Responses {
	text := &openapi.Schema{Type: "string"}
	responses := openapi.Responses{
		"400": answer("A credential is repeated or unreadable."),
		"401": answer("A credential is missing or does not hold."),
		"503": answer("The credentials could not be judged. Nothing is wrong with them."),
	}
	unauthorized, unavailable := responses["401"], responses["503"]
	unauthorized.Headers = map[string]openapi.Header{
		"WWW-Authenticate": {Description: "What is accepted: one challenge in each field line.", Required: true, Schema: text},
	}
	unavailable.Headers = map[string]openapi.Header{
		"Retry-After": {Description: "When to try again, in seconds.", Required: true, Schema: &openapi.Schema{Type: "integer"}},
	}
	responses["401"], responses["503"] = unauthorized, unavailable
	for _, alternative := range r {
		for _, need := range alternative {
			if len(need.Scopes) > 0 {
				responses["403"] = answer("The credential lacks a scope, which the detail names.")
			}
		}
	}
	return responses
}

// answer is a problem (RFC 9457) with description.
func answer(description string) openapi.Response {
	text := openapi.Schema{Type: "string"}
	return openapi.Response{Description: description, Content: map[string]openapi.MediaType{
		"application/problem+json": {Schema: &openapi.Schema{
			Type: "object", Required: []string{"type", "title", "status"},
			Properties: map[string]openapi.Schema{
				"type": {Type: "string", Format: "uri"}, "title": text, "status": {Type: "integer"}, "detail": text, "request_id": text,
			},
		}},
		"text/plain": {Schema: &text},
	}}
}
