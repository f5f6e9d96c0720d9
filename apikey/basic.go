package apikey

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/openapi"
)

// A BasicField is where Basic credentials hold the key.
type BasicField string

// The fields.
const (
	BasicUsername BasicField = "username" // and the password is empty, as in curl -u "$KEY:"
	BasicPassword BasicField = "password" // and the user name is not looked at
)

// BasicConfig configures a [Basic].
type BasicConfig struct {
	_          [0]func()
	Verifier   *Verifier  // Required.
	SchemeName string     // in OpenAPI. Default "apiKeyBasic".
	Field      BasicField // Default BasicUsername.

	// Shared leaves credentials whose Field does not begin like a key to another
	// scheme, such as that of people's passwords: for this one they are absent. Set
	// it only where a requirement has that other scheme: on a route that has not,
	// and whose requirement is optional, the credentials of nobody would pass as
	// none. Default: all of them are judged as a key.
	Shared bool

	// Prefixes are what keys begin with, before "_". Default "wrd". Without effect
	// unless Shared.
	Prefixes []string
}

// maxBasic is the longest text of Basic credentials, in bytes of base64. It is
// tested before anything is decoded.
const maxBasic = 1 << 10

// A Basic is the scheme of a key in Basic credentials (RFC 7617): type "http",
// scheme "basic" in OpenAPI. It is for clients that know no other way. It is safe
// for concurrent use.
//
// Browsers ask for such credentials and send them again by themselves, so that
// its principals are ambient: without proof against forgery a route must not
// change anything for them.
//
// A credential of another authentication scheme, such as Bearer, is absent. Two
// fields are 400; what is longer than 1 KiB, no base64 or without a colon, and a
// field that names no scheme, are 401, also when the field is shared.
type Basic struct {
	base
	owner    owner
	password bool // the key is the password
	encoding *base64.Encoding
}

var (
	_ authn.Scheme    = (*Basic)(nil)
	_ authn.Describer = (*Basic)(nil)
)

// NewBasic reports everything that is wrong with cfg at once.
func NewBasic(cfg BasicConfig) (*Basic, error) {
	if cfg.Field == "" {
		cfg.Field = BasicUsername
	}
	b, errs := newBase(cfg.Verifier, cfg.SchemeName, "apiKeyBasic")
	o, more := newOwner(cfg.Shared, cfg.Prefixes)
	errs = append(errs, more...)
	if cfg.Field != BasicUsername && cfg.Field != BasicPassword {
		errs = append(errs, fmt.Errorf("apikey: Field %q: want %q or %q", cfg.Field, BasicUsername, BasicPassword))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	b.ambient = true
	return &Basic{b, o, cfg.Field == BasicPassword, base64.StdEncoding.Strict()}, nil
}

// Challenge returns the WWW-Authenticate challenge (RFC 7617, sections 2 and
// 2.1). Browsers answer it with a dialog.
func (*Basic) Challenge(realm string) string { return `Basic realm="` + realm + `", charset="UTF-8"` }

// Describe adds the scheme to doc.
func (b *Basic) Describe(doc *openapi.Document) error {
	return doc.AddSecurityScheme(b.name, openapi.SecurityScheme{Type: openapi.TypeHTTP, Scheme: "basic", Description: description})
}

// Authenticate returns whom the credentials prove.
func (b *Basic) Authenticate(x *exchange.Exchange) (exchange.Principal, error) {
	encoded, err := b.authorization(x.Request.Header, "Basic")
	if err != nil {
		return exchange.Principal{}, err
	}
	user, password, ok := b.decode(encoded)
	key, other := user, password
	if b.password {
		key, other = password, ""
	}
	switch {
	case !ok:
		return exchange.Principal{}, b.verifier.refusals.malformed
	case !b.owner.owns(key):
		return exchange.Principal{}, authn.ErrNoCredential
	case other != "":
		return exchange.Principal{}, b.verifier.refusals.malformed
	}
	return b.prove(x, key)
}

// decode returns user name and password (RFC 7617, section 2): the first colon
// divides them.
func (b *Basic) decode(encoded string) (user, password string, ok bool) {
	// The decoder skips line ends, in strict mode too.
	if len(encoded) > maxBasic || strings.ContainsAny(encoded, "\r\n") {
		return "", "", false
	}
	var in, out [maxBasic]byte
	n, err := b.encoding.Decode(out[:], in[:copy(in[:], encoded)])
	if err != nil {
		return "", "", false
	}
	return strings.Cut(string(out[:n]), ":")
}
