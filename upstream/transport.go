package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"
)

// A transport sends one request and returns the head of its response, with the
// contract of [http.RoundTripper].
type transport interface {
	RoundTrip(r *http.Request) (*http.Response, error)
}

// newTransport returns a transport that asks no environment, follows nothing,
// decodes nothing and gives up.
func newTransport(cfg *Config) *http.Transport {
	dialer := &net.Dialer{Timeout: cfg.ConnectTimeout, KeepAlive: cfg.KeepAlive}
	return &http.Transport{
		Proxy:                  nil, // whatever HTTP_PROXY says
		DialContext:            guardedDial(dialer, cfg.WriteTimeout),
		TLSHandshakeTimeout:    cfg.TLSTimeout,
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
}

func guardedDial(dialer *net.Dialer, writeTimeout time.Duration) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		g := &guardedConn{Conn: conn, writeTimeout: writeTimeout}
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

	mu       sync.Mutex
	changed  sync.Cond // reading or closed became true
	reading  bool      // a Read waits for bytes: all that came before was taken
	closed   bool
	quiet    bool // taken from the pool, and nothing was written since
	poisoned bool // bytes came while quiet
}

func (g *guardedConn) Read(p []byte) (int, error) {
	g.mu.Lock()
	g.reading = true
	g.changed.Broadcast()
	g.mu.Unlock()

	n, err := g.Conn.Read(p)

	g.mu.Lock()
	g.reading = false
	g.poisoned = g.poisoned || g.quiet && n > 0
	g.mu.Unlock()
	return n, err
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
	g.changed.Broadcast()
	g.mu.Unlock()
	return g.Conn.Close()
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
	g.quiet = true
}

func (g *guardedConn) isPoisoned() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.poisoned
}
