// Package leak_test runs gitleaks with the rules that warder prints for it.
package leak_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// build builds a program from a folder of this repository.
func build(t *testing.T, folder, pkg, name string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), name)
	c := exec.CommandContext(t.Context(), "go", "build", "-o", program, pkg)
	c.Dir = folder
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", pkg, err, out)
	}
	return program
}

// run returns what a program prints, and its exit code.
func run(t *testing.T, folder, program string, args ...string) (stdout string, code int) {
	t.Helper()
	c := exec.CommandContext(t.Context(), program, args...)
	c.Dir = folder
	var stderr strings.Builder
	c.Stderr = &stderr
	out, err := c.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", program, err)
	}
	t.Logf("%s %s: %s", filepath.Base(program), strings.Join(args, " "), stderr.String())
	return string(out), c.ProcessState.ExitCode()
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// spoil returns a key with one character changed to another of the alphabet.
func spoil(key string, at int) string {
	other := "x"
	if key[at] == 'x' {
		other = "y"
	}
	return key[:at] + other + key[at+1:]
}

// A finding is what both programs tell of one key.
type finding struct {
	File string
	Line int
}

// gitleaks finds every key that is planted, and what looks like one; warder leak
// check keeps the keys, and says of them what warder leak scan says.
func TestGitleaksFindsKeysByOurRules(t *testing.T) {
	warder := build(t, "../..", "./cmd/warder", "warder")
	gitleaks := build(t, "..", "github.com/zricethezav/gitleaks/v8", "gitleaks")
	folder := t.TempDir()
	var keys []string
	for _, environment := range []string{"live", "test", "a", "0123456789abcdef"} {
		out, code := run(t, folder, warder, "keys", "create", "--output", "secret", "--env", environment)
		if code != 0 {
			t.Fatalf("keys create ended with %d", code)
		}
		keys = append(keys, strings.TrimSpace(out))
	}
	tree := filepath.Join(folder, "tree")
	planted := []finding{{"code/main.go", 3}, {"deploy.yaml", 1}, {"notes.md", 2}, {".env", 1}}
	write(t, filepath.Join(tree, "code/main.go"), "package main\n\nconst key = \""+keys[0]+"\"\n")
	write(t, filepath.Join(tree, "deploy.yaml"), "env: {API_KEY: "+keys[1]+"}\n")
	write(t, filepath.Join(tree, "notes.md"), "# Notes\ncurl -H 'X-API-Key: "+keys[2]+"' https://api.example.com\n")
	write(t, filepath.Join(tree, ".env"), "KEY_"+keys[3]+"_OLD=1\n")
	alike := 0
	for i, key := range keys {
		for _, at := range []int{len(key) - 1, len(key) - 6, len(key) - 20, len(key) - 45} {
			write(t, filepath.Join(tree, fmt.Sprintf("alike/%d-%d.txt", i, at)), "token = \""+spoil(key, at)+"\"\n")
			alike++
		}
	}

	rules, code := run(t, folder, warder, "leak", "rules", "--format", "gitleaks")
	if code != 0 {
		t.Fatalf("leak rules ended with %d", code)
	}
	write(t, filepath.Join(folder, "gitleaks.toml"), rules)
	_, code = run(t, folder, gitleaks, "dir", "tree", "--config", "gitleaks.toml", "--report-format", "json", "--report-path", "report.json", "--no-banner")
	if code != 1 {
		t.Fatalf("gitleaks ended with %d, want 1 for leaks that were found", code)
	}
	report, err := os.ReadFile(filepath.Join(folder, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	var found []struct{ Secret, File string }
	if err := json.Unmarshal(report, &found); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if n := strings.Count(string(report), `"Secret": "`+key+`"`); n != 1 {
			t.Errorf("gitleaks reports a planted key %d times, want once", n)
		}
	}
	if len(found) != len(keys)+alike {
		t.Errorf("gitleaks reports %d texts, want the %d keys and the %d that look like one", len(found), len(keys), alike)
	}

	for name, args := range map[string][]string{
		"check": {"leak", "check", "report.json", "-o", "json"}, "scan": {"leak", "scan", "tree", "-o", "json"},
	} {
		out, code := run(t, folder, warder, args...)
		if code != 6 {
			t.Errorf("leak %s ended with %d, want 6 for keys that were found", name, code)
		}
		var got []finding
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatal(err)
		}
		for i := range got {
			got[i].File = strings.TrimPrefix(got[i].File, "tree/")
		}
		if !sameFindings(got, planted) {
			t.Errorf("leak %s: %v, want the planted keys alone: %v", name, got, planted)
		}
	}

	// Without a report there is nothing to check, and nothing is found.
	if err := os.RemoveAll(filepath.Join(tree, "code")); err != nil {
		t.Fatal(err)
	}
	for _, f := range planted[1:] {
		if err := os.Remove(filepath.Join(tree, f.File)); err != nil {
			t.Fatal(err)
		}
	}
	if _, code := run(t, folder, warder, "leak", "scan", "tree"); code != 0 {
		t.Errorf("leak scan of what only looks like keys ended with %d, want 0", code)
	}
}

func sameFindings(a, b []finding) bool {
	byFile := func(x, y finding) int { return strings.Compare(x.File, y.File) }
	return slices.Equal(slices.SortedFunc(slices.Values(a), byFile), slices.SortedFunc(slices.Values(b), byFile))
}
