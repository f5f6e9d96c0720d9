package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/audit"
)

// exported is the export of a log with n entries.
func exported(t *testing.T, n int) string {
	t.Helper()
	log := new(audit.MemoryStore)
	for range n {
		if _, err := log.Append(t.Context(), audit.Event{At: time.Now(), Actor: "user:ada", Source: "cli", Op: "create", Kind: audit.KindKey, Subject: "a"}); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := log.List(t.Context(), audit.Query{Limit: audit.MaxPage})
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	w := audit.NewJSONWriter(&text)
	for i := range entries {
		if err := w.Write(&entries[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// The log of a server is judged here, whatever the server is: one that was changed is
// found, and one that breaks off is not taken for whole.
func TestTheLogOfAServerIsJudgedHere(t *testing.T) {
	whole := exported(t, 5)
	lines := strings.SplitAfter(whole, "\n")
	for name, tt := range map[string]struct {
		answer func(w http.ResponseWriter)
		code   int
		says   string
	}{
		"whole": {func(w http.ResponseWriter) { _, _ = io.WriteString(w, whole) }, 0, "entries 1 to 5"},
		"changed": {func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, strings.Replace(whole, "user:ada", "user:eve", 1))
		}, exitFound, "broken at entry 1"},
		"removed": {func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, strings.Join(append(append([]string{}, lines[:2]...), lines[3:]...), ""))
		}, exitFound, "broken at entry 3"},
		"broken off": {func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, lines[0]+lines[1][:20])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, exitServer, "ask again"},
		"another program": {func(w http.ResponseWriter) { _, _ = io.WriteString(w, "<html>welcome</html>") }, exitServer, "audit verify"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/v1/audit:export" {
					t.Errorf("asked for %s", r.URL.Path)
				}
				tt.answer(w)
			}))
			defer s.Close()
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), process{
				args: []string{"audit", "verify", "--server", s.URL}, environ: []string{"WARDER_TOKEN=TOKENTOKENTOKENTOKEN"},
				stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr,
			})
			if said := stdout.String() + stderr.String(); code != tt.code || !strings.Contains(said, tt.says) || strings.Contains(said, "TOKENTOKEN") {
				t.Errorf("exit code %d, %s; want %d and %q", code, said, tt.code, tt.says)
			}
		})
	}
}
