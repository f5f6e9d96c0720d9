package bruteforce_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/warder-dev/warder/bruteforce"
	"github.com/warder-dev/warder/exchange"
)

// What one side says of addresses and claims delays no other side.
func TestSides(t *testing.T) {
	g := newGuard(t, func(c *bruteforce.Config) {
		c.Side = func(x *exchange.Exchange) string {
			side, _, _ := strings.Cut(x.Request.Header.Get("X-Claim"), "/")
			return side
		}
		c.Claim = func(x *exchange.Exchange) string {
			_, claim, _ := strings.Cut(x.Request.Header.Get("X-Claim"), "/")
			return claim
		}
	})
	for n := range 200 { // the claim besieged, from wherever
		want(t, "a guess of evil's", try(t, g, fmt.Sprintf("198.51.100.%d", n), "evil/victim", "wrong-secret"), "wrong")
	}
	for range 11 {
		try(t, g, home, "evil/victim", "wrong-secret")
	}
	if got := try(t, g, home, "evil/victim", "wrong-secret"); got == "wrong" || got == "passed" {
		t.Errorf("evil guesses on: %s", got)
	}
	for range 11 {
		want(t, "one of acme's own", try(t, g, home, "acme/victim", "wrong-secret"), "wrong")
	}
}
