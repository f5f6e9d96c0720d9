package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestWhereAListenerIsAsked: one that is open to every network is reached from its own
// machine.
func TestWhereAListenerIsAsked(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:8081": "http://127.0.0.1:8081", "0.0.0.0:8082": "http://127.0.0.1:8082", ":8082": "http://127.0.0.1:8082",
		"[::]:8082": "http://[::1]:8082", "[::ffff:0.0.0.0]:8082": "http://127.0.0.1:8082", "localhost:8081": "http://localhost:8081", "10.0.0.7:8082": "http://10.0.0.7:8082",
		"127.0.0.1:0": "",
	} {
		if got, err := dialled(address); got != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q, %v, want %q", address, got, err, want)
		}
	}
}

// TestPingSaysWhatItWasTold, in one line, and takes nothing but 200 for well.
func TestPingSaysWhatItWasTold(t *testing.T) {
	long := strings.Repeat("well ", 1<<18)
	for _, tt := range []struct {
		answer    http.HandlerFunc
		timeout   string
		code      int
		out, told string
	}{
		{func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ready\n") }, "1m", 0, "ready\n", ""},
		{func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "draining\nmore", http.StatusServiceUnavailable)
		}, "1m", exitUnwell, "", "warder: 503: draining\n"},
		{func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ready", http.StatusFound) }, "1m", exitUnwell, "", "warder: 302: <a href=\"/ready\">Found</a>.\n"},
		{func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, long) }, "1m", 0, long[:maxProbe] + "\n", ""},
		{func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "50ms", exitUnwell, "", "warder: no answer: within --timeout\n"},
	} {
		s := httptest.NewServer(tt.answer)
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), process{args: []string{"ping", "--server", s.URL, "--timeout", tt.timeout}, stdout: &stdout, stderr: &stderr})
		s.Close()
		if code != tt.code || stdout.String() != tt.out || stderr.String() != tt.told {
			t.Errorf("%d, %.40q, %q; want %d, %.40q, %q", code, stdout.String(), stderr.String(), tt.code, tt.out, tt.told)
		}
	}
}
