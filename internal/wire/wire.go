// Package wire speaks HTTP/1.1 in bytes, for tests that must see what a client
// library hides: an upstream that keeps what it was sent verbatim, per
// connection, and a client that sends bytes as they are.
package wire

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// Patience is how long a helper waits before it calls a test failed.
const Patience = 5 * time.Second

// An Upstream is a TCP server on a port of its own that records what it reads.
// It is safe for concurrent use and stops with its test.
type Upstream struct {
	listener net.Listener
	done     sync.WaitGroup

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when something is recorded
	conns   []*Conn
}

// A Conn is one accepted connection. Reading from it records.
type Conn struct {
	net.Conn
	Index    int           // order of acceptance, from 0
	Reader   *bufio.Reader // reads the connection, and records
	upstream *Upstream
	received strings.Builder // guarded by upstream.mu
	ended    bool            // the peer closed; guarded by upstream.mu
}

// Listen starts an Upstream on loopback. serve runs for each connection and
// closes it by returning.
func Listen(tb testing.TB, serve func(*Conn)) *Upstream {
	tb.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("wire: listen: %v", err)
	}
	u := &Upstream{listener: listener, changed: make(chan struct{})}
	u.done.Go(func() { u.accept(serve) })
	tb.Cleanup(u.Close)
	return u
}

func (u *Upstream) accept(serve func(*Conn)) {
	for {
		conn, err := u.listener.Accept()
		if err != nil {
			return
		}
		c := &Conn{Conn: conn, upstream: u}
		c.Reader = bufio.NewReader(recording{c})
		u.mu.Lock()
		c.Index = len(u.conns)
		u.conns = append(u.conns, c)
		u.tell()
		u.mu.Unlock()
		u.done.Go(func() {
			defer conn.Close() //nolint:errcheck // the test is done with it
			serve(c)
		})
	}
}

// Close stops listening, closes every connection and waits for their serve.
func (u *Upstream) Close() {
	_ = u.listener.Close()
	u.mu.Lock()
	for _, c := range u.conns {
		_ = c.Close()
	}
	u.mu.Unlock()
	u.done.Wait()
}

// Addr is the address, host:port.
func (u *Upstream) Addr() string { return u.listener.Addr().String() }

// URL is the address as a URL without a path.
func (u *Upstream) URL() string { return "http://" + u.Addr() }

// Received returns what each connection was sent so far, verbatim.
func (u *Upstream) Received() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	texts := make([]string, len(u.conns))
	for i, c := range u.conns {
		texts[i] = c.received.String()
	}
	return texts
}

// Await waits until condition holds for what was received, and for the number
// of connections that the peer closed.
func (u *Upstream) Await(tb testing.TB, condition func(received []string, closed int) bool) {
	tb.Helper()
	deadline := time.After(Patience)
	for {
		u.mu.Lock()
		changed, closed := u.changed, 0
		for _, c := range u.conns {
			if c.ended {
				closed++
			}
		}
		u.mu.Unlock()
		received := u.Received()
		if condition(received, closed) {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			tb.Fatalf("wire: waited in vain; %d connections closed, received %q", closed, received)
		}
	}
}

// tell wakes those who wait; u.mu is held.
func (u *Upstream) tell() {
	close(u.changed)
	u.changed = make(chan struct{})
}

// recording reads a connection and keeps a copy.
type recording struct{ c *Conn }

func (r recording) Read(p []byte) (int, error) {
	n, err := r.c.Read(p)
	u := r.c.upstream
	u.mu.Lock()
	defer u.mu.Unlock()
	r.c.received.Write(p[:n])
	r.c.ended = r.c.ended || err != nil
	u.tell()
	return n, err
}

// Head reads up to and with the blank line that ends a head.
func (c *Conn) Head() (string, error) {
	var head strings.Builder
	for {
		line, err := c.Reader.ReadString('\n')
		head.WriteString(line)
		if err != nil || line == "\r\n" {
			return head.String(), err
		}
	}
}

// Request reads a whole request, its body included.
func (c *Conn) Request() (*http.Request, error) {
	r, err := http.ReadRequest(c.Reader)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, r.Body)
	return r, err
}

// Say writes text as it is; errors show in what the test waits for.
func (c *Conn) Say(text string) { _, _ = io.WriteString(c.Conn, text) }

// Drain reads, and records, until the peer closes.
func (c *Conn) Drain() { _, _ = io.Copy(io.Discard, c.Reader) }

// Answer is a serve function that answers each whole request with text.
func Answer(text string) func(*Conn) {
	return func(c *Conn) {
		for {
			if _, err := c.Request(); err != nil {
				return
			}
			c.Say(text)
		}
	}
}

// OK is a response with a body of two bytes.
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
