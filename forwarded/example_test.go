package forwarded_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
)

func ExampleXForwardedFor() {
	edge, err := forwarded.XForwardedFor(forwarded.Config{
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, // the load balancers
		ReadProto:      true,                                                // they end TLS, and always say so
	})
	if err != nil {
		panic(err)
	}
	api := edge.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		x := exchange.From(r.Context())
		fmt.Println(x.Client, x.Scheme)
	}))

	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.RemoteAddr = "10.0.0.7:51234"
	r.Header.Set("X-Forwarded-For", "6.6.6.6, 203.0.113.9") // the first is the client's own invention
	r.Header.Set("X-Forwarded-Proto", "https")
	api.ServeHTTP(httptest.NewRecorder(), r)
	// Output: 203.0.113.9 https
}
