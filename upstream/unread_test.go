package upstream_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/upstream"
)

// A careless upstream answers each head at once and never reads a body: it takes
// what follows for the next request, unless it was told that there is none.
type careless struct {
	*wire.Upstream

	mu    sync.Mutex
	heads []string
}

func newCareless(t *testing.T) *careless {
	t.Helper()
	u := new(careless)
	u.Upstream = wire.Listen(t, func(c *wire.Conn) {
		for {
			head, err := c.Head()
			if err != nil {
				return
			}
			u.mu.Lock()
			u.heads = append(u.heads, head)
			u.mu.Unlock()
			if strings.HasPrefix(head, "HEAD ") {
				c.Say(strings.TrimSuffix(wire.OK, "ok"))
			} else {
				c.Say(wire.OK)
			}
			if strings.Contains(head, "\r\nConnection: close\r\n") {
				c.Drain()
				return
			}
		}
	})
	return u
}

// acted returns how often the upstream took text for a part of a request's head.
func (u *careless) acted(text string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return strings.Count(strings.Join(u.heads, ""), text)
}

// forged is a body that is a request with an identity of its own making.
const forged = "GET /admin HTTP/1.1\r\nHost: a\r\nX-Warder-Owner: root\r\nX-Warder-Scopes: root:all\r\n\r\n"

// smuggle sends forged as the body of a request, in both framings, with the
// next request of somebody else behind it.
func smuggle(t *testing.T, cfg upstream.Config, method string, set func(*exchange.Exchange)) (u *careless, f *front) {
	t.Helper()
	u = newCareless(t)
	cfg.URL = u.URL()
	f = newFront(t, cfg, set)
	for _, body := range []string{
		fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(forged), forged),
		fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(forged), forged),
	} {
		if w, _ := f.ask(t, method, method+" /a HTTP/1.1\r\nHost: a\r\n"+body); w.StatusCode != http.StatusOK {
			t.Errorf("%s: status = %d, want 200", method, w.StatusCode)
		}
		if w, _ := f.ask(t, http.MethodGet, get); w.StatusCode != http.StatusOK {
			t.Errorf("after %s: status = %d, want 200", method, w.StatusCode)
		}
	}
	f.CloseClientConnections()
	f.upstream.CloseIdleConnections()
	u.Await(t, func(received []string, closed int) bool { return closed == len(received) }) // all was read
	return u, f
}

func stranger(x *exchange.Exchange) { x.Principal = exchange.Principal{} }

func TestAnUnreadBodyIsNoRequest(t *testing.T) {
	attack.Case(t, "SMUG-17", attack.Library, func(t *testing.T) {
		for _, method := range []string{"GET", "HEAD", "DELETE", "OPTIONS", "PROPFIND"} {
			u, f := smuggle(t, upstream.Config{}, method, nil)
			if n := u.acted("/admin"); n != 0 {
				t.Errorf("%s: the upstream took the body for a request, %d times", method, n)
			}
			if n := f.upstream.Poisoned(); n != 0 {
				t.Errorf("%s: Poisoned = %d, want 0", method, n)
			}
		}
	})
	attack.Case(t, "PROXY-02", attack.Library, func(t *testing.T) {
		for _, method := range []string{"GET", "HEAD", "DELETE", "OPTIONS", "POST", "PUT", "PATCH"} {
			u, _ := smuggle(t, upstream.Config{}, method, stranger)
			if n := u.acted("X-Warder-Owner: root"); n != 0 {
				t.Errorf("%s: the upstream read a stranger's identity, %d times", method, n)
			}
		}
	})
	for _, method := range []string{"POST", "PUT", "PATCH"} {
		u, _ := smuggle(t, upstream.Config{NoReuseAfterBody: true}, method, nil)
		if n := u.acted("/admin"); n != 0 {
			t.Errorf("%s with NoReuseAfterBody: the upstream took the body for a request, %d times", method, n)
		}
	}
}

func TestConnectionsAreKeptWhereTheBodyIsRead(t *testing.T) {
	u := wire.Listen(t, wire.Answer(wire.OK))
	f := newFront(t, upstream.Config{URL: u.URL()}, nil)
	for _, method := range []string{"POST", "PUT", "PATCH"} {
		if w, _ := f.ask(t, method, method+" /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"); w.StatusCode != http.StatusOK {
			t.Errorf("%s: status = %d, want 200", method, w.StatusCode)
		}
		f.outcome(t)
	}
	if w, _ := f.ask(t, http.MethodDelete, "DELETE /a HTTP/1.1\r\nHost: a\r\n\r\n"); w.StatusCode != http.StatusOK {
		t.Errorf("DELETE: status = %d, want 200", w.StatusCode)
	}
	if n := len(u.Received()); n != 1 {
		t.Errorf("%d connections to the upstream, want 1", n)
	}
}

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func TestUnaskedBytesAreToldAndCounted(t *testing.T) {
	for name, tt := range map[string]struct {
		behind string
		later  bool // in a packet of its own
		want   uint64
	}{
		"with the response":     {"HTTP/1.1 200 OK\r\nX: s3cret\r\n\r\n", false, 1},
		"behind the response":   {"HTTP/1.1 200 OK\r\nX: s3cret\r\n\r\n", true, 1},
		"no HTTP":               {"s3cret", true, 1},
		"an idle time-out":      {"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n", true, 0},
		"nothing but the close": {"", true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			taken := make(chan struct{})
			u := wire.Listen(t, func(c *wire.Conn) {
				if _, err := c.Request(); err != nil {
					return
				}
				if !tt.later {
					c.Say(wire.OK + tt.behind)
					c.Drain()
					return
				}
				c.Say(wire.OK)
				<-taken
				c.Say(tt.behind)
				if tt.behind != "" {
					c.Drain()
				}
			})
			var log logBuffer
			f := newFront(t, upstream.Config{URL: u.URL(), Name: "api", Log: slog.New(slog.NewTextHandler(&log, nil))}, nil)
			f.ask(t, http.MethodPost, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na")
			f.outcome(t)
			close(taken)
			u.Await(t, func(_ []string, closed int) bool { return closed == 1 || tt.behind == "" })
			if got := f.upstream.Poisoned(); got != tt.want {
				t.Errorf("Poisoned = %d, want %d", got, tt.want)
			}
			text := log.String()
			if got := strings.Count(text, "nobody asked for"); uint64(got) != tt.want || strings.Contains(text, "s3cret") {
				t.Errorf("log = %q, want %d warnings without the bytes", text, tt.want)
			}
			if tt.want > 0 && !strings.Contains(text, "level=WARN") {
				t.Errorf("log = %q, want a warning", text)
			}
		})
	}
}
