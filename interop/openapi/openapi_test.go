// Package openapi_test checks the documents that warder makes against the schema
// of the OpenAPI Specification, and asks a linter of others what it thinks.
package openapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/pb33f/libopenapi/datamodel"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/bodylimit"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/humaapi"
	"github.com/warder-dev/warder/openapi"
)

// scheme is a scheme of each type that OpenAPI has.
type scheme struct {
	name string
	is   openapi.SecurityScheme
}

func (s *scheme) Name() string            { return s.name }
func (s *scheme) Challenge(string) string { return "Test" }

func (s *scheme) Authenticate(*exchange.Exchange) (exchange.Principal, error) {
	return exchange.Principal{}, authn.ErrNoCredential
}

func (s *scheme) Describe(doc *openapi.Document) error { return doc.AddSecurityScheme(s.name, s.is) }

// schemes are what a login page of a document needs, and the others.
func schemes() []authn.Scheme {
	scopes := map[string]string{"orders:read": "see orders", "orders:write": "change orders"}
	return []authn.Scheme{
		&scheme{"apiKey", openapi.SecurityScheme{Type: openapi.TypeAPIKey, In: openapi.InHeader, Name: "X-API-Key"}},
		&scheme{"bearer", openapi.SecurityScheme{Type: openapi.TypeHTTP, Scheme: "bearer", BearerFormat: "JWT"}},
		&scheme{"certificate", openapi.SecurityScheme{Type: openapi.TypeMutualTLS}},
		&scheme{"discovery", openapi.SecurityScheme{Type: openapi.TypeOpenIDConnect, OpenIDConnectURL: "https://id.example/.well-known/openid-configuration"}},
		&scheme{"login", openapi.SecurityScheme{Type: openapi.TypeOAuth2, Flows: &openapi.OAuthFlows{
			AuthorizationCode: &openapi.OAuthFlow{AuthorizationURL: "https://id.example/authorize", TokenURL: "https://id.example/token", RefreshURL: "https://id.example/token", Scopes: scopes},
			ClientCredentials: &openapi.OAuthFlow{TokenURL: "https://id.example/token", Scopes: scopes},
		}}},
	}
}

// registrar is the document of a warder.API with every sort of operation.
func registrar(t *testing.T) []byte {
	t.Helper()
	s := schemes()
	body, err := bodylimit.New(bodylimit.Config{Max: 1 << 10})
	if err != nil {
		t.Fatal(err)
	}
	api, err := warder.NewAPI(warder.APIConfig{
		Title: "Orders", Version: "1.0.0", Description: "What was ordered.", Servers: []openapi.Server{{URL: "https://api.example.org/v1", Description: "live"}},
		Tags:        []openapi.Tag{{Name: "orders", Description: "What was ordered"}},
		Schemas:     map[string]openapi.Schema{"Order": {Type: "object", Required: []string{"id"}, Properties: map[string]openapi.Schema{"id": {Type: "string"}}}},
		Requirement: authn.Requirement{{{Scheme: s[0]}}, {{Scheme: s[1]}, {Scheme: s[2]}}}, Policy: &warder.Policy{BodyLimit: body},
	})
	if err != nil {
		t.Fatal(err)
	}
	order := map[string]openapi.MediaType{"application/json": {Schema: &openapi.Schema{Ref: "#/components/schemas/Order"}, Example: json.RawMessage(`{"id":"o1"}`)}}
	answer := func(http.ResponseWriter, *http.Request) {}
	tags := []string{"orders"}
	for pattern, o := range map[string]warder.Operation{
		"GET /orders/{id}": {ID: "getOrder", Summary: "One order", Tags: tags, Responses: openapi.Responses{
			"200": {Description: "The order.", Content: order}, "404": {Description: "There is no such order."}, "400": {Description: "The id is malformed."},
		}},
		"PUT /orders/{id}": {
			ID: "putOrder", Summary: "Change an order", Tags: tags, Requirement: authn.Requirement{{{Scheme: s[4], Scopes: []string{"orders:write"}}}, {{Scheme: s[3]}}},
			RequestBody: &openapi.RequestBody{Description: "The order", Required: true, Content: order},
			Parameters: []openapi.Parameter{
				{Name: "id", In: openapi.InPath, Required: true, Description: "of the order", Schema: &openapi.Schema{Type: "string"}},
				{Name: "If-Match", In: openapi.InHeader, Schema: &openapi.Schema{Type: "string"}},
			},
		},
		"GET /files/{path...}": {ID: "getFile", Summary: "A file", Requirement: authn.Requirement{{{Scheme: s[1]}}, {}}},
		"GET /{$}":             {ID: "root", Summary: "Where to start", Public: true},
	} {
		if err := api.HandleFunc(pattern, o, answer); err != nil {
			t.Fatal(err)
		}
	}
	if err := api.HandleFunc("GET /openapi.json", warder.Operation{ID: "openapi", Summary: "This document", Public: true}, api.ServeDocument); err != nil {
		t.Fatal(err)
	}
	return serve(t, api.Handler())
}

// guarded is the document of a huma API.
func guarded(t *testing.T) []byte {
	t.Helper()
	mux := http.NewServeMux()
	config := huma.DefaultConfig("Orders", "1.0.0")
	config.Servers = []*huma.Server{{URL: "https://api.example.org"}}
	config.Security = []map[string][]string{{"apiKey": {}}, {"bearer": {}, "certificate": {}}}
	api := humago.New(mux, config)
	guard, err := humaapi.New(api, humaapi.Config{Schemes: schemes()})
	if err != nil {
		t.Fatal(err)
	}
	type body struct {
		Body struct {
			Name string `json:"name"`
		}
	}
	type order struct {
		ID string `path:"id"`
		body
	}
	for path, security := range map[string][]map[string][]string{"/inherited": nil, "/public": {}, "/optional": {{}, {"discovery": {}}}} {
		huma.Register(api, huma.Operation{OperationID: path[1:], Summary: path, Method: http.MethodPost, Path: path, Security: security}, nothing[body])
	}
	huma.Register(api, huma.Operation{
		OperationID: "own", Summary: "Own", Method: http.MethodPost, Path: "/own/{id}", Security: []map[string][]string{{"login": {"orders:read"}}},
	}, nothing[order])
	if err := guard.Err(); err != nil {
		t.Fatal(err)
	}
	return serve(t, mux)
}

func nothing[I any](context.Context, *I) (*struct{}, error) { return new(struct{}), nil }

func serve(t *testing.T, h http.Handler) []byte {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/openapi.json", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	return w.Body.Bytes()
}

// metaSchema is the schema of OpenAPI 3.1 documents as the specification's site
// has it.
func metaSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	const id = "https://spec.openapis.org/oas/3.1/schema/2022-10-07"
	schema := parse(t, []byte(datamodel.OpenAPI31SchemaData))
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(id, schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile(id)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func parse(t *testing.T, text []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestDocumentsMeetTheSpecificationsSchema(t *testing.T) {
	schema := metaSchema(t)
	documents := map[string][]byte{"warder.API": registrar(t), "huma": guarded(t), "every scheme": everything(t)}
	for _, file := range []string{"testdata/openapi.json", "openapi/testdata/document.json", "authn/testdata/describe.json", "examples/eleven/testdata/openapi.json", "docs/reference/admin-api.openapi.json"} {
		text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		documents[file] = text
	}
	for name, text := range documents {
		if err := schema.Validate(parse(t, text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, wrong := range []string{
		`{"openapi":"3.1.1","paths":{}}`,
		`{"openapi":"3.1.1","info":{"title":"a","version":"1"},"paths":{"/a":{"get":{"security":{}}}}}`,
		`{"openapi":"3.1.1","info":{"title":"a","version":"1"},"components":{"securitySchemes":{"a":{"type":"http"}}}}`,
	} {
		if err := schema.Validate(parse(t, []byte(wrong))); err == nil {
			t.Errorf("the schema has nothing to say about %s", wrong)
		}
	}
}

// TestLinter runs the linter of package.json, which `make needs` installs.
func TestLinter(t *testing.T) {
	linter, err := filepath.Abs(filepath.Join("node_modules", "@redocly", "cli", "bin", "cli.js"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(linter); err != nil {
		t.Fatalf("%v: run make needs", err)
	}
	dir := t.TempDir()
	files := map[string][]byte{
		"warder.json": registrar(t), "huma.json": guarded(t), "every.json": everything(t),
		"wrong.json": []byte(`{"openapi":"3.1.1","info":{"title":"a","version":"1"},"servers":[{"url":"https://api.example.org"}],"paths":{"/a":{"get":{"security":[{"none":[]}],"responses":{}}}}}`),
	}
	if files["eleven.json"], err = os.ReadFile(filepath.FromSlash("../../examples/eleven/testdata/openapi.json")); err != nil {
		t.Fatal(err)
	}
	if files["admin.json"], err = os.ReadFile(filepath.FromSlash("../../docs/reference/admin-api.openapi.json")); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lint := func(names ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "node", append([]string{linter, "lint", "--extends=recommended", "--format=stylish"}, names...)...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true", "NO_COLOR=1")
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, io.Discard
		err := cmd.Run()
		return said.String(), err
	}
	if said, err := lint("warder.json", "huma.json", "every.json", "eleven.json", "admin.json"); err != nil {
		t.Errorf("%v: %s", err, said)
	}
	if said, err := lint("wrong.json"); err == nil || !strings.Contains(said, "security-defined") {
		t.Errorf("the linter has nothing to say about what is wrong: %v, %s", err, said)
	}
}
