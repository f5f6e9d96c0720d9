package httpserver

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Where a strict connection is. One that waits may be closed by Shutdown.
const (
	strictFresh   int32 = iota // nothing was read yet
	strictWaiting              // between two requests
	strictRunning              // a request was read whole
	strictClosed               // Shutdown closed it
)

// freshFor is how long Shutdown gives a new connection to say something, as
// net/http's does.
const freshFor = 5 * time.Second

// stricts are the connections that net/http does not know.
type stricts struct {
	mu      sync.Mutex
	open    map[*strictConn]struct{}
	drained bool // no more
}

func (s *stricts) add(c *strictConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drained {
		return false
	}
	if s.open == nil {
		s.open = map[*strictConn]struct{}{}
	}
	s.open[c] = struct{}{}
	return true
}

func (s *stricts) remove(c *strictConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// drain closes connections that wait, and returns when none is left or ctx ends.
// What runs ends with its answer, since the server is closing.
func (s *stricts) drain(ctx context.Context) error {
	pause := time.Millisecond
	for !s.closeWaiting() {
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		pause = min(2*pause, 500*time.Millisecond)
	}
	return nil
}

// closeWaiting reports whether no connection is left.
func (s *stricts) closeWaiting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		if c.state.CompareAndSwap(strictWaiting, strictClosed) || time.Since(c.since) > freshFor && c.state.CompareAndSwap(strictFresh, strictClosed) {
			_ = c.conn.Close() // its loop does the rest
		}
	}
	s.drained = len(s.open) == 0
	return s.drained
}

// cut closes what is left.
func (s *stricts) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drained = true
	for c := range s.open {
		_ = c.conn.Close() // it is cut: how it ends does not matter
	}
}

// feed is the listener of net/http's server where the strict loop reads first: it
// yields the connections that the loop leaves to it.
type feed struct {
	net.Listener
	conns  chan net.Conn
	errs   chan error
	closed chan struct{}
	once   sync.Once
}

// strictly starts the loop on l's connections.
func (s *Server) strictly(l net.Listener) *feed {
	f := &feed{Listener: l, conns: make(chan net.Conn), errs: make(chan error), closed: make(chan struct{})}
	go f.accept(s)
	return f
}

// accept runs until the feed is closed. Errors are for net/http, which knows which
// pass, and pauses: until it asks again, one waits.
func (f *feed) accept(s *Server) {
	for {
		conn, err := f.Listener.Accept()
		if err == nil {
			go s.serveStrictly(conn, f)
			continue
		}
		select {
		case f.errs <- err:
		case <-f.closed:
			return
		}
	}
}

// Accept serves [net.Listener].
func (f *feed) Accept() (net.Conn, error) {
	select {
	case c := <-f.conns:
		return c, nil
	case err := <-f.errs:
		return nil, err
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

// give hands a connection to net/http.
func (f *feed) give(c net.Conn) bool {
	select {
	case f.conns <- c:
		return true
	case <-f.closed:
		return false
	}
}

// Close ends the loop that accepts.
func (f *feed) Close() error {
	f.once.Do(func() { close(f.closed) })
	return f.Listener.Close()
}

// prefixed is a connection of which something was read already.
type prefixed struct {
	net.Conn
	rest []byte
	by   time.Time // when the head that began must be there; zero when it has the usual time
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return p.Conn.Read(b)
	}
	n := copy(b, p.rest)
	if p.rest = p.rest[n:]; len(p.rest) == 0 {
		p.rest = nil
	}
	return n, nil
}

// SetReadDeadline is first called for the head that is being read: it gets no more
// time than it had.
func (p *prefixed) SetReadDeadline(t time.Time) error {
	if !p.by.IsZero() && p.by.Before(t) {
		t = p.by
	}
	p.by = time.Time{}
	return p.Conn.SetReadDeadline(t)
}

// CloseWrite ends our half, where the connection has halves.
func (p *prefixed) CloseWrite() error {
	return (&upgraded{Conn: p.Conn}).CloseWrite()
}

// strictContext is the context of a request: net/http's, but that whether the client
// is still there is looked at only once somebody asks, since that takes a goroutine
// that reads. Most handlers are done before they would.
type strictContext struct {
	conn *strictConn

	inner  atomic.Pointer[cancelled]
	mu     sync.Mutex
	ended  bool
	cancel context.CancelFunc
}

type cancelled struct{ context.Context } //nolint:containedctx // it is a context

// live is the context that ends with the client, the server or the handler.
func (x *strictContext) live() context.Context {
	if inner := x.inner.Load(); inner != nil {
		return inner
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if inner := x.inner.Load(); inner != nil {
		return inner
	}
	inner, cancel := context.WithCancel(x.conn.server.base)
	x.cancel = cancel
	if x.ended {
		cancel()
	} else {
		x.conn.watch(cancel)
	}
	x.inner.Store(&cancelled{inner})
	return inner
}

// end is the end of the handler.
func (x *strictContext) end() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ended = true
	if x.cancel != nil {
		x.cancel()
	}
}

func (*strictContext) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }
func (x *strictContext) Done() <-chan struct{}                 { return x.live().Done() }
func (x *strictContext) Err() error                            { return x.live().Err() }

// Value has what net/http's contexts have. What package context looks for to join a
// child and its parent is the live one's.
func (x *strictContext) Value(key any) any {
	switch key {
	case http.ServerContextKey:
		return x.conn.server.http
	case http.LocalAddrContextKey:
		return x.conn.conn.LocalAddr()
	}
	if inner := x.inner.Load(); inner != nil {
		return inner.Value(key)
	}
	return x.conn.server.base.Value(key)
}
