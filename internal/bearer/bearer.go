// Package bearer reads what the schemes of bearer tokens must read alike: the
// Authorization field, JSON that has one reading, and a principal from claims.
// It also keeps, in bounded memory, what they found out.
package bearer

import (
	"crypto/sha256"
	"net/http"
	"strings"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/credential"
)

const scheme = "Bearer"

// Refused are the errors of [Find], made once.
type Refused struct{ repeated, malformed, tooLarge error }

// NewRefused returns them.
func NewRefused() *Refused {
	return &Refused{
		repeated:  authn.Unreadable("repeated"),
		malformed: authn.Wrong("malformed"),
		tooLarge:  authn.Wrong("too-large"),
	}
}

// Find returns the token in Authorization (RFC 6750, section 2.1), of at most
// limit bytes. The error is [authn.ErrNoCredential] when the field is absent,
// belongs to another scheme, or holds a token that leave takes for another's; a
// refusal when the field is repeated, empty, or says Bearer and holds no token.
// Forms and queries are not looked at (sections 2.2 and 2.3). It does not
// allocate.
func (r *Refused) Find(h http.Header, limit int, leave func(token string) bool) (token string, err error) {
	name, token, state := credential.Authorization(h)
	switch state {
	case credential.Once:
	case credential.Absent:
		return "", authn.ErrNoCredential
	case credential.Repeated, credential.Unreadable:
		return "", r.repeated
	default:
		return "", r.repeated
	}
	if !strings.EqualFold(name, scheme) {
		if name == "" || len(name) > len(scheme) && strings.EqualFold(name[:len(scheme)], scheme) && !tokenByte(name[len(scheme)]) {
			return "", r.malformed // nothing at all, or Bearer and a tab: nobody else's
		}
		return "", authn.ErrNoCredential
	}
	if leave != nil && leave(token) {
		return "", authn.ErrNoCredential
	}
	if len(token) > limit {
		return "", r.tooLarge
	}
	if !b64token(token) {
		return "", r.malformed
	}
	return token, nil
}

// tokenByte reports whether b may be in a scheme's name (RFC 9110, section 5.6.2).
func tokenByte(b byte) bool {
	return alphanumeric(b) || strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0
}

// b64token reports whether s is one (RFC 6750, section 2.1).
func b64token(s string) bool {
	body := strings.TrimRight(s, "=")
	for i := range len(body) {
		if !alphanumeric(body[i]) && strings.IndexByte("-._~+/", body[i]) < 0 {
			return false
		}
	}
	return body != ""
}

func alphanumeric(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
}

// A Sum stands for a token where the token itself is not kept.
type Sum [sha256.Size]byte

// SumOf returns the sum of token. It does not allocate for a token of up to 4 KiB.
func SumOf(token string) Sum {
	var few [4 << 10]byte
	if len(token) > len(few) {
		return sha256.Sum256([]byte(token))
	}
	return sha256.Sum256(few[:copy(few[:], token)])
}
