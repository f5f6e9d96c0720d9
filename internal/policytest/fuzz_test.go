package policytest_test

import (
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/policytest"
)

// Whatever a file of cases holds, reading it ends, and a table that is accepted can
// be asked.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"cases: [{name: a, request: {url: http://localhost/}, expect: {allowed: true}}]\n",
		"keys: {k: {scopes: [orders:read, \"a:*\"], state: revoked}}\ncases:\n  - name: a\n    request: {url: \"http://h/\", key: k, ip: \"::1\"}\n    expect: {status: 401}\n",
		"cases: &a [*a]\n", "", "{}", "cases: [{}]", "? ", "cases: ! ", "keys: !t ", "keys: {k: {scopes: {a: b}}}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		table, err := policytest.Parse([]byte(text))
		switch {
		case err != nil && table != nil && len(table.Cases) == 0:
		case err == nil && len(table.Cases) == 0:
			t.Errorf("a table without cases is accepted: %q", text)
		case err != nil && strings.TrimSpace(err.Error()) == "":
			t.Error("an error says nothing")
		}
	})
}
