package jwt_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/jwt"
)

// A route for tokens of one issuer, which publishes its keys, with a scope.
func ExampleNew() {
	bearer, err := jwt.New(jwt.Config{Issuers: []jwt.Issuer{{
		Issuer:    "https://login.example.com",
		Audience:  []string{"https://api.example.com"},
		Types:     []string{"at+jwt"}, // if the issuer follows RFC 9068
		Discovery: true,
	}}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer bearer.Close()

	stage, err := authn.New(authn.Config{Requirement: authn.Require(bearer, "orders:read")})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	orders := exchange.Wrap(stage, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintln(w, "hello", exchange.From(r.Context()).Principal.Subject)
	}))

	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/orders", nil)
	r.Header.Set("Authorization", "Bearer made.up.token")
	orders.ServeHTTP(w, r)
	_, _ = fmt.Fprintln(os.Stdout, w.Code, w.Header().Get("WWW-Authenticate"))
	// Output: 401 Bearer realm="warder", error="invalid_token"
}
