package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/warder-dev/warder/redact"
)

// LogConfig says how logs are written.
type LogConfig struct {
	_ [0]func()

	Output   io.Writer // required; one Write per record
	Format   string    // "auto" (also ""), "json" or "text"; auto is text on a terminal and else json
	Level    string    // "debug", "info" (also ""), "warn" or "error"
	Terminal bool      // whether Output is a terminal
}

// IsTerminal reports whether out is a terminal, for [LogConfig.Terminal].
func IsTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Logs are the program's loggers. Both write to one output in one format.
type Logs struct {
	// Main is for everything but requests. Its handler makes text printable and
	// masks what has the shape of a key or token, wherever it comes from.
	Main *slog.Logger

	// Access is for accesslog, which cleans its few fields itself: a second look
	// would cost more than the record.
	Access *slog.Logger
}

// NewLogs returns the loggers, or all errors of cfg at once.
func NewLogs(cfg LogConfig) (*Logs, error) {
	var errs []error
	if cfg.Output == nil {
		errs = append(errs, errors.New("server: log output is missing"))
	}
	level, err := parseLevel(cfg.Level)
	if err != nil {
		errs = append(errs, err)
	}
	text, err := isText(cfg.Format, cfg.Terminal)
	if err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	h := newHandler(cfg.Output, level, text)
	return &Logs{Main: slog.New(guard{h}), Access: slog.New(h)}, nil
}

func newHandler(out io.Writer, level slog.Level, text bool) slog.Handler {
	options := &slog.HandlerOptions{Level: level}
	if text {
		return slog.NewTextHandler(out, options)
	}
	return slog.NewJSONHandler(out, options)
}

func parseLevel(level string) (slog.Level, error) {
	switch level {
	case "debug":
		return slog.LevelDebug, nil
	case "", "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	default:
		return 0, fmt.Errorf("server: log level %q: want debug, info, warn or error", level)
	}
}

func isText(format string, terminal bool) (bool, error) {
	switch format {
	case "", "auto":
		return terminal, nil
	case "json":
		return false, nil
	case "text":
		return true, nil
	default:
		return false, fmt.Errorf("server: log format %q: want auto, json or text", format)
	}
}

// DroppedNotice returns the line by which the log tells of lost records, in the
// format that cfg asks for: see accesslog.WriterConfig.
func (cfg LogConfig) DroppedNotice(at time.Time, dropped uint64) []byte {
	number := strconv.FormatUint(dropped, 10)
	stamp := at.Format(time.RFC3339Nano)
	if text, err := isText(cfg.Format, cfg.Terminal); text && err == nil {
		return []byte("time=" + stamp + ` level=WARN msg="` + number + ` records dropped" dropped=` + number + "\n")
	}
	return []byte(`{"time":"` + stamp + `","level":"WARN","msg":"` + number + ` records dropped","dropped":` + number + "}\n")
}

// guard is the last look at log lines: the code that logs should not put a
// credential or a client's raw text into them, and guard is for when it does.
type guard struct{ next slog.Handler }

// Bounds of what guard looks through.
const (
	maxLogText  = 16 << 10 // bytes of one value; a panic's stack fits
	maxLogDepth = 8        // groups in groups
)

func (g guard) Enabled(ctx context.Context, level slog.Level) bool {
	return g.next.Enabled(ctx, level)
}

func (g guard) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, cleanText(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(cleanAttr(a, 0))
		return true
	})
	return g.next.Handle(ctx, clean) //nolint:wrapcheck // a handler passes on what the next one says
}

func (g guard) WithAttrs(attrs []slog.Attr) slog.Handler {
	return guard{g.next.WithAttrs(cleanAttrs(attrs, 0))}
}

func (g guard) WithGroup(name string) slog.Handler {
	return guard{g.next.WithGroup(cleanText(name))}
}

func cleanAttrs(attrs []slog.Attr, depth int) []slog.Attr {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = cleanAttr(a, depth)
	}
	return clean
}

func cleanAttr(a slog.Attr, depth int) slog.Attr {
	a.Key = cleanText(a.Key)
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(cleanText(v.String()))
	case slog.KindGroup:
		if depth >= maxLogDepth {
			a.Value = slog.StringValue("[too deep]")
			break
		}
		a.Value = slog.GroupValue(cleanAttrs(v.Group(), depth+1)...)
	case slog.KindAny, slog.KindLogValuer:
		a.Value = slog.StringValue(cleanText(printed(v.Any())))
	default: // numbers, booleans, times: nothing to hide in them
		a.Value = v
	}
	return a
}

// printed is v as fmt prints it, so that no encoder finds another text in it.
func printed(v any) string {
	switch v := v.(type) {
	case nil:
		return "<nil>"
	case error:
		return fmt.Sprint(v) // not v.Error(): fmt survives a nil pointer in v
	case []byte:
		return string(v)
	default:
		return fmt.Sprintf("%+v", v)
	}
}

// cleanText masks before it cuts, so that no half of a key stays behind.
func cleanText(s string) string {
	s = redact.Line(redact.Text(s))
	if len(s) > maxLogText {
		s = strings.ToValidUTF8(s[:maxLogText], "") + "[cut]"
	}
	return s
}
