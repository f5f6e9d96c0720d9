package cors_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/cors"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
)

// The listed origin of the tests, and the API that it reads.
const (
	app  = "https://app.example.com"
	page = "https://api.example.com/orders"
)

func newStage(tb testing.TB, cfg cors.Config) *cors.Stage {
	tb.Helper()
	if len(cfg.Origins) == 0 && !cfg.AnyOrigin {
		cfg.Origins = []string{app}
	}
	s, err := cors.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// header is a key in X-API-Key: "good" proves somebody, "away" is a store that
// gives no answer.
type header struct{}

func (header) Name() string            { return "apiKey" }
func (header) Challenge(string) string { return "ApiKey" }
func (header) Authenticate(x *exchange.Exchange) (exchange.Principal, error) {
	switch x.Request.Header.Get("X-API-Key") {
	case "":
		return exchange.Principal{}, authn.ErrNoCredential
	case "good":
		return exchange.Principal{Issuer: "warder", Subject: "k1"}, nil
	case "away":
		return exchange.Principal{}, errors.New("connection refused")
	default:
		return exchange.Principal{}, authn.Wrong("unknown")
	}
}

// guarded is a route that a key opens, in front of next.
func guarded(tb testing.TB, s *cors.Stage, next http.Handler) http.Handler {
	tb.Helper()
	keys, err := authn.New(authn.Config{Requirement: authn.Require(header{})})
	if err != nil {
		tb.Fatal(err)
	}
	stack := &warder.Stack{Edge: warder.Edge{Forwarded: forwarded.Direct()}, Policy: &warder.Policy{CORS: s, Authn: keys}}
	return stack.Wrap(next)
}

// request makes one of "Name: value" lines; a name may be repeated.
func request(method string, fields ...string) *http.Request {
	r := httptest.NewRequest(method, page, nil)
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		r.Header.Add(name, value)
	}
	return r
}

// asks is a preflight of origin for method.
func asks(origin, method string, fields ...string) *http.Request {
	return request(http.MethodOptions, append(fields, "Origin: "+origin, "Access-Control-Request-Method: "+method)...)
}

// answer is what s does with r, in front of a handler that says nothing of CORS.
func answer(s *cors.Stage, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })).ServeHTTP(w, r)
	return w
}

// says lists what an answer says of CORS, and Vary, in one line.
func says(h http.Header) string {
	var all []string
	for _, name := range []string{"Origin", "Credentials", "Methods", "Headers", "Private-Network"} {
		if v, ok := h["Access-Control-Allow-"+name]; ok {
			all = append(all, name+"="+strings.Join(v, "|"))
		}
	}
	for _, name := range []string{"Access-Control-Expose-Headers", "Access-Control-Max-Age", "Vary"} {
		if v, ok := h[name]; ok {
			all = append(all, strings.TrimPrefix(name, "Access-Control-")+"="+strings.Join(v, "|"))
		}
	}
	return strings.Join(all, "; ")
}

// given reports whether h gives any permission at all.
func given(h http.Header) bool {
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			return true
		}
	}
	return false
}

const (
	varies          = "Vary=Origin"
	variesPreflight = "Vary=Access-Control-Request-Headers, Access-Control-Request-Method, Origin"
)
