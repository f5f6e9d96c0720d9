package main

import (
	"bufio"
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/secret"
)

// runIn runs a command line in this process and returns what it said.
func runIn(t *testing.T, stdin io.Reader, stderr io.Writer, args ...string) (code int, stdout string) {
	t.Helper()
	var out bytes.Buffer
	code = run(t.Context(), process{args: args, environ: []string{"USER=ada"}, stdin: stdin, stdout: &out, stderr: stderr})
	return code, out.String()
}

// accept sets up an owner by a link, with an authenticator of the test's own: the
// program tells the secret before it asks for a code. It returns the secret, the
// recovery codes, and everything that was said.
func accept(t *testing.T, db, link string) (shared secret.Text, codes []string, said string) {
	t.Helper()
	stdin, typed := io.Pipe()
	heard, stderr := io.Pipe()
	t.Cleanup(func() { _ = stdin.Close(); _ = heard.Close() })
	type end struct {
		code   int
		stdout string
	}
	ended := make(chan end, 1)
	go func() {
		code, stdout := runIn(t, stdin, stderr, "admins", "accept", "--db", db)
		_ = stderr.Close()
		ended <- end{code, stdout}
	}()
	go func() { _, _ = io.WriteString(typed, link+"\nseven quiet otters\n") }()
	var all strings.Builder
	for lines := bufio.NewScanner(heard); lines.Scan(); {
		all.WriteString(lines.Text() + "\n")
		if text, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "secret  "); ok {
			shared = secret.New(text)
			code, err := account.Code(shared, time.Now())
			if err != nil {
				t.Error(err)
			}
			go func() { _, _ = io.WriteString(typed, code+"\n") }()
		}
	}
	done := <-ended
	if done.code != 0 {
		t.Fatalf("admins accept = %d: %s", done.code, all.String())
	}
	return shared, strings.Fields(done.stdout), all.String()
}

// An owner on the command line: from the first link to the rule that the last one
// stays.
func TestAnOwnerSetsItselfUp(t *testing.T) {
	db := filepath.Join(t.TempDir(), "warder.db")
	var stderr bytes.Buffer
	code, link := runIn(t, strings.NewReader(""), &stderr, "admins", "setup", "--db", db, "--output", "secret")
	if code != 0 {
		t.Fatalf("admins setup = %d: %s", code, stderr.String())
	}
	shared, codes, said := accept(t, db, strings.TrimSpace(link))
	if len(codes) != 10 || !strings.Contains(said, `"ada" can log in`) || !strings.Contains(said, "otpauth://totp/warder:ada?") {
		t.Errorf("%d recovery codes, and said:\n%s", len(codes), strings.ReplaceAll(said, shared.Reveal(), "..."))
	}
	if strings.Contains(said, "otters") || strings.Contains(said, strings.TrimSpace(link)) {
		t.Error("a password or a link was repeated")
	}
	attack.Case(t, "ADMIN-12", attack.CLI, func(t *testing.T) {
		stderr.Reset()
		code, _ := runIn(t, strings.NewReader(link), &stderr, "admins", "accept", "--db", db)
		if code != exitUsage || !strings.Contains(stderr.String(), "was used") {
			t.Errorf("a link again = %d: %s", code, stderr.String())
		}
		stderr.Reset()
		code, elsewhere := runIn(t, strings.NewReader(""), &stderr, "admins", "add", "eve", "--role", "auditor", "--from", "192.0.2.7", "--db", db, "--output", "secret")
		if code != 0 {
			t.Fatal(stderr.String())
		}
		if code, _ := runIn(t, strings.NewReader(elsewhere), &stderr, "admins", "accept", "--db", db); code != exitDenied {
			t.Errorf("a link for elsewhere = %d: %s", code, stderr.String())
		}
	})
	attack.Case(t, "ADMIN-08", attack.CLI, func(t *testing.T) {
		for _, args := range [][]string{{"remove", "ada"}, {"disable", "ada"}, {"role", "ada", "admin"}} {
			stderr.Reset()
			code, _ := runIn(t, strings.NewReader(""), &stderr, append(append([]string{"admins"}, args...), "--db", db)...)
			if code != exitUsage || !strings.Contains(stderr.String(), "the last owner stays") {
				t.Errorf("%v = %d: %s", args, code, stderr.String())
			}
		}
	})
	stderr.Reset()
	if code, _ := runIn(t, strings.NewReader(""), &stderr, "admins", "setup", "--name", "eve", "--db", db); code != exitUsage || !strings.Contains(stderr.String(), "there is an owner already") {
		t.Errorf("setup again = %d: %s", code, stderr.String())
	}
	// Who lost everything is helped by the command line.
	for _, what := range []string{"reset-password", "reset-factor"} {
		stderr.Reset()
		code, link := runIn(t, strings.NewReader(""), &stderr, "admins", what, "ada", "--db", db, "--output", "secret")
		if code != 0 {
			t.Fatalf("%s = %d: %s", what, code, stderr.String())
		}
		if what == "reset-factor" { // both are set by the last link
			if again, _, _ := accept(t, db, strings.TrimSpace(link)); again.Equal(shared) || again.IsZero() {
				t.Error("the authenticator is the one of before")
			}
		}
	}
}
