// Package golden holds tests against files that are written by the tests
// themselves: go test ./... -update rewrites them, and the change is reviewed
// like code.
package golden

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

// update is set by the flag -update, which every test binary that imports this
// package has.
var update = flag.Bool("update", false, "rewrite golden files instead of comparing with them") //nolint:gochecknoglobals // a flag must exist before a test binary parses its arguments

// Update reports whether golden files are to be rewritten, for tools with an
// update mode of their own, such as testscript.
func Update() bool { return *update }

// Compare fails t unless file holds got; with -update it writes file instead.
func Compare(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil { //nolint:gosec // a file of the source tree, for everybody to read
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file) //nolint:gosec // a test's own file
	if err != nil {
		t.Fatal(err)
	}
	if line := firstDifference(got, want); line > 0 {
		t.Errorf("%s differs from line %d on: run the test with -update and review the change", file, line)
	}
}

// firstDifference returns the number of the first line that differs, 0 for none.
func firstDifference(got, want []byte) int {
	if bytes.Equal(got, want) {
		return 0
	}
	g, w := bytes.Split(got, []byte("\n")), bytes.Split(want, []byte("\n"))
	for i := range min(len(g), len(w)) {
		if !bytes.Equal(g[i], w[i]) {
			return i + 1
		}
	}
	return min(len(g), len(w)) + 1
}
