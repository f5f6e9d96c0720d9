package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A transport sends one request and returns the head of its response, with the
// contract of [http.RoundTripper].
type transport interface {
	RoundTrip(r *http.Request) (*http.Response, error)
}

// newTransport returns a transport that asks no environment, follows nothing,
// decodes nothing and gives up.
func newTransport(cfg *Config, w *watch) *http.Transport {
	dialer := &net.Dialer{Timeout: cfg.ConnectTimeout, KeepAlive: cfg.KeepAlive}
	dial := guardedDial(dialer, cfg.WriteTimeout, w)
	t := &http.Transport{
		Proxy:                  nil, // whatever HTTP_PROXY says
		DialContext:            pursued(dial),
		ResponseHeaderTimeout:  cfg.ResponseTimeout,
		MaxResponseHeaderBytes: cfg.MaxHeaderBytes,
		MaxIdleConns:           cfg.MaxIdleConnections,
		MaxIdleConnsPerHost:    cfg.MaxIdleConnections,
		IdleConnTimeout:        cfg.KeepAlive,
		DisableCompression:     true, // else Content-Encoding and ETag would not be the upstream's
		ForceAttemptHTTP2:      true, // by ALPN, so for https only
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS12, RootCAs: cfg.RootCAs, ServerName: cfg.ServerName,
			InsecureSkipVerify: cfg.InsecureSkipVerify, //nolint:gosec // the field's name says what it is
		},
	}
	if own := cfg.ClientCertificate; own != nil {
		t.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			cert, err := own()
			if err != nil || cert == nil {
				return nil, errors.Join(errOwnCertificate, err)
			}
			return cert, nil
		}
	}
	t.DialTLSContext = pursued(guardedTLS(dial, t.TLSClientConfig, cfg.TLSTimeout))
	return t
}

var errOwnCertificate = errors.New("upstream: no client certificate")

// A watch is told of connections with bytes that nobody asked for. Of a
// connection with TLS beneath it sees records, among which an idle one may get
// some that hold no data: there only the transport can tell.
type watch struct {
	plain   bool
	unasked func()
	closing atomic.Int32 // how many close idle connections by themselves just now
}

// whileClosing runs end, which closes idle connections. One that has only just
// come to the pool would look as if its reader had closed it.
func (w *watch) whileClosing(end func()) {
	w.closing.Add(1)
	defer w.closing.Add(-1)
	end()
}

func guardedDial(dialer *net.Dialer, writeTimeout time.Duration, w *watch) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		g := &guardedConn{Conn: conn, writeTimeout: writeTimeout, watch: w}
		g.changed.L = &g.mu
		return g, nil
	}
}

// A guardedConn is a connection to the upstream. It bounds each write, and it
// knows whether bytes came that no request asked for: behind a response there
// may be another one, which [http.Transport] would give to the next request
// that takes the connection from the pool in the wrong moment.
type guardedConn struct {
	net.Conn
	writeTimeout time.Duration
	watch        *watch
	once         sync.Once // for watch
	framing      framing

	mu       sync.Mutex
	changed  sync.Cond // reading or closed became true
	reading  bool      // a Read waits for bytes: all that came before was taken
	closed   bool
	idle     bool // in the pool
	waited   bool // a Read began since it went there
	quiet    bool // taken from the pool, and nothing was written since
	poisoned bool // bytes came while quiet
}

func (g *guardedConn) Read(p []byte) (int, error) {
	if err := g.framing.failed(); err != nil {
		return 0, err
	}
	g.mu.Lock()
	g.reading, g.waited = true, true
	g.changed.Broadcast()
	g.mu.Unlock()

	n, err := g.Conn.Read(p)

	g.mu.Lock()
	g.reading = false
	g.poisoned = g.poisoned || g.quiet && n > 0
	unasked := n > 0 && (g.idle || g.quiet) && g.watch.plain && !idleTimeout(p[:n])
	g.mu.Unlock()
	if unasked {
		g.tell()
	}
	if g.watch.plain {
		return g.framing.read(p, n, err)
	}
	return n, err
}

// tell reports g, once.
func (g *guardedConn) tell() { g.once.Do(g.watch.unasked) }

// idleTimeout reports whether text begins a 408, with which some servers close a
// connection that was idle (RFC 9110, section 15.5.9).
func idleTimeout(text []byte) bool {
	const length = len("HTTP/1.1 408")
	return len(text) >= length && string(text[:7]) == "HTTP/1." && string(text[8:length]) == " 408"
}

func (g *guardedConn) Write(p []byte) (int, error) {
	g.mu.Lock()
	g.quiet = false
	g.mu.Unlock()
	if err := g.SetWriteDeadline(time.Now().Add(g.writeTimeout)); err != nil {
		return 0, err
	}
	return g.Conn.Write(p)
}

// CloseWrite passes the end of one direction of a tunnel on.
func (g *guardedConn) CloseWrite() error {
	if half, ok := g.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return g.Conn.Close()
}

func (g *guardedConn) Close() error {
	g.mu.Lock()
	g.closed = true
	behind := g.idle && !g.waited // the reader did not need to wait: the bytes came with the response before
	g.changed.Broadcast()
	g.mu.Unlock()
	if behind && g.watch.plain && g.watch.closing.Load() == 0 {
		g.tell()
	}
	return g.Conn.Close()
}

// rest notes that g went to the pool. The transport's reader calls it, so that
// no Read is under way.
func (g *guardedConn) rest() {
	g.mu.Lock()
	g.idle, g.waited = true, false
	g.mu.Unlock()
}

// take waits until the transport's reader, which has just finished with the
// response before, either waits for the next byte or found some that nobody
// asked for and closed the connection. It has nothing else to wait for, so this
// takes as long as a goroutine takes to run.
func (g *guardedConn) take() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.reading && !g.closed {
		g.changed.Wait()
	}
	g.framing.restart()
	g.idle, g.quiet = false, true
}

func (g *guardedConn) isPoisoned() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.poisoned
}
