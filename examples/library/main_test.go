package main_test

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// TestTheExampleDoesWhatItPrints builds and starts the program, sends the
// request of the line that it prints, with the key and without, and ends it as
// a user does.
func TestTheExampleDoesWhatItPrints(t *testing.T) {
	program := filepath.Join(t.TempDir(), "library")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), program, "-addr", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the program printed %q: %v", line, err)
	}
	m := regexp.MustCompile(`^curl -i -H 'X-API-Key: (demo_\S+)' (http://127\.0\.0\.1:\d+/orders)\n$`).FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("the program printed %q, want a curl line", line)
	}
	for _, tt := range []struct {
		name, key, body string
		status          int
	}{
		{"as printed", m[1], "orders of acme\n", http.StatusOK},
		{"without the key", "", "", http.StatusUnauthorized},
	} {
		if status, body := get(t, m[2], tt.key); status != tt.status || tt.body != "" && body != tt.body {
			t.Errorf("%s: got %d %q, want %d %q", tt.name, status, body, tt.status, tt.body)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after an interrupt: %v, want a clean end", err)
	}
}

func get(t *testing.T, url, key string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		r.Header.Set("X-API-Key", key)
	}
	w, err := new(http.Client).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	text, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.StatusCode, string(text)
}
