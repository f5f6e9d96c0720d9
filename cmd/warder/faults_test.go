package main

import (
	"database/sql"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// TestRevokeNamesTheNodesThatDidNotConfirm stops the gateway's process while a
// key is revoked: the command says which node has not confirmed, and exits with
// 5; the node refuses the key in its first answer after it goes on (FLEET-02).
func TestRevokeNamesTheNodesThatDidNotConfirm(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	s := startServed(t, upstream.URL())
	s.wantStatus(t, http.StatusOK)
	if err := s.process.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := ran(t, s.folder, s.key+"\n", "keys", "revoke", "-", "--wait", "300ms", "--output", "json")
	if err := s.process.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if code != exitServer || !strings.Contains(stderr, "the key is revoked, but 0/1") {
		t.Errorf("exit code %d, %q, want %d and 0/1", code, stderr, exitServer)
	}
	var v keyView
	if err := json.Unmarshal([]byte(stdout), &v); err != nil {
		t.Fatal(err)
	}
	if v.Nodes == nil || v.Nodes.Live != 1 || len(v.Nodes.Missing) != 1 || v.State != "revoked" {
		t.Errorf("receipt = %+v of %+v, want the one node missing", v.Nodes, v)
	}
	code, _, stderr = ran(t, s.folder, s.key+"\n", "keys", "revoke", "-")
	if code != 0 || !strings.Contains(stderr, "1/1") {
		t.Errorf("asked again: exit code %d, %q, want 0 and 1/1", code, stderr)
	}
	s.wantStatusNow(t, http.StatusUnauthorized)
}

// TestAStoppedNodeNeverAdmitsAfterACompleteReceipt stops the process for longer
// than it may believe its cache. While it may, the receipt names it; once the
// receipt is complete, its first answer is a refusal.
func TestAStoppedNodeNeverAdmitsAfterACompleteReceipt(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	config := filepath.Join(t.TempDir(), "warder.yaml")
	writeFile(t, config, "keys: {freshness: 1s}\n", 0o600)
	s := startServed(t, upstream.URL(), "--config", config)
	s.wantStatus(t, http.StatusOK)
	warm := make([]*wire.Client, 8)
	for i := range warm {
		warm[i] = wire.Dial(t, s.gateway)
		warm[i].Send(s.request())
		if w, _ := warm[i].Response("GET"); w == nil || w.StatusCode != http.StatusOK {
			t.Fatalf("response = %v, want 200", w)
		}
	}
	attack.Case(t, "KEY-35", attack.CLI, func(t *testing.T) {
		if err := s.process.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		<-time.After(900 * time.Millisecond)
		for _, c := range warm { // they are read at the moment that the process goes on
			c.Send(s.request())
		}
		wantRun(t, exitServer, "but 0/1", s.folder, s.key+"\n", "keys", "revoke", "-", "--wait", "50ms")
		wantRun(t, 0, "It was revoked before", s.folder, s.key+"\n", "keys", "revoke", "-")
		if err := s.process.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		for _, c := range warm {
			if w, _ := c.Response("GET"); w == nil || w.StatusCode != http.StatusUnauthorized {
				t.Errorf("the first answer after the receipt = %v, want 401", w)
			}
		}
	})
}

func (s *served) request() string {
	return "GET /a HTTP/1.1\r\nHost: localhost\r\nX-API-Key: " + s.key + "\r\n\r\n"
}

// TestADatabaseOfANewerWarder is refused by every command, and not changed.
func TestADatabaseOfANewerWarder(t *testing.T) {
	folder := t.TempDir()
	wantRun(t, 0, "", folder, "", "keys", "create")
	file := filepath.Join(folder, "warder.db")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9000, 1)`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"serve", "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--admin-listen", "off"},
		{"keys", "create"},
		{"keys", "list"},
	} {
		wantRun(t, exitServer, "version 9000", folder, "", args...)
	}
	after, err := os.ReadFile(file)
	if err != nil || string(after) != string(before) {
		t.Errorf("the database was changed, or is gone: %v", err)
	}
}

// TestTheLogIsRotated moves the log away and sends SIGHUP.
func TestTheLogIsRotated(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	s := startServed(t, upstream.URL())
	file := filepath.Join(s.folder, "warder.log")
	s.wantStatus(t, http.StatusOK)
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	if err := s.process.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); time.Since(begin) < 2*time.Second; <-time.After(10 * time.Millisecond) {
		s.wantStatusNow(t, http.StatusOK)
		if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), `"status":200`) {
			return
		}
	}
	t.Error("the new file gets no records")
}

// TestAnUpstreamThatIsDown is 502, and says no address.
func TestAnUpstreamThatIsDown(t *testing.T) {
	address := wire.FreeAddress(t)
	s := startServed(t, "http://"+address)
	status, body, err := fetch("http://"+s.gateway+"/a", []string{"X-API-Key: " + s.key})
	if err != nil || status != http.StatusBadGateway || !strings.Contains(string(body), "upstream-failed") {
		t.Errorf("status %d, %v: %s", status, err, body)
	}
	if strings.Contains(string(body), address) {
		t.Errorf("the answer names the upstream: %s", body)
	}
}

// TestAFullDisk: what a command was asked for and could not say is a failure.
func TestAFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for _, tt := range []struct {
		name   string
		stderr bool
		args   []string
	}{
		{"the key on standard error", true, []string{"keys", "create", "-o", "id"}},
		{"the key on standard output", false, []string{"keys", "create", "-o", "secret"}},
		{"the id on standard output", false, []string{"keys", "create", "-o", "id"}},
		{"the demo", false, []string{"demo", "--check"}},
		{"the demo that waits", false, []string{"demo"}},
	} {
		var said strings.Builder
		c := command(t.Context(), t.TempDir(), tt.args...)
		c.Stdout, c.Stderr = full, &said
		if tt.stderr {
			c.Stdout, c.Stderr = &said, full
		}
		_ = c.Run() // the code tells
		if got := c.ProcessState.ExitCode(); got != exitServer {
			t.Errorf("%s: exit code %d, want %d: %s", tt.name, got, exitServer, said.String())
		}
		if tt.stderr && !apikey.ValidID(strings.TrimSpace(said.String())) {
			t.Errorf("%s: standard output %q, want the id of the key to revoke", tt.name, said.String())
		}
		if !tt.stderr && !strings.Contains(said.String(), "could not be written") {
			t.Errorf("%s: standard error %q, want what could not be written", tt.name, said.String())
		}
	}
}
