package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/warder-dev/warder/http3"
)

// listenPackets opens the UDP socket of HTTP/3 at the address of public.
func listenPackets(ctx context.Context, public net.Listener) (net.PacketConn, error) {
	address := public.Addr().String()
	packets, err := new(net.ListenConfig).ListenPacket(ctx, "udp", address)
	if err != nil {
		return nil, listenError("tls.http3", "UDP "+address, err)
	}
	return packets, nil
}

// advertise tells clients of h that HTTP/3 is served too, when it is.
func (p *program) advertise(h http.Handler) http.Handler {
	if p.options.Listeners.Packets == nil {
		return h
	}
	return http3.Advertise(p.options.Config.HTTPS.Port, h)
}

// addHTTP3 makes the server of HTTP/3 beside the public one, whose checks and
// deadlines it shares.
func (p *program) addHTTP3(public service) error {
	if p.options.Listeners.Packets == nil {
		return nil
	}
	c := p.options.Config
	var err error
	p.http3, err = http3.New(http3.Config{
		Handler: public.server.Handler(), TLS: p.publicTLS(), Log: p.options.Log,
		ReadHeaderTimeout: c.Timeouts.Header, IdleTimeout: c.Timeouts.Idle,
		MaxHeaderBytes: int(c.Limits.HeaderBytes), MaxConnections: c.Limits.Connections,
	})
	return err
}

// serveHTTP3 serves until drainHTTP3.
func (p *program) serveHTTP3() error {
	if err := p.http3.Serve(p.options.Listeners.Packets); err != nil {
		return fmt.Errorf("server: the listener of HTTP/3 failed: %w", err)
	}
	return nil
}

// drainHTTP3 begins to stop HTTP/3, and returns what waits for its end.
func (p *program) drainHTTP3(ctx context.Context) (wait func() error) {
	if p.http3 == nil {
		return func() error { return nil }
	}
	done := make(chan error, 1)
	go func() { done <- p.http3.Shutdown(ctx) }()
	return func() error {
		err := <-done
		if errors.Is(err, context.DeadlineExceeded) {
			p.options.Log.Warn("the drain bound is reached: what still ran was cut", slog.String("listener", "http3"))
			return nil
		}
		return err
	}
}
