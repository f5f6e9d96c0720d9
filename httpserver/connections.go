package httpserver

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// connection is what is noted of an open connection that speaks HTTP.
type connection struct {
	handled atomic.Bool // the handler saw the request that is being read
}

type connectionKey struct{}

// connected notes a new connection, before anything is read of it.
func (s *Server) connected(ctx context.Context, c net.Conn) context.Context {
	n := new(connection)
	s.mu.Lock()
	s.connections[c] = n
	s.mu.Unlock()
	return context.WithValue(ctx, connectionKey{}, n)
}

// stateChanged counts what net/http refuses by itself, of which it tells nobody:
// a request began, and the connection closed without the handler being asked.
func (s *Server) stateChanged(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	n := s.connections[c]
	if state == http.StateClosed || state == http.StateHijacked {
		delete(s.connections, c)
	}
	s.mu.Unlock()
	switch state {
	case http.StateNew, http.StateIdle:
		n.handled.Store(true) // nothing is asked
	case http.StateActive:
		n.handled.Store(false)
	case http.StateClosed:
		if !n.handled.Load() && !s.closing.Load() {
			s.refused.Add(1)
		}
		s.release()
	case http.StateHijacked: // an upgraded connection keeps its slot
	}
}

// release gives a connection's slot back.
func (s *Server) release() {
	if s.slots != nil {
		<-s.slots
	}
}

// limited is a listener that accepts only when a slot is free.
type limited struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
	}
	return c, err
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// upgrades are the connections that left HTTP, of which [http.Server.Shutdown]
// knows nothing.
type upgrades struct {
	release func()

	mu      sync.Mutex
	pending int // being taken over
	open    map[*upgraded]struct{}
	cut     bool          // no more: Shutdown's time is over
	waiting chan struct{} // closed when nothing is open; nil while nobody waits
}

// take hijacks w's connection. It counts from before net/http forgets the
// connection, so that Shutdown misses none.
func (u *upgrades) take(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
	u.mu.Lock()
	u.pending++
	u.mu.Unlock()
	conn, rw, err := http.NewResponseController(w).Hijack()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.pending--
	defer u.tell()
	if err != nil {
		return nil, nil, err
	}
	c := &upgraded{Conn: conn, from: u}
	if err := conn.SetDeadline(time.Time{}); err != nil || u.cut {
		u.release()
		return nil, nil, errors.Join(http.ErrServerClosed, err, conn.Close())
	}
	if u.open == nil {
		u.open = map[*upgraded]struct{}{}
	}
	u.open[c] = struct{}{}
	return c, rw, nil
}

// tell wakes whoever waits for the last one. mu is held.
func (u *upgrades) tell() {
	if u.waiting != nil && u.pending == 0 && len(u.open) == 0 {
		close(u.waiting)
		u.waiting = nil
	}
}

func (u *upgrades) forget(c *upgraded) {
	u.mu.Lock()
	_, known := u.open[c]
	delete(u.open, c)
	u.tell()
	u.mu.Unlock()
	if known {
		u.release()
	}
}

// wait returns when no upgraded connection is left; when ctx ends first it
// closes them and returns ctx's error.
func (u *upgrades) wait(ctx context.Context) error {
	u.mu.Lock()
	if u.pending == 0 && len(u.open) == 0 {
		u.cut = true
		u.mu.Unlock()
		return nil
	}
	if u.waiting == nil {
		u.waiting = make(chan struct{})
	}
	waiting := u.waiting
	u.mu.Unlock()
	select {
	case <-waiting:
		return nil
	case <-ctx.Done():
	}
	u.mu.Lock()
	u.cut = true
	left := make([]*upgraded, 0, len(u.open))
	for c := range u.open {
		left = append(left, c)
	}
	u.mu.Unlock()
	for _, c := range left {
		_ = c.Close() // it is cut: how it ends does not matter
	}
	return ctx.Err()
}

// upgraded is a connection that left HTTP. It keeps what copying between
// connections looks for, so that bytes need not pass through the program.
type upgraded struct {
	net.Conn
	from *upgrades
}

func (c *upgraded) Close() error {
	c.from.forget(c)
	return c.Conn.Close()
}

// CloseWrite ends our half, where the connection has halves.
func (c *upgraded) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

func (c *upgraded) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

func (c *upgraded) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, c.Conn) }
