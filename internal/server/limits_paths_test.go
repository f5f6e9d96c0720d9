package server_test

import (
	"net/http"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// sends sends a target as it is written, and returns the status.
func (p *program) sends(t *testing.T, target string) int {
	t.Helper()
	client := wire.Dial(t, p.gateway)
	defer client.Close()
	client.Send("GET " + target + " HTTP/1.1\r\nHost: localhost\r\nX-API-Key: " + p.key + "\r\nConnection: close\r\n\r\n")
	response, body := client.Response(http.MethodGet)
	if response == nil {
		t.Fatalf("%s: no answer: %s", target, body)
	}
	return response.StatusCode
}

// However a path is spelled, it spends from one counter: that of the route which it
// reaches, or that of all which reach none. What has no one reading reaches nothing.
func TestSpellingsOfAPathAndItsLimit(t *testing.T) {
	attack.Case(t, "LIMIT-11", attack.Gateway, func(t *testing.T) {
		p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{yaml: `
rate_limits: {each: {count: 6, per: 366d, by: [address, route]}}
default_rate_limits: [each]
routes:
  - {match: "/orders/{id}", upstream: api}
  - {match: "/others/{id}", upstream: api}
`})
		all := func(what string, want int, targets ...string) {
			t.Helper()
			for _, target := range targets {
				if got := p.sends(t, target); got != want {
					t.Errorf("%s: %s: %d, want %d", what, target, got, want)
				}
			}
		}
		spellings := []string{"/orders/1", "/orders/2", "/orders/%31", "/%6frders/1", "/%6F%72ders/1?x=/others/1", "http://localhost/orders/1"}
		unknown := []string{"/nowhere", "/ORDERS/1", "/orders", "/orders/1/", "/orders/1/rows", "/%4frders/1?/orders/1"}
		none := []string{"//orders/1", "/orders//1", "/orders/./1", "/others/../orders/1", "/orders/%2e%2e/orders/1", "/orders%2f1", "/orders/1%5c", "/orders/1;x=2", "/orders/1%00", "/orders/%c0%af"}
		all("of two readings", 400, none...)
		all("the route's", 200, spellings...)
		all("the route's, which has none left", 429, spellings...)
		all("of no route", 404, unknown...)
		all("of no route, which have none left", 429, unknown...)
		all("of two readings", 400, none...)
		all("another route's", 200, "/others/1", "/others/2", "/others/3", "/others/4", "/others/5", "/%6fthers/6")
		all("another route's, which has none left", 429, "/others/7")
	})
}
