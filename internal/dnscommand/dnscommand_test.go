//go:build unix

package dnscommand_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/dnscommand"
)

const (
	patience = 2 * time.Minute // on a machine that is busy
	record   = "_acme-challenge.example.com"
)

// script makes a command of a shell's text; $1 is the folder of the test.
func script(t *testing.T, text string) (c *dnscommand.Command, folder string, log *bytes.Buffer) {
	t.Helper()
	folder = t.TempDir()
	file := filepath.Join(folder, "hook.sh")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	log = new(bytes.Buffer)
	return &dnscommand.Command{Argv: []string{"/bin/sh", file, folder}, Timeout: patience, Log: slog.New(slog.NewTextHandler(log, nil))}, folder, log
}

func TestRun(t *testing.T) {
	t.Setenv("WARDER_REDIS_PASSWORD", "hidden")
	c, folder, log := script(t, `d=$1; shift; { printf '%s|' "$#" "$@"; echo; } >> "$d/calls"; env > "$d/env"; echo fine`)
	c.Environ = []string{"WARDER_LISTEN=hidden", "HOME=/home/of/us", "PATH=/bin:/usr/bin:/here", "HOMES=hidden"}
	if err := c.Publish(t.Context(), record, `-v $(id) "`); err != nil {
		t.Fatal(err)
	}
	if err := c.Withdraw(t.Context(), record+".", "v"); err != nil {
		t.Fatal(err)
	}
	calls, err := os.ReadFile(filepath.Join(folder, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "3|present|_acme-challenge.example.com.|-v $(id) \"|\n3|cleanup|_acme-challenge.example.com.|v|\n"; string(calls) != want {
		t.Errorf("calls = %q, want %q", calls, want)
	}
	env, err := os.ReadFile(filepath.Join(folder, "env"))
	if err != nil {
		t.Fatal(err)
	}
	if text := string(env); strings.Contains(text, "hidden") || !strings.Contains(text, "HOME=/home/of/us\n") || !strings.Contains(text, "PATH=/bin:/usr/bin:/here\n") {
		t.Errorf("environment:\n%s", text)
	}
	if log.Len() > 0 {
		t.Errorf("log = %s", log)
	}
}

func TestFailure(t *testing.T) {
	c, _, log := script(t, `i=0; while [ $i -lt 500 ]; do echo "line $i"; i=$((i+1)); done; printf '\033[31mno\nsuch\000 zone\377\n' >&2; exit 3`)
	err := c.Publish(t.Context(), record, "v")
	if err == nil || !strings.HasPrefix(err.Error(), "dns_command present: exit status 3; it said: ") || !strings.HasSuffix(err.Error(), "line 499 [31mno such zone") {
		t.Errorf("err = %q", err)
	}
	if err != nil && len(err.Error()) > 400 {
		t.Errorf("the error has %d bytes", len(err.Error()))
	}
	if log.Len() > 0 {
		t.Errorf("told twice: %s", log)
	}
	if err := c.Withdraw(t.Context(), record, "v"); err == nil || !strings.HasPrefix(err.Error(), "dns_command cleanup: exit status 3; ") {
		t.Errorf("err = %v", err)
	}
	if !strings.Contains(log.String(), "a record of DNS-01 may still be there") || !strings.Contains(log.String(), "such zone") {
		t.Errorf("log = %s", log)
	}
	c.Argv[0] = filepath.Join(t.TempDir(), "none")
	if err := c.Publish(t.Context(), record, "v"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a program: %v", err)
	}
}

func TestTimeout(t *testing.T) {
	c, _, _ := script(t, `sleep 100000; exit 0`)
	c.Timeout = 50 * time.Millisecond
	if err := c.Publish(t.Context(), record, "v"); err == nil || err.Error() != "dns_command present: not done after 50ms, and ended" {
		t.Errorf("err = %v", err)
	}
}

// TestStop: whoever ends the program ends what it started too. The pipe ends when
// nobody has it open any more.
func TestStop(t *testing.T) {
	c, folder, _ := script(t, `sleep 100000 > "$1/pipe"; exit 0`)
	c.Timeout = time.Hour
	pipe := filepath.Join(folder, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done, ended := make(chan error, 1), make(chan error, 1)
	go func() { done <- c.Publish(ctx, record, "v") }()
	go func() {
		f, err := os.Open(pipe) // waits for the program
		cancel()
		if err == nil {
			_, err = io.Copy(io.Discard, f)
			_ = f.Close()
		}
		ended <- err
	}()
	for what, c := range map[string]chan error{"the run": done, "the program": ended} {
		select {
		case err := <-c:
			if what == "the run" && !errors.Is(err, context.Canceled) || what != "the run" && err != nil {
				t.Errorf("%s: %v", what, err)
			}
		case <-time.After(patience):
			t.Fatalf("%s does not end", what)
		}
	}
}
