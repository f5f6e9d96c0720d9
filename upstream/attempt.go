package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
)

// An attempt is one sending of a request, with what decides whether there may
// be another. It is the context that the request is sent with.
type attempt struct {
	context.Context //nolint:containedctx // it adds the attempt to the request's own, and an allocation for that would be one for each request

	connected atomic.Bool                 // there is a connection
	reused    atomic.Bool                 // the connection came from the pool
	answered  atomic.Bool                 // a byte of a response came
	conn      atomic.Pointer[guardedConn] // nil for HTTP/2
}

func (a *attempt) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn:              a.gotConn,
		PutIdleConn:          a.putIdle,
		GotFirstResponseByte: func() { a.answered.Store(true) },
	}
}

// gotConn runs before the first byte of the request is written.
func (a *attempt) gotConn(info httptrace.GotConnInfo) {
	a.connected.Store(true)
	a.reused.Store(info.Reused)
	conn := info.Conn
	switch secure := conn.(type) {
	case *tls.Conn:
		return // HTTP/2: many streams, each frame with its number; nothing to guard
	case *secureConn:
		conn = secure.NetConn()
	}
	if g, ok := conn.(*guardedConn); ok {
		a.conn.Store(g)
		if info.Reused {
			g.take()
		}
	}
}

// putIdle runs when the connection has gone back to the pool, before the
// transport waits for its next byte.
func (a *attempt) putIdle(err error) {
	if g := a.conn.Load(); g != nil && err == nil {
		g.rest()
	}
}

// poisoned reports whether the answer may belong to nobody.
func (a *attempt) poisoned() bool {
	g := a.conn.Load()
	return g != nil && a.reused.Load() && g.isPoisoned()
}

var errPoisoned = errors.New("upstream: bytes that no request asked for")

// send sends r, and once more when it is replayable and a pooled connection
// died before a response began (RFC 9110, section 9.2.2).
func (u *Upstream) send(r *http.Request) (*http.Response, error) {
	replay := replayable(r)
	if replay {
		withhold(r)
	}
	res, a, err := u.try(r)
	if err == nil || !replay || !a.mayRepeat(r.Context(), err) {
		return res, err
	}
	u.log.DebugContext(r.Context(), "upstream: sent again, since a kept connection was dead")
	withhold(r)
	res, _, err = u.try(r)
	return res, err
}

func (u *Upstream) try(r *http.Request) (*http.Response, *attempt, error) {
	a := &attempt{Context: r.Context()}
	res, err := u.transport.RoundTrip(r.WithContext(httptrace.WithClientTrace(a, a.trace()))) //nolint:contextcheck // a is the request's own
	if err == nil && a.poisoned() {
		_ = res.Body.Close()
		a.conn.Load().tell()
		return nil, a, errPoisoned
	}
	return res, a, err
}

func (a *attempt) mayRepeat(ctx context.Context, err error) bool {
	if ctx.Err() != nil || !a.reused.Load() {
		return false
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return false // the upstream may be at work on it
	}
	return a.poisoned() || !a.answered.Load()
}

// replayable reports whether r may reach the upstream twice.
func replayable(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return r.Body == nil
	default:
		return false
	}
}

// withhold keeps [http.Transport] from repeating r by itself, which it does as
// often as it finds dead connections: it repeats what has no body. An empty body
// that is not announced is none on the wire (RFC 9112, section 6.3), and
// "identity" keeps the transport from announcing it.
func withhold(r *http.Request) {
	r.Body = io.NopCloser(strings.NewReader(""))
	r.TransferEncoding = []string{"identity"}
}

// disarm hides from [http.Transport] the fields by which it takes a request of
// any method without a body for one that may be repeated. It looks for the
// canonical spelling; names have no case on the wire (RFC 9110, section 5.1).
func disarm(h http.Header) {
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		if values, ok := h[name]; ok {
			delete(h, name)
			h[strings.ToLower(name)] = values
		}
	}
}
