package openapitest_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/openapi"
	"github.com/warder-dev/warder/openapi/openapitest"
)

// notes is a testing.TB that notes what it is told.
type notes struct {
	testing.TB
	errors []string
}

func (*notes) Helper()                  {}
func (*notes) Context() context.Context { return context.Background() }
func (n *notes) Errorf(format string, args ...any) {
	n.errors = append(n.errors, fmt.Sprintf(format, args...))
}

// places are schemes of every place that a credential can have.
func places() map[string]openapi.SecurityScheme {
	return map[string]openapi.SecurityScheme{
		"header": {Type: "apiKey", In: "header", Name: "X-API-Key"},
		"query":  {Type: "apiKey", In: "query", Name: "key"},
		"cookie": {Type: "apiKey", In: "cookie", Name: "key"},
		"basic":  {Type: "http", Scheme: "Basic"},
		"bearer": {Type: "http", Scheme: "bearer"},
		"login":  {Type: "openIdConnect", OpenIDConnectURL: "https://id.example/.well-known/openid-configuration"},
		"cert":   {Type: "mutualTLS"},
	}
}

// carries reports whether r has something in one of the places.
func carries(r *http.Request) bool {
	return r.Header.Get("X-Api-Key")+r.Header.Get("Cookie")+r.Header.Get("Authorization")+r.URL.RawQuery != ""
}

// guarded answers requests to /guarded and /optional as it should.
func guarded(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/guarded") || strings.HasPrefix(r.URL.Path, "/optional") && carries(r) {
		w.Header().Set("WWW-Authenticate", "Test")
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// document describes guarded with every scheme, and change.
func document(t *testing.T, change func(d *openapi.Document)) *openapi.Document {
	t.Helper()
	d := &openapi.Document{OpenAPI: openapi.Version, Info: openapi.Info{Title: "a", Version: "1"}}
	var all openapi.Security
	for name, s := range places() {
		if err := d.AddSecurityScheme(name, s); err != nil {
			t.Fatal(err)
		}
		all = append(all, openapi.SecurityRequirement{name: nil})
	}
	_, refusal := d.AddRefusal(0)
	for path, security := range map[string]openapi.Security{"/guarded/{n}/{s}": all, "/optional/{n}/{s}": append(all, openapi.SecurityRequirement{}), "/public/{n}/{s}": {}} {
		err := d.AddOperation(http.MethodGet, path, openapi.Operation{Security: security, Responses: openapi.Responses{"default": refusal}, Parameters: []openapi.Parameter{
			{Name: "n", In: "path", Required: true, Schema: &openapi.Schema{Type: "integer"}}, {Name: "s", In: "path", Required: true, Schema: &openapi.Schema{Type: "string", Enum: []string{"a"}}},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	change(d)
	return d
}

func operation(d *openapi.Document, name string) *openapi.Operation {
	return d.Paths["/"+name+"/{n}/{s}"].Get
}

func TestRequireEnforced(t *testing.T) {
	as := func(*openapi.Document) {}
	answers := func(path string, status int, challenge string, method string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasPrefix(r.URL.Path, "/"+path) || method != "" && r.Method != method {
				guarded(w, r)
				return
			}
			if challenge != "" {
				w.Header().Set("WWW-Authenticate", challenge)
			}
			w.WriteHeader(status)
		}
	}
	tests := []struct {
		name    string
		change  func(d *openapi.Document)
		handler http.HandlerFunc
		want    string // "" for no error
	}{
		{"as it says", as, guarded, ""},
		{"not enforced", as, answers("guarded", 200, "", ""), "GET /guarded/{n}/{s}: GET without a credential is answered 200, want 401"},
		{"not enforced for HEAD", as, answers("guarded", 204, "", "HEAD"), "HEAD without a credential is answered 204"},
		{"a router without HEAD", as, answers("guarded", 405, "", "HEAD"), ""},
		{"not found is not enforced", as, answers("guarded", 404, "", "GET"), "is answered 404, want 401"},
		{"no challenge", as, answers("guarded", 401, "", ""), "401 without a challenge"},
		{"public is guarded", as, answers("public", 401, "Test", ""), "though none is asked for"},
		{"public has a 401 of its own", func(d *openapi.Document) {
			operation(d, "public").Responses["401"] = openapi.Response{Description: "a wrong password"}
		}, answers("public", 401, "", ""), ""},
		{"optional is guarded", as, answers("optional", 401, "Test", ""), "though none is asked for"},
		{"optional takes what is wrong", as, answers("optional", 200, "", ""), `a wrong credential of "basic" is answered 200`},
		{"a panic", as, func(w http.ResponseWriter, r *http.Request) {
			guarded(w, r)
			if strings.HasPrefix(r.URL.Path, "/public") {
				panic("here")
			}
		}, "panicked: here"},
		{"nothing is said", func(d *openapi.Document) { operation(d, "public").Security = nil }, guarded, "says what it asks for"},
		{"the document says it", func(d *openapi.Document) {
			d.Security, operation(d, "guarded").Security = operation(d, "guarded").Security, nil
		}, guarded, ""},
		{"an undeclared scheme", func(d *openapi.Document) { delete(d.Components.SecuritySchemes, "header") }, guarded, "not declared"},
		{"an undocumented answer", func(d *openapi.Document) {
			operation(d, "guarded").Responses = openapi.Responses{"200": {Description: "a"}}
		}, guarded, "it answers 401, which is none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := &notes{TB: t}
			openapitest.RequireEnforced(n, document(t, tt.change), tt.handler)
			if got := strings.Join(n.errors, "\n"); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("reported %q, want %q", got, tt.want)
			}
		})
	}
}

// Every place is tried: a handler that overlooks one is found.
func TestEveryPlaceIsTried(t *testing.T) {
	for name := range places() {
		if name == "cert" {
			continue // needs a connection
		}
		n := &notes{TB: t}
		d := document(t, func(d *openapi.Document) {
			operation(d, "optional").Security = openapi.Security{{name: nil}, {}}
		})
		openapitest.RequireEnforced(n, d, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasPrefix(r.URL.Path, "/optional") {
				guarded(w, r)
			}
		}))
		if got := strings.Join(n.errors, "\n"); !strings.Contains(got, `a wrong credential of "`+name+`" is answered 200`) {
			t.Errorf("%s: reported %q", name, got)
		}
	}
}

func TestPrepare(t *testing.T) {
	n := &notes{TB: t}
	openapitest.RequireEnforced(n, document(t, func(*openapi.Document) {}), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "api.example" {
			guarded(w, r)
		}
	}), func(r *http.Request) { r.Host = "api.example" })
	if n.errors != nil {
		t.Errorf("reported %q", n.errors)
	}
}

// key is a scheme whose every credential is wrong.
type key struct{}

func (key) Name() string            { return "header" }
func (key) Challenge(string) string { return "Test" }
func (key) Authenticate(x *exchange.Exchange) (exchange.Principal, error) {
	if x.Request.Header.Get("X-Api-Key") == "" {
		return exchange.Principal{}, authn.ErrNoCredential
	}
	return exchange.Principal{}, authn.Wrong("unknown")
}

func (key) Describe(doc *openapi.Document) error {
	return doc.AddSecurityScheme("header", places()["header"])
}

func TestRequireDeclared(t *testing.T) {
	api, err := warder.NewAPI(warder.APIConfig{Title: "a", Version: "1", Requirement: authn.Require(key{}, "a:b")})
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"GET /a", "POST /a/{id}", "DELETE /a/{id}"} {
		if err := api.HandleFunc(pattern, warder.Operation{}, guarded); err != nil {
			t.Fatal(err)
		}
	}
	openapitest.RequireDeclared(t, api)
}
