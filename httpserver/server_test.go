package httpserver_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/httpserver"
)

// patience is how long a test waits for what should happen soon.
const patience = 10 * time.Second

// start serves cfg on a port of its own until the test ends.
func start(t *testing.T, cfg httpserver.Config) (*httpserver.Server, string) {
	t.Helper()
	s, err := httpserver.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 50*time.Millisecond)
		defer cancel()
		_ = s.Shutdown(ctx) // a test may leave connections behind
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return s, l.Addr().String()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func write(t *testing.T, w io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
}

// answer reads one response and its body.
func answer(t *testing.T, r *bufio.Reader) (*http.Response, string) {
	t.Helper()
	w, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatalf("no response: %v", err)
	}
	defer w.Body.Close()
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatalf("response body: %v", err)
	}
	return w, string(body)
}

// closed reports whether the server ends the connection without another byte.
func closed(r io.Reader) bool {
	_, err := r.Read(make([]byte, 1))
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// until polls what has no channel.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		<-time.After(time.Millisecond)
	}
}

func receive[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("never: %s", what)
		panic("unreachable")
	}
}

const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }

func TestNewReportsEverything(t *testing.T) {
	_, err := httpserver.New(httpserver.Config{
		ReadHeaderTimeout: -1, IdleTimeout: 2 * time.Hour, BodyIdleTimeout: 1, WriteTimeout: time.Hour, MaxHeaderBytes: 1, MaxConnections: -1, TLS: &tls.Config{MinVersion: tls.VersionTLS12},
	})
	for _, name := range []string{"Handler", "ReadHeaderTimeout", "IdleTimeout", "BodyIdleTimeout", "WriteTimeout", "MaxHeaderBytes", "MaxConnections", "TLS"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("New: %v does not name %s", err, name)
		}
	}
}

func TestHeaderTooLarge(t *testing.T) {
	s, addr := start(t, httpserver.Config{MaxHeaderBytes: 1 << 10, Handler: http.HandlerFunc(hello)})
	conn := dial(t, addr)
	go func() {
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\nX: "+strings.Repeat("a", 8<<10)+"\r\n\r\n")
	}()
	r := bufio.NewReader(conn)
	if w, _ := answer(t, r); w.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status = %d, want 431", w.StatusCode)
	}
	until(t, "it is counted", func() bool { return s.Refused() == 1 })
}

func TestASilentClientIsCut(t *testing.T) {
	_, addr := start(t, httpserver.Config{ReadHeaderTimeout: 30 * time.Millisecond, Handler: http.HandlerFunc(hello)})
	conn := dial(t, addr)
	write(t, conn, "GET / HTTP/1.1\r\nHost:")
	if !closed(conn) {
		t.Error("half a head keeps the connection open")
	}
}

func TestTheErrorLogHoldsNoRequestData(t *testing.T) {
	var log lines
	_, addr := start(t, httpserver.Config{
		Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", r.Header.Get("X-Canary"))
			w.WriteHeader(200)
			w.WriteHeader(201)
			panic(r.Header.Get("X-Canary"))
		}),
	})
	conn := dial(t, addr)
	write(t, conn, "GET /?canary HTTP/1.1\r\nHost: a\r\nX-Canary: canary\r\n\r\n")
	until(t, "the panic is logged", func() bool { return strings.Contains(log.String(), "panicked") })
	if text := log.String(); strings.Contains(text, "canary") || strings.Contains(text, "127.0.0.1") || !strings.Contains(text, "misused") {
		t.Errorf("log = %s", text)
	}
}

// lines is a buffer that several goroutines may use.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func BenchmarkDeadlines(b *testing.B) {
	for name, wrapped := range map[string]bool{"net/http": false, "httpserver": true} {
		b.Run(name, func(b *testing.B) {
			s, err := httpserver.New(httpserver.Config{Handler: http.HandlerFunc(hello)})
			if err != nil {
				b.Fatal(err)
			}
			l, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			if wrapped {
				go func() { _ = s.Serve(l) }()
				defer func() { _ = s.Shutdown(b.Context()) }()
			} else {
				plain := &http.Server{Handler: http.HandlerFunc(hello), ReadHeaderTimeout: time.Second}
				go func() { _ = plain.Serve(l) }()
				defer plain.Close()
			}
			conn, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			answer := make([]byte, 4096)
			b.ReportAllocs()
			for b.Loop() {
				_, _ = io.WriteString(conn, get)
				if _, err := conn.Read(answer); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
