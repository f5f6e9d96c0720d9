// Package testscan has other people's scanners, sqlmap and wapiti, look for SQL
// injection, for tests.
package testscan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A Target is a request that a scanner changes.
type Target struct {
	URL    string   // with its query
	Method string   // GET if empty
	Body   string   // JSON, or none
	Fields []string // "Name: value", sent as they are
	Within []string // names of the parameters to change; all if none

	// Techniques are sqlmap's letters for what it tries; all if none.
	Techniques string
}

// injectable is how sqlmap names a place that it found: "Parameter: name (GET)".
var injectable = regexp.MustCompile(`(?m)^Parameter: (.+)$`)

// Sqlmap tries everything of level 3 and risk 2, and returns the places that it says
// are open to injection. It fails the test when sqlmap did not come to a result.
func Sqlmap(tb testing.TB, target Target) []string {
	tb.Helper()
	args := []string{
		"--batch", "--disable-coloring", "--level", "3", "--risk", "2", "--ignore-redirects", "--output-dir", tb.TempDir(),
		"-u", target.URL, "--header", "Accept: application/json",
	}
	if target.Method != "" {
		args = append(args, "--method", target.Method)
	}
	if target.Body != "" {
		args = append(args, "--data", target.Body)
	}
	if len(target.Fields) > 0 {
		args = append(args, "--headers", strings.Join(target.Fields, "\n"))
	}
	if len(target.Within) > 0 {
		args = append(args, "-p", strings.Join(target.Within, ","))
	}
	if target.Techniques != "" {
		args = append(args, "--technique", target.Techniques)
	}
	out := run(tb, "sqlmap", args...)
	found := []string{}
	for _, m := range injectable.FindAllStringSubmatch(out, -1) {
		found = append(found, m[1])
	}
	if len(found) == 0 && !strings.Contains(out, "all tested parameters do not appear to be injectable") {
		tb.Fatalf("sqlmap came to no result:\n%s", out)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// Wapiti tries its modules for SQL injection, by errors and by time, on the addresses
// given, and returns what it found.
func Wapiti(tb testing.TB, fields []string, addresses ...string) []string {
	tb.Helper()
	report := filepath.Join(tb.TempDir(), "report.json")
	args := []string{
		"-u", addresses[0], "--scope", "page", "-m", "sql,blindsql", "--no-bugreport", "--flush-session", "--store-session", tb.TempDir(),
		"--verify-ssl", "0", "-f", "json", "-o", report,
	}
	for _, address := range addresses[1:] {
		args = append(args, "-s", address)
	}
	for _, field := range fields {
		args = append(args, "-H", field)
	}
	out := run(tb, "wapiti", args...)
	text, err := os.ReadFile(report) //nolint:gosec // G304: the test's own file
	if err != nil {
		tb.Fatalf("%v\n%s", err, out)
	}
	var told struct {
		Vulnerabilities map[string][]struct{ Method, Path, Parameter, Info string } `json:"vulnerabilities"`
	}
	if err := json.Unmarshal(text, &told); err != nil || told.Vulnerabilities == nil {
		tb.Fatalf("wapiti's report: %v\n%s", err, text)
	}
	found := []string{}
	for kind, all := range told.Vulnerabilities {
		for _, v := range all {
			found = append(found, fmt.Sprintf("%s: %s %s: %s %s", kind, v.Method, v.Path, v.Parameter, v.Info))
		}
	}
	slices.Sort(found)
	return found
}

// run runs a scanner in a home of its own, and returns what it says.
func run(tb testing.TB, program string, args ...string) string {
	tb.Helper()
	c := exec.CommandContext(tb.Context(), program, args...) //nolint:gosec // G204: what a test runs
	home := tb.TempDir()
	c.Dir, c.Env = home, append(c.Environ(), "HOME="+home, "XDG_DATA_HOME="+home, "PYTHONWARNINGS=ignore")
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Run(); err != nil {
		tb.Fatalf("%s: %v\n%s", program, err, out.String())
	}
	return out.String()
}
