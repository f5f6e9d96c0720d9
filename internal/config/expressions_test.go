package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/config"
)

// What is wrong with expressions is told with everything else, at its place, and without
// what a variable put there.
func TestExpressions(t *testing.T) {
	judge := func(expression string, text bool) error {
		if text {
			return errors.New("celcond: no text: " + expression)
		}
		return errors.Join(errors.New("celcond: one: "+expression), errors.New("celcond: two"))
	}
	const file = `upstreams: {a: {url: "http://h"}}
rate_limits: {few: {count: 1, per: 1m, by: ["cel:x", key, "cel:x"]}}
routes:
  - {match: /a, upstream: a, conditions: [{name: a, cel: "y"}, {name: b, cel: "z == \"${SECRET}\""}, {name: c, owners: [acme]}]}
  - {match: /b, upstream: b, rate_limits: [few]}
`
	src := config.Source{Environ: []string{"SECRET=canary"}, Expression: judge}
	_, err := load(t, file, src)
	if err == nil {
		t.Fatal("it is taken")
	}
	want := []string{
		`warder.yaml:2:45: rate_limits.few.by[0]: is no expression in CEL: no text: x`,
		`warder.yaml:2:59: rate_limits.few.by[2]: is in the list twice`,
		`warder.yaml:4:58: routes[0].conditions[0].cel: is no expression in CEL: one: y; two`,
		`warder.yaml:4:79: routes[0].conditions[1].cel: is no expression in CEL; put the values in place and look again`,
		`warder.yaml:5:27: routes[1].upstream: `,
	}
	got := strings.Split(err.Error(), "\n")
	if len(got) != len(want) {
		t.Fatalf("told of\n%s\nwant %d mistakes", err, len(want))
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("got  %s\nwant %s", got[i], want[i])
		}
	}
	src.Expression = nil
	if _, err := load(t, strings.Replace(strings.Replace(file, "upstream: b", "upstream: a", 1), `, "cel:x"]`, "]", 1), src); err != nil {
		t.Errorf("when nobody judges expressions: %v", err)
	}
}
