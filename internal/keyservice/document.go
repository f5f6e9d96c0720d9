package keyservice

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

func tags() []*huma.Tag {
	return []*huma.Tag{
		{Name: "keys", Description: "The whole life of keys"},
		{Name: "verification", Description: "What a key is good for, asked by a service in any language"},
		{Name: "requests", Description: "What would become of a request, and what becomes of those that come"},
		{Name: "running", Description: "What the node that answers judges by: limits, OpenAPI documents, the shadow configuration"},
		{Name: "owners", Description: "What is known of whom keys belong to"},
		{Name: "credits", Description: "What keys and owners have to spend"},
		{Name: "audit", Description: "Who changed what"},
		{Name: "usage", Description: "What keys were used for"},
		{Name: "people", Description: "Who administers: people"},
		{Name: "adminKeys", Description: "Who administers: machines"},
		{Name: "portal", Description: "Links by which holders come to their keys, in a browser"},
		{Name: "callers", Description: "Who asks"},
		{Name: ownTag, Description: "What a person does with itself, in a browser: cookies, and pages of this server only"},
	}
}

// addOperations registers everything.
func (s *Service) addOperations() {
	s.addKeys()
	s.addHealth()
	s.addBulk()
	register(s, endpoint{
		id: "verifyKey", method: http.MethodPost, path: "/v1/keys:verify", tag: "verification", right: VerifyKeys, also: bodyAlso(409, 429),
		summary: "Say whether a key is good, and spend what it costs", description: "It needs no gateway: a service asks this for each request that carries a key. With gateway it judges by the policy of the gateway's routes; 409 is for a route whose policy needs the request itself. Too many wrong keys through one caller are answered 429.",
	}, s.verifyKey)
	registerDirect(s, "verifyKey", s.verifyKey)
	s.addTokens()
	s.addExplain()
	s.addWatch()
	s.addOwners()
	s.addCredits()
	s.addAudit()
	s.addUsage()
	s.addSums()
	s.addPeople()
	s.addAdminKeys()
	s.addPortal()
	s.addLimits()
	s.addDocuments()
	s.addShadow()
}

// responseName is the name of the response with a status among the components.
func responseName(status int) string {
	return "Problem" + strings.ReplaceAll(http.StatusText(status), " ", "")
}

// finish completes the document, and compiles the patterns of its schemas.
func (s *Service) finish() error {
	doc := s.api.OpenAPI()
	schemas := doc.Components.Schemas.Map()
	delete(schemas, "ErrorModel") // huma's own: no answer of ours has it
	delete(schemas, "ErrorDetail")
	problemSchema := huma.SchemaFromType(doc.Components.Schemas, typeOfProblem())
	schemas["Problem"] = problemSchema
	if doc.Components.Responses == nil {
		doc.Components.Responses = map[string]*huma.Response{}
	}
	used := make(map[string]bool)
	s.patterns = make(map[string]pattern)
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		for _, op := range operationsOf(doc.Paths[path]) {
			s.complete(op, used)
		}
	}
	for _, schema := range schemas {
		if err := s.compile(schema); err != nil {
			return err
		}
	}
	for name := range doc.Components.Responses {
		if !used[name] {
			delete(doc.Components.Responses, name) // what the guard would answer, had the operation not said it
		}
	}
	return nil
}

// writeDocument writes it when it is asked for first: that takes ten times the memory
// that it has, which a process at rest would keep.
func (s *Service) writeDocument() []byte {
	text, err := json.MarshalIndent(s.api.OpenAPI(), "", "  ")
	if err != nil {
		panic(fmt.Errorf("keyservice: the document cannot be written: %w", err)) // nothing in it depends on anything but the code
	}
	return append(text, '\n')
}

func operationsOf(item *huma.PathItem) (all []*huma.Operation) {
	for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Delete, item.Patch} {
		if op != nil {
			all = append(all, op)
		}
	}
	return all
}

// complete adds to an operation what the types do not say: examples, headers that
// its success may have, and the problems that it may answer with.
func (s *Service) complete(op *huma.Operation, used map[string]bool) {
	doc := s.api.OpenAPI()
	for _, p := range op.Parameters {
		if err := s.compile(p.Schema); err != nil {
			panic(err) // a pattern of ours
		}
	}
	if op.RequestBody != nil {
		op.RequestBody.Required = true
		for _, m := range op.RequestBody.Content {
			m.Example = s.example(m.Schema)
		}
	}
	for code, r := range op.Responses {
		if name, ok := strings.CutPrefix(r.Ref, "#/components/responses/"); ok {
			used[name] = true
			if status, err := strconv.Atoi(code); err == nil && doc.Components.Responses[name] == nil {
				doc.Components.Responses[name] = problemResponse(status)
			}
			continue
		}
		for _, m := range r.Content {
			m.Example = s.example(m.Schema)
		}
	}
}

func problemResponse(status int) *huma.Response {
	r := &huma.Response{
		Description: http.StatusText(status) + ": problem details (RFC 9457)",
		Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: &huma.Schema{Ref: "#/components/schemas/Problem"}}},
	}
	field := func(name, kind, description string) {
		r.Headers = map[string]*huma.Param{name: {Description: description, Schema: &huma.Schema{Type: kind}}}
	}
	switch status {
	case http.StatusUnauthorized:
		field("WWW-Authenticate", huma.TypeString, "what is accepted")
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		field("Retry-After", huma.TypeInteger, "when to ask again, in seconds")
	}
	return r
}

// compile compiles the patterns of a schema and of everything in it.
func (s *Service) compile(schema *huma.Schema) error {
	if schema == nil {
		return nil
	}
	if schema.Pattern != "" {
		p, err := regexp.Compile(schema.Pattern)
		if err != nil {
			return fmt.Errorf("keyservice: the document has a pattern that is none: %w", err)
		}
		words := schema.PatternDescription
		schema.PatternDescription = "" // no keyword of OpenAPI
		if known, ok := s.patterns[schema.Pattern]; ok && words == "" {
			words = known.words
		}
		s.patterns[schema.Pattern] = pattern{p, words}
	}
	for _, property := range schema.Properties {
		if err := s.compile(property); err != nil {
			return err
		}
	}
	if more, ok := schema.AdditionalProperties.(*huma.Schema); ok {
		if err := s.compile(more); err != nil {
			return err
		}
	}
	return s.compile(schema.Items)
}

// example is made of the examples of a schema's parts: those members that have
// one, and those that are required.
func (s *Service) example(schema *huma.Schema) any {
	if schema.Ref != "" {
		schema = s.api.OpenAPI().Components.Schemas.SchemaFromRef(schema.Ref)
	}
	switch {
	case len(schema.Examples) > 0:
		return schema.Examples[0]
	case schema.Type == huma.TypeArray:
		if one := s.example(schema.Items); one != nil {
			return []any{one}
		}
		return []any{}
	case schema.Type == huma.TypeObject && len(schema.Properties) > 0:
		members := make(map[string]any)
		for name, property := range schema.Properties {
			if v := s.example(property); v != nil && (len(property.Examples) > 0 || slices.Contains(schema.Required, name)) {
				members[name] = v
			}
		}
		return members
	default:
		return nil
	}
}

func typeOfProblem() reflect.Type { return reflect.TypeFor[Problem]() }
