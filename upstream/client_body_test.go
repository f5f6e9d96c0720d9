package upstream_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/upstream"
)

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

// A refusal while the transport reads the body: under the race detector this
// test sees a body that two goroutines touch.
func TestABodyUnderWayIsStoppedBeforeARefusal(t *testing.T) {
	for _, answer := range []string{
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n",
	} {
		u := wire.Listen(t, func(c *wire.Conn) {
			if _, err := c.Head(); err == nil {
				c.Say(answer)
				c.Drain()
			}
		})
		server, outcomes := newServed(t, upstream.Config{URL: u.URL()})
		for range 20 {
			c := wire.Dial(t, server)
			c.Send("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
			var sending sync.WaitGroup
			sending.Go(func() {
				for err := error(nil); err == nil; {
					_, err = io.WriteString(c, "1\r\na\r\n")
				}
			})
			if o := <-outcomes; o.Status != http.StatusBadGateway || o.Reason != "bad-response" {
				t.Errorf("%.20q: got %d %q, want 502 bad-response", answer, o.Status, o.Reason)
			}
			_ = c.Close()
			sending.Wait()
		}
	}
}

// newServed is an upstream behind the real server, whose bodies have deadlines.
func newServed(t *testing.T, cfg upstream.Config) (addr string, outcomes <-chan exchange.Outcome) {
	t.Helper()
	u, err := upstream.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e := &edge{done: make(chan exchange.Outcome, 1000)}
	server, err := httpserver.New(httpserver.Config{Handler: exchange.Wrap(e, u), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), wire.Patience)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-stopped; err != nil {
			t.Errorf("Serve: %v", err)
		}
		u.CloseIdleConnections()
	})
	return l.Addr().String(), e.done
}
