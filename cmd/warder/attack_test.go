package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// ran runs one command line in folder to its end.
func ran(t *testing.T, folder, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	c := command(t.Context(), folder, args...)
	var out, errs bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(stdin), &out, &errs
	if err := c.Run(); err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}

// wantRun wants an exit code and a piece of standard error.
func wantRun(t *testing.T, code int, says, folder, stdin string, args ...string) (stdout string) {
	t.Helper()
	got, stdout, stderr := ran(t, folder, stdin, args...)
	if got != code || !strings.Contains(stderr, says) {
		t.Errorf("warder %s: exit code %d, standard error %q; want %d and %q", strings.Join(args, " "), got, stderr, code, says)
	}
	return stdout
}

func TestPeppersOnTheCommandLine(t *testing.T) {
	attack.Case(t, "KEY-12", attack.CLI, func(t *testing.T) {
		folder := t.TempDir()
		file := filepath.Join(folder, "warder.db.peppers")
		wantRun(t, 0, "", folder, "", "keys", "create")
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("the pepper file: %v, %v, want mode 0600", info, err)
		}
		first, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		serve := []string{"serve", "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--admin-listen", "off"}
		id := pepperID(t, string(first))
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		wantRun(t, exitNotFound, "stored keys use pepper "+id, folder, "", serve...)
		wantRun(t, exitNotFound, "stored keys use pepper "+id, folder, "", "keys", "create")
		other, err := apikey.NewPepper(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, file, other, 0o600)
		wantRun(t, exitUsage, "stored keys use pepper "+id, folder, "", serve...)
		writeFile(t, file, other+string(first), 0o600) // rotated: the retired one behind the new
		wantRun(t, 0, "", folder, "", "keys", "create")
		for _, mode := range []os.FileMode{0o604, 0o640, 0o644} {
			if err := os.Chmod(file, mode); err != nil {
				t.Fatal(err)
			}
			wantRun(t, exitDenied, "may be read by others", folder, "", serve...)
		}
		writeFile(t, filepath.Join(folder, "warder.yaml"), "peppers: {insecure_mode: true}\nupstream: http://127.0.0.1:1\n", 0o600)
		wantRun(t, 0, "", folder, "", "keys", "create", "--config", "warder.yaml")
	})
}

func pepperID(t *testing.T, text string) string {
	t.Helper()
	peppers, err := apikey.ParsePeppers(text)
	if err != nil {
		t.Fatal(err)
	}
	return peppers.IDs()[0]
}

func writeFile(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
}

// TestAnotherProcessChangesKeys makes and revokes keys by the command line while
// serve runs in a process of its own.
func TestAnotherProcessChangesKeys(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	settings := filepath.Join(t.TempDir(), "warder.yaml")
	writeFile(t, settings, "keys: {legacy_formats: [text]}\nbrute_force: {failures: 1000000, key_failures: 1000000}\n", 0o600) // it asks far more often than a client that keeps to delays
	s := startServed(t, upstream.URL(), "--config", settings)
	attack.Case(t, "KEY-36", attack.Gateway, func(t *testing.T) {
		s.wantStatus(t, http.StatusOK)
		_, _, stderr := ran(t, s.folder, s.key+"\n", "keys", "revoke", "-", "--reason", "superseded")
		if !regexp.MustCompile(`Confirmed by the running nodes: 1/1 in \d+`).MatchString(stderr) {
			t.Errorf("receipt = %q", stderr)
		}
		s.wantStatusNow(t, http.StatusUnauthorized) // not within a second: at once, after the receipt
		_, out, _ := ran(t, s.folder, "", "keys", "create", "--output", "secret")
		s.key = strings.TrimSpace(out)
		begin := time.Now()
		s.wantStatus(t, http.StatusOK)
		if took := time.Since(begin); took > time.Second {
			t.Errorf("the new key worked after %v", took)
		}

		// A key that the server knows to be nobody's.
		s.key = "other-system-key-0001"
		for range 3 {
			s.wantStatusNow(t, http.StatusUnauthorized)
		}
		writeFile(t, filepath.Join(s.folder, "keys.csv"), "key,owner\n"+s.key+",acme\n", 0o600)
		wantRun(t, 0, "", s.folder, "", "keys", "import", "keys.csv", "--from", "csv")
		s.wantStatus(t, http.StatusOK)
	})
}

// wantStatus asks until the status is seen, for at most a second.
func (s *served) wantStatus(t *testing.T, want int) {
	t.Helper()
	status := 0
	for begin := time.Now(); time.Since(begin) < time.Second; <-time.After(10 * time.Millisecond) {
		if status, _ = s.get(t, "/a"); status == want {
			return
		}
	}
	t.Errorf("status %d after a second, want %d", status, want)
}

func (s *served) wantStatusNow(t *testing.T, want int) {
	t.Helper()
	if status, _ := s.get(t, "/a"); status != want {
		t.Errorf("status %d, want %d", status, want)
	}
}

func TestTheProgramPrintsNoSecret(t *testing.T) {
	pepper, err := apikey.NewPepper(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pepper = strings.TrimSpace(pepper)
	attack.Case(t, "LOG-10", attack.CLI, func(t *testing.T) {
		folder := t.TempDir()
		writeFile(t, filepath.Join(folder, "warder.yaml"), "upstream: http://127.0.0.1:1\nlisten: 127.0.0.1:0\nadmin_listen: \"off\"\npeppers: {value: \"${PEPPER}\"}\n", 0o600)
		for _, args := range [][]string{
			{"config", "print", "warder.yaml"},
			{"config", "validate", "warder.yaml"},
			{"config", "schema"},
			{"version"},
			{"--help"},
			{"keys", "create", "--config", "warder.yaml"},
			{"keys", "create", "--config", "warder.yaml", "--scopes", "a b"},
			{"serve", "--config", "warder.yaml", "--listen", "nonsense"},
		} {
			c := command(t.Context(), folder, args...)
			c.Env = append(c.Env, "PEPPER="+pepper)
			out, _ := c.CombinedOutput() // the exit code is another test's
			if strings.Contains(string(out), pepper) {
				t.Errorf("warder %s shows the pepper: %s", strings.Join(args, " "), out)
			}
		}
		out := crash(t, folder, pepper)
		if !strings.Contains(out, "goroutine ") || strings.Contains(out, pepper) {
			t.Errorf("a crash shows the pepper, or nothing: %d bytes", len(out))
		}
	})
}

// crash lets a running server dump its goroutines and end.
func crash(t *testing.T, folder, pepper string) string {
	t.Helper()
	c := command(t.Context(), folder, "serve", "--config", "warder.yaml")
	c.Env = append(c.Env, "PEPPER="+pepper)
	stderr, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	begin := make([]byte, len("warder: gateway"))
	if _, err := io.ReadFull(stderr, begin); err != nil {
		t.Fatal(err)
	}
	if err := c.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(stderr)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // exit code 2, by the runtime
	return string(rest)
}

// keyForms are the command lines that a key may be put into by mistake.
func keyForms(key string) [][]string {
	return [][]string{
		{key},
		{"keys", key},
		{"keys", "create", key},
		{"keys", "list", key},
		{"keys", "show", key},
		{"keys", "revoke", key},
		{"serve", key},
		{"serve", key + ":8000"},
		{"version", key},
		{"demo", key},
		{"help", key},
		{"config", key},
		{"config", "validate", key},
		{"config", "print", key},
		{"keys", "show", "--" + key},
		{"keys", "show", "-" + key},
		{"keys", "show", "--" + key + "=x", "-"},
		{"keys", "show", "-o", key, "AAAAAAAAAAAA"},
		{"keys", "show", "---" + key},
		{"keys", "list", "--db", key},
		{"keys", "list", "--db", "/" + key + "/warder.db"},
		{"keys", "list", "--config=" + key},
		{"serve", "--listen", key},
		{"serve", "--upstream", key},
		{"serve", "--listen", "none", "--upstream", "http://" + key + "/"},
		{"serve", "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:" + key},
		{"serve", "--upstream", "http://127.0.0.1:1", "--admin-listen", "off", "--listen", "127.0.0.1:0", "--log-file", "none/" + key},
		{"serve", "--upstream", "http://127.0.0.1:1", "--admin-listen", "off", "--listen", "127.0.0.1:0", "--peppers-file", "none/" + key},
		{"keys", "create", "--env", key},
		{"keys", "create", "--expires-in", key},
		{"keys", "create", "--output", key},
		{"keys", "create", "--peppers-file", "none/" + key},
		{"keys", "revoke", "AAAAAAAAAAAA", "--reason", key},
		{"keys", "revoke", "AAAAAAAAAAAA", "--wait", key},
		{"demo", "--check=" + key},
		{"keys", "show", "AAAAAAAAAAAA", key},
		{"config", "validate", "a", key},
		{"completion", key},
		{"completion", "bash", key},
	}
}

// inProcess runs one command line in the current folder, within the test, and
// returns all that it says.
func inProcess(t *testing.T, args []string) (code int, output string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var out bytes.Buffer
	code = run(ctx, process{args: args, environ: []string{"USER=ada"}, stdin: strings.NewReader(""), stdout: &out, stderr: &out})
	return code, out.String()
}

func TestAKeyIsNoArgument(t *testing.T) {
	folder := t.TempDir()
	key := strings.TrimSpace(wantRun(t, 0, "", folder, "", "keys", "create", "--output", "secret"))
	tail := key[strings.LastIndexByte(key, '_')+1:]
	silent := func(t *testing.T, args []string, output string) {
		t.Helper()
		for i := range len(tail) - 12 {
			if strings.Contains(output, tail[i:i+13]) {
				t.Errorf("warder %s shows %d characters of the key's secret: %s", strings.Join(args, " "), 13, output)
				return
			}
		}
	}
	t.Chdir(folder)
	attack.Case(t, "LOG-11", attack.CLI, func(t *testing.T) {
		for _, args := range keyForms(key) {
			code, output := inProcess(t, args)
			if code != exitUsage || !strings.Contains(output, "standard input") {
				t.Errorf("%s: exit code %d, %q, want %d and the hint", args, code, output, exitUsage)
			}
			silent(t, args, output)
		}
		for _, piece := range []string{key[:len(key)-1], key[:len(key)-7], key[:len(key)-20], key[:len(key)-len(tail)+20], key[:len(key)-len(tail)+13], key[4:], tail, tail[:40], tail[:20], key + "x", strings.ToUpper(key[:4]) + key[4:]} {
			for _, args := range keyForms(piece) {
				code, output := inProcess(t, args)
				if code == 0 && args[0] != "completion" { // which shows its help
					t.Errorf("%s: exit code 0", args)
				}
				silent(t, args, output)
			}
		}
		wantRun(t, 0, "", folder, key+"\n", "keys", "show", "-")
	})
}

// TestAFullLogHoldsUpNobody logs to a disk that is full.
func TestAFullLogHoldsUpNobody(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	s := startServed(t, upstream.URL(), "--log-file", "/dev/full")
	attack.Case(t, "LOG-05", attack.Gateway, func(t *testing.T) {
		begin := time.Now()
		for range 200 {
			if status, _ := s.get(t, "/a"); status != http.StatusOK {
				t.Fatalf("status %d, want 200", status)
			}
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("200 requests took %v", took)
		}
		dropped := regexp.MustCompile(`(?m)^warder_log_records_dropped_total (\d+)`)
		for begin := time.Now(); ; <-time.After(10 * time.Millisecond) {
			m := dropped.FindStringSubmatch(s.metrics(t))
			if m != nil && m[1] != "0" {
				break
			}
			if time.Since(begin) > enduring {
				t.Fatalf("no record was counted as dropped: %v", m)
			}
		}
	})
}

func (s *served) metrics(t *testing.T) string {
	t.Helper()
	_, body, err := fetch("http://"+s.admin+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
