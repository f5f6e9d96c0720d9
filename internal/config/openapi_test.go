package config_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/config"
)

func TestDocuments(t *testing.T) {
	c, err := load(t, "upstream: http://127.0.0.1:8000\nopenapi: ./openapi.json\n", config.Source{})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Routes) != 0 || len(c.OpenAPIDocuments) != 1 {
		t.Fatalf("%d routes and %d documents, want the document alone", len(c.Routes), len(c.OpenAPIDocuments))
	}
	if d := c.OpenAPIDocuments[0]; d.Upstream != config.DefaultUpstream || d.Name != config.DefaultUpstream || d.Mode != config.ModeEnforce || d.Reload != time.Minute || d.BodyBytes != 1<<20 {
		t.Errorf("the shorthand made %+v", d)
	}
	c, err = load(t, "upstreams: {a: {url: 'http://h'}}\nopenapi_documents: [{document: 'http://h/openapi.json', upstream: a, schemes: {HTTPBearer: apiKey}}]\n", config.Source{})
	if err != nil {
		t.Fatal(err)
	}
	if d := c.OpenAPIDocuments[0]; d.Name != "a" || d.Schemes["HTTPBearer"] != "apiKey" || d.Undeclared != "refuse" || d.UnknownQuery != "refuse" {
		t.Errorf("the list made %+v", d)
	}
	var out strings.Builder
	if err := c.Print(&out); err != nil || !strings.Contains(out.String(), "\"HTTPBearer\": \"apiKey\" # warder.yaml:2") {
		t.Errorf("printed (%v):\n%s", err, out.String())
	}
}

func TestDocumentsAreChecked(t *testing.T) {
	const upstreams = "upstreams: {a: {url: 'http://h:1'}}\nopenapi_documents: "
	for _, tt := range []struct{ name, file, want string }{
		{"the shorthand alone", "openapi: x.json\n", "openapi: is given without upstream"},
		{"both forms", "upstream: http://h\nopenapi: x.json\nopenapi_documents: [{document: x, upstream: default}]\n", "openapi: is given together with openapi_documents"},
		{"the shorthand of the upstream", "upstream: http://h\nopenapi_documents: [{document: x, upstream: default}]\n", "upstream: is given together with openapi_documents"},
		{"no document", upstreams + "[{upstream: a}]\n", "openapi_documents[0]: has no document"},
		{"no upstream", upstreams + "[{document: x}]\n", "openapi_documents[0]: has no upstream"},
		{"no such upstream", upstreams + "[{document: x, upstream: b}]\n", `openapi_documents[0].upstream: no upstream is called "b"`},
		{"one name twice", upstreams + "[{document: x, upstream: a}, {document: y, upstream: a}]\n", "openapi_documents[1]: has the same name as openapi_documents[0]"},
		{"plain http from elsewhere", upstreams + "[{document: 'http://other/x', upstream: a}]\n", "openapi_documents[0].document: is plain http to another machine"},
		{"another port is elsewhere", upstreams + "[{document: 'http://h:2/x', upstream: a}]\n", "is plain http to another machine"},
		{"a URL of another kind", upstreams + "[{document: 'ftp://h/x', upstream: a}]\n", "is a URL of another kind"},
		{"a name in a URL", upstreams + "[{document: 'https://u:p@h/x', upstream: a}]\n", "has user information"},
		{"a certificate for a file", upstreams + "[{document: x, upstream: a, ca_file: y}]\n", "ca_file: has no effect"},
		{"a path that is none", upstreams + "[{document: x, upstream: a, base_path: /v1/}]\n", "base_path: is not a plain path"},
		{"a scheme that there is not", upstreams + "[{document: x, upstream: a, schemes: {k: other}}]\n", "openapi_documents[0].schemes.k: no scheme has this name"},
		{"a mode that there is not", upstreams + "[{document: x, upstream: a, mode: on}]\n", "openapi_documents[0].mode"},
		{"where proxies ask", "decision: {listen: '127.0.0.1:1', dialect: nginx}\n" + upstreams + "[{document: x, upstream: a}]\n", "openapi_documents[0].mode: cannot hold where proxies ask"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.file, config.Source{})
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "u:p") {
				t.Errorf("error = %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestDocumentsThatOnlyWatch(t *testing.T) {
	got := weak(t, "upstreams: {a: {url: 'http://127.0.0.1'}}\nopenapi_documents: [{document: x, upstream: a, mode: shadow, undeclared: report, insecure_follow_upstream: true}]\n")
	for _, want := range []string{"insecure_follow_upstream: whoever can change the document", ".mode: it only watches", ".undeclared: what the document does not declare passes"} {
		if !slices.ContainsFunc(got, func(line string) bool { return strings.Contains(line, want) }) {
			t.Errorf("the findings lack %q: %q", want, got)
		}
	}
}
