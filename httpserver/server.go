// Package httpserver is net/http's server with every limit set.
//
// It bounds what a client can hold open: the time for a request's head, between
// two pieces of a body, for each piece of a response, and between requests; the
// bytes of a head; and, when asked, the number of connections. No deadline
// bounds a whole request or response, so that long streams live as long as both
// sides move.
package httpserver

import (
	"cmp"
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

	"github.com/warder-dev/warder/problem"
)

// Config configures a [Server]. Handler is required; every other field works
// when it is zero.
type Config struct {
	_ [0]func()

	Handler http.Handler
	Log     *slog.Logger // nil: nothing is logged

	// TLS makes the server speak TLS, with HTTP/2, on every listener. It needs a
	// certificate, or a function that gives one: tlsconfig has both. nil: plain
	// HTTP/1.1.
	TLS *tls.Config

	// InsecureH2C also speaks HTTP/2 without TLS, to clients that begin with it
	// (RFC 9113, section 3.3). It costs what TLS gives, and whoever stands in front
	// and takes the connection for HTTP/1.1 does not see its requests. Without TLS
	// only.
	InsecureH2C bool

	// Strict has plain requests of HTTP/1.1, without a body, an upgrade or an
	// expectation, answered by a loop of this package, which costs less than
	// net/http's. Connections on which anything else comes, right or wrong, go over to
	// net/http with it. It is for handlers that answer shortly: there are no trailers
	// of responses, and Hijack and deadlines of a handler's own are
	// [http.ErrNotSupported]; whether the client is still there is looked at when the
	// request's context is first asked; IdleTimeout and WriteTimeout may be a
	// sixteenth shorter. Not with TLS.
	Strict bool

	// ReadHeaderTimeout is the time for the head of a request, and for a TLS
	// handshake. 0 means 10 s; 1 ms to 10 min.
	ReadHeaderTimeout time.Duration

	// IdleTimeout is the time between two requests on a connection. 0 means
	// 2 min; 1 ms to 1 h.
	IdleTimeout time.Duration

	// BodyIdleTimeout is the time for each read of a request body. 0 means 30 s;
	// 1 ms to 10 min. Beyond it the read fails with [ErrBodyIdle].
	BodyIdleTimeout time.Duration

	// WriteTimeout is the time for each piece of a response, of at most 64 KiB,
	// to leave for the client. 0 means 30 s; 1 ms to 10 min. Beyond it the write
	// fails and the connection, in HTTP/2 the stream, is closed.
	WriteTimeout time.Duration

	// MaxHeaderBytes bounds request line and header fields, in bytes. net/http
	// adds 4 KiB. 0 means 64 KiB; 1 KiB to 1 MiB. Beyond it the client gets 431.
	MaxHeaderBytes int

	// MaxStreams is how many requests an HTTP/2 connection may have open at once. 0
	// means 100; 1 to 1000. Beyond it streams are refused.
	MaxStreams int

	// MaxConnections is how many connections are open at once, upgraded ones
	// included; further ones wait to be accepted. 0 means no limit.
	MaxConnections int
}

// A Server serves HTTP. It is safe for concurrent use and serves once: after
// Shutdown it is done.
type Server struct {
	handler      http.Handler
	malformed    *problem.Problem
	http         *http.Server
	tls          bool
	bodyIdle     time.Duration
	writeTimeout time.Duration
	slots        chan struct{} // one per open connection; nil for no limit
	buffers      sync.Pool     // *[chunk]byte

	base context.Context //nolint:containedctx // of every request: its cause tells a stop from a client that left
	cut  context.CancelCauseFunc

	refused     atomic.Uint64
	leaving     atomic.Bool
	closing     atomic.Bool
	mu          sync.Mutex
	connections map[net.Conn]*connection
	upgrades    upgrades
	strict      bool
	stricts     stricts
}

// New reports every invalid field of cfg at once. Changing cfg later has no
// effect.
func New(cfg Config) (*Server, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	s := &Server{
		handler: cfg.Handler, malformed: malformed(), tls: cfg.TLS != nil, strict: cfg.Strict, bodyIdle: cfg.BodyIdleTimeout, writeTimeout: cfg.WriteTimeout,
		connections: map[net.Conn]*connection{},
	}
	s.base, s.cut = context.WithCancelCause(context.Background())
	s.buffers.New = func() any { return new([chunk]byte) }
	if cfg.MaxConnections > 0 {
		s.slots = make(chan struct{}, cfg.MaxConnections)
	}
	s.upgrades.release = s.release
	s.http = &http.Server{
		Handler:                      http.HandlerFunc(s.serve),
		DisableGeneralOptionsHandler: true, // "OPTIONS *" is judged like any request
		TLSConfig:                    cfg.TLS.Clone(),
		ReadHeaderTimeout:            cfg.ReadHeaderTimeout,
		IdleTimeout:                  cfg.IdleTimeout,
		MaxHeaderBytes:               cfg.MaxHeaderBytes,
		HTTP2:                        http2Limits(cfg.MaxStreams, cfg.WriteTimeout),
		Protocols:                    protocols(cfg.InsecureH2C),
		TLSNextProto:                 map[string]func(*http.Server, *tls.Conn, http.Handler){acmeProtocol: closeChallenge},
		BaseContext:                  func(net.Listener) context.Context { return s.base },
		ConnContext:                  s.connected,
		ConnState:                    s.stateChanged,
		ErrorLog:                     slog.NewLogLogger(errorLog{cfg.Log.Handler(), &s.refused}, slog.LevelWarn),
	}
	return s, nil
}

// complete sets defaults and checks ranges.
func (cfg *Config) complete() error {
	var errs []error
	if cfg.Handler == nil {
		errs = append(errs, errors.New("httpserver: Handler is missing"))
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	for _, d := range []struct {
		name      string
		value     *time.Duration
		otherwise time.Duration
		atMost    time.Duration
	}{
		{"ReadHeaderTimeout", &cfg.ReadHeaderTimeout, 10 * time.Second, 10 * time.Minute},
		{"IdleTimeout", &cfg.IdleTimeout, 2 * time.Minute, time.Hour},
		{"BodyIdleTimeout", &cfg.BodyIdleTimeout, 30 * time.Second, 10 * time.Minute},
		{"WriteTimeout", &cfg.WriteTimeout, 30 * time.Second, 10 * time.Minute},
	} {
		if *d.value == 0 {
			*d.value = d.otherwise
		}
		if *d.value < time.Millisecond || *d.value > d.atMost {
			errs = append(errs, fmt.Errorf("httpserver: %s is %v, want 1ms to %v", d.name, *d.value, d.atMost))
		}
	}
	if cfg.MaxHeaderBytes == 0 {
		cfg.MaxHeaderBytes = 64 << 10
	}
	if cfg.MaxHeaderBytes < 1<<10 || cfg.MaxHeaderBytes > 1<<20 {
		errs = append(errs, fmt.Errorf("httpserver: MaxHeaderBytes is %d, want 1024 to 1048576", cfg.MaxHeaderBytes))
	}
	if cfg.MaxStreams == 0 {
		cfg.MaxStreams = defaultStreams
	}
	if cfg.MaxStreams < 1 || cfg.MaxStreams > maxStreams {
		errs = append(errs, fmt.Errorf("httpserver: MaxStreams is %d, want 1 to %d", cfg.MaxStreams, maxStreams))
	}
	if cfg.MaxConnections < 0 {
		errs = append(errs, fmt.Errorf("httpserver: MaxConnections is %d, want 0 for no limit, or more", cfg.MaxConnections))
	}
	if t := cfg.TLS; t != nil && len(t.Certificates) == 0 && t.GetCertificate == nil && t.GetConfigForClient == nil {
		errs = append(errs, errors.New("httpserver: TLS has no certificate"))
	}
	if cfg.TLS != nil && cfg.InsecureH2C {
		errs = append(errs, errors.New("httpserver: InsecureH2C is for a server without TLS"))
	}
	if cfg.TLS != nil && cfg.Strict {
		errs = append(errs, errors.New("httpserver: Strict is for a server without TLS"))
	}
	return errors.Join(errs...)
}

// Serve accepts connections of l until Shutdown, and closes l. It may be called
// for several listeners. It returns nil after Shutdown, at once: wait for
// Shutdown to return before the process ends.
func (s *Server) Serve(l net.Listener) error {
	if s.slots != nil {
		l = &limited{Listener: l, slots: s.slots, closed: make(chan struct{})}
	}
	if s.strict {
		l = s.strictly(l)
	}
	var err error
	if s.tls {
		err = s.http.ServeTLS(l, "", "")
	} else {
		err = s.http.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("httpserver: %w", err)
}

// Handler serves requests that came another way than over a listener of Serve,
// such as HTTP/3: with the same checks, deadlines and handler. Shutdown knows
// nothing of them.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// ErrStopped is the cause ([context.Cause]) of the end of a request's context when
// the request was cut because the server stopped.
var ErrStopped = errors.New("httpserver: the server stopped")

// Leave has clients go elsewhere before Shutdown: connections are still accepted, but
// each ends with its next answer (RFC 9112, section 9.6; GOAWAY of RFC 9113, section
// 6.8, in HTTP/2). A balancer then finds out that this server is going while nothing
// that it sends is lost.
func (s *Server) Leave() { s.leaving.Store(true) }

// Shutdown stops accepting, waits for running requests and then for upgraded
// connections, and closes what is left when ctx ends. The error is ctx's when
// something had to be cut, nil otherwise.
func (s *Server) Shutdown(ctx context.Context) error {
	s.closing.Store(true)
	drained := make(chan error, 1)
	go func() { drained <- s.stricts.drain(ctx) }()
	err := s.http.Shutdown(ctx)
	if err = cmp.Or(err, <-drained); err != nil {
		s.cut(ErrStopped)
		err = errors.Join(err, s.http.Close())
		s.stricts.cut()
	}
	err = errors.Join(err, s.upgrades.wait(ctx))
	s.cut(ErrStopped)
	return err
}

// Refused returns how often a connection ended before the handler saw its
// request: heads that net/http answered itself (400, 417, 431, 501, 505), heads
// that broke off or took too long, failed TLS handshakes, and requests of later
// versions that are malformed.
func (s *Server) Refused() uint64 { return s.refused.Load() }
