package proxyproto

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// conn is a connection that begins with a header. Reading, writing and asking for
// the remote address wait until the header was read.
type conn struct {
	net.Conn
	from *Listener

	once   sync.Once
	remote net.Addr // nil: the peer's own
	rest   []byte   // what came behind the header and was not read yet; read by one goroutine at a time, as the connection is
	err    error    // why there is no more to read or write

	mu       sync.Mutex
	reading  bool      // the header is being read
	limit    time.Time // until when
	deadline time.Time // for reads, as it was set by whoever uses the connection
}

// start reads the header, once.
func (c *conn) start() error {
	c.once.Do(c.read)
	return c.err
}

func (c *conn) read() {
	source, rest, err := c.header()
	if err != nil {
		c.refuse(err)
		return
	}
	c.rest = rest
	if source.IsValid() {
		c.remote = net.TCPAddrFromAddrPort(source)
	}
}

// header reads the header under its own deadline, or an earlier one of the user's.
func (c *conn) header() (source netip.AddrPort, rest []byte, err error) {
	c.mu.Lock()
	c.reading, c.limit = true, time.Now().Add(c.from.timeout)
	err = c.setReadDeadline()
	c.mu.Unlock()
	if err != nil {
		return source, nil, err
	}
	source, rest, err = readHeader(c.Conn)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = false
	return source, rest, errors.Join(err, c.setReadDeadline())
}

// refuse ends the connection. Whoever reads gets the error as that of a read from
// the network, after which HTTP servers say nothing more.
func (c *conn) refuse(err error) {
	c.err = &net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.Conn.RemoteAddr(), Err: err}
	_ = c.Close() // it failed already
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return // the balancer tried whether somebody listens; the server stops
	}
	c.from.refused.Add(1)
	c.from.log.LogAttrs(context.Background(), slog.LevelWarn, "a listed peer of the PROXY protocol was refused",
		slog.String("peer", c.Conn.RemoteAddr().String()), slog.String("error", err.Error()))
}

// setReadDeadline sets the earlier of the deadlines. mu is held.
func (c *conn) setReadDeadline() error {
	t := c.deadline
	if c.reading && (t.IsZero() || t.After(c.limit)) {
		t = c.limit
	}
	return c.Conn.SetReadDeadline(t)
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return c.setReadDeadline()
}

func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// RemoteAddr is the source that the header names, or the peer.
func (c *conn) RemoteAddr() net.Addr {
	if c.start() == nil && c.remote != nil {
		return c.remote
	}
	return c.Conn.RemoteAddr()
}

func (c *conn) Read(p []byte) (int, error) {
	if err := c.start(); err != nil {
		return 0, err
	}
	if len(c.rest) > 0 {
		n := copy(p, c.rest)
		if c.rest = c.rest[n:]; len(c.rest) == 0 {
			c.rest = nil // it holds the header's memory
		}
		return n, nil
	}
	return c.Conn.Read(p)
}

func (c *conn) Write(p []byte) (int, error) {
	if err := c.start(); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// ReadFrom and WriteTo keep what copying between connections looks for, so that
// bytes need not pass through the program.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	if err := c.start(); err != nil {
		return 0, err
	}
	return io.Copy(c.Conn, r)
}

func (c *conn) WriteTo(w io.Writer) (int64, error) {
	if err := c.start(); err != nil {
		return 0, err
	}
	var first int64
	for len(c.rest) > 0 {
		n, err := w.Write(c.rest)
		first += int64(n)
		c.rest = c.rest[n:]
		if err != nil {
			return first, err
		}
	}
	n, err := io.Copy(w, c.Conn)
	return first + n, err
}

// CloseWrite ends our half.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
