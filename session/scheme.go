package session

import (
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/credential"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/openapi"
)

// A Scheme proves who a session's user is: type "apiKey" in "cookie" in OpenAPI.
// It is safe for concurrent use.
//
// The cookie is present when a pair with its name is, whatever its value. Two are
// 400. An empty value, and everything else that has not the form of an id, is 401
// and costs no look-up.
type Scheme struct {
	manager  *Manager
	repeated *authn.Refusal
	wrong    map[missing]*authn.Refusal
}

var (
	_ authn.Scheme    = (*Scheme)(nil)
	_ authn.Describer = (*Scheme)(nil)
)

func newScheme(m *Manager) *Scheme {
	s := &Scheme{manager: m, repeated: authn.Unreadable("repeated"), wrong: make(map[missing]*authn.Refusal)}
	for _, why := range []missing{malformed, unknown, replaced, "expired", "idle"} {
		s.wrong[why] = authn.Wrong(string(why))
	}
	return s
}

// Name returns the scheme's name in OpenAPI.
func (s *Scheme) Name() string { return s.manager.scheme }

// Cookie returns the name of the cookie.
func (s *Scheme) Cookie() string { return s.manager.cookie }

// Challenge returns the WWW-Authenticate challenge. RFC 9110, section 15.5.2 wants
// one with each 401. "Cookie" is not registered; browsers ignore what they do not
// know, and ask their user for nothing.
func (s *Scheme) Challenge(realm string) string {
	return `Cookie realm="` + realm + `", name="` + s.manager.cookie + `"`
}

// Describe adds the scheme to doc.
func (s *Scheme) Describe(doc *openapi.Document) error {
	return doc.AddSecurityScheme(s.manager.scheme, openapi.SecurityScheme{
		Type: openapi.TypeAPIKey, In: openapi.InCookie, Name: s.manager.cookie, Description: "A session, begun by logging in.",
	})
}

// Authenticate returns the user of the session whose cookie x carries. The
// principal is ambient, and its Session names the session.
func (s *Scheme) Authenticate(x *exchange.Exchange) (exchange.Principal, error) {
	text, state := credential.Cookie(x.Request.Header, s.manager.cookie)
	switch state {
	case credential.Absent:
		return exchange.Principal{}, authn.ErrNoCredential
	case credential.Once:
	case credential.Repeated, credential.Unreadable:
		return exchange.Principal{}, s.repeated
	default:
		return exchange.Principal{}, s.repeated
	}
	r, former, why, err := s.manager.find(x.Request.Context(), text)
	switch {
	case err != nil:
		return exchange.Principal{}, err
	case why != none:
		return exchange.Principal{}, s.wrong[why]
	}
	if !x.Dry && !s.manager.touch(x.Request.Context(), &r) {
		return exchange.Principal{}, s.wrong[unknown]
	}
	user := &r.User
	if former {
		user = &r.Former.User
	}
	return exchange.Principal{
		Issuer: r.User.Issuer, Subject: r.User.Subject, Scopes: user.Scopes, Claims: user.Claims,
		Scheme: s.manager.scheme, Ambient: true, Session: r.Digest.Name(), Expires: r.Expires,
	}, nil
}
