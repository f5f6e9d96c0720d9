package introspection_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/introspection"
	"github.com/warder-dev/warder/secret"
)

// A route for opaque tokens, which their issuer is asked about.
func ExampleNew() {
	issuer := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"active": %v, "sub": "alice", "aud": "https://api.example.com", "scope": "orders:read"}`, r.PostFormValue("token") == "good")
	}))
	defer issuer.Close()

	opaque, err := introspection.New(introspection.Config{
		URL: issuer.URL, ClientID: "warder", ClientSecret: secret.New("from a file"),
		Issuer: "https://login.example.com", Audience: []string{"https://api.example.com"},
		RootCAs: issuer.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, //nolint:errcheck // httptest's own
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer opaque.Close()
	stage, err := authn.New(authn.Config{Requirement: authn.Require(opaque, "orders:read")})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	orders := exchange.Wrap(stage, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, "hello ", exchange.From(r.Context()).Principal.Subject)
	}))
	for _, token := range []string{"good", "revoked"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/orders", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		orders.ServeHTTP(w, r)
		_, _ = fmt.Fprintf(os.Stdout, "%s: %d %q\n", token, w.Code, w.Header().Get("WWW-Authenticate"))
	}
	// Output:
	// good: 200 ""
	// revoked: 401 "Bearer realm=\"warder\", error=\"invalid_token\""
}
