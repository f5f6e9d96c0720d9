package server_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// A logLine is one record of the log.
type logLine map[string]any

// linesOf returns what a log says of one request, whose id an answer bears: records
// with that message, or of the access log when it is "".
func linesOf(t *testing.T, log, message, id string) (lines []logLine) {
	t.Helper()
	if id == "" {
		t.Fatal("the answer bears no id of its request")
	}
	for text := range strings.Lines(log) {
		var line logLine
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("the log has a line that is no record: %v: %s", err, text)
		}
		if said, _ := line["msg"].(string); line["id"] == id && (message == "" && line["status"] != nil || message != "" && strings.Contains(said, message)) {
			lines = append(lines, line)
		}
	}
	return lines
}

// wantLine wants exactly one such record, with these members and others.
func wantLine(t *testing.T, log, message, id string, members logLine) {
	t.Helper()
	lines := linesOf(t, log, message, id)
	if len(lines) != 1 {
		t.Errorf("the log has %d lines with %q of request %s, want one", len(lines), message, id)
		return
	}
	for name, want := range members {
		if got := lines[0][name]; got != want {
			t.Errorf("%q of request %s: %s is %v, want %v", message, id, name, got, want)
		}
	}
}
