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
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/target"
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
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
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

func TestASlowBodyIsCut(t *testing.T) {
	failed := make(chan error, 1)
	_, addr := start(t, httpserver.Config{BodyIdleTimeout: 50 * time.Millisecond, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		failed <- err
		w.Header().Set("Connection", "close")
		problem.New(problem.BodyTimeout, "").Write(w, r, "")
	})})
	conn := dial(t, addr)
	write(t, conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
	err := receive(t, failed, "the body ends")
	if !errors.Is(err, httpserver.ErrBodyIdle) || !errors.Is(err, os.ErrDeadlineExceeded) || strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("error = %v, want ErrBodyIdle without an address", err)
	}
	if w, _ := answer(t, bufio.NewReader(conn)); w.StatusCode != http.StatusRequestTimeout {
		t.Errorf("status = %d, want 408", w.StatusCode)
	}
}

func TestABodyThatKeepsComingIsNotCut(t *testing.T) {
	_, addr := start(t, httpserver.Config{BodyIdleTimeout: 200 * time.Millisecond, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	})})
	conn := dial(t, addr)
	write(t, conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
	for range 10 {
		<-time.After(40 * time.Millisecond)
		write(t, conn, "x")
	}
	if _, body := answer(t, bufio.NewReader(conn)); body != "xxxxxxxxxx" {
		t.Errorf("body = %q, want all ten bytes", body)
	}
}

func TestABodyThatNobodyReadsDoesNotHoldTheAnswer(t *testing.T) {
	_, addr := start(t, httpserver.Config{BodyIdleTimeout: 50 * time.Millisecond, Handler: http.HandlerFunc(hello)})
	conn := dial(t, addr)
	write(t, conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n") // and never a byte of it
	r := bufio.NewReader(conn)
	if _, body := answer(t, r); body != "hello" {
		t.Errorf("body = %q, want hello", body)
	}
	if !closed(r) {
		t.Error("the connection stays open with half a request on it")
	}
}

func TestAStreamOutlivesTheWriteDeadline(t *testing.T) {
	const pieces, size = 8, 1 << 10
	for name, h := range map[string]http.HandlerFunc{
		"written": func(w http.ResponseWriter, _ *http.Request) {
			source := &slow{left: pieces, every: 50 * time.Millisecond}
			for b := make([]byte, size); ; {
				if _, err := source.Read(b); err != nil {
					return
				}
				_, _ = w.Write(b)
				w.(http.Flusher).Flush()
			}
		},
		"copied from a slow source": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "8192") // the case in which net/http copies to the connection itself
			_, _ = io.CopyN(w, &slow{left: pieces, every: 50 * time.Millisecond}, pieces*size)
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, addr := start(t, httpserver.Config{WriteTimeout: 100 * time.Millisecond, Handler: h})
			conn := dial(t, addr)
			write(t, conn, get)
			if _, body := answer(t, bufio.NewReader(conn)); len(body) != pieces*size {
				t.Errorf("got %d bytes, want %d", len(body), pieces*size)
			}
		})
	}
}

// slow gives 1 KiB now and then.
type slow struct {
	left  int
	every time.Duration
}

func (s *slow) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	<-time.After(s.every)
	s.left--
	return min(len(p), 1<<10), nil
}

func TestAStuckReaderIsCut(t *testing.T) {
	failed := make(chan error, 1)
	_, addr := start(t, httpserver.Config{WriteTimeout: 50 * time.Millisecond, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, err := w.Write(make([]byte, 64<<20))
		failed <- err
	})})
	conn := dial(t, addr)
	write(t, conn, get)
	if err := receive(t, failed, "the write ends"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error = %v, want a deadline", err)
	}
}

func TestASilentHandlersAnswerArrives(t *testing.T) {
	_, addr := start(t, httpserver.Config{WriteTimeout: 20 * time.Millisecond, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hello(w, r) // stays in the buffer
		<-time.After(60 * time.Millisecond)
	})})
	conn := dial(t, addr)
	r := bufio.NewReader(conn)
	for range 3 { // the deadline of one request must not meet the next
		write(t, conn, get)
		if w, body := answer(t, r); body != "hello" || w.StatusCode != 200 {
			t.Fatalf("got %d %q, want hello", w.StatusCode, body)
		}
		<-time.After(40 * time.Millisecond)
	}
}

func TestReadingOnAfterTheEndTouchesNoDeadline(t *testing.T) {
	bodies := make(chan io.ReadCloser, 1)
	cancelled := make(chan error, 1)
	_, addr := start(t, httpserver.Config{BodyIdleTimeout: 30 * time.Millisecond, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			bodies <- r.Body
			hello(w, r)
			return
		}
		body := <-bodies
		<-time.After(5 * time.Millisecond) // so that a deadline would be renewed
		if _, err := body.Read(make([]byte, 1)); err == nil {
			t.Error("a body was read after its request")
		}
		select {
		case <-r.Context().Done():
			cancelled <- r.Context().Err()
		case <-time.After(90 * time.Millisecond):
			cancelled <- nil
		}
		hello(w, r)
	})})
	conn := dial(t, addr)
	r := bufio.NewReader(conn)
	write(t, conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
	answer(t, r)
	write(t, conn, get)
	if err := receive(t, cancelled, "the second request ends"); err != nil {
		t.Errorf("the second request was cancelled: %v", err)
	}
	answer(t, r)
}

func TestAHandlersOwnReadDeadlineHolds(t *testing.T) {
	_, addr := start(t, httpserver.Config{BodyIdleTimeout: 3200 * time.Millisecond, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-time.After(210 * time.Millisecond) // so that a deadline would be renewed
		if err := http.NewResponseController(w).SetReadDeadline(time.Now()); err != nil {
			t.Error(err)
		}
		hello(w, r)
	})})
	conn := dial(t, addr)
	begin := time.Now()
	write(t, conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
	answer(t, bufio.NewReader(conn))
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("the answer took %v: it waited for the body", took)
	}
}

func TestReadingOnAtTheEndOfABodyTouchesNoDeadline(t *testing.T) {
	cancelled := make(chan error, 1)
	_, addr := start(t, httpserver.Config{BodyIdleTimeout: 30 * time.Millisecond, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		<-time.After(5 * time.Millisecond) // so that a deadline would be renewed
		if n, err := r.Body.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("got %d, %v; want the end", n, err)
		}
		<-time.After(90 * time.Millisecond)
		cancelled <- r.Context().Err()
	})})
	conn := dial(t, addr)
	write(t, conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
	if err := receive(t, cancelled, "the request ends"); err != nil {
		t.Errorf("the request was cancelled: %v", err)
	}
	answer(t, bufio.NewReader(conn))
}

func TestHTTP2(t *testing.T) {
	resume := make(chan struct{})
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS()
	defer certificate.Close()
	s, addr := start(t, httpserver.Config{
		TLS:          &tls.Config{Certificates: certificate.TLS.Certificates, MinVersion: tls.VersionTLS12},
		WriteTimeout: 50 * time.Millisecond, BodyIdleTimeout: 50 * time.Millisecond,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.ProtoMajor != 2 {
				t.Errorf("%s, want HTTP/2", r.Proto)
			}
			if r.URL.Path == "/stuck" {
				_, err := io.ReadAll(r.Body)
				if !errors.Is(err, httpserver.ErrBodyIdle) {
					t.Errorf("body: %v, want ErrBodyIdle", err)
				}
				return
			}
			hello(w, r)
			w.(http.Flusher).Flush()
			_, _ = r.Body.Read(make([]byte, 1))
			<-time.After(150 * time.Millisecond) // silent for longer than both deadlines
			close(resume)
			if _, err := io.Copy(w, r.Body); err != nil {
				t.Errorf("body after a pause: %v", err)
			}
		}),
	})
	client := certificate.Client()
	transport, _ := client.Transport.(*http.Transport)
	transport.ForceAttemptHTTP2 = true
	post := func(path string, body io.Reader) (string, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+addr+path, body)
		if err != nil {
			t.Fatal(err)
		}
		w, err := client.Do(r)
		if err != nil {
			return "", err
		}
		defer w.Body.Close()
		b, err := io.ReadAll(w.Body)
		return string(b), err
	}
	pr, pw := io.Pipe()
	go func() {
		_, _ = io.WriteString(pw, "-")
		<-resume
		_, _ = io.WriteString(pw, "world")
		_ = pw.Close()
	}()
	if body, err := post("/", pr); err != nil || body != "helloworld" {
		t.Errorf("got %q, %v; want helloworld", body, err)
	}
	pr, pw = io.Pipe()
	defer pw.Close()
	if _, err := post("/stuck", pr); err != nil {
		t.Errorf("a stuck body's answer: %v", err)
	}
	idle := tls.Client(dial(t, addr), &tls.Config{NextProtos: []string{"h2"}, RootCAs: transport.TLSClientConfig.RootCAs, ServerName: "example.com", MinVersion: tls.VersionTLS12})
	write(t, idle, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00") // and an empty SETTINGS frame
	if _, err := io.ReadFull(idle, make([]byte, 9)); err != nil {
		t.Fatal(err)
	}
	_ = idle.Close()
	<-time.After(50 * time.Millisecond)
	if got := s.Refused(); got != 0 {
		t.Errorf("Refused = %d, want 0", got)
	}
	plain := dial(t, addr)
	write(t, plain, get)
	until(t, "the failed handshake is counted", func() bool { return s.Refused() == 1 })
}

// upgrade takes the connection over and echoes.
func upgrade(w http.ResponseWriter, _ *http.Request) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	_, _ = io.Copy(conn, rw)
}

func TestUpgradedConnectionsHaveNoDeadline(t *testing.T) {
	_, addr := start(t, httpserver.Config{WriteTimeout: 20 * time.Millisecond, BodyIdleTimeout: 20 * time.Millisecond, IdleTimeout: 20 * time.Millisecond, Handler: http.HandlerFunc(upgrade)})
	conn := dial(t, addr)
	r := bufio.NewReader(conn)
	write(t, conn, get)
	answerHead(t, r)
	<-time.After(80 * time.Millisecond)
	write(t, conn, "x")
	if b, err := r.ReadByte(); b != 'x' || err != nil {
		t.Errorf("got %q, %v; want the echo", b, err)
	}
}

// answerHead reads the head of a 101.
func answerHead(t *testing.T, r *bufio.Reader) {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "\r\n" {
			return
		}
	}
}

func TestShutdownDrains(t *testing.T) {
	running, finish := make(chan struct{}), make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/up", upgrade)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { close(running); <-finish; hello(w, r) })
	s, addr := start(t, httpserver.Config{Handler: mux})
	request, upgraded := dial(t, addr), dial(t, addr)
	write(t, request, get)
	receive(t, running, "the request runs")
	write(t, upgraded, "GET /up HTTP/1.1\r\nHost: a\r\n\r\n")
	echo := bufio.NewReader(upgraded)
	answerHead(t, echo)

	done := make(chan error, 1)
	go func() { done <- s.Shutdown(context.Background()) }()
	until(t, "nothing is accepted any more", func() bool {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	close(finish)
	if _, body := answer(t, bufio.NewReader(request)); body != "hello" {
		t.Errorf("body = %q, want hello", body)
	}
	write(t, upgraded, "x")
	if b, err := echo.ReadByte(); b != 'x' || err != nil {
		t.Errorf("the upgraded connection: %q, %v; want the echo", b, err)
	}
	select {
	case err := <-done:
		t.Errorf("Shutdown returned %v while a connection was open", err)
	case <-time.After(700 * time.Millisecond): // net/http polls each 500 ms at most
	}
	_ = upgraded.Close()
	if err := receive(t, done, "Shutdown returns"); err != nil {
		t.Errorf("Shutdown: %v, want nil", err)
	}
}

func TestShutdownCutsWhatIsLeft(t *testing.T) {
	s, addr := start(t, httpserver.Config{Handler: http.HandlerFunc(upgrade)})
	conn := dial(t, addr)
	write(t, conn, get)
	r := bufio.NewReader(conn)
	answerHead(t, r)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v, want the deadline", err)
	}
	if !closed(r) {
		t.Error("the connection is still open")
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	_, addr := start(t, httpserver.Config{MaxConnections: 1, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/up" {
			upgrade(w, r)
			return
		}
		hello(w, r)
	})})
	for range 3 { // upgraded and ordinary ones give their slot back
		first, second := dial(t, addr), dial(t, addr)
		write(t, first, "GET /up HTTP/1.1\r\nHost: a\r\n\r\n")
		answerHead(t, bufio.NewReader(first))
		write(t, second, get)
		if err := second.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := second.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the second connection got an answer: %v", err)
		}
		_ = first.Close()
		if err := second.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		answer(t, bufio.NewReader(second))
		_ = second.Close()
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

// refuseAll is a stage that lets nobody in.
type refuseAll struct{}

func (refuseAll) Check(*exchange.Exchange) exchange.Verdict {
	return exchange.Refuse(problem.New(problem.Unauthorized, ""), "")
}

func TestARefusalDoesNotWaitForTheBody(t *testing.T) {
	_, addr := start(t, httpserver.Config{Handler: exchange.Wrap(refuseAll{}, http.HandlerFunc(hello))})
	attack.Case(t, "PROXY-12", attack.Library, func(t *testing.T) {
		for name, tt := range map[string]struct {
			head string
			body int // MiB that the client tries to send
		}{
			"Expect":               {"Content-Length: 1073741824\r\nExpect: 100-continue\r\n", 0},
			"1 GiB":                {"Content-Length: 1073741824\r\n", 1024},
			"1 GiB in chunks":      {"Transfer-Encoding: chunked\r\n", 1024},
			"a length and no body": {"Content-Length: 5\r\n", 0},
		} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			conn := dial(t, addr)
			begin := time.Now()
			write(t, conn, "POST / HTTP/1.1\r\nHost: a\r\n"+tt.head+"\r\n")
			var sender sync.WaitGroup
			sender.Go(func() {
				piece := make([]byte, 1<<20)
				for range tt.body {
					if _, err := conn.Write(piece); err != nil {
						return // the server has closed
					}
				}
			})
			w, _ := answer(t, bufio.NewReader(conn))
			if took := time.Since(begin); w.StatusCode != http.StatusUnauthorized || !w.Close || took > 100*time.Millisecond {
				t.Errorf("%s: %d, close %v, after %v; want 401 and a close within 100ms", name, w.StatusCode, w.Close, took)
			}
			_ = conn.Close()
			sender.Wait()
			runtime.ReadMemStats(&after)
			if grown := int64(after.TotalAlloc) - int64(before.TotalAlloc); grown > 4<<20 { //nolint:gosec // small
				t.Errorf("%s: %d bytes were allocated", name, grown)
			}
		}
	})
}

// edge is what stands in front of a handler that tells what was judged.
func edge(t *testing.T) http.Handler {
	t.Helper()
	s, err := target.New(target.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return forwarded.Direct().Wrap(s.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchange.From(r.Context())
		_, _ = io.WriteString(w, "judged "+r.Method[:min(8, len(r.Method))]+" "+x.Host+" "+x.Path)
	})))
}

func TestHeadsOverASocket(t *testing.T) {
	s, addr := start(t, httpserver.Config{Handler: edge(t), MaxHeaderBytes: 8 << 10})
	const line = "GET / HTTP/1.1\r\n"
	for id, heads := range map[string]map[string]string{ // head to the answer; "" for a refusal and a close
		"SMUG-18": {
			line + "Host: a\r\nHost: b\r\n\r\n": "",
			line + "Host: a\r\nHost: a\r\n\r\n": "",
			line + "\r\nHost: a\r\n\r\n":        "",
			line + "Host:\r\n\r\n":              "",
			line + "Host: a b\r\n\r\n":          "",
			line + "Host: u@a\r\n\r\n":          "",
			line + "Host: a/b\r\n\r\n":          "",
			line + "Host: a\rb\r\n\r\n":         "",
			line + "\r\n":                       "",
			"GET / HTTP/1.0\r\n\r\n":            "",
			line + "Host: A.\r\n\r\n":           "judged GET a /",
		},
		"SMUG-19": {
			"GET http://b.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n":   "judged GET b.example /x",
			"GET http://b.example HTTP/1.1\r\nHost: a.example\r\n\r\n":     "judged GET b.example /",
			"GET http://u@b.example/x HTTP/1.1\r\nHost: b.example\r\n\r\n": "",
			"GET http:///x HTTP/1.1\r\nHost: a.example\r\n\r\n":            "",
			"GET http://b%2eexample/x HTTP/1.1\r\nHost: a\r\n\r\n":         "",
			"GET ftp://b.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n":    "",
			"GET //b.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n":        "",
		},
		"SMUG-20": {
			"G ET / HTTP/1.1\r\nHost: a\r\n\r\n":                           "",
			"get / HTTP/1.1\r\nHost: a\r\n\r\n":                            "judged get a /",
			"G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n":                         "",
			" GET / HTTP/1.1\r\nHost: a\r\n\r\n":                           "",
			strings.Repeat("A", 10<<10) + " / HTTP/1.1\r\nHost: a\r\n\r\n": "",
			"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n":                         "",
			"GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n":                        "",
			"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n":                    "",
			"GET /a?\xff HTTP/1.1\r\nHost: a\r\n\r\n":                      "",
			"GET  / HTTP/1.1\r\nHost: a\r\n\r\n":                           "",
			"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n":                        "",
		},
	} {
		attack.Case(t, id, attack.Library, func(t *testing.T) {
			for head, want := range heads {
				for _, second := range []string{"", "GET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"} {
					conn := dial(t, addr)
					write(t, conn, head+second)
					r := bufio.NewReader(conn)
					w, body := answer(t, r)
					if want != "" && (w.StatusCode != 200 || body != want) {
						t.Errorf("%.40q: got %d %q, want %q", head, w.StatusCode, body, want)
					}
					if want == "" && !refusal(w.StatusCode) {
						t.Errorf("%.40q: got %d %q, want a refusal", head, w.StatusCode, body)
					}
					if want == "" && !strings.HasPrefix(head, "GET //") && !closed(r) {
						t.Errorf("%.40q: the connection stays open", head)
					}
					_ = conn.Close()
				}
			}
		})
	}
	if s.Refused() == 0 {
		t.Error("what net/http refused was not counted")
	}
}

// refusal reports whether status is one that a malformed head may get.
func refusal(status int) bool {
	switch status {
	case 400, 405, 431, 501, 505:
		return true
	default:
		return false
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

func TestFilesAreServed(t *testing.T) {
	name := t.TempDir() + "/file"
	content := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	_, addr := start(t, httpserver.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, name) })})
	conn := dial(t, addr)
	write(t, conn, get)
	if _, body := answer(t, bufio.NewReader(conn)); body != string(content) {
		t.Errorf("got %d bytes, want %d unchanged", len(body), len(content))
	}
}
