package apikey

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/credential"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/openapi"
)

// QueryConfig configures a [Query].
type QueryConfig struct {
	_          [0]func()
	Verifier   *Verifier // Required.
	Name       string    // of the parameter: at most 64 letters, digits, "-" and "_". Default "api_key".
	SchemeName string    // in OpenAPI. Default "apiKeyQuery".
}

const defaultParameter = "api_key"

// A Query is the scheme of a key in a parameter of the query: type "apiKey" in
// "query" in OpenAPI. It is safe for concurrent use.
//
// It is for clients that can send nothing else: what stands in a URL comes into
// histories, bookmarks, and the logs of everybody on the way. What this side can
// do is done: the parameter is taken out of the request before the handler or
// the upstream sees it, and the answer is neither stored nor named as a referrer,
// whatever the handler or the upstream says.
//
// The parameter is present in whatever spelling some parser may take for it: a
// second one, one in other case, as an array, behind a semicolon, and a query
// with a name that nobody can decode are 400; see [credential.Query].
type Query struct {
	base
	parameter string
}

var (
	_ authn.Scheme          = (*Query)(nil)
	_ authn.Describer       = (*Query)(nil)
	_ exchange.HeaderWriter = (*Query)(nil)
)

// NewQuery reports everything that is wrong with cfg at once.
func NewQuery(cfg QueryConfig) (*Query, error) {
	if cfg.Name == "" {
		cfg.Name = defaultParameter
	}
	b, errs := newBase(cfg.Verifier, cfg.SchemeName, "apiKeyQuery")
	if !validParameter(cfg.Name) {
		errs = append(errs, fmt.Errorf("apikey: query parameter %q: want at most %d letters, digits, \"-\" and \"_\"", cfg.Name, maxPlace))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Query{b, cfg.Name}, nil
}

// validParameter reports whether name is one that no encoding changes.
func validParameter(name string) bool {
	for i := range len(name) {
		if b := name[i]; outside[b] != 0 && b != '-' && b != '_' {
			return false
		}
	}
	return len(name) <= maxPlace
}

// Parameter returns the parameter's name: what a front removes before it forwards
// a request.
func (q *Query) Parameter() string { return q.parameter }

// Challenge returns the WWW-Authenticate challenge, as that of [Header].
func (q *Query) Challenge(realm string) string {
	return `ApiKey realm="` + realm + `", in="query", name="` + q.parameter + `"`
}

// Describe adds the scheme to doc.
func (q *Query) Describe(doc *openapi.Document) error {
	return doc.AddSecurityScheme(q.name, openapi.SecurityScheme{
		Type: openapi.TypeAPIKey, In: openapi.InQuery, Name: q.parameter, Description: description,
	})
}

// Authenticate returns whom the parameter proves, and takes it out of the
// request when it proves somebody.
func (q *Query) Authenticate(x *exchange.Exchange) (exchange.Principal, error) {
	raw := x.Request.URL.RawQuery
	text, state := credential.Query(raw, q.parameter)
	if state != credential.Once {
		return exchange.Principal{}, missed(state)
	}
	principal, err := q.prove(x, text)
	if err != nil {
		return exchange.Principal{}, err
	}
	x.SetQuery(credential.WithoutQuery(raw, q.parameter))
	return principal, nil
}

// Headers keeps the answer to a request with a key in its URL out of caches, and
// the URL out of the Referer field of what the answer leads to: see
// [exchange.Exchange.HideURL].
func (q *Query) Headers(x *exchange.Exchange, h http.Header) {
	if !x.QueryTaken() {
		if _, state := credential.Query(x.Request.URL.RawQuery, q.parameter); state == credential.Absent {
			return
		}
	}
	x.HideURL()
	x.Hide(h)
}
