package config_test

import (
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/config"
)

const creditRoutes = `
upstreams: {a: {url: 'http://h'}}
routes:
  - {match: /, upstream: a}
  - {match: /dear/, upstream: a, credits: {cost: 5}}
  - {match: /free/, upstream: a, credits: {free: true}}
  - {match: /public/, upstream: a, public: true}
`

func TestRouteCost(t *testing.T) {
	for text, want := range map[string][]int{
		"":                     {0, 5, 0, 0},
		"credits: {cost: 2}\n": {2, 5, 0, 0},
	} {
		c, err := load(t, text+creditRoutes, config.Source{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range c.Routes {
			if got := c.RouteCost(&c.Routes[i]); got != want[i] {
				t.Errorf("%q: route %s costs %d, want %d", text, c.Routes[i].Match, got, want[i])
			}
		}
	}
}

func TestCreditsThatAreWrong(t *testing.T) {
	route := func(rest string) string {
		return "upstreams: {a: {url: 'http://h'}}\nroutes:\n  - {match: /, upstream: a, " + rest + "}\n"
	}
	for text, want := range map[string]string{
		"credits: {cost: -1}":                             "out of range",
		"credits: {cost: 1000001}":                        "out of range",
		"credits: {by: house}":                            "none of key, owner",
		"credits: {min_reserve: 20, max_reserve: 10}":     "more than credits.max_reserve",
		"credits: {cost_header: a b}":                     "not the name of a header field",
		"credits: {cost_header: content-length}":          "another meaning",
		"credits: {cost_header: x-credits-remaining}":     "another meaning",
		"credits: {term: 4s}":                             "out of range",
		route("credits: {cost: 0}"):                       "out of range",
		route("credits: {cost: 1, free: true}"):           "is free",
		route("credits: {cost: 1}, public: true"):         "public route",
		route("credits: {}"):                              "says nothing",
		route("credits: {free: false}"):                   "says nothing",
		"upstream: http://h\ncredits: {unmetered: maybe}": "true or false",
	} {
		if _, err := load(t, text, config.Source{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error = %v, want %q", text, err, want)
		}
	}
}
