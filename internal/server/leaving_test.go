//go:build unix

package server_test

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// A hanging upstream takes a request, says what its path has it say, and no more. It
// counts the connections on which something came, and those that ended.
type hanging struct {
	*wire.Upstream

	began, ended atomic.Int32
}

func newHanging(t *testing.T, say map[string]string) *hanging {
	t.Helper()
	h := new(hanging)
	h.Upstream = wire.Listen(t, func(c *wire.Conn) {
		defer h.ended.Add(1)
		if _, err := c.Reader.Peek(1); err != nil {
			return
		}
		if say == nil { // a handshake
			h.began.Add(1)
			c.Drain()
			return
		}
		head, err := c.Head()
		if err != nil {
			return
		}
		h.began.Add(1)
		c.Say(say[strings.Fields(head)[1]])
		c.Drain()
	})
	return h
}

// unconnected is a listener whose queue is full and stays so: whoever connects waits.
// dialing reports whether somebody does.
func unconnected(t *testing.T) (address string, dialing func() bool) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	raw, err := l.(*net.TCPListener).SyscallConn() //nolint:forcetypeassert,errcheck // it listens to TCP
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 0) }); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for full := false; !full; {
		conn, err := (&net.Dialer{Timeout: 100 * time.Millisecond}).DialContext(t.Context(), "tcp", l.Addr().String())
		if full = err != nil; !full {
			t.Cleanup(func() { _ = conn.Close() })
		}
	}
	at, _ := l.Addr().(*net.TCPAddr)
	to := fmt.Sprintf(" %08X:%04X 02 ", binary.NativeEndian.Uint32(at.IP.To4()), at.Port) // 02: SYN sent
	return l.Addr().String(), func() bool {
		sockets, err := os.ReadFile("/proc/net/tcp")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(sockets), to)
	}
}

// withinASecond waits until done is true: for a hundred ticks of 10 ms. A tick that
// comes late is one, however late, so that a machine that stands still uses up nothing.
func withinASecond(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 100 {
		if done() {
			return
		}
		<-tick.C
	}
	t.Errorf("%s: not within a second", what)
}

// TestClientsThatLeave leave while the upstream does not take the connection, the
// handshake, or hangs before its answer or within it: nothing but their leaving ends
// what they began, for all other bounds are minutes away.
func TestClientsThatLeave(t *testing.T) {
	hangs := newHanging(t, map[string]string{
		"/body": "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabc", "/stream": "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: abc\n\n",
	})
	handshake := newHanging(t, nil)
	nowhere, dialing := unconnected(t)
	secure, client := overTLS(t)
	logged := newRecords()
	p := start(t, hangs.URL(), settings{access: logged, yaml: secure + `
timeouts: {connect: 5m, response: 1d, body_idle: 10m, write: 10m}
routes:
  - {match: "/", upstream: api, public: true}
  - {match: "/connect", upstream: nowhere, public: true}
  - {match: "/handshake", upstream: handshake, public: true}
`}.withUpstreams("  nowhere: {url: 'http://"+nowhere+"'}\n  handshake: {url: 'https://"+handshake.Addr()+"'}\n"))
	over1 := func(t *testing.T, row *leaving) (leave func()) {
		t.Helper()
		conn, err := (&tls.Dialer{Config: client}).DialContext(t.Context(), "tcp", p.gateway)
		if err != nil {
			t.Fatal(err)
		}
		c := clientOn(conn)
		c.Send(row.method + " " + row.path + " HTTP/1.1\r\nHost: localhost\r\n" + map[bool]string{true: "Content-Length: 99\r\n\r\nabc", false: "\r\n"}[row.method == http.MethodPost])
		if row.answered {
			if line, err := c.Reader.ReadString('\n'); err != nil || !strings.Contains(line, " 200 ") {
				t.Errorf("the answer began %q, %v", line, err)
			}
		}
		return func() { _ = conn.Close() }
	}
	over2 := func(t *testing.T, row *leaving) (leave func()) {
		t.Helper()
		h := wire.DialHTTP2(t, p.gateway, client, patience)
		t.Cleanup(func() { _ = h.Close() })
		body := map[bool]string{true: "-"}[row.method == http.MethodPost]
		if err := h.SendRequest(1, body, wire.Getting(":method", row.method, ":path", row.path)...); err != nil {
			t.Fatal(err)
		}
		for answered := !row.answered; !answered; {
			frame, err := h.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			_, answered = frame.(*http2.DataFrame)
		}
		return func() { _ = h.WriteRSTStream(1, http2.ErrCodeCancel) }
	}
	attack.Case(t, "PROXY-14", attack.Gateway, func(t *testing.T) {
		before := runtime.NumGoroutine()
		for i := range leavings() {
			row := &leavings()[i]
			began, ended := func() bool { return dialing() }, func() bool { return !dialing() }
			if at := map[string]*hanging{"/connect": nil, "/handshake": handshake}[row.path]; row.path != "/connect" {
				if at == nil {
					at = hangs
				}
				began, ended = func() bool { return at.began.Load() > at.ended.Load() }, func() bool { return at.began.Load() == at.ended.Load() }
			}
			for protocol, ask := range map[string]func(*testing.T, *leaving) func(){"HTTP/1.1": over1, "HTTP/2": over2} {
				t.Run(row.name+", "+protocol, func(t *testing.T) {
					leave := ask(t, row)
					eventually(t, func() (struct{}, bool) { return struct{}{}, began() })
					leave()
					withinASecond(t, "the upstream is let go", ended)
					if reason := logged.reason(t, row.name); reason != row.reason {
						t.Errorf("the log says %q, want %s", reason, row.reason)
					}
				})
			}
		}
		eventually(t, func() (struct{}, bool) { return struct{}{}, runtime.NumGoroutine() <= before })
	})
}

// leaving is where a client leaves.
type leaving struct {
	name, method, path string
	answered           bool   // the answer has begun
	reason             string // in the log
}

func leavings() []leaving {
	return []leaving{
		{"at the connection", http.MethodGet, "/connect", false, "client-gone"},
		{"at the handshake", http.MethodGet, "/handshake", false, "client-gone"},
		{"before the answer", http.MethodGet, "/head", false, "client-gone"},
		{"while it sends", http.MethodPost, "/head", false, "body-invalid"},             // it ends before its length
		{"in an answer of known length", http.MethodGet, "/body", false, "client-gone"}, // of which nothing is sent on before there is more
		{"in a stream", http.MethodGet, "/stream", true, "client-gone"},
	}
}

// TestUpstreamsThatHang until the gateway's patience ends, which waits for none of them
// longer than it is told. How long it waits within an answer, minutes, is the library's:
// see there.
func TestUpstreamsThatHang(t *testing.T) {
	hangs, handshake := newHanging(t, map[string]string{}), newHanging(t, nil)
	nowhere, dialing := unconnected(t)
	p := start(t, hangs.URL(), settings{yaml: `
timeouts: {connect: 50ms, response: 50ms}
routes:
  - {match: "/", upstream: api, public: true}
  - {match: "/connect", upstream: nowhere, public: true}
  - {match: "/handshake", upstream: handshake, public: true}
`}.withUpstreams("  nowhere: {url: 'http://"+nowhere+"'}\n  handshake: {url: 'https://"+handshake.Addr()+"'}\n"))
	attack.Case(t, "PROXY-14", attack.Gateway, func(t *testing.T) {
		for _, path := range []string{"/connect", "/handshake", "/head"} {
			c := wire.Dial(t, p.gateway)
			c.Send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n")
			w, body := c.Response(http.MethodGet)
			if w == nil || w.StatusCode != http.StatusGatewayTimeout || strings.Contains(body, "127.0.0.1") {
				t.Errorf("%s: %v %q, want 504 and no address", path, w, body)
			}
			_ = c.Close()
		}
		eventually(t, func() (struct{}, bool) {
			return struct{}{}, !dialing() && hangs.began.Load() == 1 && hangs.ended.Load() == 1 && handshake.ended.Load() == 1
		})
	})
}
