package humaapi

import (
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/warder-dev/warder/openapi"
)

// declare adds the schemes of doc to those of to.
func declare(to *huma.OpenAPI, doc *openapi.Document) error {
	if to.Components == nil {
		to.Components = new(huma.Components)
	}
	if to.Components.SecuritySchemes == nil {
		to.Components.SecuritySchemes = make(map[string]*huma.SecurityScheme)
	}
	all := to.Components.SecuritySchemes
	for _, name := range slices.Sorted(maps.Keys(doc.Components.SecuritySchemes)) {
		s := schemeOf(doc.Components.SecuritySchemes[name])
		if old, taken := all[name]; taken && !reflect.DeepEqual(old, s) {
			return fmt.Errorf("humaapi: the document has another security scheme %q", name)
		}
		all[name] = s
	}
	return nil
}

func schemeOf(s openapi.SecurityScheme) *huma.SecurityScheme {
	to := &huma.SecurityScheme{
		Type: s.Type, Description: s.Description, Name: s.Name, In: s.In, Scheme: s.Scheme,
		BearerFormat: s.BearerFormat, OpenIDConnectURL: s.OpenIDConnectURL,
	}
	if f := s.Flows; f != nil {
		to.Flows = &huma.OAuthFlows{
			Implicit: flowOf(f.Implicit), Password: flowOf(f.Password),
			ClientCredentials: flowOf(f.ClientCredentials), AuthorizationCode: flowOf(f.AuthorizationCode),
		}
	}
	return to
}

func flowOf(f *openapi.OAuthFlow) *huma.OAuthFlow {
	if f == nil {
		return nil
	}
	return &huma.OAuthFlow{AuthorizationURL: f.AuthorizationURL, TokenURL: f.TokenURL, RefreshURL: f.RefreshURL, Scopes: f.Scopes}
}

func responseOf(r openapi.Response) *huma.Response {
	to := &huma.Response{Description: r.Description, Content: make(map[string]*huma.MediaType)}
	for name, h := range r.Headers {
		if to.Headers == nil {
			to.Headers = make(map[string]*huma.Param)
		}
		to.Headers[name] = &huma.Header{Description: h.Description, Required: h.Required, Schema: schemaOf(h.Schema)}
	}
	for name, m := range r.Content {
		to.Content[name] = &huma.MediaType{Schema: schemaOf(m.Schema)}
	}
	return to
}

// schemaOf is s as far as refusals need schemas.
func schemaOf(s *openapi.Schema) *huma.Schema {
	to := &huma.Schema{Type: s.Type, Format: s.Format, Description: s.Description, Required: s.Required}
	for name, property := range s.Properties {
		if to.Properties == nil {
			to.Properties = make(map[string]*huma.Schema)
		}
		to.Properties[name] = schemaOf(&property)
	}
	return to
}

// document adds the guard's refusals to the responses of op, where it has none of
// its own with their status. huma calls it for each operation that is documented.
func (g *Guard) document(doc *huma.OpenAPI, op *huma.Operation) {
	j := g.compile(op)
	if j.requirement == nil {
		return // public, or an error that Err reports
	}
	responses := maps.Clone(op.Responses) // a group's operations share theirs
	if responses == nil {
		responses = make(map[string]*huma.Response)
	}
	for _, status := range j.requirement.Statuses() {
		code := strconv.Itoa(status)
		if _, taken := responses[code]; !taken {
			responses[code] = refusal(doc, status)
		}
	}
	op.Responses = responses
}

// refusal returns a reference to the refusal with status among the components of
// doc, or the refusal where the name is taken.
func refusal(doc *huma.OpenAPI, status int) *huma.Response {
	name := "Refusal" + strings.ReplaceAll(http.StatusText(status), " ", "")
	r := responseOf(openapi.Refusal(status))
	if doc.Components.Responses == nil {
		doc.Components.Responses = make(map[string]*huma.Response)
	}
	if old, taken := doc.Components.Responses[name]; taken && !reflect.DeepEqual(old, r) {
		return r
	}
	doc.Components.Responses[name] = r
	return &huma.Response{Ref: "#/components/responses/" + name}
}

// Document returns what huma's document says of security: the schemes, and each
// operation's security, parameters of the path and statuses. It is for
// openapitest.RequireEnforced; huma serves the whole.
func (g *Guard) Document() *openapi.Document {
	from := g.api.OpenAPI()
	doc := &openapi.Document{OpenAPI: openapi.Version, Security: securityOf(from.Security), Paths: make(openapi.Paths)}
	if from.Info != nil {
		doc.Info = openapi.Info{Title: from.Info.Title, Version: from.Info.Version}
	}
	doc.Components.SecuritySchemes = maps.Clone(g.declared)
	for path, item := range from.Paths {
		doc.Paths[path] = openapi.PathItem{
			Get: operationOf(item.Get), Put: operationOf(item.Put), Post: operationOf(item.Post), Delete: operationOf(item.Delete),
			Options: operationOf(item.Options), Head: operationOf(item.Head), Patch: operationOf(item.Patch), Trace: operationOf(item.Trace),
		}
	}
	return doc
}

func operationOf(op *huma.Operation) *openapi.Operation {
	if op == nil {
		return nil
	}
	o := &openapi.Operation{OperationID: op.OperationID, Security: securityOf(op.Security), Responses: make(openapi.Responses)}
	for _, p := range op.Parameters {
		if p.In != openapi.InPath {
			continue
		}
		schema := new(openapi.Schema)
		if p.Schema != nil {
			schema.Type, schema.Format = p.Schema.Type, p.Schema.Format
		}
		o.Parameters = append(o.Parameters, openapi.Parameter{Name: p.Name, In: p.In, Required: true, Schema: schema})
	}
	for code := range op.Responses {
		o.Responses[code] = openapi.Response{Description: "See huma's document."}
	}
	return o
}

func securityOf(all []map[string][]string) openapi.Security {
	if all == nil {
		return nil
	}
	s := make(openapi.Security, len(all))
	for i, entry := range all {
		s[i] = entry
	}
	return s
}
