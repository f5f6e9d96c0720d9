package upstream_test

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/upstream"
)

// dying answers the first request of each connection in whole, reads the second
// one of the first so many connections and closes without a byte.
func dying(connections int, last string) func(*wire.Conn) {
	return func(c *wire.Conn) {
		for n := 1; ; n++ {
			if _, err := c.Request(); err != nil {
				return
			}
			if n > 1 && c.Index < connections {
				c.Say(last)
				return
			}
			c.Say(wire.OK)
		}
	}
}

// warm leaves n pooled connections behind.
func warm(t *testing.T, f *front, u *wire.Upstream, n int) {
	t.Helper()
	var clients []*wire.Client
	for i := range n { // each is under way while the next one starts: none can share a connection
		c := wire.Dial(t, f.addr())
		c.Send("POST /warm HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
		u.Await(t, func(received []string, _ int) bool {
			return len(received) == i+1 && strings.HasSuffix(received[i], "ab")
		})
		clients = append(clients, c)
	}
	for _, c := range clients {
		c.Send("cd")
		if w, _ := c.Response(http.MethodPost); w == nil || w.StatusCode != 200 {
			t.Fatalf("warming up: %v", w)
		}
		_ = c.Close()
		f.outcome(t)
	}
}

func TestProxy13Replay(t *testing.T) {
	attack.Case(t, "PROXY-13", attack.Library, func(t *testing.T) {
		for _, tt := range []struct {
			name, request string
			stale         int // pooled connections that die
			last          string
			status, times int
		}{
			{"GET", "GET /x HTTP/1.1\r\nHost: a\r\n\r\n", 1, "", 200, 2},
			{"HEAD", "HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n", 1, "", 200, 2},
			{"OPTIONS", "OPTIONS /x HTTP/1.1\r\nHost: a\r\n\r\n", 1, "", 200, 2},
			{"GET with Idempotency-Key", "GET /x HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k\r\n\r\n", 1, "", 200, 2},
			{"GET, all of the pool is dead: once more, not more often", "GET /x HTTP/1.1\r\nHost: a\r\n\r\n", 4, "", 502, 2},
			{"POST", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 1, "", 502, 1},
			{"POST with Idempotency-Key", "POST /x HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k\r\nContent-Length: 3\r\n\r\nabc", 1, "", 502, 1},
			{"empty POST", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 1, "", 502, 1},
			{"empty POST with Idempotency-Key", "POST /x HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k\r\nContent-Length: 0\r\n\r\n", 1, "", 502, 1},
			{"empty POST with X-Idempotency-Key", "POST /x HTTP/1.1\r\nHost: a\r\nX-Idempotency-Key: k\r\n\r\n", 1, "", 502, 1},
			{"PUT and DELETE with both", "DELETE /x HTTP/1.1\r\nHost: a\r\nX-Idempotency-Key: k\r\nIdempotency-Key: k\r\n\r\n", 1, "", 502, 1},
			{"GET with body", "GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 1, "", 502, 1},
			{"GET with chunked body", "GET /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 1, "", 502, 1},
			{"GET after the first byte", "GET /x HTTP/1.1\r\nHost: a\r\n\r\n", 1, "H", 502, 1},
			{"POST after the first byte", "POST /x HTTP/1.1\r\nHost: a\r\n\r\n", 1, "HTTP/1.1 200", 502, 1},
		} {
			t.Run(tt.name, func(t *testing.T) {
				u := wire.Listen(t, dying(tt.stale, tt.last))
				f := newFront(t, upstream.Config{URL: u.URL()}, nil)
				warm(t, f, u, tt.stale)
				method, _, _ := strings.Cut(tt.request, " ")
				w, _ := f.ask(t, method, tt.request)
				if w.StatusCode != tt.status {
					t.Errorf("status = %d, want %d", w.StatusCode, tt.status)
				}
				all := strings.Join(u.Received(), "")
				if got := strings.Count(all, " /x HTTP/1.1\r\n"); got != tt.times {
					t.Errorf("the upstream saw it %d times, want %d", got, tt.times)
				}
				if strings.Contains(tt.request, "dempotency-Key: k") && !strings.Contains(strings.ToLower(all), "idempotency-key: k\r\n") {
					t.Errorf("the key did not reach the upstream: %q", all)
				}
			})
		}
	})
}

// The means against replay must not show on the wire.
func TestFramingIsAsSent(t *testing.T) {
	for request, want := range map[string]string{
		"GET /x HTTP/1.1\r\nHost: a\r\n\r\n":                                                               "",
		"GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n":                                          "",
		"HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n":                                                              "",
		"DELETE /x HTTP/1.1\r\nHost: a\r\n\r\n":                                                            "",
		"POST /x HTTP/1.1\r\nHost: a\r\n\r\n":                                                              "Content-Length: 0",
		"POST /x HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k\r\nContent-Length: 0\r\n\r\n":                   "Content-Length: 0",
		"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc":               "Content-Length: 3",
		"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n":                       "Transfer-Encoding: chunked",
		"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=\"a\"\r\nabc\r\n0\r\n\r\n": "Transfer-Encoding: chunked",
	} {
		u := wire.Listen(t, wire.Answer(wire.OK))
		f := newFront(t, upstream.Config{URL: u.URL()}, nil)
		method, _, _ := strings.Cut(request, " ")
		c := wire.Dial(t, f.addr())
		c.Send(request)
		w, _ := c.Response(method)
		if w != nil && w.StatusCode == http.StatusContinue {
			w, _ = c.Response(method)
		}
		text := u.Received()[0]
		framing := 0
		for _, name := range []string{"Content-Length:", "Transfer-Encoding:", "Expect:", "Connection:", "ext"} {
			framing += strings.Count(text, name)
		}
		if w == nil || w.StatusCode != 200 || want != "" && !strings.Contains(text, want+"\r\n") || want == "" && framing != 0 || framing > 1 {
			t.Errorf("%q: the upstream got %q, want %q; response %v", request, text, want, w)
		}
	}
}

func TestProxy14ClientLeaves(t *testing.T) {
	attack.Case(t, "PROXY-14", attack.Library, func(t *testing.T) {
		const head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
		for name, tt := range map[string]struct{ request, say string }{
			"waiting for the head":      {get, ""},
			"in a stream":               {get, head + "data: x\n\n"},
			"in a body of known length": {get, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabc"},
			"while sending":             {"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\nabc", ""},
			"while sending chunks":      {"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", ""},
		} {
			t.Run(name, func(t *testing.T) {
				u := wire.Listen(t, func(c *wire.Conn) {
					if _, err := c.Head(); err == nil {
						c.Say(tt.say)
						c.Drain()
					}
				})
				f := newFront(t, upstream.Config{URL: u.URL()}, nil)
				c := wire.Dial(t, f.addr())
				c.Send(tt.request)
				u.Await(t, func(received []string, _ int) bool {
					return len(received) == 1 && strings.Contains(received[0], "\r\n\r\n") && (!strings.HasPrefix(tt.request, "POST") || strings.Contains(received[0], "abc"))
				})
				left := time.Now()
				reset(t, c.Conn)
				u.Await(t, func(_ []string, closed int) bool { return closed == 1 })
				if took := time.Since(left); took > time.Second {
					t.Errorf("the upstream was cancelled after %v, want at most 1s", took)
				}
				if o := f.outcome(t); o.Reason != "client-gone" || o.Status == http.StatusBadGateway {
					t.Errorf("outcome = %d %q, want client-gone and no 502", o.Status, o.Reason)
				}
				if text := u.Received()[0]; strings.Contains(text, "0\r\n\r\n") {
					t.Errorf("the message completed: %q", text)
				}
			})
		}
	})
}

// reset leaves without a goodbye.
func reset(t *testing.T, conn net.Conn) {
	t.Helper()
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		t.Fatalf("%T is no TCP connection", conn)
	}
	if err := tcp.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	_ = tcp.Close()
}

func TestProxy14UpstreamHangs(t *testing.T) {
	attack.Case(t, "PROXY-14", attack.Library, func(t *testing.T) {
		before := runtime.NumGoroutine()
		t.Run("hangs", func(t *testing.T) {
			hang := wire.Listen(t, (*wire.Conn).Drain)
			for name, cfg := range map[string]upstream.Config{
				"TLS handshake": {URL: "https://" + hang.Addr(), TLSTimeout: 50 * time.Millisecond},
				"head":          {URL: hang.URL(), ResponseTimeout: 50 * time.Millisecond},
				"connect":       {URL: "http://198.51.100.1", ConnectTimeout: time.Nanosecond},
			} {
				f := newFront(t, cfg, nil)
				if w, body := f.ask(t, http.MethodGet, get); w.StatusCode != http.StatusGatewayTimeout || strings.Contains(body, hang.Addr()) {
					t.Errorf("%s: got %d %q, want 504", name, w.StatusCode, body)
				}
				if o := f.outcome(t); o.Reason != "timeout" {
					t.Errorf("%s: reason = %q (%v), want timeout", name, o.Reason, o.Err)
				}
			}
			// An upstream that takes no more of the body.
			stuck := wire.Listen(t, func(c *wire.Conn) { <-t.Context().Done() })
			f := newFront(t, upstream.Config{URL: stuck.URL(), WriteTimeout: 100 * time.Millisecond}, nil)
			c := wire.Dial(t, f.addr())
			c.Send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
			go func() {
				_, _ = io.CopyN(c, zeros{}, 100_000_000)
			}()
			if o := f.outcome(t); o.Reason != "timeout" || o.Status != http.StatusGatewayTimeout {
				t.Errorf("a body that is not taken: %d %q (%v), want 504 timeout", o.Status, o.Reason, o.Err)
			}
			_ = c.Close()
		})
		deadline := time.After(wire.Patience)
		for runtime.NumGoroutine() > before+1 {
			select {
			case <-deadline:
				stacks := make([]byte, 1<<16)
				t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
			default:
				runtime.Gosched()
			}
		}
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestProxy16AndLog09FailuresTellNothing(t *testing.T) {
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	secure.StartTLS()
	defer secure.Close()
	plain := wire.Listen(t, func(c *wire.Conn) { c.Say("evil bytes that are no TLS\r\n\r\n") })
	closed := wire.Listen(t, wire.Answer(""))
	closed.Close()
	tests := []struct {
		name   string
		cfg    upstream.Config
		reason string
	}{
		{"down", upstream.Config{URL: closed.URL() + "/s3cret"}, "connect"},
		{"name not found", upstream.Config{URL: "http://s3cret.invalid"}, "resolve"},
		{"certificate of nobody", upstream.Config{URL: secure.URL}, "tls"},
		{"no TLS", upstream.Config{URL: "https://" + plain.Addr()}, "tls"},
		{"no HTTP", upstream.Config{URL: plain.URL()}, "bad-response"},
	}
	run := func(t *testing.T) {
		t.Helper()
		for _, tt := range tests {
			f := newFront(t, tt.cfg, nil)
			w, body := f.ask(t, http.MethodGet, "GET /a?token=s3cret HTTP/1.1\r\nHost: a\r\nX-API-Key: s3cret\r\n\r\n")
			if w.StatusCode != http.StatusBadGateway {
				t.Errorf("%s: status = %d, want 502", tt.name, w.StatusCode)
			}
			o := f.outcome(t)
			if o.Reason != tt.reason || o.Err == nil {
				t.Errorf("%s: reason %q, error %v; want %q", tt.name, o.Reason, o.Err, tt.reason)
				continue
			}
			for _, leak := range []string{"s3cret", "127.0.0.1", "invalid.", "evil", "token", "example.com"} {
				if strings.Contains(body, leak) || strings.Contains(o.Err.Error(), leak) {
					t.Errorf("%s: %q shows in %q or %q", tt.name, leak, body, o.Err)
				}
			}
		}
	}
	attack.Case(t, "PROXY-16", attack.Library, run)
	attack.Case(t, "LOG-09", attack.Library, func(t *testing.T) {
		run(t)
		for _, url := range []string{"http://user:s3cret@a", "http://a/?s3cret", "http://a/#s3cret", "s3cret", "http://s3cret:x\x7f", "ftp://s3cret", "http://a:s3cret"} {
			_, err := upstream.New(upstream.Config{URL: url})
			if err == nil || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("New with %q: %v", url, err)
			}
		}
	})
}

func TestNoProxyFromTheEnvironmentAndNoRedirect(t *testing.T) {
	if got := newUpstream(t).Proxy(); got != nil { // the environment is asked once per process, and never for loopback: what follows could miss it
		t.Errorf("the transport asks %T for a proxy, want nothing asked", got)
	}
	bait := wire.Listen(t, wire.Answer(wire.OK))
	t.Setenv("HTTP_PROXY", bait.URL())
	t.Setenv("http_proxy", bait.URL())
	w, _ := answered(t, http.MethodGet, "HTTP/1.1 302 Found\r\nLocation: "+bait.URL()+"\r\nContent-Length: 0\r\n\r\n", nil)
	if w.StatusCode != http.StatusFound || len(bait.Received()) != 0 {
		t.Errorf("status = %d, bait got %q", w.StatusCode, bait.Received())
	}
}

func TestWithoutExchange(t *testing.T) {
	u, err := upstream.New(upstream.Config{URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	u.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if w.Code != 500 {
		t.Errorf("status = %d, want 500", w.Code)
	}
}
