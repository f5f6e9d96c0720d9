package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// tell writes events as the server does.
func tell(w http.ResponseWriter, events ...string) {
	w.Header().Set("Content-Type", "text/event-stream")
	for i := 0; i < len(events); i += 2 {
		_, _ = fmt.Fprintf(w, ": a beat\n\nevent: %s\ndata: %s\n\n", events[i], events[i+1])
	}
	_ = http.NewResponseController(w).Flush()
}

func refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"type":"https://x#y","title":"No","status":%d}`, status)
}

const toldDecision = `{"time":"2026-11-29T12:00:00.000123Z","id":"0f9a","method":"GET","route":"/orders/","path":"/orders/1","status":401,"bytes":180,"duration_us":412,"client":"192.0.2.7","key_id":"7HqLk2mVxWcP","stage":"authn","reason":"revoked"}`

// A connection that breaks off is made again, what was missed is told, and what the
// server would refuse again ends it.
func TestTailGoesOn(t *testing.T) {
	for name, tt := range map[string]struct {
		answers []func(w http.ResponseWriter) // in turn; the last one again and again
		args    []string
		code    int
		out     string   // of standard output
		says    []string // of standard error, in this order
	}{
		"enough": {
			[]func(w http.ResponseWriter){func(w http.ResponseWriter) { tell(w, "decision", toldDecision, "decision", toldDecision) }},
			[]string{"--count", "2", "-o", "json"},
			0, toldDecision + "\n" + toldDecision + "\n",
			[]string{"the decisions of this node"},
		},
		"a break": {
			[]func(w http.ResponseWriter){
				func(w http.ResponseWriter) { tell(w, "decision", toldDecision) },
				func(w http.ResponseWriter) { refuse(w, http.StatusServiceUnavailable) },
				func(w http.ResponseWriter) { refuse(w, http.StatusTooManyRequests) },
				func(w http.ResponseWriter) {
					tell(w, "missed", `{"count":120}`, "missed", `{}`, "unknown", `{}`, "decision", toldDecision)
				},
			},
			[]string{"--count", "2", "-o", "json"},
			0, toldDecision + "\n" + toldDecision + "\n",
			[]string{"is gone: it is made again", "watching again: what was decided between ", " is missed", "120 decisions came faster", "some are missed"},
		},
		"the token is revoked": {
			[]func(w http.ResponseWriter){func(w http.ResponseWriter) { tell(w, "decision", toldDecision) }, func(w http.ResponseWriter) { refuse(w, http.StatusUnauthorized) }},
			nil, exitDenied, "",
			[]string{"is gone", "401"},
		},
		"refused at once":   {[]func(w http.ResponseWriter){func(w http.ResponseWriter) { refuse(w, http.StatusTooManyRequests) }}, nil, exitServer, "", []string{"429"}},
		"no such thing":     {[]func(w http.ResponseWriter){func(w http.ResponseWriter) { tell(w, "decision", `[]`) }}, nil, exitServer, "", []string{"not what was expected"}},
		"a time":            {[]func(w http.ResponseWriter){func(w http.ResponseWriter) { tell(w) }}, []string{"--for", "10ms"}, 0, "", nil},
		"a line for people": {[]func(w http.ResponseWriter){func(w http.ResponseWriter) { tell(w, "decision", toldDecision) }}, []string{"--count", "1"}, 0, "  401  GET  /orders/1  authn: revoked  key=7HqLk2mVxWcP  from=192.0.2.7  412µs  route=\"/orders/\"  id=0f9a\n", nil},
		"nothing that turns a terminal around": {
			[]func(w http.ResponseWriter){func(w http.ResponseWriter) {
				tell(w, "decision", `{"time":"2026-11-29T12:00:00Z","method":"GET","path":"/\u001b[2J\u202e","status":200,"bytes":0,"duration_us":1}`)
			}},
			[]string{"--count", "1"},
			0, `  200  GET  /\x1b[2J\u202e  -  key=-  from=-  1µs` + "\n", nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // some wait between two connections
			var asked atomic.Int64
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/openapi.json" {
					_, _ = io.WriteString(w, `{"info":{"title":"warder key service"}}`)
					return
				}
				if r.URL.RequestURI() != "/v1/decisions:watch?key=none&outcome=refused" {
					t.Errorf("asked for %s", r.URL.RequestURI())
				}
				tt.answers[min(int(asked.Add(1)), len(tt.answers))-1](w)
			}))
			defer s.Close()
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), process{
				args: append([]string{"tail", "--server", s.URL, "--key", "-", "--outcome", "refused"}, tt.args...), environ: []string{"WARDER_TOKEN=TOKENTOKENTOKENTOKEN"},
				stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr,
			})
			if code != tt.code || !strings.HasSuffix(stdout.String(), tt.out) {
				t.Errorf("exit code %d, want %d; stdout:\n%s\nwant:\n%s\nstderr:\n%s", code, tt.code, &stdout, tt.out, &stderr)
			}
			rest := stderr.String()
			for _, text := range tt.says {
				_, after, ok := strings.Cut(rest, text)
				if !ok {
					t.Errorf("standard error lacks %q:\n%s", text, &stderr)
				}
				rest = after
			}
			if strings.Contains(stdout.String()+stderr.String(), "TOKENTOKEN") {
				t.Error("the token is told")
			}
		})
	}
}
