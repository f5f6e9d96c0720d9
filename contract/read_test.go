package contract_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/warder-dev/warder/contract"
	"github.com/warder-dev/warder/internal/attack"
)

// document is a whole one around paths and components.
func document(paths string, more ...string) string {
	return `{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {` + paths + `}` + strings.Join(more, "") + `}`
}

// get is a path with one operation that has these members.
func get(path, members string) string { return fmt.Sprintf(`%q: {"get": {%s}}`, path, members) }

func read(t *testing.T, text string) *contract.Document {
	t.Helper()
	d, err := contract.Read([]byte(text), contract.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// shapes sums a document up.
func shapes(d *contract.Document) string {
	var all []string
	for _, o := range d.Operations {
		text := o.Method + " " + o.Pattern
		switch {
		case !o.Stated:
			text += " unsaid"
		case len(o.Security) == 0:
			text += " public"
		default:
			for i, a := range o.Security {
				if i > 0 {
					text += " |"
				}
				text += fmt.Sprint(" ", map[string][]string(a))
			}
		}
		all = append(all, text)
	}
	return strings.Join(all, "\n")
}

func TestRead(t *testing.T) {
	const schemes = `, "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}, "login": {"type": "oauth2", "flows": {}}}}`
	tests := []struct{ name, text, want string }{
		{"an operation's security stands in place of the document's", document(get("/a", `"security": [{"login": ["a:b"]}]`)+","+get("/b", ``), schemes, `, "security": [{"key": []}]`), "GET /a map[login:[a:b]]\nGET /b map[key:[]]"},
		{"the empty list is public, by word", document(get("/a", `"security": []`), schemes, `, "security": [{"key": []}]`), "GET /a public"},
		{"an empty requirement alone is public", document(get("/a", `"security": [{}]`), schemes), "GET /a public"},
		{"nothing said is nothing said", document(get("/a", ``), schemes), "GET /a unsaid"},
		{"or and and; optional comes last", document(get("/a", `"security": [{}, {"key": [], "login": ["x"]}, {"key": []}]`), schemes), "GET /a map[key:[] login:[x]] | map[key:[]] | map[]"},
		{"the path of the first server", document(get("/a", ``), `, "servers": [{"url": "https://h.example/v1/"}, {"url": "http://localhost/v1"}]`), "GET /v1/a unsaid"},
		{"variables of a server", document(get("/a", ``), `, "servers": [{"url": "https://{h}/{v}", "variables": {"h": {"default": "x"}, "v": {"default": "v2"}}}]`), "GET /v2/a unsaid"},
		{"a server of a path, and of an operation", document(`"/a": {"servers": [{"url": "/p"}], "get": {}, "put": {"servers": [{"url": "/"}]}}`), "GET /p/a unsaid\nPUT /a unsaid"},
		{"a slash at the end is one path", document(get("/a/", ``) + "," + get("/", ``)), "GET /{$} unsaid\nGET /a/{$} unsaid"},
		{"parameters are whole segments", document(get("/a/{b}/c/{d}", ``)), "GET /a/{p1}/c/{p3} unsaid"},
		{"or part of one", document(get("/v{v}/{a}-{b}.ü", ``)), "GET /v{p0_0}/{p1_0}-{p1_1}.%C3%BC unsaid"},
		{"what a pattern cannot hold as it is", document(get("/a b/ü/%2B", ``)), "GET /a%20b/%C3%BC/+ unsaid"},
		{"YAML", "openapi: 3.0.3\ninfo: {title: t, version: 1}\npaths:\n  /a:\n    get:\n      responses:\n        200: {description: ok}\n", "GET /a unsaid"},
		{"a path item elsewhere", document(`"/a": {"$ref": "#/components/pathItems/a"}`, `, "components": {"pathItems": {"a": {"delete": {}}}}`), "DELETE /a unsaid"},
		{"every method that is forwarded", document(`"/a": {"get": {}, "put": {}, "post": {}, "delete": {}, "options": {}, "head": {}, "patch": {}, "trace": {}}`), "DELETE /a unsaid\nGET /a unsaid\nHEAD /a unsaid\nOPTIONS /a unsaid\nPATCH /a unsaid\nPOST /a unsaid\nPUT /a unsaid"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := shapes(read(t, tt.text)); got != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}

func TestExtensions(t *testing.T) {
	d := read(t, document(`"/a": {"x-warder-mode": "off", "get": {"x-warder-mode": "enforce", "x-warder-limits": ["few"], "x-warder-roles": ["admin"]}, "put": {"x-warder-scopes": ["a:b"]}}`,
		`, "x-warder-mode": "shadow", "x-warder-limits": ["all"]`))
	got := ""
	for _, o := range d.Operations {
		got += fmt.Sprintln(o.Method, o.Mode, o.Limits, o.Scopes, o.Roles)
	}
	if want := "GET enforce [few] [] [admin]\nPUT off [all] [a:b] []\n"; got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

// each is a document that must be refused, and what the error must name.
type refused struct{ name, text, want string }

func refusals() []refused {
	param := func(members string) string {
		return document(get("/a", `"parameters": [{"in": "query", "name": "q", `+members+`}]`))
	}
	schema := func(text string) string { return param(`"schema": ` + text) }
	return []refused{
		{"nothing", "", "#: the document is empty"},
		{"a list", "[1]", "is no object"},
		{"neither", "a: b: c", "neither JSON nor YAML"},
		{"two documents", "openapi: 3.1.0\n---\nopenapi: 3.1.0\n", "more than one"},
		{"two readings", `{"openapi": "3.1.0", "openapi": "3.0.0"}`, "twice"},
		{"two readings in YAML", "openapi: 3.1.0\nopenapi: 3.0.0\n", "twice"},
		{"Swagger", `{"swagger": "2.0"}`, "#/swagger: is version 2"},
		{"another version", `{"openapi": "4.0.0"}`, "#/openapi: "},
		{"a number for a version", "openapi: 3.1\n", "#/openapi: "},
		{"no paths", `{"openapi": "3.1.0"}`, "#/paths: is missing"},
		{"no operations", document(``), "#/paths: has no operations"},
		{"a scheme that there is not", document(get("/a", `"security": [{"nobody": []}]`)), "#/paths/~1a/get/security/0/nobody: names a scheme"},
		{"security that is no list", document(get("/a", `"security": {}`)), "security: is no list"},
		{"a wildcard for a scope", document(get("/a", `"security": [{"k": ["a:*"]}]`), `, "components": {"securitySchemes": {"k": {"type": "mutualTLS"}}}`), "is no scope"},
		{"two parameters that nothing divides", document(get("/a/{b}{c}", ``)), "#/paths/~1a~1{b}{c}: has two parameters with nothing between them"},
		{"a parameter twice", document(get("/a/{b}-{b}", ``)), "the same one twice"},
		{"a parameter without a name", document(get("/a/x{}", ``)), "without a name"},
		{"a brace too many", document(get("/a/{b}}", ``)), "has a brace"},
		{"an encoded slash beside a parameter", document(get("/a/{b}%2Fc", ``)), "not percent-encoded"},
		{"one path under two names, within a segment", document(get("/a/{b}.json", ``) + "," + get("/a/{c}.json", ``)), "is the same path as"},
		{"dot segments", document(get("/a/../b", ``)), "dot segment"},
		{"one path under two names", document(get("/a/{b}", ``) + "," + get("/a/{c}", ``)), "is the same path as"},
		{"an extension that nobody knows", document(get("/a", `"x-warder-limit": ["few"]`)), "x-warder-limit: is no extension"},
		{"scopes of nobody", document(get("/a", `"x-warder-scopes": ["a"], "security": []`)), "lets anybody call"},
		{"roles of nobody", document(get("/a", `"x-warder-roles": ["a"], "security": [{}]`)), "has x-warder-roles and lets anybody call"},
		{"no roles", document(get("/a", `"x-warder-roles": []`)), "#/paths/~1a/get/x-warder-roles: names no role"},
		{"a role that is none", document(get("/a", `"x-warder-roles": ["a b"]`)), "#/paths/~1a/get/x-warder-roles/0: is no role"},
		{"a mode that there is not", document(get("/a", `"x-warder-mode": "on"`)), "is none of off, shadow and enforce"},
		{"a long path", document(get("/"+strings.Repeat("a", 2000), ``)), "is longer than 1024 bytes"},
		{"a name that is none", document(get("/a", ``), `, "components": {"securitySchemes": {"a b": {"type": "mutualTLS"}}}`), "is no name of a component"},
		{"a type that there is not", schema(`{"type": "int"}`), "#/paths/~1a/get/parameters/0/schema/type: is no type"},
		{"a look-ahead", schema(`{"pattern": "^(?=a)b"}`), "schema/pattern: is a pattern that cannot be matched in linear time"},
		{"a reference back", schema(`{"pattern": "(a)\\1"}`), "cannot be matched in linear time"},
		{"a pattern that is too large", schema(`{"pattern": "((a{100}){100}){100}"}`), "schema/pattern: "},
		{"a list of objects in the query", schema(`{"type": "array", "items": {"type": "object"}}`), "which no style can write"},
		{"a style of another place", param(`"style": "matrix", "schema": {}`), "style: is not understood"},
		{"another dialect", schema(`{"$schema": "http://json-schema.org/draft-04/schema#"}`), "another dialect"},
		{"what would not be enforced", schema(`{"$dynamicRef": "#x"}`), "would not be enforced"},
		{"nothing there", schema(`{"$ref": "#/components/schemas/none"}`), "names nothing"},
		{"an anchor", schema(`{"$ref": "#user"}`), "names an anchor"},
		{"multiples of nothing", schema(`{"multipleOf": 0}`), "is not above 0"},
	}
}

func TestReadRefuses(t *testing.T) {
	for _, tt := range refusals() {
		t.Run(tt.name, func(t *testing.T) {
			_, err := contract.Read([]byte(tt.text), contract.Options{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want one with %q", err, tt.want)
			}
			if _, ok := errors.AsType[*contract.Error](err); !ok {
				t.Errorf("%T is no *contract.Error", err)
			}
		})
	}
}

// TestNothingIsFollowed: what leads out of a document, in itself or into itself for
// ever is refused; nothing is opened and nobody is asked, since there is no code
// that could: the package imports neither a client nor a file system for it.
func TestNothingIsFollowed(t *testing.T) {
	folder := t.TempDir()
	secret := folder + "/schema.json"
	if err := os.WriteFile(secret, []byte(`{"type": "string"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	asks := 0
	address := counting(t, &asks)
	bomb := "a: &a [x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		bomb += fmt.Sprintf("%c: &%c [*%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c]\n", 'b'+i, 'b'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i, 'a'+i)
	}
	schema := func(text, components string) string {
		return document(get("/a", `"parameters": [{"in": "query", "name": "q", "schema": `+text+`}]`), `, "components": {"schemas": {`+components+`}}`)
	}
	attack.Case(t, "OAS-01", attack.Library, func(t *testing.T) {
		for _, tt := range []refused{
			{"a file", schema(`{"$ref": "`+secret+`"}`, ``), "leads out of the document"},
			{"a file, as URL", schema(`{"$ref": "file://`+secret+`#/a"}`, ``), "leads out of the document"},
			{"a file beside", schema(`{"$ref": "schema.json"}`, ``), "leads out of the document"},
			{"a server", schema(`{"$ref": "`+address+`/schema.json"}`, ``), "leads out of the document"},
			{"a server of the cloud", schema(`{"$ref": "http://169.254.169.254/latest/meta-data"}`, ``), "leads out of the document"},
			{"a path item", document(`"/a": {"$ref": "` + address + `/a"}`), "leads out of the document"},
			{"a body", document(`"/a": {"post": {"requestBody": {"$ref": "//h/x"}}}`), "leads out of the document"},
			{"where nobody looks", schema(`{}`, `"a": {"properties": {"b": {"$ref": "other.yaml"}}}`), "leads out of the document"},
			{"itself", schema(`{"$ref": "#/components/schemas/a"}`, `"a": {"$ref": "#/components/schemas/a"}`), "refers to itself"},
			{"each other", schema(`{"$ref": "#/components/schemas/a"}`, `"a": {"allOf": [{"$ref": "#/components/schemas/b"}]}, "b": {"anyOf": [{"$ref": "#/components/schemas/a"}]}`), "refers to itself"},
			{"parameters that name each other", document(get("/a", `"parameters": [{"$ref": "#/components/parameters/a"}]`), `, "components": {"parameters": {"a": {"$ref": "#/components/parameters/b"}, "b": {"$ref": "#/components/parameters/a"}}}`), "without end"},
			{"a bomb of aliases", bomb, "alias of YAML"},
			{"an alias of itself", "openapi: &a [*a]\n", "alias of YAML"},
			{"a merge key", "openapi: 3.1.0\ninfo: &i {title: t}\npaths: {<<: *i}\n", "merge key"},
			{"too deep", strings.Repeat(`{"a":`, 100_000), "nested too deeply"},
			{"too deep, in YAML", "a: " + strings.Repeat("[", 5_000) + strings.Repeat("]", 5_000), "#: "},
			{"too long", `{"a": "` + strings.Repeat("x", 5<<20) + `"}`, "too long"},
			{"too wide", `{"a": [` + strings.Repeat("1,", 600_000) + `1]}`, "too many members"},
			{"too wide, in YAML", "a:\n" + strings.Repeat("- 1\n", 600_000), "too many members"},
			{"too many operations", document(strings.Join(many(2_100), ",")), "more than 2000 operations"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				if _, err := contract.Read([]byte(tt.text), contract.Options{}); err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error = %.300v, want one with %q", err, tt.want)
				}
			})
		}
		if asks > 0 {
			t.Errorf("somebody was asked %d times", asks)
		}
	})
}

func many(n int) (all []string) {
	for i := range n {
		all = append(all, get(fmt.Sprintf("/a%d", i), ""))
	}
	return all
}

func TestLimitsAreChecked(t *testing.T) {
	_, err := contract.Read([]byte(document(get("/a", ``))), contract.Options{Bytes: -1, Depth: 1000, Values: 1 << 30, Operations: 1 << 20})
	for _, name := range []string{"Bytes", "Depth", "Values", "Operations"} {
		if err == nil || !strings.Contains(err.Error(), "Options."+name) {
			t.Errorf("error = %v, want one that names %s", err, name)
		}
	}
}

// TestWarnings: what the document says and nobody enforces is told.
func TestWarnings(t *testing.T) {
	d := read(t, document(`"/a/{b}": {"trace": {}, "get": {"requestBody": {"content": {}}, "parameters": [{"in": "query", "name": "q"}, {"in": "query", "name": "r", "schema": {"maxlength": 3}}]}, "post": {"requestBody": {"content": {"text/plain": {"schema": {"maxLength": 3}}}}}}`,
		`, "webhooks": {}, "servers": [{"url": "/x"}, {"url": "/y"}]`))
	got := strings.Join(d.Warnings, "\n")
	for _, want := range []string{
		"#/webhooks: ", "#/servers/1: has another path", "trace: is never forwarded", "requestBody: has no meaning for GET", "the path parameter b is not declared",
		"parameters/0: has no schema", "maxlength: is no word", "text~1plain: is of a type that nobody looks into",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the warnings lack %q:\n%s", want, got)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, tt := range refusals() {
		f.Add([]byte(tt.text))
	}
	f.Add([]byte(document(get("/a/{b}", `"parameters": [{"in": "path", "name": "b", "required": true, "schema": {"type": "integer"}}]`))))
	f.Add([]byte("openapi: 3.0.3\npaths:\n  /a:\n    get: {security: [{}]}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		limits := contract.Options{Bytes: 64 << 10, Values: 10_000, Operations: 100}
		d, err := contract.Read(text, limits)
		switch {
		case err == nil && len(d.Operations) == 0:
			t.Error("a document without operations was read")
		case err != nil && len(err.Error()) > 64<<10:
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
		if err != nil {
			return
		}
		for _, o := range d.Operations {
			if _, err := contract.New(contract.Config{Operation: o}); err != nil {
				t.Errorf("an operation that was read is refused: %v", err)
			}
			for _, a := range o.Security {
				for name := range a {
					if _, known := d.Schemes[name]; !known {
						t.Errorf("security names %q, which is no scheme", name)
					}
				}
			}
		}
	})
}
