package csrf

import (
	"net/http"
	"strings"

	"github.com/warder-dev/warder/credential"
	"github.com/warder-dev/warder/exchange"
)

// CookieName is the name of the cookie of [Config.Cookie]. Its prefix makes
// browsers refuse it from plain http and from a sibling or parent domain.
const CookieName = "__Host-csrf"

// Headers sets the token's cookie, where it is configured, on answers to an
// ambient principal whose cookie is absent, not for it, or past half of its life.
// A script sends its value in the header field, and nobody reads it back: what
// counts there is the token, and that is bound to the session.
//
// An answer that others may be given from a cache gets none.
func (s *Stage) Headers(x *exchange.Exchange, h http.Header) {
	if !s.cookie || !x.Principal.Ambient || x.Principal.IsZero() || isShared(h["Cache-Control"]) {
		return
	}
	value, state := credential.Cookie(x.Request.Header, CookieName)
	if state == credential.Once {
		if age, reason := s.verify(value, &x.Principal); reason == "" && age < s.lifetime/2 {
			return
		}
	}
	h["Set-Cookie"] = append(h["Set-Cookie"], CookieName+"="+s.Token(x)+"; Path=/; Secure; SameSite=Lax")
	if len(h["Cache-Control"]) == 0 {
		h["Cache-Control"] = []string{"private"} // a cookie alone keeps no cache from it (RFC 9111, section 7.3)
	}
}

// isShared reports whether fields allow caches to give the answer to somebody
// else (RFC 9111, section 5.2.2).
func isShared(fields []string) bool {
	for _, field := range fields {
		for directive := range strings.SplitSeq(field, ",") {
			name, _, _ := strings.Cut(strings.TrimSpace(directive), "=")
			if strings.EqualFold(name, "public") || strings.EqualFold(name, "s-maxage") {
				return true
			}
		}
	}
	return false
}
