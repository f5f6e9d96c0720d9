package acme

import (
	"context"
	"errors"
	"log/slog"

	"go.uber.org/zap/zapcore"
)

// trouble is a zap core that hands certmagic's errors to slog: its words and the
// error alone, since other fields hold addresses of clients and of the operator.
// What the issuer tells by itself is left out.
type trouble struct{ log *slog.Logger }

// Enabled implements zapcore.Core.
func (trouble) Enabled(level zapcore.Level) bool { return level >= zapcore.ErrorLevel }

// With implements zapcore.Core.
func (t trouble) With([]zapcore.Field) zapcore.Core { return t }

// Check implements zapcore.Core.
func (t trouble) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if !t.Enabled(entry.Level) || entry.Message == "could not get certificate from issuer" {
		return checked
	}
	return checked.AddCore(entry, t)
}

// Write implements zapcore.Core.
func (t trouble) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	attrs := []slog.Attr{slog.String("what", entry.Message)}
	for _, f := range fields {
		if err, ok := f.Interface.(error); ok && f.Type == zapcore.ErrorType {
			if errors.Is(err, context.Canceled) {
				return nil // a stop
			}
			attrs = append(attrs, slog.String("error", bounded(err).Error()))
		}
	}
	t.log.LogAttrs(context.Background(), slog.LevelError, "keeping certificates", attrs...)
	return nil
}

// Sync implements zapcore.Core.
func (trouble) Sync() error { return nil }

// attrs tells which certificate was got.
func attrs(name string, renewal bool) []any {
	return []any{slog.String("name", name), slog.Bool("renewal", renewal)}
}
