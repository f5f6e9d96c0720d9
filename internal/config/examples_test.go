package config_test

import (
	"testing"

	"github.com/warder-dev/warder/internal/config"
)

// What newcomers write is answered with what they meant.
func TestHintsShowHowItIsWritten(t *testing.T) {
	for _, tt := range []struct{ name, file, want string }{
		{"an upstream without url", "upstreams: {a: 'http://h'}\nroutes: [{match: /, upstream: a}]\n", `warder.yaml:1:16: upstreams.a: is text, want fields with values; write it like a: {url: http://127.0.0.1:8000}`},
		{"an upstream with fields", "upstream: {url: 'http://h'}\n", `warder.yaml:1:12: upstream: is a set of fields, want text; write upstream: http://127.0.0.1:8000, or upstreams: {orders: {url: http://127.0.0.1:8000}} and routes`},
		{"a policy without a name", shorthand + "cors: {origins: [a]}\n", `warder.yaml:2:17: cors.origins: is a list, want fields with values; write it like cors: {default: {origins: [https://app.example.com]}}`},
		{"a policy as a list", shorthand + "cors: {app: [a]}\n", `warder.yaml:2:13: cors.app: is a list, want fields with values; write it like app: {origins: [https://app.example.com]}`},
		{"limits as a list", shorthand + "rate_limits: [{count: 1}]\n", `warder.yaml:2:14: rate_limits: is a list, want fields with values; write it like rate_limits: {few: {count: 60, per: 1m, by: [key]}}`},
		{"credits as a number", reports + "  - {match: /, upstream: a, credits: 5}\n", `warder.yaml:4:38: routes[0].credits: is a number, want fields with values; write it like credits: {cost: 5}`},
		{"a route as text", "upstreams: {a: {url: 'http://h'}}\nroutes: [/]\n", `warder.yaml:2:10: routes[0]: is text, want fields with values; write it like - {match: /orders/, upstream: orders}`},
		{"security as words", shorthand + "security: [apiKey]\n", `warder.yaml:2:12: security[0]: is text, want fields with values; write it like - {apiKey: []}`},
		{"a path that is no match", reports + "  - {path: /, upstream: a}\n", `warder.yaml:4:6: routes[0].path: no field has this name; did you mean "match"?`},
		{"methods of a route", reports + "  - {match: /, upstream: a, methods: [GET]}\n", `warder.yaml:4:29: routes[0].methods: no field has this name; write the method before the path in match, such as "GET /orders/"`},
		{"a match without slash", reports + "  - {match: x, upstream: a}\n", `warder.yaml:4:13: routes[0].match: "x" is not a pattern: it has no path; write "/x"`},
		{"a method alone", reports + "  - {match: GET, upstream: a}\n", `warder.yaml:4:13: routes[0].match: "GET" is not a pattern: it has no path; write "GET /"`},
		{"a method and no slash", reports + "  - {match: GET x, upstream: a}\n", `warder.yaml:4:13: routes[0].match: "GET x" is not a pattern: it has no path; write "GET /x"`},
		{"a host alone", reports + "  - {match: api.test, upstream: a}\n", `warder.yaml:4:13: routes[0].match: "api.test" is not a pattern: it has no path; write "api.test/"`},
		{"a URL for a host", shorthand + "hosts: ['https://api.example.com']\n", `warder.yaml:2:9: hosts[0]: is a URL, want the name of a host; write it like api.example.com, without https:// and path`},
		{"upstreams without routes", "upstreams: {b: {url: 'http://h'}, a: {url: 'http://h'}}\n", `warder.yaml:1:13: upstreams: are given without routes: no request would get there; add routes: [{match: /, upstream: a}], or write upstream: URL instead`},
		{"a scheme among none", shorthand + "security: [{jwt: []}]\n", `warder.yaml:2:13: security[0].jwt: no scheme has this name; there is only apiKey; others are made in schemes`},
		{"a scheme among others", shorthand + "schemes: {a: {key: {in: bearer}}}\nsecurity: [{jwt: []}]\n", `warder.yaml:3:13: security[0].jwt: no scheme has this name; there are a, apiKey`},
		{"a proxy that is not known", shorthand + "decision: {listen: '127.0.0.1:0', dialect: apache}\n", `warder.yaml:2:44: decision.dialect: is none of nginx, caddy, traefik, haproxy, envoy, envoy-http`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.file, config.Source{})
			wantErrors(t, err, tt.want)
		})
	}
}
