package warder_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/accesslog"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/golden"
	"github.com/warder-dev/warder/openapi"
	"github.com/warder-dev/warder/openapi/openapitest"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/trustedhost"
)

// described is [scheme] with words for it.
type described struct{ scheme }

func (described) Describe(doc *openapi.Document) error {
	return doc.AddSecurityScheme("apiKey", openapi.SecurityScheme{Type: openapi.TypeAPIKey, In: openapi.InHeader, Name: "X-API-Key"})
}

// other is another scheme of the same name.
type other struct{ described }

func newAPI(t *testing.T, cfg warder.APIConfig) *warder.API {
	t.Helper()
	if cfg.Title == "" {
		cfg.Title, cfg.Version = "Orders", "1.0.0"
	}
	api, err := warder.NewAPI(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return api
}

// handle adds an operation that answers with its name and its parameters.
func handle(t *testing.T, api *warder.API, pattern string, o warder.Operation, parameters ...string) {
	t.Helper()
	err := api.HandleFunc(pattern, o, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Pattern)
		for _, name := range parameters {
			_, _ = io.WriteString(w, " "+name+"="+r.PathValue(name))
		}
		if who := exchange.From(r.Context()).Principal.Subject; who != "" {
			_, _ = io.WriteString(w, " by "+who)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func call(h http.Handler, method, target, key string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	if key != "" {
		r.Header.Set("X-API-Key", key)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// orders is an API with an operation of each sort.
func orders(t *testing.T) *warder.API {
	t.Helper()
	api := newAPI(t, warder.APIConfig{
		Title: "Orders", Version: "1.0.0", Description: "What was ordered.",
		Servers:     []openapi.Server{{URL: "https://api.example"}},
		Tags:        []openapi.Tag{{Name: "orders"}},
		Schemas:     map[string]openapi.Schema{"Order": {Type: "object", Properties: map[string]openapi.Schema{"id": {Type: "string"}}}},
		Requirement: authn.Require(described{}), Policy: &warder.Policy{BodyLimit: limit(t, 4)},
	})
	order := &openapi.Schema{Ref: "#/components/schemas/Order"}
	handle(t, api, "GET /orders/{id}", warder.Operation{ID: "getOrder", Summary: "One order", Tags: []string{"orders"}, Responses: openapi.Responses{
		"200": {Description: "The order.", Content: map[string]openapi.MediaType{"application/json": {Schema: order}}},
		"400": {Description: "The id is malformed.", Headers: map[string]openapi.Header{"X-Why": {Required: true, Schema: &openapi.Schema{Type: "string"}}}},
	}}, "id")
	handle(t, api, "POST /orders", warder.Operation{
		ID: "createOrder", Tags: []string{"orders"}, Requirement: authn.Require(described{}, "orders:write"),
		RequestBody: &openapi.RequestBody{Required: true, Content: map[string]openapi.MediaType{"application/json": {Schema: order}}},
	})
	handle(t, api, "GET /files/{path...}", warder.Operation{ID: "getFile", Requirement: authn.Requirement{{{Scheme: described{}}}, {}}}, "path")
	handle(t, api, "GET /{$}", warder.Operation{ID: "root", Public: true, Policy: &warder.Policy{}})
	handle(t, api, "GET /own/{n}", warder.Operation{ID: "own", Policy: &warder.Policy{Authn: stageOf(t, described{})}, Parameters: []openapi.Parameter{
		{Name: "n", In: openapi.InPath, Required: true, Schema: &openapi.Schema{Type: "integer"}},
		{Name: "q", In: openapi.InQuery, Schema: &openapi.Schema{Type: "string"}},
	}}, "n")
	if err := api.HandleFunc("GET /openapi.json", warder.Operation{ID: "openapi", Public: true}, api.ServeDocument); err != nil {
		t.Fatal(err)
	}
	return api
}

func stageOf(t *testing.T, s authn.Scheme) *authn.Stage {
	t.Helper()
	stage, err := authn.New(authn.Config{Requirement: authn.Require(s)})
	if err != nil {
		t.Fatal(err)
	}
	return stage
}

func TestAPIIsWhatItsDocumentSays(t *testing.T) {
	api := orders(t)
	openapitest.RequireDeclared(t, api)
	w := call(api.Handler(), http.MethodGet, "/openapi.json", "")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("got %d, %q", w.Code, w.Header())
	}
	golden.Compare(t, "testdata/openapi.json", w.Body.Bytes())
	var doc openapi.Document
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	openapitest.RequireEnforced(t, &doc, api.Handler()) // as whoever reads it has it
}

func TestAPIServes(t *testing.T) {
	h := orders(t).Handler()
	tests := []struct {
		name, method, target, key string
		status                    int
		body                      string
	}{
		{"what is inherited", "GET", "/orders/o%201", "good", 200, "GET /orders/{id} id=o 1 by k1"},
		{"HEAD as GET", "HEAD", "/orders/1", "good", 200, "GET /orders/{id} id=1 by k1"},
		{"HEAD asks as GET does", "HEAD", "/orders/1", "", 401, ""},
		{"its own requirement", "POST", "/orders", "good", 403, ""},
		{"optional, as nobody", "GET", "/files/a/b%20c/", "", 200, "GET /files/{path...} path=a/b c/"},
		{"optional, as somebody", "GET", "/files/a", "good", 200, "GET /files/{path...} path=a by k1"},
		{"optional, wrong", "GET", "/files/a", "bad", 401, ""},
		{"public", "GET", "/", "", 200, "GET /{$}"},
		{"its own stage", "GET", "/own/1", "", 401, ""},
		{"its own stage, proved", "GET", "/own/1", "good", 200, "GET /own/{n} n=1 by k1"},
		{"another method", "DELETE", "/orders/1", "good", 405, ""},
		{"no operation", "GET", "/none", "", 404, ""},
		{"a slash more", "GET", "/orders/1/", "good", 404, ""},
		{"two readings", "GET", "/orders/../orders/1", "good", 400, ""},
		{"an encoded slash", "GET", "/orders/a%2fb", "good", 400, ""},
		{"a store that is away", "GET", "/orders/1", "away", 503, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := call(h, tt.method, tt.target, tt.key)
			if w.Code != tt.status || tt.body != "" && w.Body.String() != tt.body {
				t.Errorf("got %d %q, want %d %q", w.Code, w.Body, tt.status, tt.body)
			}
		})
	}
}

func TestAPITakesTheTemplatesStages(t *testing.T) {
	h := orders(t).Handler()
	for path, want := range map[string]int{"/orders": 413, "/": 405} { // the root has a Policy of its own
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader("12345"))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: got %d, want %d", path, w.Code, want)
		}
	}
}

func TestSecurityOfOperations(t *testing.T) {
	attack.Case(t, "MULTI-07", attack.Library, func(t *testing.T) {
		tests := []struct {
			name              string
			api, operation    authn.Requirement
			public            bool
			absent, bad, good int // 0: it cannot be added
			security          string
		}{
			{"nothing anywhere", nil, nil, false, 0, 0, 0, ""},
			{"public by word", nil, nil, true, 200, 200, 200, `[]`},
			{"public by word beside the API's", authn.Require(described{}), nil, true, 200, 200, 200, `[]`},
			{"inherited", authn.Require(described{}), nil, false, 401, 401, 200, `null`},
			{"its own", nil, authn.Require(described{}), false, 401, 401, 200, `[{"apiKey":[]}]`},
			{"its own instead of the API's", authn.Require(described{}), authn.Require(described{}, "a:b"), false, 401, 401, 403, `[{"apiKey":["a:b"]}]`},
			{"optional", authn.Require(described{}), authn.Requirement{{{Scheme: described{}}}, {}}, false, 200, 401, 200, `[{"apiKey":[]},{}]`},
			{"inherited optional", authn.Requirement{{{Scheme: described{}}}, {}}, nil, false, 200, 401, 200, `null`},
			{"an empty list is no word", authn.Require(described{}), authn.Requirement{}, false, 0, 0, 0, ""},
			{"nor is an empty alternative", authn.Require(described{}), authn.Requirement{{}}, false, 0, 0, 0, ""},
			{"nor a nil one", authn.Require(described{}), authn.Requirement{{{Scheme: described{}}}, nil}, false, 0, 0, 0, ""},
			{"public and a requirement", nil, authn.Require(described{}), true, 0, 0, 0, ""},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				api := newAPI(t, warder.APIConfig{Requirement: tt.api})
				err := api.HandleFunc("GET /a", warder.Operation{Requirement: tt.operation, Public: tt.public}, func(http.ResponseWriter, *http.Request) {})
				if (err == nil) != (tt.good != 0) {
					t.Fatalf("error %v", err)
				}
				if err != nil {
					if got := call(api.Handler(), http.MethodGet, "/a", "good").Code; got != http.StatusNotFound {
						t.Errorf("what was refused is there: %d", got)
					}
					return
				}
				for key, want := range map[string]int{"": tt.absent, "bad": tt.bad, "good": tt.good} {
					if got := call(api.Handler(), http.MethodGet, "/a", key).Code; got != want {
						t.Errorf("key %q: got %d, want %d", key, got, want)
					}
				}
				doc, err := api.Document()
				if err != nil {
					t.Fatal(err)
				}
				if got, _ := json.Marshal(doc.Paths["/a"].Get.Security); string(bytes.TrimSpace(got)) != tt.security {
					t.Errorf("described as %s, want %s", got, tt.security)
				}
				openapitest.RequireDeclared(t, api)
			})
		}
	})
}

func TestNewAPIRefuses(t *testing.T) {
	tests := []struct {
		name string
		cfg  warder.APIConfig
		want string
	}{
		{"no title", warder.APIConfig{Version: "1"}, "title"},
		{"no version", warder.APIConfig{Title: "a"}, "version"},
		{"a requirement of nothing", warder.APIConfig{Title: "a", Version: "1", Requirement: authn.Requirement{}}, "names no scheme"},
		{"a scheme without words", warder.APIConfig{Title: "a", Version: "1", Requirement: authn.Require(scheme{})}, "does not describe itself"},
		{"a guard in the template", warder.APIConfig{Title: "a", Version: "1", Policy: &warder.Policy{Authn: guard(t)}}, "say it as its Requirement"},
		{"a refusal in the template", warder.APIConfig{Title: "a", Version: "1", Policy: &warder.Policy{Deny: problem.New(problem.NotFound, "")}}, "has a Deny"},
		{"a server of nowhere", warder.APIConfig{Title: "a", Version: "1", Servers: []openapi.Server{{}}}, "a server"},
		{"a schema that refers to none", warder.APIConfig{Title: "a", Version: "1", Schemas: map[string]openapi.Schema{"A": {Ref: "#/components/schemas/B"}}}, "reference to a schema"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := warder.NewAPI(tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestHandleRefuses(t *testing.T) {
	key := authn.Require(described{})
	nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	tests := []struct {
		name, pattern string
		operation     warder.Operation
		handler       http.Handler
		want          string
	}{
		{"no handler", "GET /a", warder.Operation{}, nil, "handler is missing"},
		{"no method", "/a", warder.Operation{}, nothing, `want "METHOD /path"`},
		{"a host", "GET a.example/a", warder.Operation{}, nothing, `want "METHOD /path"`},
		{"two blanks", "GET  /a", warder.Operation{}, nothing, `want "METHOD /path"`},
		{"whatever is below", "GET /a/", warder.Operation{}, nothing, "{rest...}"},
		{"everything", "GET /", warder.Operation{}, nothing, "{rest...}"},
		{"a method that OpenAPI has no word for", "PURGE /a", warder.Operation{}, nothing, `no method "PURGE"`},
		{"TRACE", "TRACE /a", warder.Operation{}, nothing, "never matched"},
		{"a malformed pattern", "GET /{a", warder.Operation{}, nothing, "bad wildcard segment"},
		{"a dot segment", "GET /a/../b", warder.Operation{}, nothing, "unclean path"},
		{"the same again", "GET /taken/{id}", warder.Operation{}, nothing, "conflicts"},
		{"the same path with another name", "POST /taken/{no}", warder.Operation{}, nothing, "other names for the parameters"},
		{"an ID that is taken", "GET /a", warder.Operation{ID: "taken"}, nothing, `the ID "taken"`},
		{"a parameter that is not in the path", "GET /a", warder.Operation{Parameters: []openapi.Parameter{{Name: "b", In: "path", Required: true, Schema: &openapi.Schema{}}}}, nothing, "be in the path"},
		{"a response that is none", "GET /a", warder.Operation{Responses: openapi.Responses{"20": {Description: "a"}}}, nothing, "want a status"},
		{"another scheme of a name", "GET /a", warder.Operation{Requirement: authn.Require(other{})}, nothing, `has the name "apiKey"`},
		{"a scheme without words", "GET /a", warder.Operation{Requirement: authn.Require(scheme{})}, nothing, "does not describe itself"},
		{"a stage and a requirement", "GET /a", warder.Operation{Requirement: key, Policy: &warder.Policy{Authn: guard(t)}}, nothing, "say one"},
		{"a stage and public", "GET /a", warder.Operation{Public: true, Policy: &warder.Policy{Authn: guard(t)}}, nothing, "say one"},
		{"a refusal", "GET /a", warder.Operation{Policy: &warder.Policy{Deny: problem.New(problem.NotFound, "")}}, nothing, "has a Deny"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			api := newAPI(t, warder.APIConfig{Requirement: key})
			handle(t, api, "GET /taken/{id}", warder.Operation{ID: "taken"})
			err := api.Handle(tt.pattern, tt.operation, tt.handler)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "warder: ") {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
			if doc, err := api.Document(); err != nil || len(doc.Paths) != 1 {
				t.Errorf("what was refused has changed the document: %v, %v", doc, err)
			}
		})
	}
	api := newAPI(t, warder.APIConfig{Requirement: key})
	if err := api.HandleFunc("GET /a", warder.Operation{}, nil); err == nil {
		t.Error("a nil function was taken")
	}
	call(api.Handler(), http.MethodGet, "/a", "")
	if err := api.Handle("GET /a", warder.Operation{}, nothing); err == nil {
		t.Error("an operation was taken after the first request")
	}
}

// A template may be used for many operations, and changing it changes none.
func TestTemplatesAreCopied(t *testing.T) {
	api := newAPI(t, warder.APIConfig{})
	shared := &warder.Policy{}
	handle(t, api, "GET /a", warder.Operation{Public: true, Policy: shared})
	handle(t, api, "GET /b", warder.Operation{Requirement: authn.Require(described{}), Policy: shared})
	shared.Deny = problem.New(problem.NotFound, "")
	for path, want := range map[string]int{"/a": 200, "/b": 401} {
		if got := call(api.Handler(), http.MethodGet, path, "").Code; got != want {
			t.Errorf("%s: got %d, want %d", path, got, want)
		}
	}
}

// Behind an edge of the caller's own, every request leaves its record.
func TestAPIKeepsTheEdge(t *testing.T) {
	var b bytes.Buffer
	access, err := accesslog.New(accesslog.Config{Logger: slog.New(slog.NewJSONHandler(&b, nil))})
	if err != nil {
		t.Fatal(err)
	}
	api := newAPI(t, warder.APIConfig{Edge: warder.Edge{AccessLog: access, Recover: recoverer()}})
	if err := api.HandleFunc("GET /a", warder.Operation{Public: true}, func(http.ResponseWriter, *http.Request) { panic("handler") }); err != nil {
		t.Fatal(err)
	}
	if got := call(api.Handler(), http.MethodGet, "/a", "").Code; got != http.StatusInternalServerError || !strings.Contains(b.String(), "GET /a") {
		t.Errorf("got %d, log %s", got, b.String())
	}
}

// An exchange of another Stack, whose route is no operation, serves nothing.
func TestAPIServesWhatItJudgedOnly(t *testing.T) {
	if slices.Contains([]int{200, 401}, call(orders(t).Handler(), "OPTIONS", "*", "good").Code) {
		t.Error("OPTIONS * was served by an operation")
	}
}

// FuzzPathValues: parameters have the values that net/http gives them.
func FuzzPathValues(f *testing.F) {
	for _, seed := range []string{"/a/b/c", "/a/b%20c/d%2Fe", "/a//", "/a/b/", "/a/%C3%A9/x/y/z", "/a/b/c/", "/a/%/b", "/a/b%25/c"} {
		f.Add(seed)
	}
	const pattern = "GET /a/{one}/{rest...}"
	f.Fuzz(func(t *testing.T, target string) {
		r, err := http.NewRequest(http.MethodGet, "http://h.example"+target, nil)
		if err != nil || !strings.HasPrefix(target, "/") {
			return
		}
		api := newAPI(t, warder.APIConfig{})
		values := func(r *http.Request) string { return r.PathValue("one") + " " + r.PathValue("rest") }
		served := false
		var got, want string
		err = api.HandleFunc(pattern, warder.Operation{Public: true}, func(_ http.ResponseWriter, r *http.Request) { served, got = true, values(r) })
		if err != nil {
			t.Fatal(err)
		}
		api.Handler().ServeHTTP(httptest.NewRecorder(), r)
		if !served {
			return
		}
		var mux http.ServeMux
		mux.HandleFunc(pattern, func(_ http.ResponseWriter, r *http.Request) { want = values(r) })
		mux.ServeHTTP(httptest.NewRecorder(), r)
		if got != want {
			t.Errorf("%q: values %q, net/http has %q", target, got, want)
		}
	})
}

// Finding the operation costs nothing beyond the Stack; each parameter costs what
// net/http takes for it.
func TestAPIAllocates(t *testing.T) {
	api := newAPI(t, warder.APIConfig{Requirement: authn.Require(described{})})
	quiet := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }
	for _, pattern := range []string{"GET /orders", "GET /orders/{id}"} {
		if err := api.HandleFunc(pattern, warder.Operation{}, quiet); err != nil {
			t.Fatal(err)
		}
	}
	h := api.Handler()
	for path, want := range map[string]float64{"/orders": 3, "/orders/7": 3 + 3 + 2} { // the exchange and the copy of its request; ServeMux; the values
		r, w := httptest.NewRequest(http.MethodGet, path, nil), &blank{make(http.Header)}
		r.Header.Set("X-API-Key", "good")
		h.ServeHTTP(w, r)
		if got := testing.AllocsPerRun(1000, func() { h.ServeHTTP(w, r) }); got > want && !raceEnabled {
			t.Errorf("%s: %v allocations, want at most %v", path, got, want)
		}
	}
}

// An edge that wants TLS and a host of its list is probed as a client of its own
// would ask it.
func TestAPIBehindAStrictEdge(t *testing.T) {
	hosts, err1 := trustedhost.New(trustedhost.Config{Hosts: []string{"api.example.com"}})
	names, err2 := httpserver.NewSNI(httpserver.SNIConfig{})
	secure, err3 := httpserver.NewHTTPS(httpserver.HTTPSConfig{Known: hosts.Lists, Carries: func(*exchange.Exchange) (string, bool) { return "", false }})
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	api := newAPI(t, warder.APIConfig{
		Requirement: authn.Require(described{}), Edge: warder.Edge{TrustedHost: hosts, SNI: names, HTTPS: secure},
	})
	handle(t, api, "GET /a", warder.Operation{})
	openapitest.RequireDeclared(t, api, func(r *http.Request) { r.Host, r.TLS.ServerName = "api.example.com", "api.example.com" })
	doc, err := api.Document()
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"400", "401", "403", "421", "503", "default"} {
		if doc.Paths["/a"].Get.Responses[code].Ref == "" {
			t.Errorf("%s is not among the responses %v", code, doc.Paths["/a"].Get.Responses)
		}
	}
}
