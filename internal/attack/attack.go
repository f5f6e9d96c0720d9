// Package attack ties tests to the catalogue of attack cases: a test that
// proves a case runs inside [Case], which names it after the case and records
// the result. docs/attacks.md is generated from such a record, so that the page
// never claims what no test showed.
package attack

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// RecordDir is the environment variable that names the folder to which results
// are appended; without it nothing is recorded.
const RecordDir = "WARDER_ATTACKS"

// A Result is one recorded outcome of a case.
type Result struct {
	ID     string `json:"id"`
	Front  Front  `json:"front"`
	Via    Via    `json:"via,omitempty"` // "" when the front says enough
	Test   string `json:"test"`
	Passed bool   `json:"passed"`
}

// Case runs the test of case id through front as a subtest called
// "KEY-01/gateway", and records whether it passed. A case may be tested in
// several places; it holds when all of them pass. An id that is not in the
// [Catalogue] and a front that does not exist are failures.
func Case(t *testing.T, id string, front Front, run func(t *testing.T)) {
	t.Helper()
	if _, ok := Find(id); !ok {
		t.Fatalf("attack: the catalogue has no case %q", id)
	}
	if !slices.Contains(Fronts(), front) {
		t.Fatalf("attack: there is no front %q", front)
	}
	passed := t.Run(id+"/"+string(front), run)
	record(t, Result{ID: id, Front: front, Test: t.Name(), Passed: passed})
}

// record appends one line to a file of this process.
func record(t *testing.T, r Result) {
	t.Helper()
	dir := os.Getenv(RecordDir)
	if dir == "" {
		return
	}
	line, err := json.Marshal(r)
	if err != nil {
		t.Fatalf("attack: %v", err)
	}
	// One write of one line with O_APPEND: processes and parallel tests do not mix lines.
	name := filepath.Join(dir, "results.jsonl")
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // a test's own folder
	if err != nil {
		t.Fatalf("attack: %v", err)
	}
	_, err = f.Write(append(line, '\n'))
	if closeErr := f.Close(); err != nil || closeErr != nil {
		t.Fatalf("attack: write %s: %v, %v", name, err, closeErr)
	}
}
