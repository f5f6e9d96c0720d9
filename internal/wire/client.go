package wire

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// A Client is a TCP connection that sends bytes as they are. All of it happens
// within [Patience]; it closes with its test.
type Client struct {
	net.Conn
	Reader *bufio.Reader
}

// Dial connects to addr, host:port.
func Dial(tb testing.TB, addr string) *Client {
	tb.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(tb.Context(), "tcp", addr)
	if err != nil {
		tb.Fatalf("wire: dial: %v", err)
	}
	if err := conn.SetDeadline(time.Now().Add(Patience)); err != nil {
		tb.Fatalf("wire: deadline: %v", err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	return &Client{Conn: conn, Reader: bufio.NewReader(conn)}
}

// Send writes text. A peer that closed already is no error: the test sees it
// in what it reads.
func (c *Client) Send(text string) { _, _ = io.WriteString(c.Conn, text) }

// Response reads one response to a request of the method, with its body. nil
// means that the connection ended without one.
func (c *Client) Response(method string) (*http.Response, string) {
	w, err := http.ReadResponse(c.Reader, &http.Request{Method: method})
	if err != nil {
		return nil, ""
	}
	body, _ := io.ReadAll(w.Body) // a cut body is as long as it is
	_ = w.Body.Close()
	return w, string(body)
}

// Rest reads until the peer closes, and returns what came. closed is false
// when the peer did not close in time.
func (c *Client) Rest() (text string, closed bool) {
	rest, err := io.ReadAll(c.Reader)
	var timeout net.Error
	if ne, ok := err.(net.Error); ok { //nolint:errorlint // the connection's own error, not wrapped
		timeout = ne
	}
	return string(rest), timeout == nil || !timeout.Timeout()
}

// given are the ports that FreeAddress has returned.
var given sync.Map //nolint:gochecknoglobals // ports are of the whole process

// FreeAddress returns a loopback address that nobody listens on right now, and none
// twice: for programs that cannot be told to take any port. Prefer port 0. It is below the
// ports that systems give to whoever wants any, or connects: one of those may be somebody
// else's by the time that the program listens.
func FreeAddress(tb testing.TB) string {
	tb.Helper()
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000))
		if _, again := given.LoadOrStore(address, true); again {
			continue
		}
		if l, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", address); err == nil {
			_ = l.Close() // only its number was wanted
			return address
		}
	}
	tb.Fatal("wire: no port from 20000 to 31999 is free")
	return ""
}
