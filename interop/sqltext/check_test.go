package sqltext_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/interop/sqltext"
)

const root = "../.."

// allowed are the functions that may hand over a text which is no constant, and why.
var allowed = map[string]string{
	"github.com/warder-dev/warder/postgres.grant$1":                      "GRANT takes no parameters: the server itself writes the statements, with format('%I')",
	"(*github.com/warder-dev/warder/internal/testpostgres.Server).TryAs": "a test's own statements, as another role",
}

// TestEveryStatementIsAConstant judges the whole module, and shows that it would
// find each way to make a statement from something else.
func TestEveryStatementIsAConstant(t *testing.T) {
	attack.Case(t, "SQL-03", attack.Library, func(t *testing.T) {
		found, places, err := sqltext.Check(root, nil, "./...")
		if err != nil {
			t.Fatal(err)
		}
		if places < 150 {
			t.Errorf("only %d places were judged", places)
		}
		met := map[string]bool{}
		for _, f := range found {
			if met[f.Function] = true; allowed[f.Function] == "" {
				t.Error(f)
			}
		}
		for function, why := range allowed {
			if !met[function] {
				t.Errorf("%s is allowed (%s), and needs not to be", function, why)
			}
		}
		planted(t, "sqlite")
		planted(t, "postgres")
	})
}

// planted checks a package with testdata/<package>.go put into it: what is found are
// the lines of that file that end with "// found", and no others.
func planted(t *testing.T, name string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".go"))
	if err != nil {
		t.Fatal(err)
	}
	file, err := filepath.Abs(filepath.Join(root, name, "planted.go"))
	if err != nil {
		t.Fatal(err)
	}
	found, _, err := sqltext.Check(root, map[string][]byte{file: text}, "./"+name)
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, f := range found {
		if f.Position.Filename == file {
			got = append(got, fmt.Sprint(f.Position.Line))
		}
	}
	for i, line := range strings.Split(string(text), "\n") {
		if strings.HasSuffix(line, "// found") {
			want = append(want, fmt.Sprint(i+1))
		}
	}
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("%s: found lines %v, want %v", name, got, want)
		for _, f := range found {
			t.Log(f)
		}
	}
}
