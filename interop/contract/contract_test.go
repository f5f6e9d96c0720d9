package contract_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/warder-dev/warder/contract"
	"github.com/warder-dev/warder/exchange"
)

// ours reports whether package contract takes r.
func ours(t *testing.T, document string, r *http.Request) bool {
	t.Helper()
	d, err := contract.Read([]byte(document), contract.Options{})
	if err != nil {
		t.Fatalf("%v\n%s", err, document)
	}
	s, err := contract.New(contract.Config{Operation: d.Operations[0]})
	if err != nil {
		t.Fatal(err)
	}
	x := exchange.New(r)
	x.Path, x.RawQuery = r.URL.EscapedPath(), r.URL.RawQuery
	return s.Check(x).Passed()
}

// kins reports whether kin-openapi takes r.
func kins(t *testing.T, document string, r *http.Request) bool {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	route, parameters, err := router.FindRoute(r)
	if err != nil {
		return false
	}
	return openapi3filter.ValidateRequest(t.Context(), &openapi3filter.RequestValidationInput{
		Request: r, PathParams: parameters, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, RejectWhenRequestBodyNotSpecified: true},
	}) == nil
}

func request(method, target, contentType, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body == "" {
		r = httptest.NewRequest(method, target, nil)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

// TestParametersAsKinOpenAPI: the same answers for parameters in every style; where
// they differ, ours is the stricter one, and the row says why.
func TestParametersAsKinOpenAPI(t *testing.T) {
	for _, tt := range []struct {
		in, parameter string
		queries       []string
		stricter      map[string]string
	}{
		{"query", `"schema": {"type": "integer", "minimum": 1, "maximum": 9}`, []string{"", "q=1", "q=9", "q=0", "q=10", "q=x", "q=1.5", "q=-1", "q=", "q=1 OR 1=1", "q=07", "q=1&q=2"}, map[string]string{
			"q=07": "an integer has no leading zero", "q=1&q=2": "the first of two is not the only one",
		}},
		{"query", `"required": true, "schema": {"type": "string", "maxLength": 3}`, []string{"", "q=a", "q=abcd", "q=%C3%BC%C3%BC%C3%BC", "q="}, nil},
		{"query", `"schema": {"type": "boolean"}`, []string{"q=true", "q=false", "q=yes", "q=1", "q=TRUE"}, map[string]string{"q=1": "a boolean is a word of JSON", "q=TRUE": "a boolean is a word of JSON"}},
		{"query", `"schema": {"type": "number"}`, []string{"q=1", "q=1.5", "q=-1e3", "q=x", "q=NaN", "q=Infinity", "q=0x10"}, nil},
		{"query", `"schema": {"type": "string", "enum": ["a", "b"]}`, []string{"q=a", "q=c", "q=A"}, nil},
		{"query", `"schema": {"type": "string", "pattern": "^[a-z]+$"}`, []string{"q=a", "q=1", "q=a1"}, nil},
		{"query", `"schema": {"type": "array", "items": {"type": "integer"}, "maxItems": 2}`, []string{"q=1", "q=1&q=2", "q=1&q=2&q=3", "q=1&q=x", "q=1,2"}, nil},
		{"query", `"explode": false, "schema": {"type": "array", "items": {"type": "integer"}}`, []string{"q=1", "q=1,2", "q=1,x", "q=1%2C2"}, map[string]string{"q=1%2C2": "an encoded comma is data"}},
		{"query", `"style": "pipeDelimited", "explode": false, "schema": {"type": "array", "items": {"type": "integer"}}`, []string{"q=1", "q=1|2", "q=1%7C2", "q=1|x"}, nil},
		{"query", `"style": "spaceDelimited", "explode": false, "schema": {"type": "array", "items": {"type": "integer"}}`, []string{"q=1", "q=1%202", "q=1%20x"}, nil},
		{"query", `"style": "deepObject", "explode": true, "schema": {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}`, []string{"", "q[x]=1", "q[x]=a", "q%5Bx%5D=1"}, nil},
		{"query", `"schema": {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "string"}}}`, []string{"x=1", "x=1&y=b", "x=a"}, nil},
		{"query", `"content": {"application/json": {"schema": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}}}`, []string{`q={"a":1}`, `q={"a":"1"}`, `q={}`, `q={`}, nil},
		{"query", `"schema": {"type": "string"}`, []string{"q=a&r=1", "r=1"}, map[string]string{"q=a&r=1": "what is not declared is not taken", "r=1": "what is not declared is not taken"}},
	} {
		document := `{"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"get": {"parameters": [{"in": "` + tt.in + `", "name": "q", ` + tt.parameter + `}], "responses": {"200": {"description": ""}}}}}}`
		for _, query := range tt.queries {
			target := "/a?" + strings.NewReplacer(" ", "%20", `"`, "%22", "{", "%7B", "}", "%7D").Replace(query)
			own, other := ours(t, document, request(http.MethodGet, target, "", "")), kins(t, document, request(http.MethodGet, target, "", ""))
			why, stricter := tt.stricter[query]
			switch {
			case stricter && (own || !other):
				t.Errorf("%s takes %s: ours %v, theirs %v; the row says that ours is stricter: %s", tt.parameter, query, own, other, why)
			case !stricter && own != other:
				t.Errorf("%s takes %s: ours %v, theirs %v", tt.parameter, query, own, other)
			}
		}
	}
}

// TestBodiesAsKinOpenAPI: the same for JSON bodies of OpenAPI 3.0.
func TestBodiesAsKinOpenAPI(t *testing.T) {
	bodies := []string{`{}`, `{"a": 1}`, `{"a": "x"}`, `{"a": null}`, `{"a": 1, "b": 2}`, `{"a": [1, 2]}`, `{"a": {"b": 1}}`, `[]`, `[1]`, `[1, 1]`, `1`, `1.5`, `"x"`, `null`, `true`, `{`, `{"a": 1}x`}
	for _, schema := range []string{
		`{"type": "object"}`, `{"type": "object", "required": ["a"]}`, `{"type": "object", "properties": {"a": {"type": "integer"}}}`,
		`{"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": false}`, `{"type": "object", "additionalProperties": {"type": "integer"}}`,
		`{"type": "object", "properties": {"a": {"type": "string", "nullable": true}}}`, `{"type": "object", "maxProperties": 1}`, `{"type": "object", "minProperties": 1}`,
		`{"type": "array"}`, `{"type": "array", "items": {"type": "integer"}, "minItems": 1}`, `{"type": "array", "items": {}, "uniqueItems": true}`, `{"type": "integer"}`, `{"type": "number", "minimum": 1, "exclusiveMinimum": true}`,
		`{"type": "string"}`, `{"type": "boolean"}`, `{"allOf": [{"type": "object", "required": ["a"]}, {"type": "object", "maxProperties": 1}]}`, `{"anyOf": [{"type": "array", "items": {}}, {"type": "string"}]}`,
		`{"oneOf": [{"type": "object", "required": ["a"]}, {"type": "object", "required": ["b"]}]}`, `{"not": {"type": "object"}}`, `{"enum": [1, "x", null]}`,
	} {
		document := `{"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"post": {"requestBody": {"required": true, "content": {"application/json": {"schema": ` + schema + `}}}, "responses": {"200": {"description": ""}}}}}}`
		for _, body := range bodies {
			own, other := ours(t, document, request(http.MethodPost, "/a", "application/json", body)), kins(t, document, request(http.MethodPost, "/a", "application/json", body))
			switch {
			case strings.HasSuffix(body, "}x"): // they read up to the end of the first value
				if own {
					t.Errorf("%s takes %s, which is no JSON", schema, body)
				}
			case body == "null" && !strings.Contains(schema, `"type": "`) || body == "null" && strings.HasPrefix(schema, `{"not"`):
				// Without a type null is a value like any other (OpenAPI 3.0.3, section 4.7.24); they want nullable.
				if !own || other {
					t.Errorf("%s takes null: ours %v, theirs %v, want ours alone", schema, own, other)
				}
			case own != other:
				t.Errorf("%s takes %s: ours %v, theirs %v", schema, body, own, other)
			}
		}
	}
}

// TestSchemasAsJSONSchema: JSON Schema 2020-12, against a validator that passes its
// test suite: every schema with every value, and two schemas at a time.
func TestSchemasAsJSONSchema(t *testing.T) {
	values := []string{
		`null`, `true`, `false`, `0`, `1`, `1.0`, `1.5`, `-1`, `3`, `9007199254740993`, `1e300`, `""`, `"a"`, `"abc"`, `"üü"`, `"1"`, `[]`, `[1]`, `[1, 1.0]`, `[1, "a"]`, `["a", 1, true]`, `[[1], [1]]`,
		`[{"a": 1}, {"a": 1.0}]`, `{}`, `{"a": 1}`, `{"a": "x"}`, `{"b": 1}`, `{"a": 1, "b": "x"}`, `{"a": null, "c": {}}`, `{"xa": 1}`, `{"a": {"a": {"a": 1}}}`, `{"a": {"a": {"b": 1}}}`,
	}
	schemas := []string{
		`true`, `false`, `{}`, `{"type": "integer"}`, `{"type": ["string", "null"]}`, `{"type": "number"}`, `{"enum": [1, "a", null, {"a": 1}]}`, `{"const": 1}`, `{"const": [1]}`, `{"multipleOf": 1.5}`, `{"multipleOf": 0.5}`,
		`{"minimum": 1}`, `{"maximum": 1}`, `{"exclusiveMinimum": 1}`, `{"exclusiveMaximum": 1}`, `{"minLength": 2}`, `{"maxLength": 2}`, `{"pattern": "^a"}`, `{"minItems": 2}`, `{"maxItems": 1}`, `{"uniqueItems": true}`,
		`{"items": {"type": "integer"}}`, `{"prefixItems": [{"type": "integer"}, {"type": "string"}]}`, `{"prefixItems": [{"type": "integer"}], "items": false}`, `{"contains": {"type": "string"}}`,
		`{"contains": {"const": 1}, "minContains": 2}`, `{"contains": {"const": 1}, "minContains": 0}`, `{"contains": {"type": "integer"}, "maxContains": 1}`, `{"required": ["a"]}`, `{"properties": {"a": {"type": "integer"}}}`,
		`{"properties": {"a": {}}, "additionalProperties": false}`, `{"additionalProperties": {"type": "integer"}}`, `{"patternProperties": {"a": {"type": "integer"}}}`, `{"patternProperties": {"^x": {}}, "additionalProperties": false}`,
		`{"propertyNames": {"maxLength": 1}}`, `{"minProperties": 2}`, `{"maxProperties": 1}`, `{"dependentRequired": {"a": ["b"]}}`, `{"dependentSchemas": {"a": {"required": ["b"]}}}`,
		`{"not": {"type": "object"}}`, `{"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"type": "array"}}`, `{"if": {"type": "string"}, "else": {"type": "integer"}}`,
		`{"properties": {"a": {}}, "unevaluatedProperties": false}`, `{"allOf": [{"properties": {"a": {}}}], "unevaluatedProperties": false}`, `{"anyOf": [{"properties": {"a": {"type": "integer"}}}, {"properties": {"b": {}}}], "unevaluatedProperties": false}`,
		`{"if": {"required": ["a"]}, "then": {"properties": {"a": {}}}, "unevaluatedProperties": {"type": "string"}}`, `{"oneOf": [{"required": ["a"], "properties": {"a": {}}}, {"required": ["b"], "properties": {"b": {}}}], "unevaluatedProperties": false}`,
		`{"not": {"properties": {"b": {"type": "string"}}, "required": ["b"]}, "unevaluatedProperties": false}`, `{"allOf": [{"unevaluatedProperties": true}], "unevaluatedProperties": false}`, `{"properties": {"a": {}}, "allOf": [{"unevaluatedProperties": false}]}`,
		`{"prefixItems": [{}], "unevaluatedItems": false}`, `{"contains": {"type": "string"}, "unevaluatedItems": {"type": "integer"}}`, `{"allOf": [{"items": {}}], "unevaluatedItems": false}`, `{"anyOf": [{"prefixItems": [{"type": "string"}]}, {"prefixItems": [{}, {"type": "integer"}]}], "unevaluatedItems": false}`,
		`{"$ref": "#/components/schemas/node"}`, `{"$ref": "#/components/schemas/node", "maxProperties": 0}`, `{"dependentSchemas": {"a": {"properties": {"b": {}}}}, "properties": {"a": {}}, "unevaluatedProperties": false}`,
	}
	for i, one := range schemas {
		schemas = append(schemas, fmt.Sprintf(`{"%s": [%s, %s]}`, []string{"allOf", "anyOf", "oneOf"}[i%3], one, schemas[(i*7+3)%len(schemas)]))
	}
	taken := 0
	for _, schema := range schemas {
		document := `{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"post": {"requestBody": {"required": true, "content": {"application/json": {"schema": ` + schema + `}}}}}},
			"components": {"schemas": {"node": {"type": "object", "properties": {"a": {"$ref": "#/components/schemas/node"}}, "additionalProperties": false}}}}`
		root, err := jsonschema.UnmarshalJSON(strings.NewReader(document))
		if err != nil {
			t.Fatal(err)
		}
		compiler := jsonschema.NewCompiler()
		if err := compiler.AddResource("document.json", root); err != nil {
			t.Fatal(err)
		}
		compiled, err := compiler.Compile("document.json#/paths/~1a/post/requestBody/content/application~1json/schema")
		if err != nil {
			t.Fatalf("%s: %v", schema, err)
		}
		for _, text := range values {
			value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			own, other := ours(t, document, request(http.MethodPost, "/a", "application/json", text)), compiled.Validate(value) == nil
			if own != other {
				t.Errorf("%s takes %s: ours %v, theirs %v", schema, text, own, other)
			}
			if own {
				taken++
			}
		}
	}
	if all := len(schemas) * len(values); taken < all/10 || taken > all*9/10 {
		t.Errorf("%d of %d were taken: the table tells too little", taken, all)
	}
}

// nested is a document whose alternatives all have the same member again, and a
// body that is as deep.
func nested(depth int) (document, body string) {
	const schema = `{"anyOf": [{"type": "object", "properties": {"x": {"$ref": "#/components/schemas/e"}}, "required": ["a"]}, {"type": "object", "properties": {"x": {"$ref": "#/components/schemas/e"}}, "required": ["b"]}]}`
	document = `{"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"post": {"requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/e"}}}}, "responses": {"200": {"description": ""}}}}},
		"components": {"schemas": {"e": ` + schema + `}}}`
	return document, strings.Repeat(`{"x":`, depth) + "{}" + strings.Repeat("}", depth)
}

// BenchmarkNestedAlternatives is why package contract counts its steps: without a
// bound each level doubles the time.
func BenchmarkNestedAlternatives(b *testing.B) {
	for _, depth := range []int{4, 8, 12, 16} {
		document, body := nested(depth)
		doc, err := openapi3.NewLoader().LoadFromData([]byte(document))
		if err != nil {
			b.Fatal(err)
		}
		schema := doc.Components.Schemas["e"].Value
		var value any
		if err := json.Unmarshal([]byte(body), &value); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("kin-openapi/%d", depth), func(b *testing.B) {
			for b.Loop() {
				_ = schema.VisitJSON(value)
			}
		})
		d, err := contract.Read([]byte(document), contract.Options{})
		if err != nil {
			b.Fatal(err)
		}
		s, err := contract.New(contract.Config{Operation: d.Operations[0]})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("contract/%d", depth), func(b *testing.B) {
			for b.Loop() {
				x := exchange.New(request(http.MethodPost, "/a", "application/json", body))
				x.Path = "/a"
				s.Check(x)
			}
		})
	}
}
