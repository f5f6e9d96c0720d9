package httpserver_test

import (
	"bufio"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/target"
)

// refuseAll is a stage that lets nobody in.
type refuseAll struct{}

func (refuseAll) Check(*exchange.Exchange) exchange.Verdict {
	return exchange.Refuse(problem.New(problem.Unauthorized, ""), "")
}

func TestARefusalDoesNotWaitForTheBody(t *testing.T) {
	_, addr := start(t, httpserver.Config{Handler: exchange.Wrap(refuseAll{}, http.HandlerFunc(hello))})
	attack.Case(t, "PROXY-12", attack.Library, func(t *testing.T) {
		for name, tt := range map[string]struct {
			head string
			body int // MiB that the client tries to send
		}{
			"Expect":               {"Content-Length: 1073741824\r\nExpect: 100-continue\r\n", 0},
			"1 GiB":                {"Content-Length: 1073741824\r\n", 1024},
			"1 GiB in chunks":      {"Transfer-Encoding: chunked\r\n", 1024},
			"a length and no body": {"Content-Length: 5\r\n", 0},
		} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			conn := dial(t, addr)
			begin := time.Now()
			write(t, conn, "POST / HTTP/1.1\r\nHost: a\r\n"+tt.head+"\r\n")
			var sender sync.WaitGroup
			sender.Go(func() {
				piece := make([]byte, 1<<20)
				for range tt.body {
					if _, err := conn.Write(piece); err != nil {
						return // the server has closed
					}
				}
			})
			w, _ := answer(t, bufio.NewReader(conn))
			if took := time.Since(begin); w.StatusCode != http.StatusUnauthorized || !w.Close || took > 100*time.Millisecond {
				t.Errorf("%s: %d, close %v, after %v; want 401 and a close within 100ms", name, w.StatusCode, w.Close, took)
			}
			_ = conn.Close()
			sender.Wait()
			runtime.ReadMemStats(&after)
			if grown := int64(after.TotalAlloc) - int64(before.TotalAlloc); grown > 4<<20 {
				t.Errorf("%s: %d bytes were allocated", name, grown)
			}
		}
	})
}

// edge is what stands in front of a handler that tells what was judged.
func edge(t *testing.T) http.Handler {
	t.Helper()
	s, err := target.New(target.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return forwarded.Direct().Wrap(s.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchange.From(r.Context())
		_, _ = io.WriteString(w, "judged "+r.Method[:min(8, len(r.Method))]+" "+x.Host+" "+x.Path)
	})))
}

func TestHeadsOverASocket(t *testing.T) {
	headsOverASocket(t, httpserver.Config{Handler: edge(t), MaxHeaderBytes: 8 << 10})
}

func headsOverASocket(t *testing.T, cfg httpserver.Config) {
	t.Helper()
	s, addr := start(t, cfg)
	const line = "GET / HTTP/1.1\r\n"
	for id, heads := range map[string]map[string]string{ // head to the answer; "" for a refusal and a close
		"SMUG-18": {
			line + "Host: a\r\nHost: b\r\n\r\n": "",
			line + "Host: a\r\nHost: a\r\n\r\n": "",
			line + "\r\nHost: a\r\n\r\n":        "",
			line + "Host:\r\n\r\n":              "",
			line + "Host: a b\r\n\r\n":          "",
			line + "Host: u@a\r\n\r\n":          "",
			line + "Host: a/b\r\n\r\n":          "",
			line + "Host: a\rb\r\n\r\n":         "",
			line + "\r\n":                       "",
			"GET / HTTP/1.0\r\n\r\n":            "",
			line + "Host: A.\r\n\r\n":           "judged GET a /",
		},
		"SMUG-19": {
			"GET http://b.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n":   "judged GET b.example /x",
			"GET http://b.example HTTP/1.1\r\nHost: a.example\r\n\r\n":     "judged GET b.example /",
			"GET http://u@b.example/x HTTP/1.1\r\nHost: b.example\r\n\r\n": "",
			"GET http:///x HTTP/1.1\r\nHost: a.example\r\n\r\n":            "",
			"GET http://b%2eexample/x HTTP/1.1\r\nHost: a\r\n\r\n":         "",
			"GET ftp://b.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n":    "",
			"GET //b.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n":        "",
		},
		"SMUG-20": {
			"G ET / HTTP/1.1\r\nHost: a\r\n\r\n":                           "",
			"get / HTTP/1.1\r\nHost: a\r\n\r\n":                            "judged get a /",
			"G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n":                         "",
			" GET / HTTP/1.1\r\nHost: a\r\n\r\n":                           "",
			strings.Repeat("A", 10<<10) + " / HTTP/1.1\r\nHost: a\r\n\r\n": "",
			"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n":                         "",
			"GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n":                        "",
			"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n":                    "",
			"GET /a?\xff HTTP/1.1\r\nHost: a\r\n\r\n":                      "",
			"GET  / HTTP/1.1\r\nHost: a\r\n\r\n":                           "",
			"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n":                        "",
		},
	} {
		attack.Case(t, id, attack.Library, func(t *testing.T) {
			for head, want := range heads {
				for _, second := range []string{"", "GET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"} {
					conn := dial(t, addr)
					write(t, conn, head+second)
					r := bufio.NewReader(conn)
					w, body := answer(t, r)
					if want != "" && (w.StatusCode != 200 || body != want) {
						t.Errorf("%.40q: got %d %q, want %q", head, w.StatusCode, body, want)
					}
					if want == "" && !refusal(w.StatusCode) {
						t.Errorf("%.40q: got %d %q, want a refusal", head, w.StatusCode, body)
					}
					if want == "" && !strings.HasPrefix(head, "GET //") && !closed(r) {
						t.Errorf("%.40q: the connection stays open", head)
					}
					_ = conn.Close()
				}
			}
		})
	}
	if s.Refused() == 0 {
		t.Error("what net/http refused was not counted")
	}
}

// refusal reports whether status is one that a malformed head may get.
func refusal(status int) bool {
	switch status {
	case 400, 405, 431, 501, 505:
		return true
	default:
		return false
	}
}
