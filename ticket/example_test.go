package ticket_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"

	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/target"
	"github.com/warder-dev/warder/ticket"
)

// behindWarder lets requests to api that came through warder. keys are warder's,
// proxies the addresses of the proxy that asks it and forwards.
func behindWarder(api http.Handler, keys []secret.Text, proxies []netip.Prefix) (http.Handler, error) {
	clients, err := forwarded.XForwardedFor(forwarded.Config{TrustedProxies: proxies})
	if err != nil {
		return nil, err
	}
	targets, err := target.New(target.Config{})
	if err != nil {
		return nil, err
	}
	tickets, err := ticket.NewVerifier(ticket.VerifierConfig{Keys: keys})
	if err != nil {
		return nil, err
	}
	return clients.Wrap(targets.Wrap(tickets.Wrap(api))), nil
}

func ExampleVerifier() {
	keys := []secret.Text{secret.New(strings.Repeat("new", 11)), secret.New(strings.Repeat("old", 11))} // of 32 random bytes each, really
	api := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "an order") })
	handler, err := behindWarder(api, keys, []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")})
	if err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://api.example.com/orders/1", http.NoBody))
	fmt.Println("past the proxy:", w.Code)
	// Output: past the proxy: 403
}
