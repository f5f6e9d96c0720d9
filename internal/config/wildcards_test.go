package config_test

import (
	"slices"
	"testing"
)

func TestWildcardsOfOtherPrograms(t *testing.T) {
	const place = "warder.yaml:2: routes[0].match: "
	const star = place + `"*" is no wildcard here, and stands for itself; end the path in / for all that is below, such as /orders/, write {id} for one segment, or %2A where it is meant`
	const colon = place + `":" before a name is no wildcard here, and stands for itself; write {id} for one segment, or %3A where it is meant`
	for match, want := range map[string]string{
		"/orders/*": star, "GET /orders/**": star, "/orders/*/lines": star, "/files/*.json": star, "^/orders/.*$": star, "api.example.com/*": star,
		"/orders/:id": colon, "GET /orders/:id/lines": colon,
		"/orders/": "", "/orders/{id}": "", "/orders/{rest...}": "", "/orders/{id}:cancel": "", "/orders:search": "", "/a/:": "", "localhost:8080/orders": "",
	} {
		got := weak(t, "upstreams: {a: {url: 'http://h'}}\nroutes: [{match: '"+match+"', upstream: a}]\n")
		if want == "" && len(got) > 0 || want != "" && !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q, want %q", match, got, want)
		}
	}
}
