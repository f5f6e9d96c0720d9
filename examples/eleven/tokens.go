package main

import (
	"net/http"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/jwt"
)

// addTokens takes JWTs of an issuer: signed by its keys, for this API, and not
// expired. Which algorithms and keys count is said here, never by the token.
func (s *service) addTokens() (err error) {
	s.bearer, err = jwt.New(jwt.Config{Issuers: []jwt.Issuer{s.tokens}, Log: s.log})
	return err
}

// keyOrToken asks for a key or for a token, with a scope. The list is OR, what
// stands together in one of its entries is AND. A credential that is there and
// wrong is refused whatever stands beside it.
func (s *service) keyOrToken(scope string) authn.Requirement {
	return authn.Requirement{
		{{Scheme: s.header, Scopes: []string{scope}}},
		{{Scheme: s.bearer, Scopes: []string{scope}}},
	}
}

// reports is for both.
func reports(w http.ResponseWriter, r *http.Request) {
	who := &exchange.From(r.Context()).Principal
	answer(w, "reports for %s by %s", who.Subject, who.Scheme)
}
