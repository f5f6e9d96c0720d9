package exchange

import "time"

// A Principal is whom a credential proves. Two principals are the same only
// when issuer and subject both are: see [Principal.Same]. The zero value is
// nobody.
type Principal struct {
	Issuer  string // who vouches, for example "warder" for keys or a token's iss
	Subject string // whom it vouches for, unique within the issuer: a key's id, a token's sub

	KeyID       string // the API key's id; "" when no key was used
	Owner       string // the key's owner; "" for none
	Environment string // the key's environment, for example "live"
	Scopes      Scopes // what the credential grants
	Scheme      string // name of the scheme that proved it, as in OpenAPI

	// Claims are those of a token, as its issuer signed them: for conditions, limits
	// and the upstream. nil for keys. Nobody changes them.
	Claims map[string]any

	// Ambient says that a browser sends the credential by itself, with whatever
	// page asks it to: a cookie, HTTP Basic, a client certificate. Such a request
	// needs proof that the page is the site's own (csrf); a key or token in a header
	// that only a script can set is that proof.
	Ambient bool

	// Session names the session that the credential stands for, without being it: a
	// digest that is safe to store. "" for none. csrf binds its tokens to it.
	Session string

	Plan   string  // the name of the plan whose limits apply; "" for none
	Quotas []Quota // limits of its own, in place of those with the same name. Nobody changes them.

	SecretNumber int  // which of the key's secrets proved it, counted from 1; 0 when no key was used
	Retiring     bool // proved by a secret that is being replaced
	Token        bool // proved by a short-lived token that was made from the key, not by the key itself
	Expires      time.Time
}

// IsZero reports whether p is nobody.
func (p *Principal) IsZero() bool { return p.Subject == "" }

// Same reports whether p and other are the same somebody. Nobody is the same
// as nobody else.
func (p *Principal) Same(other *Principal) bool {
	return !p.IsZero() && p.Issuer == other.Issuer && p.Subject == other.Subject
}
