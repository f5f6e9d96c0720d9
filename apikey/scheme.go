package apikey

import (
	"errors"
	"fmt"
	"strings"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/credential"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/openapi"
)

// description is that of every scheme in OpenAPI.
const description = "An API key of warder."

// maxPlace is the longest name of a header field, parameter or cookie, in bytes.
const maxPlace = 64

var (
	errRepeated   error = authn.Unreadable("repeated")
	errUnreadable error = authn.Unreadable("unreadable")
)

// base is what the schemes have in common: a name, and how a text is judged that
// was found.
type base struct {
	verifier *Verifier
	name     string
	ambient  bool // see [exchange.Principal.Ambient]
}

// newBase returns a base, or everything that is wrong with it.
func newBase(v *Verifier, name, standard string) (base, []error) {
	var errs []error
	if v == nil {
		errs = append(errs, errNoVerifier)
	}
	if name == "" {
		name = standard
	}
	if !openapi.ValidName(name) {
		errs = append(errs, fmt.Errorf("apikey: SchemeName %q: want letters, digits and ._-", name))
	}
	return base{verifier: v, name: name}, errs
}

// Name returns the scheme's name in OpenAPI's components.securitySchemes.
func (b *base) Name() string { return b.name }

// prove returns whom text proves for the sender of x; see [Verifier.Verify]. It
// sets [exchange.Exchange.Claim] once text has the shape and the check digits of
// a key. A key that is narrowed proves nobody for another use: the error is an
// [*authn.Denial] then, also without a stage of authn behind the scheme.
func (b *base) prove(x *exchange.Exchange, text string) (exchange.Principal, error) {
	verify, c := b.verifier.verifyImported, claim{text: text, cert: x.ClientCert, x: x, dry: x.Dry}
	if info, err := Parse(text); err == nil {
		verify, c.id = b.verifier.verify, info.ID
		x.Claim = string(info.ID)
	}
	principal, err := verify(x.Request.Context(), c)
	return b.signed(principal, err)
}

// proveToken is prove of the text of a token.
func (b *base) proveToken(x *exchange.Exchange, text, audience string) (exchange.Principal, error) {
	principal, err := b.verifier.verifyToken(x.Request.Context(), text, audience, claim{cert: x.ClientCert, x: x, dry: x.Dry})
	return b.signed(principal, err)
}

// signed adds which scheme it was that proved somebody, or denied it.
func (b *base) signed(principal exchange.Principal, err error) (exchange.Principal, error) {
	if err != nil {
		if d, ok := errors.AsType[*authn.Denial](err); ok {
			d.Principal.Scheme, d.Principal.Ambient = b.name, b.ambient
		}
		return exchange.Principal{}, err
	}
	principal.Scheme, principal.Ambient = b.name, b.ambient
	return principal, nil
}

// missed returns why nothing can be judged of a credential that is not there
// once.
func missed(s credential.State) error {
	switch s {
	case credential.Absent:
		return authn.ErrNoCredential
	case credential.Repeated:
		return errRepeated
	case credential.Once, credential.Unreadable:
		return errUnreadable
	default:
		return errUnreadable
	}
}

// isToken reports whether s is a token (RFC 9110, section 5.6.2) of at most
// maxPlace bytes.
func isToken(s string) bool {
	if s == "" || len(s) > maxPlace {
		return false
	}
	for i := range len(s) {
		if b := s[i]; outside[b] != 0 && strings.IndexByte("!#$%&'*+-.^_`|~", b) < 0 {
			return false
		}
	}
	return true
}
