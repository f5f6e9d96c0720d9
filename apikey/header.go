package apikey

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/openapi"
)

// HeaderConfig configures a [Header].
type HeaderConfig struct {
	_          [0]func()
	Verifier   *Verifier // Required.
	Name       string    // of the field: a token (RFC 9110, section 5.6.2) of at most 64 bytes. Default "X-API-Key".
	SchemeName string    // in OpenAPI. Default "apiKey".
}

const defaultHeader = "X-API-Key"

// A Header is the scheme of a key in a request header field of its own: type
// "apiKey" in "header" in OpenAPI. It is safe for concurrent use.
//
// The field is present when a line with its name is, whatever its value: only a
// request without any has no credential. Two lines are 400, whoever they prove;
// an empty value, a list and everything else that is no key are 401. Neither
// costs a look-up.
type Header struct {
	base
	field     string
	canonical string
}

var (
	_ authn.Scheme    = (*Header)(nil)
	_ authn.Describer = (*Header)(nil)
)

// NewHeader reports everything that is wrong with cfg at once.
func NewHeader(cfg HeaderConfig) (*Header, error) {
	if cfg.Name == "" {
		cfg.Name = defaultHeader
	}
	b, errs := newBase(cfg.Verifier, cfg.SchemeName, "apiKey")
	if !validFieldName(cfg.Name) {
		errs = append(errs, fmt.Errorf("apikey: header %q: want a field name that HTTP does not use itself", cfg.Name))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Header{b, cfg.Name, http.CanonicalHeaderKey(cfg.Name)}, nil
}

// validFieldName reports whether name is a token, and none of the fields that
// net/http takes out of the header, that end at a connection, or that hold more
// than one thing.
func validFieldName(name string) bool {
	taken := []string{
		"Host", "Connection", "Content-Length", "Transfer-Encoding", "Trailer", "Te", "Upgrade", "Keep-Alive",
		"Proxy-Connection", "Expect", "Content-Type", "Cookie", "Authorization", "Proxy-Authorization",
	}
	return isToken(name) && !slices.Contains(taken, http.CanonicalHeaderKey(name))
}

// Field returns the canonical name of the header field (as [http.Header] has it):
// what a front removes before it forwards a request.
func (h *Header) Field() string { return h.canonical }

// Challenge returns the WWW-Authenticate challenge. The scheme ApiKey is not
// registered; its parameters are those of OpenAPI.
func (h *Header) Challenge(realm string) string {
	return `ApiKey realm="` + realm + `", in="header", name="` + h.field + `"`
}

// Describe adds the scheme to doc: the value that guards is the value that
// documents.
func (h *Header) Describe(doc *openapi.Document) error {
	return doc.AddSecurityScheme(h.name, openapi.SecurityScheme{
		Type: openapi.TypeAPIKey, In: openapi.InHeader, Name: h.field, Description: description,
	})
}

// Authenticate returns whom the field proves; see [Header] and [Verifier.Verify].
// As every scheme of this package does, it sets [exchange.Exchange.Claim] once the
// value has the shape and the check digits of a key.
//
// It reads the one canonical spelling: net/http's servers store every valid field
// name so, in HTTP/1 and HTTP/2, and refuse what they cannot. A handler's own
// map entries under other spellings are no fields of the request.
func (h *Header) Authenticate(x *exchange.Exchange) (exchange.Principal, error) {
	values := x.Request.Header[h.canonical]
	switch len(values) {
	case 0:
		return exchange.Principal{}, authn.ErrNoCredential
	case 1:
		return h.prove(x, values[0])
	default:
		return exchange.Principal{}, errRepeated
	}
}
