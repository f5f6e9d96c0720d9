package openapi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/golden"
	"github.com/warder-dev/warder/openapi"
)

// add adds s, which must be right.
func add(t *testing.T, d *openapi.Document, name string, s openapi.SecurityScheme) {
	t.Helper()
	if err := d.AddSecurityScheme(name, s); err != nil {
		t.Fatal(err)
	}
}

// whole returns a document with everything that the model has.
func whole(t *testing.T) *openapi.Document {
	t.Helper()
	d := &openapi.Document{
		OpenAPI:  openapi.Version,
		Info:     openapi.Info{Title: "Orders <1>", Summary: "s", Description: "d", Version: "1.2.0"},
		Security: openapi.Security{{"apiKey": nil}, {"bearer": {"orders:read"}, "mtls": nil}, {}},
		Servers:  []openapi.Server{{URL: "https://api.example", Description: "the one"}, {URL: "/v1"}},
		Tags:     []openapi.Tag{{Name: "orders", Description: "what was ordered"}, {Name: "health"}},
	}
	add(t, d, "apiKey", openapi.SecurityScheme{Type: "apiKey", In: "header", Name: "X-API-Key", Description: "a key & more"})
	add(t, d, "bearer", openapi.SecurityScheme{Type: "http", Scheme: "bearer", BearerFormat: "JWT"})
	add(t, d, "mtls", openapi.SecurityScheme{Type: "mutualTLS"})
	add(t, d, "oidc", openapi.SecurityScheme{Type: "openIdConnect", OpenIDConnectURL: "https://id.example/.well-known/openid-configuration"})
	add(t, d, "login", openapi.SecurityScheme{Type: "oauth2", Flows: &openapi.OAuthFlows{
		Implicit:          &openapi.OAuthFlow{AuthorizationURL: "https://id.example/authorize?a=1&b=2"},
		Password:          &openapi.OAuthFlow{TokenURL: "http://127.0.0.1:9000/token"},
		ClientCredentials: &openapi.OAuthFlow{TokenURL: "https://id.example/token", Scopes: map[string]string{"orders:write": "change", "orders:read": "see"}},
		AuthorizationCode: &openapi.OAuthFlow{AuthorizationURL: "https://id.example/authorize", TokenURL: "https://id.example/token", RefreshURL: "https://id.example/refresh"},
	}})
	code, refusal := d.AddRefusal(http.StatusUnauthorized)
	all, other := d.AddRefusal(0)
	text := &openapi.Schema{Type: "string"}
	d.Components.Schemas["Order"] = openapi.Schema{Type: "object", Properties: map[string]openapi.Schema{
		"id": {Type: "string", Description: "made here"}, "state": {Type: "string", Enum: []string{"open", "closed"}},
		"items": {Type: "array", Items: &openapi.Schema{Ref: "#/components/schemas/Item"}},
	}}
	d.Components.Schemas["Item"] = *text
	operations := []struct {
		method, path string
		operation    openapi.Operation
	}{
		{"GET", "/orders/{id}", openapi.Operation{
			OperationID: "order", Summary: "one order",
			Parameters: []openapi.Parameter{{Name: "id", In: "path", Required: true, Schema: text}},
			Responses: openapi.Responses{
				"401": {Description: "no credential", Headers: map[string]openapi.Header{"WWW-Authenticate": {Required: true, Schema: text}}},
				"403": {Description: "no scope", Content: map[string]openapi.MediaType{"application/problem+json": {Schema: &openapi.Schema{
					Type: "object", Required: []string{"type"}, Properties: map[string]openapi.Schema{"type": {Type: "string", Format: "uri"}},
				}}}},
				"503":     {Description: "no answer", Headers: map[string]openapi.Header{"Retry-After": {Schema: &openapi.Schema{Type: "integer"}}}},
				"default": {Description: "else"},
			},
		}},
		{"POST", "/orders", openapi.Operation{
			OperationID: "create", Tags: []string{"orders"},
			RequestBody: &openapi.RequestBody{Description: "the order", Required: true, Content: map[string]openapi.MediaType{"application/json": {
				Schema: &openapi.Schema{Ref: "#/components/schemas/Order"}, Example: json.RawMessage(`{"id":"o1","of":"a&b"}`),
			}}},
			Responses: openapi.Responses{"201": {Description: "created"}, code: refusal, all: other},
		}},
		{"DELETE", "/orders/{id}", openapi.Operation{
			Parameters: []openapi.Parameter{{Name: "id", In: "path", Required: true, Schema: text}},
			Security:   openapi.Security{{"login": {"orders:write"}}},
		}},
		{"GET", "/health", openapi.Operation{Security: openapi.Security{}}},
	}
	for _, o := range operations {
		if err := d.AddOperation(o.method, o.path, o.operation); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func write(t *testing.T, d *openapi.Document) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := d.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWrite(t *testing.T) { golden.Compare(t, "testdata/document.json", write(t, whole(t))) }

func TestWriteIsDeterministicAndReadsBack(t *testing.T) {
	want := write(t, whole(t))
	for range 100 {
		if got := write(t, whole(t)); !bytes.Equal(got, want) {
			t.Fatalf("got another document:\n%s\nwant\n%s", got, want)
		}
	}
	var back openapi.Document
	if err := json.Unmarshal(want, &back); err != nil {
		t.Fatal(err)
	}
	if got := write(t, &back); !bytes.Equal(got, want) {
		t.Errorf("after a round trip got\n%s\nwant\n%s", got, want)
	}
}

// An absent list inherits, the empty one is public, {} is optional: three things
// that must not become each other on their way through JSON.
func TestAbsentEmptyAndOptionalSecurityStayApart(t *testing.T) {
	tests := []struct {
		name     string
		security openapi.Security
		json     string
	}{
		{"absent", nil, `{}`},
		{"empty", openapi.Security{}, `{"security":[]}`},
		{"optional", openapi.Security{{}}, `{"security":[{}]}`},
		{"nil scopes are the empty list", openapi.Security{{"a": nil}}, `{"security":[{"a":[]}]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text, err := json.Marshal(openapi.Operation{Security: tt.security})
			if err != nil || string(text) != tt.json {
				t.Fatalf("got %s, %v, want %s", text, err, tt.json)
			}
			var back openapi.Operation
			if err := json.Unmarshal(text, &back); err != nil {
				t.Fatal(err)
			}
			if (back.Security == nil) != (tt.security == nil) || len(back.Security) != len(tt.security) {
				t.Errorf("read back %#v, want %#v", back.Security, tt.security)
			}
		})
	}
	for _, text := range []string{`{"security":null}`, `{"security":[null]}`, `{"security":[{"a":null}]}`, `{"security":[{"a":[null]}]}`, `{"security":{}}`, `{"security":[{"a":"b"}]}`} {
		var o openapi.Operation
		if err := json.Unmarshal([]byte(text), &o); err == nil {
			t.Errorf("%s was read as %#v", text, o.Security)
		}
	}
}

func TestAddSecurityScheme(t *testing.T) {
	key := openapi.SecurityScheme{Type: "apiKey", In: "header", Name: "X-API-Key"}
	flows := func(f openapi.OAuthFlows) openapi.SecurityScheme {
		return openapi.SecurityScheme{Type: "oauth2", Flows: &f}
	}
	tests := []struct {
		name   string
		scheme openapi.SecurityScheme
		want   []string // of the error; none for success
	}{
		{"key in header", key, nil},
		{"key in query, any name", openapi.SecurityScheme{Type: "apiKey", In: "query", Name: "api key"}, nil},
		{"key in cookie", openapi.SecurityScheme{Type: "apiKey", In: "cookie", Name: "__Host-key"}, nil},
		{"key without name and place", openapi.SecurityScheme{Type: "apiKey"}, []string{"name is missing", "in is missing"}},
		{"key in the body", openapi.SecurityScheme{Type: "apiKey", In: "body", Name: "k"}, []string{`in "body"`}},
		{"key in a header that is none", openapi.SecurityScheme{Type: "apiKey", In: "header", Name: "a b"}, []string{`"a b" is no token`}},
		{"basic", openapi.SecurityScheme{Type: "http", Scheme: "basic"}, nil},
		{"Bearer, any case", openapi.SecurityScheme{Type: "http", Scheme: "Bearer", BearerFormat: "JWT"}, nil},
		{"http without scheme", openapi.SecurityScheme{Type: "http"}, []string{"scheme is missing"}},
		{"http with two words", openapi.SecurityScheme{Type: "http", Scheme: "a b"}, []string{"no token"}},
		{"bearerFormat of basic", openapi.SecurityScheme{Type: "http", Scheme: "basic", BearerFormat: "JWT"}, []string{"bearerFormat is none"}},
		{"mutualTLS", openapi.SecurityScheme{Type: "mutualTLS"}, nil},
		{
			"fields of other types",
			openapi.SecurityScheme{Type: "mutualTLS", Name: "a", In: "header", Scheme: "b", OpenIDConnectURL: "https://a.example/"},
			[]string{"name is none", "in is none", "scheme is none", "openIdConnectUrl is none"},
		},
		{"no type", openapi.SecurityScheme{}, []string{`unknown type ""`}},
		{"type in another case", openapi.SecurityScheme{Type: "ApiKey"}, []string{`unknown type "ApiKey"`}},
		{"oauth2 without flows", openapi.SecurityScheme{Type: "oauth2"}, []string{"flows is missing"}},
		{"oauth2 with no flow", flows(openapi.OAuthFlows{}), []string{"flows has none"}},
		{
			"implicit with a token URL", flows(openapi.OAuthFlows{Implicit: &openapi.OAuthFlow{TokenURL: "https://a.example/"}}),
			[]string{"flows.implicit.authorizationUrl is missing", "flows.implicit.tokenUrl is none"},
		},
		{
			"code without URLs", flows(openapi.OAuthFlows{AuthorizationCode: &openapi.OAuthFlow{}}),
			[]string{"flows.authorizationCode.authorizationUrl is missing", "flows.authorizationCode.tokenUrl is missing"},
		},
		{"password and client credentials", flows(openapi.OAuthFlows{
			Password: &openapi.OAuthFlow{TokenURL: "https://a.example/"}, ClientCredentials: &openapi.OAuthFlow{TokenURL: "http://[::1]:1/"},
		}), nil},
		{"token over plain http", flows(openapi.OAuthFlows{Password: &openapi.OAuthFlow{TokenURL: "http://a.example/"}}), []string{"want https"}},
		{"refresh over plain http", flows(openapi.OAuthFlows{Password: &openapi.OAuthFlow{TokenURL: "https://a.example/", RefreshURL: "ftp://a.example/"}}), []string{"refreshUrl: want https"}},
		{"openIdConnect", openapi.SecurityScheme{Type: "openIdConnect", OpenIDConnectURL: "https://a.example/c"}, nil},
		{"openIdConnect without URL", openapi.SecurityScheme{Type: "openIdConnect"}, []string{"openIdConnectUrl is missing"}},
		{"openIdConnect, relative", openapi.SecurityScheme{Type: "openIdConnect", OpenIDConnectURL: "/c"}, []string{"absolute URL"}},
		{"openIdConnect, not parsable", openapi.SecurityScheme{Type: "openIdConnect", OpenIDConnectURL: "https://a.example/%zz"}, []string{"absolute URL"}},
		{"a password in a URL", openapi.SecurityScheme{Type: "openIdConnect", OpenIDConnectURL: "https://u:hunter2@a.example/c"}, []string{"without user"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var d openapi.Document
			err := d.AddSecurityScheme("a", tt.scheme)
			if len(tt.want) == 0 {
				if err != nil || len(d.Components.SecuritySchemes) != 1 {
					t.Fatalf("got %v, %v", d.Components, err)
				}
				return
			}
			if err == nil || d.Components.SecuritySchemes != nil {
				t.Fatalf("was added: %v, error %v", d.Components, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %q repeats a password", err)
			}
		})
	}
}

func TestAddSecuritySchemeUnderATakenName(t *testing.T) {
	var d openapi.Document
	scopes := map[string]string{"a": "b"}
	scheme := func(s map[string]string) openapi.SecurityScheme {
		return openapi.SecurityScheme{Type: "oauth2", Flows: &openapi.OAuthFlows{Password: &openapi.OAuthFlow{TokenURL: "https://a.example/", Scopes: s}}}
	}
	add(t, &d, "login", scheme(scopes))
	add(t, &d, "login", scheme(map[string]string{"a": "b"})) // the same value, elsewhere
	add(t, &d, "other", scheme(nil))
	add(t, &d, "other", scheme(map[string]string{})) // nil and empty scopes are one
	scopes["a"] = "changed later"
	if got := d.Components.SecuritySchemes["login"].Flows.Password.Scopes["a"]; got != "b" {
		t.Errorf("scopes were shared with the caller: %q", got)
	}
	if err := d.AddSecurityScheme("login", scheme(scopes)); err == nil || !strings.Contains(err.Error(), `"login"`) {
		t.Errorf("another scheme under a taken name: error %v", err)
	}
	if got := d.Components.SecuritySchemes["login"].Flows.Password.Scopes["a"]; got != "b" {
		t.Errorf("the scheme was replaced: %q", got)
	}
}

func TestValidName(t *testing.T) {
	for name, want := range map[string]bool{
		"apiKey": true, "a.b_c-D9": true, "-": true,
		"": false, "a b": false, "a/b": false, "é": false, "a\n": false, "a%s": false, "#": false,
	} {
		if got := openapi.ValidName(name); got != want {
			t.Errorf("ValidName(%q) = %v, want %v", name, got, want)
		}
		var d openapi.Document
		if err := d.AddSecurityScheme(name, openapi.SecurityScheme{Type: "mutualTLS"}); (err == nil) != want {
			t.Errorf("AddSecurityScheme(%q): %v", name, err)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	text := &openapi.Schema{Type: "string"}
	tests := []struct {
		name   string
		change func(d *openapi.Document)
		want   string
	}{
		{"another version", func(d *openapi.Document) { d.OpenAPI = "3.0.3" }, `openapi "3.0.3"`},
		{"no title", func(d *openapi.Document) { d.Info.Title = "" }, "title"},
		{"no version", func(d *openapi.Document) { d.Info.Version = "" }, "version"},
		{"nothing in it", func(d *openapi.Document) {
			d.Paths, d.Components, d.Security = nil, openapi.Components{}, nil
		}, "neither paths nor components"},
		{"a scheme that was put in unchecked", func(d *openapi.Document) {
			d.Components.SecuritySchemes["x"] = openapi.SecurityScheme{Type: "http"}
		}, `security scheme "x": scheme is missing`},
		{"scopes that were put in as nil", func(d *openapi.Document) {
			d.Components.SecuritySchemes["login"].Flows.Password.Scopes = nil
		}, "flows.password.scopes is missing"},
		{"an unknown scheme for all", func(d *openapi.Document) { d.Security = openapi.Security{{"no": nil}} }, `"no" is not declared`},
		{"an unknown scheme for one", func(d *openapi.Document) {
			d.Paths["/health"].Get.Security = openapi.Security{{"no": nil}}
		}, `"GET /health": security scheme "no"`},
		{"a nil requirement", func(d *openapi.Document) { d.Security = openapi.Security{nil} }, "requirement is nil"},
		{"a path without slash", func(d *openapi.Document) { d.Paths["x"] = openapi.PathItem{Put: &openapi.Operation{}} }, "begins with a slash"},
		{"one path with two names", func(d *openapi.Document) { d.Paths["/orders/{no}"] = openapi.PathItem{} }, "are the same"},
		{"a template without parameter", func(d *openapi.Document) { d.Paths["/a/{b}"] = openapi.PathItem{Patch: &openapi.Operation{}} }, "{b} has no parameter"},
		{"an optional path parameter", func(d *openapi.Document) { d.Paths["/orders/{id}"].Get.Parameters[0].Required = false }, "must be required"},
		{"a parameter twice", func(d *openapi.Document) {
			d.Paths["/health"].Get.Parameters = []openapi.Parameter{{Name: "a", In: "query", Schema: text}, {Name: "a", In: "query", Schema: text}}
		}, "there twice"},
		{"a parameter without schema", func(d *openapi.Document) {
			d.Paths["/health"].Get.Parameters = []openapi.Parameter{{Name: "a", In: "query"}}
		}, "lacks its name, place or schema"},
		{"an operation id twice", func(d *openapi.Document) { d.Paths["/health"].Get.OperationID = "order" }, "is taken"},
		{"no status", func(d *openapi.Document) {
			d.Paths["/health"].Get.Responses = openapi.Responses{"600": {Description: "a"}}
		}, `response "600"`},
		{"an answer without text", func(d *openapi.Document) { d.Paths["/health"].Get.Responses = openapi.Responses{"4XX": {}} }, `response 4XX": want a description`},
		{"a header without schema", func(d *openapi.Document) {
			d.Paths["/health"].Get.Responses = openapi.Responses{"401": {Description: "a", Headers: map[string]openapi.Header{"A": {}}}}
		}, `header "A"`},
	}
	answer := func(r openapi.Response) func(d *openapi.Document) {
		return func(d *openapi.Document) { d.Paths["/health"].Get.Responses = openapi.Responses{"401": r} }
	}
	body := func(s openapi.Schema) func(d *openapi.Document) {
		return func(d *openapi.Document) {
			d.Paths["/orders"].Post.RequestBody.Content = map[string]openapi.MediaType{"application/json": {Schema: &s}}
		}
	}
	toOrder := openapi.Schema{Ref: "#/components/schemas/Order"}
	tests = append(tests, []struct {
		name   string
		change func(d *openapi.Document)
		want   string
	}{
		{"a reference to no response", answer(openapi.Response{Ref: "#/components/responses/No"}), "want a reference to a response"},
		{"a reference to elsewhere", answer(openapi.Response{Ref: "other.json#/a"}), "want a reference to a response"},
		{"a reference and a text", answer(openapi.Response{Ref: "#/components/responses/Unauthorized", Description: "a"}), "nothing beside it"},
		{"a reference to a reference", func(d *openapi.Document) {
			d.Components.Responses["A"] = openapi.Response{Ref: "#/components/responses/Unauthorized"}
			answer(openapi.Response{Ref: "#/components/responses/A"})(d)
		}, "want a reference to a response"},
		{"a response under no name", func(d *openapi.Document) { d.Components.Responses["a b"] = openapi.Response{Description: "a"} }, "want a name"},
		{"a schema under no name", func(d *openapi.Document) { d.Components.Schemas["a b"] = *text }, "want a name"},
		{"a reference to no schema", body(openapi.Schema{Ref: "#/components/schemas/No"}), "want a reference to a schema"},
		{"one deep inside", body(openapi.Schema{Properties: map[string]openapi.Schema{"a": {Items: &openapi.Schema{Ref: "#/No"}}}}), ".a[]"},
		{"a reference and a type", body(openapi.Schema{Ref: toOrder.Ref, Type: "object"}), "nothing beside it"},
		{"no media type", answer(openapi.Response{Description: "a", Content: map[string]openapi.MediaType{"json": {}}}), "no media type"},
		{"an example that is no JSON", answer(openapi.Response{Description: "a", Content: map[string]openapi.MediaType{"application/json": {Example: json.RawMessage(`{`)}}}), "no JSON"},
		{"a body without content", func(d *openapi.Document) { d.Paths["/orders"].Post.RequestBody.Content = nil }, "lacks its content"},
		{"a server with a password", func(d *openapi.Document) { d.Servers[0].URL = "https://a:b@c" }, "a server: want a URL"},
		{"a server without URL", func(d *openapi.Document) { d.Servers[0].URL = "" }, "a server: want a URL"},
		{"a tag twice", func(d *openapi.Document) { d.Tags[1].Name = "orders" }, `tag "orders"`},
	}...)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := whole(t)
			tt.change(d)
			var b bytes.Buffer
			if err := d.Write(&b); err == nil || !strings.Contains(err.Error(), tt.want) || b.Len() > 0 {
				t.Errorf("error %v, wrote %d bytes, want an error with %q", err, b.Len(), tt.want)
			}
		})
	}
}

var errDisk = errors.New("disk full")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errDisk }

func TestWriteReportsTheWritersError(t *testing.T) {
	if err := whole(t).Write(broken{}); !errors.Is(err, errDisk) {
		t.Errorf("error %v, want %v", err, errDisk)
	}
}

func TestAddOperation(t *testing.T) {
	var d openapi.Document
	for _, method := range []string{"GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"} {
		if err := d.AddOperation(method, "/", openapi.Operation{Summary: method}); err != nil {
			t.Fatal(err)
		}
		if err := d.AddOperation(method, "/", openapi.Operation{}); err == nil {
			t.Errorf("%s / was replaced", method)
		}
	}
	if item := d.Paths["/"]; item.Get.Summary != "GET" || item.Trace.Summary != "TRACE" {
		t.Errorf("got %v", item)
	}
	for _, method := range []string{"", "get", "CONNECT"} {
		if err := d.AddOperation(method, "/", openapi.Operation{}); err == nil {
			t.Errorf("method %q was added", method)
		}
	}
}

// FuzzSecurity: what is read is written as the same thing, and null is never
// read as a list or as {}.
func FuzzSecurity(f *testing.F) {
	for _, seed := range []string{`[]`, `[{}]`, `[{"a":[]},{"b":["c","d"],"e":[]},{}]`, `null`, `[null]`, `[{"a":null}]`, `[{"a":[null]}]`, `{`, `[{"<":["&"]}]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var s, again openapi.Security
		if json.Unmarshal(data, &s) != nil {
			return
		}
		if s == nil {
			t.Fatalf("%q was read as absent", data)
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &again); err != nil || !reflect.DeepEqual(s, again) {
			t.Errorf("%q was read as %#v, written as %s, read as %#v: %v", data, s, text, again, err)
		}
	})
}
