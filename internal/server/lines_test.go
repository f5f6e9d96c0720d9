package server_test

import (
	"encoding/json"
	"slices"
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

// reasonsOf returns what the access log gives as the reason of each request of a key.
func reasonsOf(t *testing.T, log, keyID string) (reasons []string) {
	t.Helper()
	for text := range strings.Lines(log) {
		var line logLine
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("the log has a line that is no record: %v: %s", err, text)
		}
		if line["status"] != nil && line["key_id"] == keyID {
			reason, _ := line["reason"].(string)
			reasons = append(reasons, reason)
		}
	}
	return reasons
}

// wantReasons wants that each of n requests of a key ended for the same reason.
func wantReasons(t *testing.T, log, keyID string, n int, reason string) {
	t.Helper()
	want := make([]string, n)
	for i := range want {
		want[i] = reason
	}
	if got := reasonsOf(t, log, keyID); !slices.Equal(got, want) {
		t.Errorf("the requests of %s ended for %q, want %d times %q", keyID, got, n, reason)
	}
}
