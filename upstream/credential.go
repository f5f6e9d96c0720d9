package upstream

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/warder-dev/warder/credential"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/secret"
)

// maxIdentity is the longest value of X-Warder-Identity and of Credential, in
// bytes: more than common servers take in one field is of no use.
const maxIdentity = 16 << 10

// credentials are what a client's request loses, and what ours gets.
type credentials struct {
	cookies []string
	query   []string
	vary    []string // canonical names of the fields that may carry one

	field    string // canonical name of the field of value; "" for none
	value    secret.Text
	identity func(x *exchange.Exchange) (string, error) // may be nil
}

func newCredentials(cfg *Config) credentials {
	c := credentials{
		cookies: append([]string(nil), cfg.RemoveCookies...), query: append([]string(nil), cfg.RemoveQuery...),
		field: http.CanonicalHeaderKey(cfg.CredentialHeader), value: cfg.Credential, identity: cfg.Identity,
	}
	for _, name := range cfg.RemoveHeaders {
		c.vary = append(c.vary, http.CanonicalHeaderKey(name))
	}
	if len(c.cookies) > 0 {
		c.vary = append(c.vary, "Cookie")
	}
	return c
}

// ownedFields are the fields of which no client's reaches the upstream.
func (c *Config) ownedFields() []string {
	if c.CredentialHeader == "" {
		return c.RemoveHeaders
	}
	return append([]string{c.CredentialHeader}, c.RemoveHeaders...)
}

func (c *Config) checkCredentials() []error {
	var errs []error
	for _, name := range c.RemoveHeaders {
		if !validFieldName(name) || len(name) > maxFolded {
			errs = append(errs, fmt.Errorf("upstream: RemoveHeaders: %q is not a field name of at most %d bytes", name, maxFolded))
		}
	}
	for _, name := range c.RemoveCookies {
		if !validFieldName(name) {
			errs = append(errs, fmt.Errorf("upstream: RemoveCookies: %q is not the name of a cookie", name))
		}
	}
	for _, name := range c.RemoveQuery {
		if name == "" {
			errs = append(errs, errors.New("upstream: RemoveQuery: a name is empty"))
		}
	}
	given, field := !c.Credential.IsZero(), c.CredentialHeader
	switch {
	case !given && field != "":
		errs = append(errs, errors.New("upstream: CredentialHeader has no effect without Credential"))
	case given && field != "" && (!validFieldName(field) || ownField(field)):
		errs = append(errs, fmt.Errorf("upstream: CredentialHeader %q is not a field name, or one that is set otherwise", field))
	}
	if given && !validFieldValue(c.Credential.Reveal()) {
		errs = append(errs, fmt.Errorf("upstream: Credential is not the value of a field: want at most %d bytes of visible ASCII and blanks between them", maxIdentity))
	}
	return errs
}

// ownField reports whether a request's field of that name says something else
// than who warder is.
func ownField(name string) bool {
	others := requestRemoved(nil)
	if others.has(name) {
		return true
	}
	switch http.CanonicalHeaderKey(name) {
	case "Cookie", "User-Agent", "Content-Type", "Content-Encoding", "Traceparent", "Tracestate":
		return true
	default:
		return false
	}
}

// validFieldValue reports whether value is a field's value (RFC 9110, section
// 5.5) without what parsers differ about: not empty, visible ASCII, single bytes
// of blank inside.
func validFieldValue(value string) bool {
	if value == "" || len(value) > maxIdentity || value[0] == ' ' || value[len(value)-1] == ' ' {
		return false
	}
	for i := range len(value) {
		if b := value[i]; b < ' ' || b >= 0x7f {
			return false
		}
	}
	return true
}

// withoutQuery returns the raw query less the credentials in it.
func (c *credentials) withoutQuery(raw string) string {
	if len(c.query) == 0 || raw == "" {
		return raw
	}
	return credential.WithoutQuery(raw, c.query...)
}

// clean takes the client's credentials out of the fields that hold more than
// them. h shares its values with the client's request: they are replaced, not
// changed.
func (c *credentials) clean(h http.Header) {
	if fields := h["Cookie"]; len(fields) > 0 && len(c.cookies) > 0 {
		if fields = credential.WithoutCookies(fields, c.cookies...); len(fields) == 0 {
			delete(h, "Cookie")
		} else {
			h["Cookie"] = fields
		}
	}
	if fields := h["Referer"]; len(fields) > 0 && len(c.query) > 0 {
		kept := make([]string, len(fields))
		for i, field := range fields {
			kept[i] = c.withoutReferred(field)
		}
		h["Referer"] = kept
	}
}

// withoutReferred returns the URL of a Referer field without the credentials in
// its query: a client that disregards Referrer-Policy names the page's whole URL
// with whatever the page loads.
func (c *credentials) withoutReferred(referer string) string {
	page, raw, found := strings.Cut(referer, "?")
	if !found {
		return referer
	}
	raw = c.withoutQuery(raw)
	if raw == "" {
		return page
	}
	return page + "?" + raw
}

// set adds warder's own credential, over whatever stands there.
func (c *credentials) set(h http.Header) {
	if c.field != "" {
		h[c.field] = []string{c.value.Reveal()}
	}
}

var errIdentity = errors.New("upstream: Identity returned what is no field value")

// sign returns the value of X-Warder-Identity; "" for none.
func (c *credentials) sign(x *exchange.Exchange) (string, error) {
	if c.identity == nil || x.Principal.IsZero() {
		return "", nil
	}
	value, err := c.identity(x)
	switch {
	case err != nil:
		return "", fmt.Errorf("upstream: identity: %w", err)
	case !validFieldValue(value):
		return "", errIdentity
	}
	return value, nil
}
