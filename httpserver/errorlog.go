package httpserver

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
)

// errorLog takes the lines that net/http writes about connections. They hold
// client addresses, pieces of requests and panic values, so that none is passed
// on: each becomes a constant that says what kind of line it was.
type errorLog struct {
	slog.Handler
	refused *atomic.Uint64
}

// Enabled lets every line through, since some are counted; Handle asks again.
func (errorLog) Enabled(context.Context, slog.Level) bool { return true }

// Handle logs the kind of r's message.
func (h errorLog) Handle(ctx context.Context, r slog.Record) error {
	kept := slog.NewRecord(r.Time, slog.LevelWarn, "net/http reported an error", 0)
	after, isAccept := strings.CutPrefix(r.Message, "http: Accept error: ")
	switch {
	case isAccept: // our own address and the system's error
		kept.Level, kept.Message = slog.LevelError, "accepting connections failed"
		kept.AddAttrs(slog.String("error", after))
	case strings.HasPrefix(r.Message, "http: TLS handshake error"): // each port scan makes some
		kept.Level, kept.Message = slog.LevelDebug, "a TLS handshake failed"
		h.refused.Add(1)
	case strings.HasPrefix(r.Message, "http: panic serving"), strings.HasPrefix(r.Message, "http2: panic serving"):
		kept.Level, kept.Message = slog.LevelError, "a handler panicked outside of Recover; the connection was closed"
	case strings.HasPrefix(r.Message, "http: superfluous response.WriteHeader"), strings.HasPrefix(r.Message, "http: response.Write"),
		strings.HasPrefix(r.Message, "http: WriteHeader"), strings.HasPrefix(r.Message, "http: invalid Content-Length"):
		kept.Message = "a handler misused its response"
	case strings.HasPrefix(r.Message, "http2: "):
		kept.Level, kept.Message = slog.LevelDebug, "an HTTP/2 connection failed"
	}
	if !h.Handler.Enabled(ctx, kept.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, kept)
}
