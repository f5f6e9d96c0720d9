package bearer

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
)

// A Mapping says which claims make a principal.
type Mapping struct {
	Subject string   // name of the claim that is the subject
	Scopes  []string // names of claims with scopes, the first that is there counts
	Owner   string   // name of the claim that is the owner; "" for none
}

const (
	maxName   = 64  // bytes of a claim's name
	maxText   = 255 // bytes of a subject or owner (OpenID Connect Core 1.0, section 2)
	maxScopes = 512
)

// Complete sets the claims that stand for what is not named: "sub", and "scope"
// before "scp".
func (m *Mapping) Complete() {
	if m.Subject == "" {
		m.Subject = "sub"
	}
	if m.Scopes == nil {
		m.Scopes = []string{"scope", "scp"}
	}
}

// Check reports names that cannot be those of claims.
func (m *Mapping) Check() error {
	var errs []error
	for _, name := range append([]string{m.Subject, m.Owner}, m.Scopes...) {
		if len(name) > maxName || name != "" && !Printable(name, maxName) {
			errs = append(errs, fmt.Errorf("claim %q: want a printable name of at most %d bytes", name, maxName))
		}
	}
	return errors.Join(errs...)
}

// Principal returns whom claims tell of, without issuer, expiry and scheme, and
// the certificate that the token is bound to. The error is a refusal.
func (m *Mapping) Principal(claims map[string]any) (p exchange.Principal, bound *Certificate, err error) {
	subject, ok := claims[m.Subject].(string)
	if !ok || !Printable(subject, maxText) {
		return p, nil, authn.Wrong("subject")
	}
	owner := ""
	if value, present := claims[m.Owner]; m.Owner != "" && present {
		if owner, ok = value.(string); !ok || !Printable(owner, maxText) {
			return p, nil, authn.Wrong("owner")
		}
	}
	scopes, err := m.scopes(claims)
	if err != nil {
		return p, nil, err
	}
	if bound, err = confirmation(claims); err != nil {
		return p, nil, err
	}
	return exchange.Principal{Subject: subject, Owner: owner, Scopes: scopes, Claims: claims}, bound, nil
}

// Printable reports whether s has 1 to limit bytes of printable characters, and
// neither begins nor ends with a blank.
func Printable(s string, limit int) bool {
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }
	return s != "" && len(s) <= limit && !strings.ContainsFunc(s, unprintable) && s[0] != ' ' && s[len(s)-1] != ' '
}

// scopes returns the scopes of the first claim that is there. Every one that is
// has to be well formed. A "*" in them is a character: somebody else issued them.
func (m *Mapping) scopes(claims map[string]any) (exchange.Scopes, error) {
	var first []string
	found := false
	for _, name := range m.Scopes {
		value, present := claims[name]
		if !present {
			continue
		}
		words, ok := scopeWords(name, value)
		if !ok {
			return exchange.Scopes{}, authn.Wrong("scope")
		}
		if !found {
			first, found = words, true
		}
	}
	return exchange.LiteralScopes(first...), nil
}

// scopeWords divides a claim. "scope" is text with blanks between the scopes
// (RFC 8693, section 4.2); other claims may be a list too.
func scopeWords(name string, value any) (words []string, ok bool) {
	switch v := value.(type) {
	case string:
		words = strings.FieldsFunc(v, func(r rune) bool { return r == ' ' })
	case []any:
		if name == "scope" {
			return nil, false
		}
		for _, element := range v {
			word, ok := element.(string)
			if !ok {
				return nil, false
			}
			words = append(words, word)
		}
	default:
		return nil, false
	}
	if len(words) > maxScopes {
		return nil, false
	}
	for _, word := range words {
		if !scopeToken(word) {
			return nil, false
		}
	}
	return words, true
}

// scopeToken reports whether s is a scope-token (RFC 6749, section 3.3): one with
// a blank in it would become two further on.
func scopeToken(s string) bool {
	for i := range len(s) {
		if b := s[i]; b <= ' ' || b > '~' || b == '"' || b == '\\' {
			return false
		}
	}
	return s != ""
}

// A Certificate is the client certificate that a token is bound to (RFC 8705,
// section 3.1); nil for none.
type Certificate [sha256.Size]byte

// Holds reports whether x came with the certificate, or needs none.
func (c *Certificate) Holds(x *exchange.Exchange) bool {
	if c == nil {
		return true
	}
	if x.ClientCert == nil {
		return false
	}
	sum := sha256.Sum256(x.ClientCert.Raw)
	return subtle.ConstantTimeCompare(sum[:], c[:]) == 1
}

// confirmation reads cnf (RFC 7800). A token that is bound to anything else than
// a certificate is refused: a bearer would pass without the proof.
func confirmation(claims map[string]any) (*Certificate, error) {
	value, present := claims["cnf"]
	if !present {
		return nil, nil
	}
	cnf, _ := value.(map[string]any)
	text, ok := cnf["x5t#S256"].(string)
	sum, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if !ok || err != nil || len(cnf) != 1 || len(sum) != sha256.Size {
		return nil, authn.Wrong("confirmation")
	}
	bound := Certificate(sum)
	return &bound, nil
}

// maxDate is the last second of the year 9999.
const maxDate = 253402300799

// Date returns the time of a claim in seconds since 1970, of which a fraction is
// cut (RFC 7519, section 2, NumericDate). It is the zero time when the claim is
// absent; ok is false when it is no number from 0 to the end of the year 9999.
func Date(claims map[string]any, name string) (t time.Time, ok bool) {
	value, present := claims[name]
	if !present {
		return time.Time{}, true
	}
	var seconds int64
	switch v := value.(type) {
	case int64:
		seconds = v
	case float64:
		if v < 0 || v > maxDate {
			return time.Time{}, false
		}
		seconds = int64(v)
	default:
		return time.Time{}, false
	}
	if seconds < 0 || seconds > maxDate {
		return time.Time{}, false
	}
	return time.Unix(seconds, 0), true
}

// Strings returns a claim that is a string or a list of strings, such as aud
// (RFC 7519, section 4.1.3); nil when it is absent, and ok is false when it is
// something else.
func Strings(claims map[string]any, name string) (list []string, ok bool) {
	switch v := claims[name].(type) {
	case string:
		return []string{v}, true
	case []any:
		for _, element := range v {
			s, ok := element.(string)
			if !ok {
				return nil, false
			}
			list = append(list, s)
		}
		return list, true
	default:
		_, present := claims[name]
		return nil, !present
	}
}
