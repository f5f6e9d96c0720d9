package trustedhost_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/trustedhost"
)

func ExampleNew() {
	hosts, err := trustedhost.New(trustedhost.Config{Hosts: []string{"api.example.com", "*.eu.example.com"}})
	if err != nil {
		panic(err)
	}
	api := forwarded.Direct().Wrap(hosts.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })))

	for _, host := range []string{"API.example.com:8443", "a.eu.example.com", "a.b.eu.example.com", "evil.example"} {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Host = host
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		fmt.Println(host, w.Code)
	}
	// Output:
	// API.example.com:8443 200
	// a.eu.example.com 200
	// a.b.eu.example.com 421
	// evil.example 421
}
