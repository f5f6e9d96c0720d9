package audit_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/warder-dev/warder/audit"
)

func TestDiff(t *testing.T) {
	for _, tt := range []struct{ name, before, after, want string }{
		{"nothing", ``, ``, ``},
		{"the same", `{"a":1,"b":{"c":[1]}}`, `{"b":{"c":[1]},"a":1}`, ``},
		{"created", ``, `{"id":"k","on":true}`, `id: ->"k"; on: ->true`},
		{"deleted", `{"id":"k"}`, ``, `id: "k"->`},
		{"changed, added, removed", `{"a":1,"b":2}`, `{"a":3,"c":4}`, `a: 1->3; b: 2->; c: ->4`},
		{"inside", `{"a":{"b":{"c":1,"d":2}}}`, `{"a":{"b":{"c":1,"d":3}}}`, `a.b.d: 2->3`},
		{"a list", `{"a":[1,{"b":1}]}`, `{"a":[1,{"b":2}]}`, `a: [1,{"b":1}]->[1,{"b":2}]`},
		{"an object for a number", `{"a":{"b":1}}`, `{"a":1}`, `a: {"b":1}->1`},
		{"no objects", `"old"`, `{"a":1}`, `: "old"->{"a":1}`},
		{"an empty one", ``, `{}`, ``},
	} {
		e := audit.Event{Before: json.RawMessage(tt.before), After: json.RawMessage(tt.after)}
		if tt.before == "" {
			e.Before = nil
		}
		if tt.after == "" {
			e.After = nil
		}
		var got []string
		for _, d := range e.Diff() {
			got = append(got, fmt.Sprintf("%s: %s->%s", d.Path, d.Before, d.After))
		}
		if text := strings.Join(got, "; "); text != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, text, tt.want)
		}
	}
}
