// Package openapi is the part of the OpenAPI Specification 3.1.1 that says who
// may call what: security schemes, security requirements, and the operations and
// answers that they belong to. [Document.Write] writes it as JSON, the same
// bytes for the same document.
//
// It is a model for documents that warder makes. It is no reader for documents
// of others: what it does not model, it does not keep.
//
// A Document belongs to one goroutine while it is being made; afterwards any
// number may write it.
package openapi

import "encoding/json"

// Version is the version of the specification that this package follows.
const Version = "3.1.1"

// A Document is the OpenAPI Object, the root of a description.
type Document struct {
	// OpenAPI is the version of the specification that the document uses, which
	// is not the API's own. Required: [Version].
	OpenAPI string `json:"openapi"`

	// Info names the API. Required.
	Info Info `json:"info"`

	// Servers are where the API is reached. Without any, that is where the document
	// was found.
	Servers []Server `json:"servers,omitempty"`

	// Paths holds what can be called. A document without any must have
	// components.
	Paths Paths `json:"paths,omitempty"`

	// Components holds what other parts refer to by name.
	Components Components `json:"components,omitzero"`

	// Security is what every operation asks for that does not say otherwise.
	Security Security `json:"security,omitzero"`

	// Tags explain the tags of operations, in the order in which readers see them.
	Tags []Tag `json:"tags,omitempty"`
}

// Info is the Info Object.
type Info struct {
	Title       string `json:"title"`                 // the API's name. Required.
	Summary     string `json:"summary,omitempty"`     // one line
	Description string `json:"description,omitempty"` // CommonMark
	Version     string `json:"version"`               // of the description, not of the specification. Required.
}

// A Server is the Server Object: one place of the API, without variables.
type Server struct {
	URL         string `json:"url"` // absolute, or relative to where the document was found. Required.
	Description string `json:"description,omitempty"`
}

// A Tag is the Tag Object: a group of operations.
type Tag struct {
	Name        string `json:"name"` // Required.
	Description string `json:"description,omitempty"`
}

// Components is the Components Object: things with a name, none of which has an
// effect until something refers to it. Names match ^[a-zA-Z0-9._-]+$.
type Components struct {
	// SecuritySchemes are what security requirements name; see
	// [Document.AddSecurityScheme].
	SecuritySchemes map[string]SecurityScheme `json:"securitySchemes,omitempty"`

	// Responses are what [Response.Ref] names; see [Document.AddRefusal].
	Responses map[string]Response `json:"responses,omitempty"`

	// Schemas are what [Schema.Ref] names.
	Schemas map[string]Schema `json:"schemas,omitempty"`
}

// Paths is the Paths Object: path items by path. A path begins with "/" and is
// put after the server's URL as it is; "{name}" in it stands for a parameter.
// Two paths that differ in the names of their parameters only are the same one.
type Paths map[string]PathItem

// A PathItem is the Path Item Object: the operations of one path, by method.
type PathItem struct {
	Get     *Operation `json:"get,omitempty"`
	Put     *Operation `json:"put,omitempty"`
	Post    *Operation `json:"post,omitempty"`
	Delete  *Operation `json:"delete,omitempty"`
	Options *Operation `json:"options,omitempty"`
	Head    *Operation `json:"head,omitempty"`
	Patch   *Operation `json:"patch,omitempty"`
	Trace   *Operation `json:"trace,omitempty"`
}

// An Operation is the Operation Object: one method of one path.
type Operation struct {
	// OperationID names the operation among all of the document, case matters:
	// tools make names of functions from it.
	OperationID string `json:"operationId,omitempty"`

	Tags        []string `json:"tags,omitempty"`
	Summary     string   `json:"summary,omitempty"`     // one line
	Description string   `json:"description,omitempty"` // CommonMark

	// Parameters must have one for each "{name}" of the path.
	Parameters []Parameter `json:"parameters,omitempty"`

	// RequestBody is what the operation takes; nil for nothing.
	RequestBody *RequestBody `json:"requestBody,omitempty"`

	// Responses are the answers that are known, by status.
	Responses Responses `json:"responses,omitempty"`

	// Security replaces the document's for this operation: nil takes the
	// document's over, and the empty list asks for nothing.
	Security Security `json:"security,omitzero"`
}

// A Parameter is the Parameter Object, described by a schema. Name and In
// together are unique in an operation.
type Parameter struct {
	Name        string  `json:"name"` // case matters. Required.
	In          string  `json:"in"`   // "query", "header", "path" or "cookie". Required.
	Description string  `json:"description,omitempty"`
	Required    bool    `json:"required,omitempty"` // must be true in a path
	Schema      *Schema `json:"schema"`             // Required.
}

// A RequestBody is the Request Body Object.
type RequestBody struct {
	Description string               `json:"description,omitempty"` // CommonMark
	Content     map[string]MediaType `json:"content"`               // by media type or range of them, such as "application/json". Required.
	Required    bool                 `json:"required,omitempty"`
}

// Responses is the Responses Object: answers by status code, such as "401"; by
// a class of them, such as "4XX"; or "default" for those that are not listed.
type Responses map[string]Response

// A Response is the Response Object, or a reference to one.
type Response struct {
	// Ref is "#/components/responses/" and a name. All else is empty then.
	Ref string `json:"$ref,omitempty"`

	Description string            `json:"description,omitempty"` // CommonMark. Required.
	Headers     map[string]Header `json:"headers,omitempty"`     // by name, whose case does not matter; Content-Type is not described here

	// Content describes the body by media type, such as "application/problem+json".
	Content map[string]MediaType `json:"content,omitempty"`
}

// A Header is the Header Object: a parameter in a header, without its name.
type Header struct {
	Description string  `json:"description,omitempty"` // CommonMark
	Required    bool    `json:"required,omitempty"`    // every such answer has it
	Schema      *Schema `json:"schema"`                // Required.
}

// A MediaType is the Media Type Object.
type MediaType struct {
	Schema  *Schema         `json:"schema,omitempty"`
	Example json.RawMessage `json:"example,omitempty"` // JSON
}

// A Schema is the Schema Object as far as keys, problems and small bodies need
// it, or a reference to one.
type Schema struct {
	// Ref is "#/components/schemas/" and a name. All else is empty then.
	Ref string `json:"$ref,omitempty"`

	Type        string            `json:"type,omitempty"`   // of JSON Schema: "string", "integer", "object", ...
	Format      string            `json:"format,omitempty"` // a hint, such as "uri"
	Description string            `json:"description,omitempty"`
	Enum        []string          `json:"enum,omitempty"`  // the strings that there are
	Items       *Schema           `json:"items,omitempty"` // of an array
	Properties  map[string]Schema `json:"properties,omitempty"`
	Required    []string          `json:"required,omitempty"` // properties that are always there
}
