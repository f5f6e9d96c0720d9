package main_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestTheExampleDoesWhatItPrints builds and starts the program, runs in a shell
// what it prints, whole and unchanged, and wants the statuses that are printed.
func TestTheExampleDoesWhatItPrints(t *testing.T) {
	program := filepath.Join(t.TempDir(), "eleven")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), program, "-addr", "127.0.0.1:0", "-plain", "127.0.0.1:0")
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	script := printed(t, bufio.NewReader(out))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	// Without -e: curl 7.88 may fail after a whole answer over HTTP/2 that came before it had sent the body.
	answers, err := exec.CommandContext(ctx, "bash", "-u", "-c", script).CombinedOutput()
	if ctx.Err() != nil {
		t.Errorf("the lines that are printed: %v\n%s", err, answers)
	}
	refusesOldTLS(t, regexp.MustCompile(`(?m)^URL=https://(\S+)$`).FindStringSubmatch(script)[1])
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after an interrupt: %v, want a clean end", err)
	}
	want := statuses(`(?m)^# (\d{3}(?: \d{3})*) `, script)
	if got := statuses(`(?m)^HTTP/\S+ (\d{3})`, string(answers)); strings.Join(got, " ") != strings.Join(want, " ") || len(want) < 30 {
		t.Errorf("answers: %s\n   want: %s\n%s", got, want, answers)
	}
	secrets := regexp.MustCompile(`(?m)^(KEY|TOKEN|PASSWORD)=(\S+)$`).FindAllStringSubmatch(script, -1)
	secrets = append(secrets, regexp.MustCompile(`(?m)^set-cookie: (__Host-session)=([^;\r]{20,})`).FindAllStringSubmatch(string(answers), -1)...)
	if len(secrets) != 4 {
		t.Errorf("found %d secrets, want key, token, password and cookie", len(secrets))
	}
	for _, secret := range secrets {
		if strings.Contains(log.String(), secret[2]) {
			t.Errorf("the log holds the %s", secret[1])
		}
	}
	if folder, _, _ := strings.Cut(strings.TrimPrefix(script, "cd '"), "'"); folder == "" || exists(folder) {
		t.Errorf("the folder %q is left behind", folder)
	}
}

// refusesOldTLS shakes hands as clients of twenty years ago did, and as those of
// today.
func refusesOldTLS(t *testing.T, address string) {
	t.Helper()
	for version, refused := range map[uint16]bool{tls.VersionTLS10: true, tls.VersionTLS11: true, tls.VersionTLS12: false, tls.VersionTLS13: false} {
		dialer := tls.Dialer{Config: &tls.Config{MinVersion: version, MaxVersion: version, InsecureSkipVerify: true}} // curl has verified it
		conn, err := dialer.DialContext(t.Context(), "tcp", address)
		if (err != nil) != refused {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if conn != nil {
			_ = conn.Close()
		}
	}
}

// printed reads what the program prints, to the line that says how to end it.
func printed(t *testing.T, out *bufio.Reader) string {
	t.Helper()
	var script strings.Builder
	for !strings.Contains(script.String(), "# Ctrl-C") {
		line, err := out.ReadString('\n')
		script.WriteString(line)
		if err != nil {
			t.Fatalf("the program printed %q: %v", script.String(), err)
		}
	}
	return script.String()
}

// statuses are those that pattern finds in text, in order.
func statuses(pattern, text string) (all []string) {
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		all = append(all, strings.Fields(m[1])...)
	}
	return all
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
