package server_test

import (
	"bufio"
	"os/exec"
	"strings"
	"testing"
)

// startPython runs a script of testdata by Debian's Python, whose packages are
// the ones that make needs installs, and returns the address that it serves.
func startPython(t *testing.T, script string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", script)
	stdin, err := cmd.StdinPipe() // its end stops the script
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("Python is needed (make needs installs it): %v", err)
	}
	t.Cleanup(func() { _ = stdin.Close(); _ = cmd.Wait() })
	port, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		_ = cmd.Wait()
		t.Fatalf("the script said no port: %v\n%s", err, stderr.String())
	}
	return "127.0.0.1:" + strings.TrimSpace(port)
}

// TestWarderAndFastAPIReadTheSamePath: as nginx, so the framework of the page.
func TestWarderAndFastAPIReadTheSamePath(t *testing.T) {
	judgedAlike(t, "FastAPI", startPython(t, "testdata/routes.py"))
}
