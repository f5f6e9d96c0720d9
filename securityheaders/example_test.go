package securityheaders_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/warder-dev/warder/securityheaders"
)

func ExampleNew() {
	headers, err := securityheaders.New(securityheaders.Config{
		ReferrerPolicy: securityheaders.Field{Value: "same-origin", Override: true},
		Remove:         []string{"Server"},
	})
	if err != nil {
		panic(err)
	}
	api := headers.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server", "old/1.2")
		w.Header().Set("X-Frame-Options", "SAMEORIGIN") // stays: the handler knows better
		w.WriteHeader(http.StatusOK)
	}))

	w := httptest.NewRecorder()
	api.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	for _, name := range []string{"Referrer-Policy", "X-Frame-Options", "X-Content-Type-Options", "Server"} {
		fmt.Printf("%s: %s\n", name, w.Header().Get(name))
	}
	// Output:
	// Referrer-Policy: same-origin
	// X-Frame-Options: SAMEORIGIN
	// X-Content-Type-Options: nosniff
	// Server:
}
