package upstream_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/exchange"
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
	secure.Config.ErrorLog = quiet()
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

func TestBrokenClientBodies(t *testing.T) {
	const chunked = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	smuggled := "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
	cases := map[string][]string{
		"SMUG-12": {
			"3\r\nabc\r\n0x5\r\nabcde\r\n0\r\n\r\n", "3\r\nabc\r\n+5\r\nabcde\r\n0\r\n\r\n", "3\r\nabc\r\n 5\r\nabcde\r\n0\r\n\r\n",
			"3\r\nabc\r\n5_0\r\nabcde\r\n0\r\n\r\n", "3\r\nabc\r\n00000000000000005\r\nabcde\r\n0\r\n\r\n", "3\r\nabc\r\n\r\nabcde\r\n0\r\n\r\n",
		},
		"SMUG-13": {
			"3\r\nabc\r\n5;a\nabcde\r\n0\r\n\r\n", "3\r\nabc\r\n5;" + strings.Repeat("a", 64<<10) + "\r\nabcde\r\n0\r\n\r\n",
			"3\r\nabc\r\n5;a=\"\r\n\"\r\nabcde\r\n0\r\n\r\n",
		},
		"SMUG-14": {"3\r\nabc\r\n5\r\nabcdeX\r\n0\r\n\r\n", "3\r\nabc\r\n5\r\nabcde0\r\n\r\n", "3\r\nabc5\r\nabcde\r\n0\r\n\r\n", "3\r\nabc\n0\r\n\r\n"},
	}
	for id, bodies := range cases {
		attack.Case(t, id, attack.Library, func(t *testing.T) {
			for _, body := range bodies {
				u := wire.Listen(t, wire.Answer(wire.OK))
				f := newFront(t, upstream.Config{URL: u.URL()}, nil)
				c := wire.Dial(t, f.addr())
				c.Send(chunked + body + smuggled)
				w, _ := c.Response(http.MethodPost)
				if w == nil || w.StatusCode != http.StatusBadRequest {
					t.Errorf("%.40q: got %v, want 400", body, w)
				}
				if rest, closed := c.Rest(); !closed || rest != "" {
					t.Errorf("%.40q: after it %q, closed %v; want a close", body, rest, closed)
				}
				u.Await(t, func(received []string, closed int) bool { return closed == len(received) })
				if text := strings.Join(u.Received(), ""); strings.Contains(text, "0\r\n\r\n") || strings.Contains(text, "smuggled") {
					t.Errorf("%.40q: the upstream got %q", body, text)
				}
				if o := f.outcome(t); o.Reason != "body-invalid" {
					t.Errorf("%.40q: reason = %q, want body-invalid", body, o.Reason)
				}
			}
		})
	}
	attack.Case(t, "SMUG-12", attack.Library, func(t *testing.T) { // a blank behind the size: one meaning, which the upstream shares
		u := wire.Listen(t, wire.Answer(wire.OK))
		f := newFront(t, upstream.Config{URL: u.URL()}, nil)
		c := wire.Dial(t, f.addr())
		c.Send(chunked + "5 \r\nabcde\r\n0\r\n\r\n")
		w, _ := c.Response(http.MethodPost)
		if text := u.Received()[0]; w == nil || w.StatusCode != 400 && !strings.HasSuffix(text, "\r\n\r\n5\r\nabcde\r\n0\r\n\r\n") {
			t.Errorf("got %v, upstream %q", w, text)
		}
	})
}

func TestClientBodyFailures(t *testing.T) {
	for _, tt := range []struct {
		name, request string
		limit         int64
		deadline      bool
		half          bool
		status        int
		reason        string
	}{
		{"over the limit", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabcdefghi\r\n0\r\n\r\n", 4, false, false, 413, "body-too-large"},
		{"stalls", "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", 0, true, false, 408, "body-timeout"},
		{"ends early", "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", 0, false, true, 400, "body-invalid"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := wire.Listen(t, wire.Answer(wire.OK))
			v, err := upstream.New(upstream.Config{URL: u.URL()})
			if err != nil {
				t.Fatal(err)
			}
			defer v.CloseIdleConnections()
			e := &edge{set: func(x *exchange.Exchange) { x.BodyLimit = tt.limit }, done: make(chan exchange.Outcome, 1)}
			inner := exchange.Wrap(e, v)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if tt.deadline {
					if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
						t.Error(err)
					}
				}
				inner.ServeHTTP(w, r)
			}))
			defer server.Close()
			c := wire.Dial(t, server.Listener.Addr().String())
			c.Send(tt.request)
			if tcp, ok := c.Conn.(*net.TCPConn); ok && tt.half {
				_ = tcp.CloseWrite()
			}
			w, _ := c.Response(http.MethodPost)
			if w == nil || w.StatusCode != tt.status {
				t.Errorf("got %v, want %d", w, tt.status)
			}
			if o := <-e.done; o.Reason != tt.reason {
				t.Errorf("reason = %q, want %q", o.Reason, tt.reason)
			}
			u.Await(t, func(received []string, closed int) bool {
				return closed == len(received) && !strings.Contains(strings.Join(received, ""), "0\r\n\r\n")
			})
		})
	}
}

func TestSmug17BodiesOfSafeMethods(t *testing.T) {
	attack.Case(t, "SMUG-17", attack.Library, func(t *testing.T) {
		for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
			for _, body := range []string{
				"Content-Length: 35\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
				"Transfer-Encoding: chunked\r\n\r\n23\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n\r\n0\r\n\r\n",
			} {
				u := wire.Listen(t, wire.Answer(strings.TrimSuffix(wire.OK, "ok")+map[bool]string{false: "ok"}[method == "HEAD"]))
				f := newFront(t, upstream.Config{URL: u.URL()}, nil)
				c := wire.Dial(t, f.addr())
				c.Send(method + " /a HTTP/1.1\r\nHost: a\r\n" + body)
				if w, _ := c.Response(method); w == nil || w.StatusCode != 200 {
					t.Fatalf("%s: %v", method, w)
				}
				f.outcome(t)
				_, forwarded, _ := strings.Cut(u.Received()[0], "\r\n\r\n")
				if _, want, _ := strings.Cut(body, "\r\n\r\n"); forwarded != want {
					t.Errorf("%s: the upstream's body = %q, want %q", method, forwarded, want)
				}
				r, err := http.ReadRequest(readerOf(u.Received()[0]))
				if err != nil || r.ContentLength == 0 {
					t.Errorf("%s: the body is not framed as one: %q", method, u.Received()[0])
				}
				select {
				case o := <-f.edge.done:
					t.Errorf("%s: a second request was judged: %+v", method, o)
				default:
				}
			}
		}
	})
}

func TestSmug22To24(t *testing.T) {
	attack.Case(t, "SMUG-22", attack.Library, func(t *testing.T) {
		u := wire.Listen(t, wire.Answer(wire.OK))
		f := newFront(t, upstream.Config{URL: u.URL()}, nil)
		c := wire.Dial(t, f.addr())
		c.Send("POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n")
		for range 2 {
			if w, _ := c.Response(http.MethodPost); w == nil || w.StatusCode != 200 {
				t.Fatalf("response = %v", w)
			}
			f.outcome(t) // both were judged
		}
		all := strings.Join(u.Received(), "")
		if strings.Count(all, "POST /first HTTP/1.1\r\n") != 1 || strings.Count(all, "GET /second HTTP/1.1\r\n") != 1 || strings.Count(all, "X-Warder-Key-Id: key1") != 2 {
			t.Errorf("the upstream got %q", all)
		}
	})
	attack.Case(t, "SMUG-23", attack.Library, func(t *testing.T) {
		closed := wire.Listen(t, wire.Answer(""))
		closed.Close()
		f := newFront(t, upstream.Config{URL: closed.URL()}, nil)
		c := wire.Dial(t, f.addr())
		c.Send("POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 38\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
		if w, _ := c.Response(http.MethodPost); w == nil || w.StatusCode != 502 || !w.Close {
			t.Errorf("response = %v, want 502 and a close before any 100", w)
		}
		if rest, ended := c.Rest(); rest != "" || !ended {
			t.Errorf("after it %q, closed %v", rest, ended)
		}
	})
	attack.Case(t, "SMUG-24", attack.Library, func(t *testing.T) {
		for _, framing := range []string{"Content-Length: 100\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n64\r\nabc"} {
			u := wire.Listen(t, func(c *wire.Conn) {
				if _, err := c.Head(); err == nil {
					c.Say(wire.OK) // at once, and the connection stays open
					c.Drain()
				}
			})
			f := newFront(t, upstream.Config{URL: u.URL()}, nil)
			c := wire.Dial(t, f.addr())
			c.Send("POST /a HTTP/1.1\r\nHost: a\r\n" + framing)
			w, body := c.Response(http.MethodPost)
			if w == nil || w.StatusCode != 200 || body != "ok" || !w.Close {
				t.Errorf("response = %v %q, want 200 and Connection: close", w, body)
			}
			c.Send(strings.Repeat("x", 97) + "\r\n0\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n")
			if rest, closed := c.Rest(); !closed || strings.Contains(rest, "HTTP/1.1") {
				t.Errorf("after it %q, closed %v", rest, closed)
			}
			u.Await(t, func(_ []string, closed int) bool { return closed == 1 })
			if text := strings.Join(u.Received(), ""); strings.Contains(text, "second") || strings.Contains(text, "xxx") {
				t.Errorf("the upstream got %q", text)
			}
		}
	})
}

func TestNoProxyFromTheEnvironmentAndNoRedirect(t *testing.T) {
	if os.Getenv("HTTP_PROXY") != "" {
		t.Log("HTTP_PROXY is set already")
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
	u.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil))
	if w.Code != 500 {
		t.Errorf("status = %d, want 500", w.Code)
	}
}
