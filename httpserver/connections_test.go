package httpserver_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/warder-dev/warder/httpserver"
)

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
	go func() { done <- s.Shutdown(t.Context()) }()
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

// TestLeave: a server that is about to stop answers what comes, once on each connection.
func TestLeave(t *testing.T) {
	s, addr := start(t, httpserver.Config{Handler: http.HandlerFunc(hello)})
	old := dial(t, addr)
	r := bufio.NewReader(old)
	write(t, old, get)
	if w, _ := answer(t, r); w.Close {
		t.Error("a connection is closed before the server leaves")
	}
	s.Leave()
	for what, conn := range map[string]net.Conn{"an open connection": old, "a new one": dial(t, addr)} {
		r := bufio.NewReader(conn)
		write(t, conn, get)
		w, body := answer(t, r)
		if body != "hello" || !w.Close || !closed(r) {
			t.Errorf("%s: %q, Connection: close %v; want the answer, and the end", what, body, w.Close)
		}
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
