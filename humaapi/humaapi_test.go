package humaapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/credential"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/humaapi"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/openapi"
	"github.com/warder-dev/warder/openapi/openapitest"
	"github.com/warder-dev/warder/target"
)

// scheme finds its name as a field, or as a parameter of the query: "good" proves
// somebody, "away" is a store that gives no answer.
type scheme struct {
	name  string
	query bool
}

func (s *scheme) Name() string            { return s.name }
func (s *scheme) Challenge(string) string { return s.name }

func (s *scheme) Describe(doc *openapi.Document) error {
	in := openapi.InHeader
	if s.query {
		in = openapi.InQuery
	}
	return doc.AddSecurityScheme(s.name, openapi.SecurityScheme{Type: openapi.TypeAPIKey, In: in, Name: s.name})
}

func (s *scheme) Authenticate(x *exchange.Exchange) (exchange.Principal, error) {
	value := x.Request.Header.Get(s.name)
	if s.query {
		value, _ = credential.Query(x.RawQuery, s.name)
		x.SetQuery(credential.WithoutQuery(x.RawQuery, s.name))
	}
	switch value {
	case "":
		return exchange.Principal{}, authn.ErrNoCredential
	case "good":
		return exchange.Principal{Issuer: "test", Subject: s.name, Scheme: s.name}, nil
	case "away":
		return exchange.Principal{}, errors.New("connection refused")
	}
	return exchange.Principal{}, authn.Wrong("unknown")
}

// guarded returns an API whose guard has the schemes A, B and Q, and its mux
// behind a Stack.
func guarded(t *testing.T) (huma.API, *humaapi.Guard, http.Handler) {
	t.Helper()
	mux := http.NewServeMux()
	api := humago.New(mux, huma.DefaultConfig("Orders", "1.0.0"))
	guard, err := humaapi.New(api, humaapi.Config{Schemes: []authn.Scheme{&scheme{name: "A"}, &scheme{name: "B"}, &scheme{name: "Q", query: true}}})
	if err != nil {
		t.Fatal(err)
	}
	return api, guard, stack(t).Wrap(mux)
}

func stack(t *testing.T) *warder.Stack {
	t.Helper()
	paths, err := target.New(target.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return &warder.Stack{Edge: warder.Edge{Forwarded: forwarded.Direct(), Target: paths}, Policy: new(warder.Policy)}
}

type output struct {
	Body struct {
		Who   string `json:"who"`
		Query string `json:"query"`
	}
}

// register adds "GET path", which answers with the principal's subject and what
// the handler sees as its parameter Q.
func register(api huma.API, path string, change func(op *huma.Operation)) {
	op := huma.Operation{OperationID: strings.Trim(path, "/"), Method: http.MethodGet, Path: path, Summary: "Test"}
	change(&op)
	huma.Register(api, op, func(ctx context.Context, in *struct {
		Q string `query:"Q"`
	},
	) (*output, error) {
		o := new(output)
		o.Body.Who, o.Body.Query = exchange.From(ctx).Principal.Subject, in.Q
		return o, nil
	})
}

func secured(s ...map[string][]string) func(op *huma.Operation) {
	return func(op *huma.Operation) { op.Security = s }
}

func call(h http.Handler, method, target string, fields ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i+1 < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestSecurityIsEnforced(t *testing.T) {
	api, guard, h := guarded(t)
	register(api, "/a", secured(map[string][]string{"A": {}}))
	register(api, "/scope", secured(map[string][]string{"A": {"orders:read"}}))
	register(api, "/or", secured(map[string][]string{"B": {}}, map[string][]string{"A": {}}))
	register(api, "/and", secured(map[string][]string{"B": {}, "A": {}}))
	register(api, "/query", secured(map[string][]string{"Q": {}}))
	group := huma.NewGroup(api, "/v1")
	group.UseSimpleModifier(secured(map[string][]string{"B": {}}))
	register(group, "/grouped", func(*huma.Operation) {})
	if err := guard.Err(); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, method, target string
		fields               []string
		status               int
		who                  string
	}{
		{"none", "GET", "/a", nil, 401, ""},
		{"HEAD as GET", "HEAD", "/a", nil, 401, ""},
		{"good", "GET", "/a", []string{"A", "good"}, 200, "A"},
		{"wrong", "GET", "/a", []string{"A", "bad"}, 401, ""},
		{"another scheme's", "GET", "/a", []string{"B", "good"}, 401, ""},
		{"away", "GET", "/a", []string{"A", "away"}, 503, ""},
		{"no scope", "GET", "/scope", []string{"A", "good"}, 403, ""},
		{"or, one", "GET", "/or", []string{"A", "good"}, 200, "A"},
		{"or, both: the first that is listed", "GET", "/or", []string{"A", "good", "B", "good"}, 200, "B"},
		{"or, one is wrong", "GET", "/or", []string{"A", "bad", "B", "good"}, 401, ""},
		{"and, one", "GET", "/and", []string{"B", "good"}, 401, ""},
		{"and: the first of the guard's", "GET", "/and", []string{"A", "good", "B", "good"}, 200, "A"},
		{"in the query", "GET", "/query?Q=good&x=1", nil, 200, "Q"},
		{"in a group", "GET", "/v1/grouped", nil, 401, ""},
		{"in a group, good", "GET", "/v1/grouped", []string{"B", "good"}, 200, "B"},
		{"two readings", "GET", "/x/../a", []string{"A", "good"}, 400, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := call(h, tt.method, tt.target, tt.fields...)
			if w.Code != tt.status {
				t.Fatalf("got %d %s, want %d", w.Code, w.Body, tt.status)
			}
			if tt.status != 200 {
				if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
					t.Errorf("Content-Type is %q", got)
				}
				return
			}
			if want := fmt.Sprintf(`"who":%q`, tt.who); !strings.Contains(w.Body.String(), want) {
				t.Errorf("got %s, want %s", w.Body, want)
			}
			if !strings.Contains(w.Body.String(), `"query":""`) {
				t.Errorf("the handler sees the credential: %s", w.Body)
			}
		})
	}
	openapitest.RequireEnforced(t, guard.Document(), h)
}

func TestSecurityOfOperations(t *testing.T) {
	attack.Case(t, "MULTI-07", attack.Library, func(t *testing.T) {
		a := map[string][]string{"A": {}}
		tests := []struct {
			name              string
			document          []map[string][]string
			operation         []map[string][]string
			absent, bad, good int
			err               string
		}{
			{"empty list: public by word", []map[string][]string{a}, []map[string][]string{}, 200, 200, 200, ""},
			{"empty list of the document: public by word", []map[string][]string{}, nil, 200, 200, 200, ""},
			{"missing inherits", []map[string][]string{a}, nil, 401, 401, 200, ""},
			{"missing everywhere", nil, nil, 503, 503, 503, "neither it nor the document"},
			{"unknown scheme", []map[string][]string{a}, []map[string][]string{{"C": {}}}, 503, 503, 503, `scheme "C"`},
			{"unknown beside known", nil, []map[string][]string{a, {"C": {}}}, 503, 503, 503, `scheme "C"`},
			{"unknown together with known", nil, []map[string][]string{{"A": {}, "C": {}}}, 503, 503, 503, `scheme "C"`},
			{"unknown scheme of the document", []map[string][]string{{"C": {}}}, nil, 503, 503, 503, `scheme "C"`},
			{"empty map: optional", nil, []map[string][]string{a, {}}, 200, 401, 200, ""},
			{"empty map first: optional", nil, []map[string][]string{{}, a}, 200, 401, 200, ""},
			{"empty map twice", nil, []map[string][]string{{}, a, {}}, 200, 401, 200, ""},
			{"empty map alone: nothing is asked for", nil, []map[string][]string{{}}, 200, 200, 200, ""},
			{"nil map", nil, []map[string][]string{a, nil}, 503, 503, 503, "is nil"},
			{"a scope that is none", nil, []map[string][]string{{"A": {"a b"}}}, 503, 503, 503, "scope"},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				for _, hidden := range []bool{false, true} {
					api, guard, h := guarded(t)
					api.OpenAPI().Security = tt.document
					register(api, "/a", func(op *huma.Operation) { op.Security, op.Hidden = tt.operation, hidden })
					for credential, want := range map[string]int{"": tt.absent, "bad": tt.bad, "good": tt.good} {
						if got := call(h, http.MethodGet, "/a", "A", credential).Code; got != want {
							t.Errorf("hidden %v, credential %q: got %d, want %d", hidden, credential, got, want)
						}
					}
					if hidden {
						continue
					}
					if err := guard.Err(); tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
						t.Errorf("error %v, want %q", err, tt.err)
					}
					if tt.err == "" {
						openapitest.RequireEnforced(t, guard.Document(), h)
					}
				}
			})
		}
	})
}

func TestWithoutAStack(t *testing.T) {
	mux := http.NewServeMux()
	api := humago.New(mux, huma.DefaultConfig("Orders", "1.0.0"))
	if _, err := humaapi.New(api, humaapi.Config{Schemes: []authn.Scheme{&scheme{name: "A"}}}); err != nil {
		t.Fatal(err)
	}
	register(api, "/a", secured())
	register(api, "/public", func(op *huma.Operation) { op.Security = []map[string][]string{} })
	for _, path := range []string{"/a", "/public"} {
		w := call(mux, http.MethodGet, path, "A", "good", "Accept", "text/plain")
		if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "not behind a Stack") || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%s: got %d %s %v", path, w.Code, w.Body, w.Header())
		}
	}
}

func TestNewRefuses(t *testing.T) {
	a := &scheme{name: "A"}
	tests := []struct {
		name    string
		prepare func(api huma.API)
		cfg     humaapi.Config
		want    []string
	}{
		{"no scheme", func(huma.API) {}, humaapi.Config{}, []string{"Schemes is empty"}},
		{"what is wrong with each", func(huma.API) {}, humaapi.Config{Schemes: []authn.Scheme{nil, a, &scheme{name: "A"}, &scheme{name: "x y"}, &struct{ authn.Scheme }{&scheme{name: "B"}}}}, []string{
			"Schemes[0]: authn: Requirement[0][0]: Scheme is missing", `Schemes[2]: scheme "A" is there already`, `Schemes[3]`, `Schemes[4]: authn: scheme "B": it does not describe itself`,
		}},
		{"a realm", func(huma.API) {}, humaapi.Config{Schemes: []authn.Scheme{a}, Realm: `"`}, []string{"realm"}},
		{"operations", func(api huma.API) { register(api, "/a", secured()) }, humaapi.Config{Schemes: []authn.Scheme{a}}, []string{"make the guard first"}},
		{"middlewares", func(api huma.API) { api.UseMiddleware(func(huma.Context, func(huma.Context)) {}) }, humaapi.Config{Schemes: []authn.Scheme{a}}, []string{"make the guard first"}},
		{"another scheme of a name", func(api huma.API) {
			api.OpenAPI().Components.SecuritySchemes = map[string]*huma.SecurityScheme{"A": {Type: "mutualTLS"}}
		}, humaapi.Config{Schemes: []authn.Scheme{a}}, []string{`another security scheme "A"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			api := humago.New(http.NewServeMux(), huma.DefaultConfig("Orders", "1.0.0"))
			tt.prepare(api)
			_, err := humaapi.New(api, tt.cfg)
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want one with %q", err, want)
				}
			}
		})
	}
}

// The guard's refusals join an operation's responses, and replace none. What
// huma serves says it.
func TestResponses(t *testing.T) {
	api, _, h := guarded(t)
	api.OpenAPI().Components.Responses = map[string]*huma.Response{"RefusalUnauthorized": {Description: "mine"}}
	register(api, "/a", func(op *huma.Operation) {
		op.Security = []map[string][]string{{"A": {"a:b"}}}
		op.Responses = map[string]*huma.Response{"400": {Description: "my own"}}
	})
	register(api, "/public", func(op *huma.Operation) { op.Security = []map[string][]string{} })
	var doc struct {
		Paths      map[string]map[string]openapi.Operation
		Components struct{ Responses, SecuritySchemes map[string]json.RawMessage }
	}
	if err := json.Unmarshal(call(h, http.MethodGet, "/openapi.json").Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	responses := doc.Paths["/a"]["get"].Responses
	if got := responses["400"].Description; got != "my own" {
		t.Errorf("400 is %q", got)
	}
	if r := responses["401"]; r.Ref != "" || !r.Headers["WWW-Authenticate"].Required {
		t.Errorf("401 is %#v, want it whole, since its name is taken", r)
	}
	for code, name := range map[string]string{"403": "RefusalForbidden", "503": "RefusalServiceUnavailable"} {
		if got := responses[code].Ref; got != "#/components/responses/"+name || doc.Components.Responses[name] == nil {
			t.Errorf("%s is %q", code, got)
		}
	}
	if got := string(doc.Components.SecuritySchemes["A"]); got != `{"in":"header","name":"A","type":"apiKey"}` {
		t.Errorf("scheme A is %s", got)
	}
	public := doc.Paths["/public"]["get"]
	if _, has := public.Responses["401"]; has || public.Security == nil {
		t.Errorf("the public operation is %#v", public)
	}
}

// Requests that come at once make one judge of an operation.
func TestConcurrent(t *testing.T) {
	api, _, h := guarded(t)
	register(api, "/a", secured(map[string][]string{"A": {}}))
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			credential, want := "good", http.StatusOK
			if i%2 == 0 {
				credential, want = "bad", http.StatusUnauthorized
			}
			if got := call(h, http.MethodGet, "/a", "A", credential).Code; got != want {
				t.Errorf("%s: got %d, want %d", credential, got, want)
			}
		})
	}
	wg.Wait()
}
