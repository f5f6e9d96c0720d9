package authn

import (
	"slices"
	"strings"

	"github.com/warder-dev/warder/problem"
)

// A RefusalChallenger is a [Scheme] whose challenge says why its credential was
// refused, as bearer tokens do (RFC 6750, section 3.1). A credential that is
// absent has the plain challenge: the client may not have known that it needs one.
type RefusalChallenger interface {
	Scheme

	// RefusalChallenge is Challenge with code, which is one of the three below.
	// scopes are those that a request needs, with InsufficientScope; else there are
	// none. [New] calls it, and no request does.
	RefusalChallenge(realm, code string, scopes []string) string
}

// The codes of RFC 6750, section 3.1.
const (
	InvalidRequest    = "invalid_request"    // 400: repeated or unreadable
	InvalidToken      = "invalid_token"      // 401: it does not hold
	InsufficientScope = "insufficient_scope" // 403
)

// BearerChallenge returns the challenge of RFC 6750, section 3: plain when code
// is empty. It is what schemes of bearer tokens answer with.
func BearerChallenge(realm, code string, scopes []string) string {
	challenge := `Bearer realm="` + realm + `"`
	if code != "" {
		challenge += `, error="` + code + `"`
	}
	if len(scopes) > 0 {
		challenge += `, scope="` + strings.Join(scopes, " ") + `"`
	}
	return challenge
}

// challenge returns the challenge of scheme for a refusal, and whether it says
// more than the plain one.
func challenge(scheme Scheme, realm, code string, scopes []string) (text string, more bool) {
	if c, ok := scheme.(RefusalChallenger); ok {
		return c.RefusalChallenge(realm, code, scopes), true
	}
	return scheme.Challenge(realm), false
}

// A denial is what answers a request whose only refused credential is one
// scheme's, and which proves nobody.
type denial struct{ wrong, unreadable *problem.Problem }

// deny makes the answers for the i-th scheme.
func (s *Stage) deny(i int, realm string) denial {
	d := denial{wrong: s.unauthorized(wrongDetail, 0, 1<<i), unreadable: s.unreadable}
	if text, more := challenge(s.schemes[i], realm, InvalidRequest, nil); more {
		d.unreadable = d.unreadable.With("WWW-Authenticate", text)
	}
	return d
}

// insufficient makes the 403s of a need, one for each of its scopes.
func (n *Need) insufficient(realm string) []*problem.Problem {
	var all []*problem.Problem
	text, more := challenge(n.Scheme, realm, InsufficientScope, n.Scopes)
	for _, scope := range n.Scopes {
		p := problem.New(problem.InsufficientScope, "The credential lacks the scope "+scope+".")
		if more {
			p = p.With("WWW-Authenticate", text)
		}
		all = append(all, p)
	}
	return all
}

// challenges returns every challenge that scheme may answer with.
func challenges(scheme Scheme, realm string) []string {
	all := []string{scheme.Challenge(realm)}
	for _, code := range []string{InvalidRequest, InvalidToken, InsufficientScope} {
		text, _ := challenge(scheme, realm, code, nil)
		all = append(all, text)
	}
	return slices.Compact(all)
}
