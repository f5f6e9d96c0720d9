// Package http3 serves HTTP/3 (RFC 9114) beside httpserver's TCP: the same
// handler, limits and checks, over QUIC.
//
// It hands requests to the Handler of an httpserver.Server, which checks them as
// it does those of HTTP/2, and bounds the time of each read and write. What is
// left for this package is the connection: the time for a handshake and for the
// head of a request, the bytes of a head, how many requests run and how many
// connections there are. Early data is not accepted, so that no request can be
// replayed (RFC 8470). Neither datagrams nor extended CONNECT lead anywhere.
package http3

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// Config configures a [Server]. Handler and TLS are required; every other field
// works when it is zero.
type Config struct {
	_ [0]func()

	// Handler is what httpserver's Server.Handler returns, or another that bounds
	// its reads and writes by itself.
	Handler http.Handler

	// TLS is what the server of TCP has. Protocols and versions are set here.
	TLS *tls.Config

	// ReadHeaderTimeout is the time for a handshake, and for the head of a request
	// together with the end of a body that a GET, HEAD, OPTIONS or DELETE without
	// Content-Length mostly has not. 0 means 10 s; 1 ms to 10 min.
	ReadHeaderTimeout time.Duration

	// IdleTimeout is the time between two requests on a connection. 0 means 2 min;
	// 1 ms to 1 h.
	IdleTimeout time.Duration

	// MaxHeaderBytes bounds the fields of a request, each with 32 bytes more (RFC
	// 9114, section 4.2.2). 0 means 64 KiB; 1 KiB to 1 MiB. Beyond it the client
	// gets 431.
	MaxHeaderBytes int

	// MaxStreams is how many requests of a connection run at once, also when the
	// client has given them up. 0 means 100; 1 to 1000. Further ones wait.
	MaxStreams int

	// MaxConnections is how many connections are open at once, those in their
	// handshake included. Further ones are refused. 0 means no limit.
	MaxConnections int

	Log *slog.Logger // nil: nothing is logged
}

// What a connection may hold, in bytes, beside the head of each request.
const (
	firstWindow = 256 << 10
	maxWindow   = 1 << 20 // of bodies that no handler has read yet
	oneWay      = 16      // streams of the protocol's own, and those that clients open to see whether they are ignored
	busy        = 256     // connections from which on a client must show first that its address is its own
)

// A Server serves HTTP/3. It is safe for concurrent use and serves once: after
// Shutdown it is done.
type Server struct {
	cfg  Config
	http *http3.Server
	quic *quic.Config

	connections atomic.Int64
	refused     atomic.Uint64

	stopping context.Context //nolint:containedctx // ends when no request is taken any more
	stop     context.CancelFunc
	open     sync.WaitGroup // connections whose requests run

	mu        sync.Mutex
	transport *quic.Transport // nil while there is none
	conns     map[*quic.Conn]struct{}
}

// New reports every invalid field of cfg at once. Changing cfg later has no
// effect.
func New(cfg Config) (*Server, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, conns: map[*quic.Conn]struct{}{}}
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.http = &http3.Server{
		Handler:        http.HandlerFunc(s.serve),
		MaxHeaderBytes: cfg.MaxHeaderBytes,
		IdleTimeout:    cfg.IdleTimeout,
		Logger:         slog.New(slog.DiscardHandler), // it logs targets, which may hold credentials
	}
	s.quic = &quic.Config{
		HandshakeIdleTimeout:           cfg.ReadHeaderTimeout / 2, // a handshake may take twice that
		MaxIdleTimeout:                 cfg.IdleTimeout,
		InitialStreamReceiveWindow:     firstWindow,
		MaxStreamReceiveWindow:         maxWindow,
		InitialConnectionReceiveWindow: firstWindow,
		MaxConnectionReceiveWindow:     maxWindow,
		MaxIncomingStreams:             int64(cfg.MaxStreams),
		MaxIncomingUniStreams:          oneWay,
		RequireStreamCreditRelease:     true, // a request that was given up counts until it was looked at
		Allow0RTT:                      false,
	}
	return s, nil
}

// complete sets defaults and checks ranges.
func (cfg *Config) complete() error {
	var errs []error
	if cfg.Handler == nil {
		errs = append(errs, errors.New("http3: Handler is missing"))
	}
	if t := cfg.TLS; t == nil || len(t.Certificates) == 0 && t.GetCertificate == nil && t.GetConfigForClient == nil {
		errs = append(errs, errors.New("http3: TLS has no certificate"))
	}
	for _, d := range []struct {
		name              string
		value             *time.Duration
		otherwise, atMost time.Duration
	}{
		{"ReadHeaderTimeout", &cfg.ReadHeaderTimeout, 10 * time.Second, 10 * time.Minute},
		{"IdleTimeout", &cfg.IdleTimeout, 2 * time.Minute, time.Hour},
	} {
		if *d.value == 0 {
			*d.value = d.otherwise
		}
		if *d.value < time.Millisecond || *d.value > d.atMost {
			errs = append(errs, fmt.Errorf("http3: %s is %v, want 1ms to %v", d.name, *d.value, d.atMost))
		}
	}
	for _, n := range []struct {
		name                  string
		value                 *int
		otherwise, least, max int
	}{
		{"MaxHeaderBytes", &cfg.MaxHeaderBytes, 64 << 10, 1 << 10, 1 << 20},
		{"MaxStreams", &cfg.MaxStreams, 100, 1, 1000},
	} {
		if *n.value == 0 {
			*n.value = n.otherwise
		}
		if *n.value < n.least || *n.value > n.max {
			errs = append(errs, fmt.Errorf("http3: %s is %d, want %d to %d", n.name, *n.value, n.least, n.max))
		}
	}
	if cfg.MaxConnections < 0 {
		errs = append(errs, fmt.Errorf("http3: MaxConnections is %d, want 0 for no limit, or more", cfg.MaxConnections))
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return errors.Join(errs...)
}

// Serve answers what comes to the socket until Shutdown, and closes it. It may be
// called once. It returns nil after Shutdown, at once: wait for Shutdown to
// return before the process ends.
func (s *Server) Serve(socket net.PacketConn) error {
	transport := &quic.Transport{
		Conn:                socket,
		ConnContext:         s.admit,
		VerifySourceAddress: func(net.Addr) bool { return s.connections.Load() > busy },
	}
	l, err := transport.Listen(http3.ConfigureTLSConfig(s.cfg.TLS), s.quic)
	if err != nil {
		return errors.Join(fmt.Errorf("http3: %w", err), socket.Close())
	}
	s.mu.Lock()
	s.transport = transport
	s.mu.Unlock()
	for {
		conn, err := l.Accept(s.stopping)
		switch {
		case err == nil && s.began(conn):
			go s.connection(conn)
		case s.stopping.Err() != nil:
			return l.Close()
		case err != nil:
			return fmt.Errorf("http3: %w", err)
		}
	}
}

var errTooMany = errors.New("http3: too many connections")

// admit counts a connection from before its handshake, and refuses one too many.
func (s *Server) admit(ctx context.Context, _ *quic.ClientInfo) (context.Context, error) {
	if n := s.connections.Add(1); s.cfg.MaxConnections > 0 && n > int64(s.cfg.MaxConnections) {
		s.connections.Add(-1)
		s.refused.Add(1)
		return nil, errTooMany
	}
	context.AfterFunc(ctx, func() { s.connections.Add(-1) })
	return ctx, nil
}

// began notes a connection whose handshake is over, unless the server stops.
func (s *Server) began(conn *quic.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping.Err() != nil {
		_ = conn.CloseWithError(noError, "")
		return false
	}
	s.open.Add(1)
	s.conns[conn] = struct{}{}
	return true
}

func (s *Server) ended(conn *quic.Conn) {
	s.mu.Lock()
	delete(s.conns, conn)
	s.mu.Unlock()
	s.open.Done()
}

// Refused returns how many connections were refused, and how many requests ended
// before the handler saw them.
func (s *Server) Refused() uint64 { return s.refused.Load() }

// Shutdown takes no connection and no request any more, waits for the requests
// that run, and closes what is left when ctx ends. The error is ctx's when
// something had to be cut, nil otherwise.
//
// A request that comes meanwhile is rejected in the way that tells the client
// that nobody looked at it, so that it may send it elsewhere (RFC 9114, section
// 4.1.1).
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stop() // under mu: began adds nothing from here on
	transport := s.transport
	s.mu.Unlock()
	done := make(chan struct{})
	go func() { s.open.Wait(); close(done) }()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
		s.mu.Lock()
		for conn := range s.conns {
			_ = conn.CloseWithError(noError, "") // it is cut: how it ends does not matter
		}
		s.mu.Unlock()
		<-done
	}
	if transport == nil {
		return err
	}
	return errors.Join(err, transport.Close(), transport.Conn.Close())
}
