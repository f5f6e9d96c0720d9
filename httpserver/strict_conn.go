package httpserver

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

const (
	strictBuffer  = 2 << 10  // to begin with, in bytes
	strictMaximum = 16 << 10 // a longer head is net/http's
)

// strictConn is a connection of the strict loop, which alone touches what is not
// said to be shared.
type strictConn struct {
	conn   net.Conn
	server *Server
	since  time.Time
	state  atomic.Int32 // shared with Shutdown

	buffer   []byte // read and not answered yet
	head     strictHead
	last     lastFields
	target   url.URL      // of the last request, as it was parsed
	template http.Request // what all requests have

	readBy   time.Time // the read deadline; zero when it is not known
	headBy   time.Time // when the head that is being read must be there; zero before it begins
	writeSet time.Time // when the write deadline was set

	out, body []byte   // the answer that is being written
	order     []string // its fields

	watching chan struct{} // closed when the watcher has read; nil without one
	watched  [1]byte
	seen     int // of watched
}

// serveStrictly answers the requests of a connection until it ends or something
// comes that is net/http's.
func (s *Server) serveStrictly(conn net.Conn, f *feed) {
	c := &strictConn{conn: conn, server: s, since: time.Now(), buffer: make([]byte, 0, strictBuffer)}
	if !s.stricts.add(c) {
		_ = conn.Close() // the server has stopped
		s.release()
		return
	}
	c.template = http.Request{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody, RemoteAddr: conn.RemoteAddr().String()}
	c.headBy = c.since.Add(s.http.ReadHeaderTimeout)
	c.readUntil(c.headBy)
	foreign := c.loop()
	given := foreign && conn.SetWriteDeadline(time.Time{}) == nil && f.give(&prefixed{Conn: conn, rest: c.buffer, by: c.headBy})
	s.stricts.remove(c)
	if !given {
		_ = conn.Close() // there is nobody to tell
		s.release()
	}
}

// loop reports whether the connection is net/http's from now on.
func (c *strictConn) loop() (foreign bool) {
	s := c.server
	for {
		r, state := c.next()
		if state != headWhole {
			return state == headForeign
		}
		if !c.answer(r) || s.closing.Load() {
			return false
		}
		c.state.Store(strictWaiting)
		if s.closing.Load() {
			return false // Shutdown may have looked before
		}
		c.rest(r.Method)
	}
}

// rest waits for the next request: its deadline is moved on only when a part of it
// is gone, since that costs more than reading.
func (c *strictConn) rest(last string) {
	idle := c.server.http.IdleTimeout
	if want := time.Now().Add(idle); c.readBy.After(want) || want.Sub(c.readBy) > idle/fresh {
		c.readUntil(want)
	}
	c.headBy = time.Time{}
	if last != http.MethodPost {
		return
	}
	for i := 0; i < 4 && len(c.buffer) > 0 && (c.buffer[0] == '\r' || c.buffer[0] == '\n'); i++ { // as net/http does
		c.buffer = c.buffer[:copy(c.buffer, c.buffer[1:])]
	}
}

func (c *strictConn) readUntil(t time.Time) {
	c.readBy = t
	_ = c.conn.SetReadDeadline(t) // one that fails is closed: reading tells
}

// next reads a request. headMore means that the connection has ended.
func (c *strictConn) next() (*http.Request, headState) {
	c.head.reset()
	most := min(c.server.http.MaxHeaderBytes, strictMaximum)
	for {
		if len(c.buffer) >= 4 || c.state.Load() == strictFresh { // net/http waits for as much, but at the beginning
			switch c.head.read(c.buffer) {
			case headForeign:
				return nil, headForeign
			case headWhole:
				return c.request()
			case headMore:
			}
		}
		if len(c.buffer) >= most {
			return nil, headForeign
		}
		if len(c.buffer) > 0 && c.headBy.IsZero() {
			c.headBy = time.Now().Add(c.server.http.ReadHeaderTimeout)
			c.readUntil(c.headBy)
		}
		if len(c.buffer) == cap(c.buffer) {
			c.buffer = append(make([]byte, 0, min(2*cap(c.buffer), most)), c.buffer...)
		}
		n, err := c.conn.Read(c.buffer[len(c.buffer):cap(c.buffer)])
		c.buffer = c.buffer[:len(c.buffer)+n]
		if n > 0 || err == nil {
			continue
		}
		if len(c.buffer) == 0 || len(c.buffer) < 4 && c.state.Load() != strictFresh {
			return nil, headMore
		}
		return nil, headForeign // half a head may get an answer
	}
}

// request makes the request of a head that was read whole, with a context of its own.
func (c *strictConn) request() (*http.Request, headState) {
	t, h := &c.template, &c.head
	if text := h.target.of(c.buffer); t.RequestURI != string(text) {
		t.RequestURI = string(text)
		u, err := url.ParseRequestURI(t.RequestURI)
		if err != nil {
			return nil, headForeign
		}
		c.target = *u
	}
	u := new(url.URL)
	*u = c.target // the handler may change its own
	if was := c.state.Load(); was == strictClosed || !c.state.CompareAndSwap(was, strictRunning) {
		return nil, headMore
	}
	t.Method, t.URL, t.Host, t.Close = methodText(h.method.of(c.buffer)), u, c.host(), h.close
	header, values := make(http.Header, len(h.fields)), make([]string, len(h.fields))
	for i, f := range h.fields {
		var name string
		name, values[i] = c.last.at(i, f.name.of(c.buffer), f.value.of(c.buffer)) // each text by itself: who keeps one keeps no whole head
		if before, ok := header[name]; ok {
			header[name] = append(before, values[i])
		} else {
			header[name] = values[i : i+1 : i+1]
		}
	}
	if p := header["Pragma"]; len(p) > 0 && p[0] == "no-cache" && header["Cache-Control"] == nil {
		header["Cache-Control"] = []string{"no-cache"} // as net/http does
	}
	t.Header = header
	c.buffer = c.buffer[:copy(c.buffer, c.buffer[h.end:])]
	r := t.WithContext(&strictContext{conn: c})
	t.Header, t.URL = nil, nil
	return r, headWhole
}

// host is the request's, which is mostly the last one's.
func (c *strictConn) host() string {
	if text := c.head.host.of(c.buffer); c.template.Host != string(text) {
		return string(text)
	}
	return c.template.Host
}

// answer calls the handler, and reports whether the connection goes on.
func (c *strictConn) answer(r *http.Request) (goesOn bool) {
	w := &strictWriter{conn: c, header: make(http.Header), head: r.Method == http.MethodHead, close: r.Close, length: -1}
	ctx, _ := r.Context().(*strictContext)
	c.out, c.body = c.out[:0], c.body[:0]
	defer func() {
		w.ended.Store(true)
		ctx.end()
		c.unwatch()
		if v := recover(); v != nil {
			goesOn = false
			if v != http.ErrAbortHandler { //nolint:errorlint // it is thrown as it is
				c.server.http.ErrorLog.Print("http: panic serving") // errorLog knows this line
			}
		}
	}()
	if c.server.leaving.Load() {
		w.header["Connection"] = []string{"close"}
	}
	c.server.handler.ServeHTTP(w, r)
	ctx.end()
	return w.finish()
}

// watch cancels when the client goes away. The handler's context calls it at most
// once for each request, while the handler runs.
func (c *strictConn) watch(cancel context.CancelFunc) {
	c.readUntil(time.Time{})
	c.watching = make(chan struct{})
	go func() {
		defer close(c.watching)
		n, err := c.conn.Read(c.watched[:])
		if c.seen = n; err != nil {
			cancel()
		}
	}()
}

// unwatch ends the watcher, after the context has ended.
func (c *strictConn) unwatch() {
	if c.watching == nil {
		return
	}
	c.readUntil(time.Unix(1, 0))
	<-c.watching
	c.watching = nil
	c.buffer = append(c.buffer, c.watched[:c.seen]...)
	c.seen = 0
}
