package httpserver_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"testing"

	"github.com/warder-dev/warder/httpserver"
)

const question = "GET /authz HTTP/1.1\r\nHost: decision\r\nX-Api-Key: k\r\nX-Original-Method: GET\r\nX-Original-URI: /orders/1\r\n" +
	"X-Original-Proto: http\r\nX-Original-Host: api.example.com\r\nX-Original-Addr: 192.0.2.7\r\n\r\n"

// questions is a connection to a server, whose ask asks and reads the answer
// without an allocation.
func questions(tb testing.TB, strict bool) (ask func()) {
	tb.Helper()
	body := []byte("hello")
	s, err := httpserver.New(httpserver.Config{Strict: strict, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })})
	if err != nil {
		tb.Fatal(err)
	}
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	conn, err := (&net.Dialer{}).DialContext(tb.Context(), "tcp", l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = conn.Close()
		_ = s.Shutdown(context.WithoutCancel(tb.Context()))
		if err := <-served; err != nil {
			tb.Errorf("Serve: %v", err)
		}
	})
	r, text := bufio.NewReader(conn), []byte(question)
	return func() {
		if _, err := conn.Write(text); err != nil {
			tb.Fatal(err)
		}
		for {
			line, err := r.ReadSlice('\n')
			if err != nil {
				tb.Fatal(err)
			}
			if len(line) == 2 {
				break
			}
		}
		if _, err := r.Discard(len(body)); err != nil {
			tb.Fatal(err)
		}
	}
}

// A request that is like the one before costs the request with its context, URL,
// fields and their values, and the writer with its fields: nothing for each field.
func TestStrictAllocates(t *testing.T) {
	if raceEnabled {
		return // the race detector's own are counted
	}
	ask := questions(t, true)
	ask()
	if got := testing.AllocsPerRun(1000, ask); got > 8 {
		t.Errorf("%v allocations, want at most 8", got)
	}
}

func BenchmarkQuestion(b *testing.B) {
	for name, strict := range map[string]bool{"net/http": false, "strict": true} {
		b.Run(name, func(b *testing.B) {
			ask := questions(b, strict)
			ask()
			b.ReportAllocs()
			for b.Loop() {
				ask()
			}
		})
	}
}
