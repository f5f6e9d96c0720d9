package server_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/server"
	"github.com/warder-dev/warder/secret"
)

func newLogs(tb testing.TB, out io.Writer, format string) *server.Logs {
	tb.Helper()
	logs, err := server.NewLogs(server.LogConfig{Output: out, Format: format})
	if err != nil {
		tb.Fatal(err)
	}
	return logs
}

func TestNewLogs(t *testing.T) {
	tests := []struct {
		name          string
		format, level string
		terminal      bool
		json, debug   bool
	}{
		{"auto to a file", "auto", "", false, true, false},
		{"auto to a terminal", "", "info", true, false, false},
		{"json to a terminal", "json", "debug", true, true, true},
		{"text to a file", "text", "debug", false, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			cfg := server.LogConfig{Output: &out, Format: tt.format, Level: tt.level, Terminal: tt.terminal}
			logs, err := server.NewLogs(cfg)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range []*slog.Logger{logs.Main, logs.Access} {
				out.Reset()
				l.Debug("d")
				if got := out.Len() > 0; got != tt.debug {
					t.Errorf("debug line written = %v, want %v", got, tt.debug)
				}
				out.Reset()
				l.Info("i", slog.Int("n", 1))
				if got := json.Valid(out.Bytes()); got != tt.json {
					t.Errorf("%q is JSON = %v, want %v", out.String(), got, tt.json)
				}
			}
			notice := string(cfg.DroppedNotice(time.Unix(0, 0), 3))
			if json.Valid([]byte(notice)) != tt.json || !strings.Contains(notice, "3 records dropped") || !strings.HasSuffix(notice, "\n") {
				t.Errorf("notice = %q", notice)
			}
		})
	}
}

func TestNewLogsReportsEveryErrorAtOnce(t *testing.T) {
	_, err := server.NewLogs(server.LogConfig{Format: "xml", Level: "loud"})
	if err == nil {
		t.Fatal("NewLogs accepted an invalid LogConfig")
	}
	for _, want := range []string{"output", `"xml"`, `"loud"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not mention %s", err, want)
		}
	}
}

func TestIsTerminal(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	if server.IsTerminal(null) || server.IsTerminal(io.Discard) {
		t.Error("what is no terminal is taken for one")
	}
}

// broken is an error whose method panics on a nil pointer.
type broken struct{ text string }

func (b *broken) Error() string { return b.text }

// valuer logs as another value.
type valuer struct{ s string }

func (v valuer) LogValue() slog.Value {
	return slog.GroupValue(slog.String("inner", v.s), slog.Any("err", errors.New(v.s)))
}

// everywhere logs s in every place that a line has.
func everywhere(l *slog.Logger, s string) {
	l.Info(s)
	l.Info("m", slog.String("k", s))
	l.Info("m", slog.String(s, "v"))
	l.Info("m", slog.Any("err", fmt.Errorf("wrapped: %w", errors.New(s))))
	l.Info("m", slog.Any("struct", struct{ A, b string }{s, s}))
	l.Info("m", slog.Any("list", []string{s}), slog.Any("map", map[string]string{s: s}), slog.Any("bytes", []byte(s)))
	l.Info("m", slog.Any("json", json.RawMessage(`"`+s+`"`)))
	l.Info("m", slog.Group("g", slog.String("k", s), slog.Group("h", slog.String(s, s))))
	l.Info("m", slog.Any("valuer", valuer{s}))
	l.With(slog.String("k", s)).Info("m")
	l.WithGroup(s).Info("m", slog.String("k", s))
}

func TestMainLogLOG01(t *testing.T) {
	attack.Case(t, "LOG-01", attack.Library, func(t *testing.T) {
		const key = "wrd_live_4fT9sQ2xLmZ07kRb8NvYc3HpWd5GjXaE1uKoMi6ThVqSyB2nQz"
		for _, format := range []string{"json", "text"} {
			for _, s := range []string{key, "Bearer " + key, "Get \"http://u:" + key + "@h/" + key + "\": refused", "token=" + key} {
				var out bytes.Buffer
				everywhere(newLogs(t, &out, format).Main, s)
				if strings.Contains(out.String(), key[9:]) || strings.Count(out.String(), "\n") != 11 {
					t.Errorf("%s, %q: the key is in the log, or a line lacks: %s", format, s, out.String())
				}
			}
		}
	})
}

func TestMainLogLOG02(t *testing.T) {
	attack.Case(t, "LOG-02", attack.Library, func(t *testing.T) {
		for _, s := range []string{"a\r\n{\"msg\":\"forged\"}\r\n", "\x1b[2J", "\u202etxt", "\u2066\u2069", "\u2028\u2029", "\u0085", "\u200b\ufeff", "\xff", "\x00"} {
			for _, format := range []string{"json", "text"} {
				var out bytes.Buffer
				everywhere(newLogs(t, &out, format).Main, s)
				lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
				if len(lines) != 11 {
					t.Errorf("%s %q: %d lines, want 11", format, s, len(lines))
				}
				for _, line := range lines {
					if strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
						t.Errorf("%s %q: line %q is not printable", format, s, line)
					}
					if format == "json" && !json.Valid([]byte(line)) {
						t.Errorf("%q: line %q is not JSON", s, line)
					}
				}
			}
		}
	})
}

func TestMainLogKeepsWhatIsHarmless(t *testing.T) {
	var out bytes.Buffer
	log := newLogs(t, &out, "json").Main
	var missing *broken
	deep := slog.String("k", "v")
	for range 20 {
		deep = slog.Attr{Key: "g", Value: slog.GroupValue(deep)}
	}
	log.Warn("listening", slog.String("address", "127.0.0.1:8080"), slog.Int("n", 1), slog.Bool("b", true), slog.Duration("d", 5),
		slog.Any("key", secret.New("hidden-thing")), slog.Any("err", missing), slog.Any("none", nil), slog.String("long", strings.Repeat("é ", 20_000)), deep)
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"level": "WARN", "msg": "listening", "address": "127.0.0.1:8080", "n": 1.0, "b": true, "d": 5.0, "key": "[secret]", "err": "<nil>", "none": "<nil>",
	} {
		if line[key] != want {
			t.Errorf("%s = %v, want %v", key, line[key], want)
		}
	}
	if long, _ := line["long"].(string); len(long) > 17<<10 || !strings.HasSuffix(long, "[cut]") {
		t.Errorf("a long value has %d bytes", len(long))
	}
	if !strings.Contains(out.String(), "[too deep]") {
		t.Error("groups in groups have no bound")
	}
}

func BenchmarkLogs(b *testing.B) {
	logs := newLogs(b, io.Discard, "json")
	for name, l := range map[string]*slog.Logger{"main": logs.Main, "access": logs.Access} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l.Info("listening", slog.String("address", "127.0.0.1:8080"), slog.Int("n", 1))
			}
		})
	}
}
