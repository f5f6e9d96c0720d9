package openapi

import (
	"net/http"
	"strconv"
	"strings"
)

// refusals says when a guard answers with a status, and which fields such an
// answer always has.
func refusals() map[int]refused {
	return map[int]refused{
		http.StatusBadRequest:            {"The target has two readings, or a credential is repeated or unreadable.", nil},
		http.StatusUnauthorized:          {"A credential is missing or does not hold.", field("WWW-Authenticate", "string", "What is accepted: one challenge in each field line.")},
		http.StatusForbidden:             {"Who asks is known, and may not; or a browser asks for another site. The detail says what is missing.", nil},
		http.StatusRequestEntityTooLarge: {"The body is too long.", nil},
		http.StatusMisdirectedRequest:    {"The host is none of the API's.", nil},
		http.StatusTooManyRequests:       {"Too many requests.", field("Retry-After", "integer", "When to try again, in seconds.")},
		http.StatusServiceUnavailable:    {"The request could not be judged. Nothing is wrong with it.", field("Retry-After", "integer", "When to try again, in seconds.")},
	}
}

type refused struct {
	description string
	headers     map[string]Header
}

func field(name, kind, description string) map[string]Header {
	return map[string]Header{name: {Description: description, Required: true, Schema: &Schema{Type: kind}}}
}

// Refusal returns a guard's answer with status: problem details (RFC 9457), or
// the same as text for clients that ask for it. 0 stands for every status that
// is not listed.
func Refusal(status int) Response { return refusal(status, problemSchema()) }

func refusal(status int, s Schema) Response {
	r, ok := refusals()[status]
	if !ok {
		r.description = "The request is refused or has failed."
		if text := http.StatusText(status); text != "" {
			r.description = text + "."
		}
	}
	return Response{Description: r.description, Headers: r.headers, Content: map[string]MediaType{
		"application/problem+json": {Schema: &s},
		"text/plain":               {Schema: &Schema{Type: "string"}},
	}}
}

// problemSchema is the schema of warder's problem details.
func problemSchema() Schema {
	text := Schema{Type: "string"}
	return Schema{
		Type: "object", Required: []string{"type", "title", "status"},
		Properties: map[string]Schema{
			"type":       {Type: "string", Format: "uri", Description: "which kind of problem it is"},
			"title":      text,
			"status":     {Type: "integer"},
			"detail":     {Type: "string", Description: "how to mend the request"},
			"request_id": {Type: "string", Description: "what to quote in a report"},
		},
	}
}

const problemName = "Problem"

// AddRefusal puts [Refusal] of status into the components, once, and returns the
// status as [Responses] has it with a reference to it.
func (d *Document) AddRefusal(status int) (code string, r Response) {
	name, code := refusalName(status), "default"
	if status != 0 {
		code = strconv.Itoa(status)
	}
	c := &d.Components
	if c.Schemas == nil {
		c.Schemas = make(map[string]Schema)
	}
	if c.Responses == nil {
		c.Responses = make(map[string]Response)
	}
	if _, known := c.Schemas[problemName]; !known {
		c.Schemas[problemName] = problemSchema()
	}
	if _, known := c.Responses[name]; !known {
		c.Responses[name] = refusal(status, Schema{Ref: toSchemas + problemName})
	}
	return code, Response{Ref: toResponses + name}
}

// refusalName is the name of a refusal among the components, "Unauthorized".
func refusalName(status int) string {
	if text := http.StatusText(status); text != "" {
		return strings.ReplaceAll(text, " ", "")
	}
	return problemName
}
