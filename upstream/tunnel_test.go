package upstream_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/upstream"
)

const (
	upgrade = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Warder-Owner: evil\r\n\r\n"
	switched = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nX-Warder-Owner: evil\r\n\r\n"
)

// opened is a tunnel with its upstream's end.
func opened(t *testing.T) (*front, *wire.Client, *wire.Upstream, *wire.Conn) {
	t.Helper()
	ends := make(chan *wire.Conn, 1)
	done := make(chan struct{})
	u := wire.Listen(t, func(c *wire.Conn) {
		if _, err := c.Head(); err != nil {
			return
		}
		c.Say(switched + "first")
		ends <- c
		<-done
	})
	t.Cleanup(func() { close(done) }) // before the upstream's own, which waits for serve
	f := newFront(t, upstream.Config{URL: u.URL()}, nil)
	c := wire.Dial(t, f.addr())
	c.Send(upgrade + "early") // a client may speak before the answer came
	w, err := http.ReadResponse(c.Reader, &http.Request{Method: http.MethodGet})
	if err != nil || w.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("response = %v, %v; want 101", w, err)
	}
	if w.Header.Get("Upgrade") != "websocket" || w.Header.Get("Sec-WebSocket-Accept") == "" || w.Header.Get("X-Warder-Owner") != "" {
		t.Errorf("header = %v", w.Header)
	}
	return f, c, u, <-ends
}

func expect(t *testing.T, from io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(from, got); err != nil || string(got) != want {
		t.Errorf("got %q, %v; want %q", got[:n], err, want)
	}
}

func TestProxy10WebSocket(t *testing.T) {
	attack.Case(t, "PROXY-10", attack.Library, func(t *testing.T) {
		t.Run("both ways, and the client closes", func(t *testing.T) {
			f, c, u, end := opened(t)
			expect(t, c.Reader, "first")
			expect(t, end.Reader, "early")
			for _, text := range []string{"ping", strings.Repeat("x", 100_000)} {
				go c.Send(text)
				expect(t, end.Reader, text)
				go end.Say(text)
				expect(t, c.Reader, text)
			}
			head, _, _ := strings.Cut(u.Received()[0], "\r\n\r\n")
			if !strings.Contains(head, "\r\nX-Warder-Owner: acme") || strings.Contains(head, "evil") || !strings.Contains(head, "\r\nUpgrade: websocket") {
				t.Errorf("the upstream got %q", head)
			}
			_ = c.Close()
			if _, err := end.Reader.ReadByte(); err == nil {
				t.Error("the upstream's end did not close")
			}
			if o := f.outcome(t); !o.Hijacked || o.Status != 101 {
				t.Errorf("outcome = %+v", o)
			}
		})
		t.Run("the upstream closes", func(t *testing.T) {
			f, c, _, end := opened(t)
			end.Say("bye")
			_ = end.Close()
			if rest, closed := c.Rest(); rest != "firstbye" || !closed {
				t.Errorf("got %q, closed %v", rest, closed)
			}
			f.outcome(t)
		})
		t.Run("a half-closed client gets what is under way", func(t *testing.T) {
			f, c, _, end := opened(t)
			if tcp, ok := c.Conn.(*net.TCPConn); ok {
				_ = tcp.CloseWrite()
			}
			expect(t, end.Reader, "early")
			if _, err := end.Reader.ReadByte(); err == nil {
				t.Error("the upstream's end was not told")
			}
			end.Say("last")
			expect(t, c.Reader, "firstlast")
			f.outcome(t) // within linger, although the upstream does not close
		})
		t.Run("a client that vanishes reaches the upstream", func(t *testing.T) {
			f, c, _, end := opened(t)
			left := time.Now()
			reset(t, c.Conn)
			_, _ = io.Copy(io.Discard, end.Reader)
			if took := time.Since(left); took > 2*time.Second {
				t.Errorf("closed after %v", took)
			}
			f.outcome(t)
		})
		t.Run("the upstream says no", func(t *testing.T) {
			for _, text := range []string{wire.OK, "HTTP/1.1 426 Upgrade Required\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nok"} {
				u := wire.Listen(t, wire.Answer(text))
				f := newFront(t, upstream.Config{URL: u.URL()}, nil)
				w, body := f.ask(t, http.MethodGet, upgrade)
				if w.StatusCode == 101 || body != "ok" || w.Header.Get("Upgrade") != "" {
					t.Errorf("got %d %q %v, want the answer as it is", w.StatusCode, body, w.Header)
				}
			}
		})
		t.Run("the upstream switches to something else", func(t *testing.T) {
			for _, to := range []string{"h2c", "websocket, h2c", ""} {
				u := wire.Listen(t, wire.Answer("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+to+"\r\n\r\n"))
				f := newFront(t, upstream.Config{URL: u.URL()}, nil)
				if w, _ := f.ask(t, http.MethodGet, upgrade); w.StatusCode != http.StatusBadGateway {
					t.Errorf("to %q: status = %d, want 502", to, w.StatusCode)
				}
				u.Await(t, func(_ []string, closed int) bool { return closed == 1 })
			}
		})
	})
}

func TestASilentTunnelIsClosed(t *testing.T) {
	u := wire.Listen(t, func(c *wire.Conn) {
		if _, err := c.Head(); err == nil {
			c.Say(switched + "first")
			c.Drain()
		}
	})
	f := newFront(t, upstream.Config{URL: u.URL(), TunnelIdleTimeout: 100 * time.Millisecond}, nil)
	c := wire.Dial(t, f.addr())
	c.Send(upgrade)
	if w, err := http.ReadResponse(c.Reader, &http.Request{Method: http.MethodGet}); err != nil || w.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("response = %v, %v; want 101", w, err)
	}
	if rest, closed := c.Rest(); rest != "first" || !closed {
		t.Errorf("got %q, closed %v; want a close after the first bytes", rest, closed)
	}
	u.Await(t, func(_ []string, closed int) bool { return closed == 1 })
	if o := f.outcome(t); o.Reason != "tunnel-idle" || !o.Hijacked {
		t.Errorf("outcome = %+v, want tunnel-idle", o)
	}
}

func TestATunnelThatSpeaksOneWayStays(t *testing.T) {
	const pieces = 30
	u := wire.Listen(t, func(c *wire.Conn) {
		if _, err := c.Head(); err != nil {
			return
		}
		c.Say(switched)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for range pieces {
			<-tick.C
			c.Say(".")
		}
	})
	f := newFront(t, upstream.Config{URL: u.URL(), TunnelIdleTimeout: 200 * time.Millisecond}, nil)
	c := wire.Dial(t, f.addr())
	c.Send(upgrade)
	if _, err := http.ReadResponse(c.Reader, &http.Request{Method: http.MethodGet}); err != nil {
		t.Fatal(err)
	}
	expect(t, c.Reader, strings.Repeat(".", pieces))
}

func TestATunnelsClientThatTakesNothingIsLeft(t *testing.T) {
	u := wire.Listen(t, func(c *wire.Conn) {
		if _, err := c.Head(); err != nil {
			return
		}
		c.Say(switched)
		_, _ = io.Copy(c.Conn, zeros{}) // until we close
	})
	f := newFront(t, upstream.Config{URL: u.URL(), WriteTimeout: 100 * time.Millisecond}, nil)
	c := wire.Dial(t, f.addr())
	c.Send(upgrade)
	if o := f.outcome(t); !o.Hijacked {
		t.Errorf("outcome = %+v, want an end", o)
	}
}
