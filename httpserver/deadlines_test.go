package httpserver_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/problem"
)

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
				_ = http.NewResponseController(w).Flush() // a lost connection shows at the reader
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
			_ = http.NewResponseController(w).Flush() // a lost connection shows at the reader
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
