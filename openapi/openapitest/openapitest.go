// Package openapitest proves that an API asks for what its OpenAPI document says
// that it asks for. It sends requests: a document that is only read proves
// nothing of the handler behind it.
package openapitest

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/openapi"
)

// RequireDeclared is [RequireEnforced] for the document and the handler of api.
func RequireDeclared(tb testing.TB, api *warder.API, prepare ...func(*http.Request)) {
	tb.Helper()
	doc, err := api.Document()
	if err != nil {
		tb.Errorf("openapitest: %v", err)
		return
	}
	RequireEnforced(tb, doc, api.Handler(), prepare...)
}

// RequireEnforced fails tb when doc breaks a rule of the specification, when an
// operation says nothing of security, and when h does otherwise than doc says:
//
//   - an operation that asks for a credential answers 401 with a challenge to a
//     request without any, HEAD like GET;
//   - with a wrong credential of any scheme that it names, it answers 400, 401 or
//     403, also where the credential is optional; client certificates are not tried;
//   - an operation that asks for nothing, or for nothing necessarily, does not
//     answer 401, unless its own responses have that status: a login.
//
// Such an answer must be among the operation's responses. The handlers of
// operations that ask for nothing do run, without a body and with "x" or 1 as
// parameters of the path. Requests come over TLS for example.com; prepare
// changes each of them before it is sent, such as its Host.
func RequireEnforced(tb testing.TB, doc *openapi.Document, h http.Handler, prepare ...func(*http.Request)) {
	tb.Helper()
	if err := doc.Check(); err != nil {
		tb.Errorf("openapitest: %v", err)
	}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		item := doc.Paths[path]
		for method, o := range item.All() {
			p := &probe{tb: tb, doc: doc, handler: h, prepare: prepare, method: method, path: path, operation: o, security: o.Security}
			if p.security == nil {
				p.security = doc.Security
			}
			p.run()
		}
	}
}

// probe is one operation that is asked.
type probe struct {
	tb           testing.TB
	doc          *openapi.Document
	handler      http.Handler
	prepare      []func(*http.Request)
	method, path string
	operation    *openapi.Operation
	security     openapi.Security // the document's, where the operation has none
}

func (p *probe) run() {
	p.tb.Helper()
	if p.security == nil {
		p.errorf("neither it nor the document says what it asks for; an empty list says nothing")
		return
	}
	necessary := len(p.security) > 0 && !slices.ContainsFunc(p.security, func(r openapi.SecurityRequirement) bool { return len(r) == 0 })
	methods := []string{p.method}
	if p.method == http.MethodGet {
		methods = append(methods, http.MethodHead)
	}
	for _, method := range methods {
		w, ok := p.send(method, nil)
		_, own := p.operation.Responses["401"]
		switch asked := w.Code == http.StatusUnauthorized; {
		case !ok || method != p.method && (w.Code == http.StatusNotFound || w.Code == http.StatusMethodNotAllowed): // a router without HEAD for GET
		case necessary && !asked:
			p.errorf("%s without a credential is answered %d, want 401", method, w.Code)
		case necessary && w.Header().Get("WWW-Authenticate") == "":
			p.errorf("%s without a credential is answered 401 without a challenge", method)
		case !necessary && asked && (len(p.security) > 0 || !own):
			p.errorf("%s without a credential is answered 401, though none is asked for", method)
		case asked:
			p.requireDocumented(w.Code)
		}
	}
	p.wrong()
}

// wrong sends a wrong credential of each scheme.
func (p *probe) wrong() {
	p.tb.Helper()
	names := make(map[string]bool)
	for _, requirement := range p.security {
		for name := range requirement {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		put := credential(p.doc.Components.SecuritySchemes[name])
		if put == nil {
			continue
		}
		w, ok := p.send(p.method, put)
		switch {
		case !ok:
		case w.Code != http.StatusBadRequest && w.Code != http.StatusUnauthorized && w.Code != http.StatusForbidden:
			p.errorf("a wrong credential of %q is answered %d, want 400, 401 or 403", name, w.Code)
		default:
			p.requireDocumented(w.Code)
		}
	}
}

// wrongText is no credential of anybody.
const wrongText = "wrong"

// credential puts a wrong credential of s where one belongs; nil when there is
// no such place.
func credential(s openapi.SecurityScheme) func(r *http.Request) {
	authorization := func(value string) func(r *http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", value) }
	}
	switch {
	case s.Type == openapi.TypeAPIKey && s.In == openapi.InHeader:
		return func(r *http.Request) { r.Header.Set(s.Name, wrongText) }
	case s.Type == openapi.TypeAPIKey && s.In == openapi.InCookie:
		return func(r *http.Request) { r.Header.Set("Cookie", s.Name+"="+wrongText) }
	case s.Type == openapi.TypeAPIKey && s.In == openapi.InQuery:
		return func(r *http.Request) {
			q := r.URL.Query()
			q.Set(s.Name, wrongText)
			r.URL.RawQuery = q.Encode()
			r.RequestURI = r.URL.RequestURI()
		}
	case s.Type == openapi.TypeHTTP && strings.EqualFold(s.Scheme, "basic"):
		return authorization("Basic d3Jvbmc6d3Jvbmc=") // wrong:wrong
	case s.Type == openapi.TypeHTTP:
		return authorization(s.Scheme + " " + wrongText)
	case s.Type == openapi.TypeOAuth2 || s.Type == openapi.TypeOpenIDConnect:
		return authorization("Bearer " + wrongText)
	default:
		return nil
	}
}

// send sends a request with what put and prepare add; false when the handler
// panicked.
func (p *probe) send(method string, put func(*http.Request)) (w *httptest.ResponseRecorder, ok bool) {
	p.tb.Helper()
	r := httptest.NewRequestWithContext(p.tb.Context(), method, "https://example.com"+p.target(), nil)
	r.URL.Scheme, r.URL.Host = "", "" // as a server reads it
	r.RequestURI = r.URL.RequestURI()
	if put != nil {
		put(r)
	}
	for _, f := range p.prepare {
		f(r)
	}
	w = httptest.NewRecorder()
	defer func() {
		if v := recover(); v != nil {
			p.errorf("%s: the handler panicked: %v", method, v)
		}
	}()
	p.handler.ServeHTTP(w, r)
	return w, true
}

// target is the path with something for each parameter.
func (p *probe) target() string {
	path := p.path
	for _, parameter := range p.operation.Parameters {
		if parameter.In == openapi.InPath {
			path = strings.ReplaceAll(path, "{"+parameter.Name+"}", value(parameter.Schema))
		}
	}
	return path
}

func value(s *openapi.Schema) string {
	switch {
	case s == nil:
		return "x"
	case len(s.Enum) > 0:
		return s.Enum[0]
	case s.Format == "uuid":
		return "00000000-0000-4000-8000-000000000000"
	case s.Type == "integer" || s.Type == "number":
		return "1"
	default:
		return "x"
	}
}

// requireDocumented wants status among the operation's responses.
func (p *probe) requireDocumented(status int) {
	p.tb.Helper()
	code := strconv.Itoa(status)
	for _, listed := range []string{code, code[:1] + "XX", "default"} {
		if _, ok := p.operation.Responses[listed]; ok {
			return
		}
	}
	p.errorf("it answers %s, which is none of its responses", code)
}

func (p *probe) errorf(format string, args ...any) {
	p.tb.Helper()
	p.tb.Errorf("openapitest: %s %s: "+format, append([]any{p.method, p.path}, args...)...)
}
