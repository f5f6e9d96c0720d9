package main

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// TestOperatorsEndSharedSessions: sessions that gateways share end where they are.
// The script users_sessions is about those in the database.
func TestOperatorsEndSharedSessions(t *testing.T) {
	nodes, yaml, kill := sharing(t)
	folder := t.TempDir()
	revoke := func(args ...string) (string, error) {
		out, err := command(t.Context(), folder, append([]string{"users", "sessions", "revoke", "--config", yaml}, args...)...).CombinedOutput()
		return string(out), err
	}
	ended := regexp.MustCompile(`Ended: [1-9][0-9]* session`) // a login that was answered too late may have left one more
	cookie := nodes[0].login(t)
	if out, err := revoke("ada"); err == nil || !strings.Contains(out, "there is no database") {
		t.Errorf("revoke where nothing can be written to the audit: %v: %s", err, out)
	}
	nodes[1].awaits(t, "after an end that was refused", cookie, http.StatusOK)
	if out, err := command(t.Context(), folder, "keys", "create").CombinedOutput(); err != nil { // makes the database
		t.Fatalf("keys create: %v: %s", err, out)
	}
	if out, err := revoke("ada"); err != nil || !ended.MatchString(out) {
		t.Errorf("revoke: %v: %s", err, out)
	}
	nodes[1].awaits(t, "after an operator's end", cookie, http.StatusUnauthorized)
	first, second := nodes[0].login(t), nodes[1].login(t)
	if out, err := revoke("--all"); err != nil || !ended.MatchString(out) {
		t.Errorf("revoke --all: %v: %s", err, out)
	}
	nodes[1].awaits(t, "after the end of all", first, http.StatusUnauthorized)
	nodes[0].awaits(t, "after the end of all", second, http.StatusUnauthorized)
	out, err := command(t.Context(), folder, "audit", "list", "--kind", "sessions").Output()
	if list := string(out); err != nil || strings.Count(list, " revoke ") != 2 || !strings.Contains(list, " password ada ") || !strings.Contains(list, " * ") {
		t.Errorf("the audit: %v: %s, want an entry for each", err, list)
	}
	kill()
	if out, err := revoke("ada"); err == nil || !strings.Contains(out, "the sessions may not have ended") {
		t.Errorf("revoke without the server: %v: %s", err, out)
	}
}
