package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What a server says of itself is believed for what it is, whatever the server is: it
// writes no commands to a terminal, and what cannot be is not printed.
func TestWhatANodeSaysOfItself(t *testing.T) {
	const odd = `\u001b[2J\u202e` // as JSON writes it: clear the screen, and turn the direction of text
	const (
		limit = `{"limits": [{"name": "a` + odd + `", "by": ["b` + odd + `"], "subjects": 1, "passed": 1, "refused": 0, "shadowed": 0}]}`
		drift = `{"documents": [{"name": "a` + odd + `", "operations": 1, "since": "2026-11-28T21:50:00Z", "problem": "` + odd + `", "never_seen": ["` + odd + `"], "invalid": [], "undeclared": [], "undeclared_other": 0}]}`
		less  = `{"name": "a", "less": ["GET /a` + odd + `"]}`
	)
	tests := []struct {
		name   string
		args   string
		path   string
		status int
		answer string
		code   int
		says   string
	}{
		{"limits as a table", "limits show", "GET /v1/limits", 200, limit, 0, `a\x1b[2J\u202e`},
		{"limits as YAML", "limits show -o yaml", "GET /v1/limits", 200, limit, 0, "name"},
		{"limits as JSON", "limits show -o json", "GET /v1/limits", 200, limit, 0, "name"},
		{"a count below 0", "limits show", "GET /v1/limits", 200, strings.Replace(limit, `"passed": 1`, `"passed": -1`, 1), exitServer, "limits show: the server's answer is not what was expected"},
		{"another program", "limits show", "GET /v1/limits", 200, "<html>welcome</html>", exitServer, "limits show"},
		{"nobody was refused", "limits top per-key", "GET /v1/limits/per-key/top?n=10", 200, `{"subjects": []}`, 0, "WHO"},
		{"documents", "openapi drift", "GET /v1/openapi/drift", 200, drift, 0, `a\x1b[2J\u202e`},
		{"documents as YAML", "openapi drift -o yaml", "GET /v1/openapi/drift", 200, drift, 0, "never_seen"},
		{"no document", "openapi drift", "GET /v1/openapi/drift", 200, `{"documents": []}`, exitNotFound, "has no OpenAPI document"},
		{"what is less", "openapi confirm a", "POST /v1/openapi/a:confirm", 200, less, 0, `GET /a\x1b[2J\u202e`},
		{"no shadow", "shadow report", "GET /v1/shadow", 409, `{"type": "x#conflict", "title": "Conflict", "status": 409, "detail": "There is no shadow configuration` + odd + `."}`, exitUsage, "shadow report: client: the server answered 409: Conflict: There is no shadow configuration"},
		{"the store is away", "limits reset per-key key=a", "POST /v1/limits/per-key:reset", 503, `{"type": "x#store-unavailable", "title": "Service Unavailable", "status": 503, "detail": "The store gave no answer."}`, exitServer, "limits reset: client: the server answered 503"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			asked := 0
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if asked++; r.Method+" "+r.URL.RequestURI() != tt.path || r.Header.Get("Authorization") != "Bearer TOKENTOKENTOKENTOKEN" {
					t.Errorf("asked for %s %s with %q", r.Method, r.URL, r.Header.Get("Authorization"))
				}
				if tt.status != http.StatusOK {
					w.Header().Set("Content-Type", "application/problem+json")
				}
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.answer)
			}))
			defer s.Close()
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), process{
				args: append(strings.Fields(tt.args), "--server", s.URL), environ: []string{"WARDER_TOKEN=TOKENTOKENTOKENTOKEN"},
				stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr,
			})
			said := stdout.String() + stderr.String()
			if code != tt.code || !strings.Contains(said, tt.says) || strings.Contains(said, "TOKENTOKEN") || asked != 1 {
				t.Errorf("exit code %d after %d requests, %s; want %d and %q", code, asked, said, tt.code, tt.says)
			}
			if strings.ContainsAny(said, "\x1b\u202e") {
				t.Errorf("the terminal is told %q", said)
			}
		})
	}
}
