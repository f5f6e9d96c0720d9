package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/audit/audittest"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/sqlite"
)

// TestTheScriptInTheGuideVerifiesAnExport runs the script that the guide shows, which
// knows nothing of warder but the documentation.
func TestTheScriptInTheGuideVerifiesAnExport(t *testing.T) {
	attack.Case(t, "AUDIT-06", attack.CLI, func(t *testing.T) {
		page, err := os.ReadFile("../../docs/guide/audit.md")
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(page), "cat > verify.py <<'PY'\n")
		script, _, found := strings.Cut(rest, "\nPY\n")
		if lines := strings.Count(script, "\n") + 1; !found || lines > 30 {
			t.Fatalf("the guide's script has %d lines, want 30 at most", lines)
		}
		folder := t.TempDir()
		writeFile(t, filepath.Join(folder, "verify.py"), script, 0o600)
		fillAudit(t, filepath.Join(folder, "warder.db"))
		out, err := command(t.Context(), folder, "audit", "export").Output()
		if err != nil {
			t.Fatal(err)
		}
		export := string(out)
		lines := strings.SplitAfter(strings.TrimSuffix(export, "\n"), "\n")
		for _, tt := range []struct{ name, export, want string }{
			{"as it is", export, "6 entries hold"},
			{"changed", strings.Replace(export, "日本", "日木", 1), "broken at entry 6"},
			{"a state changed", strings.Replace(export, `\"n3\"`, `\"n4\"`, 1), "broken at entry 3"},
			{"removed", strings.Join(append(append([]string{}, lines[:2]...), lines[3:]...), ""), "broken at entry 3"},
			{"moved", lines[1] + lines[0] + strings.Join(lines[2:], ""), "broken at entry 1"},
			{"put in", lines[0] + export, "broken at entry 2"},
		} {
			python := exec.CommandContext(t.Context(), "/usr/bin/python3", "verify.py")
			python.Dir, python.Stdin = folder, strings.NewReader(tt.export)
			said, err := python.CombinedOutput()
			if !strings.Contains(string(said), tt.want) || (err == nil) != (tt.export == export) {
				t.Errorf("%s: %v, %s, want %q", tt.name, err, said, tt.want)
			}
			verify := command(t.Context(), folder, "audit", "verify", "-")
			verify.Stdin = strings.NewReader(tt.export)
			said, err = verify.CombinedOutput()
			if want := strings.Replace(tt.want, "6 entries hold", "entries 1 to 6", 1); !strings.Contains(string(said), want) {
				t.Errorf("%s: warder says %v, %s, want %q", tt.name, err, said, want)
			}
		}
	})
}

// fillAudit makes a log of six entries, the last of odd texts.
func fillAudit(t *testing.T, path string) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: path, Log: stderrLog(&process{stderr: t.Output()})})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 6 {
		e := audittest.Event(n + 1)
		if n == 5 {
			e.Actor, e.Subject, e.Before, e.After = "user:\"<&>\\\u2028\t", "日本", nil, []byte(`{"a":"\u0001<\\\"","n":1e3}`)
		}
		if _, err := db.Audit().Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkExport(b *testing.B) {
	store := new(audit.MemoryStore)
	for n := range 100_000 {
		if _, err := store.Append(b.Context(), audittest.Event(n)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := exportAudit(b.Context(), store, audit.NewJSONWriter(io.Discard), 0); err != nil {
			b.Fatal(err)
		}
	}
}
