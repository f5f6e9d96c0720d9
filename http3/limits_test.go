package http3_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	quichttp3 "github.com/quic-go/quic-go/http3"

	"github.com/warder-dev/warder/http3"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/internal/attack"
)

func ok(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }

func TestConfig(t *testing.T) {
	_, err := http3.New(http3.Config{ReadHeaderTimeout: -1, IdleTimeout: 2 * time.Hour, MaxHeaderBytes: 1, MaxStreams: 5000, MaxConnections: -1})
	for _, want := range []string{"Handler", "TLS", "ReadHeaderTimeout", "IdleTimeout", "MaxHeaderBytes", "MaxStreams", "MaxConnections"} {
		if err == nil || !strings.Contains(err.Error(), "http3: "+want) {
			t.Errorf("New: %v, want %s in it", err, want)
		}
	}
}

// TestEarlyData resumes a session and tries to send a request with its first
// flight.
func TestEarlyData(t *testing.T) {
	attack.Case(t, "TLS-14", attack.Library, func(t *testing.T) {
		var handled atomic.Int64
		s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handled.Add(1); ok(w, r) }), http3.Config{}, httpserver.Config{})
		secure := s.client.Clone()
		secure.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		resumed := false
		for range 20 { // until a ticket came
			var conn *quic.Conn
			transport := &quichttp3.Transport{
				TLSClientConfig: secure,
				Dial: func(ctx context.Context, _ string, secure *tls.Config, cfg *quic.Config) (*quic.Conn, error) {
					var err error
					conn, err = quic.DialAddrEarly(ctx, s.addr, secure, cfg)
					return conn, err
				},
			}
			before := handled.Load()
			status, body, _ := exchange(t, transport, request(t, http.MethodPost, "/pay", strings.NewReader("1")))
			if status != http.StatusOK || body != "ok" || handled.Load() != before+1 {
				t.Fatalf("%d %q, handled %d times", status, body, handled.Load()-before)
			}
			state := conn.ConnectionState()
			if state.Used0RTT {
				t.Fatal("early data was accepted")
			}
			resumed = state.TLS.DidResume
			_ = transport.Close()
			if resumed {
				break
			}
		}
		if !resumed {
			t.Error("no session was resumed: nothing was tried")
		}
	})
}

func TestHeaderBytes(t *testing.T) {
	s := start(t, http.HandlerFunc(ok), http3.Config{MaxHeaderBytes: 4 << 10}, httpserver.Config{})
	c := s.dial(t)
	if got, err := status(c.open(t, head(t, getting("a", strings.Repeat("a", 8<<10))...))); got != "431" {
		t.Errorf("a long field: %q, %v, want 431", got, err)
	}
	many := getting()
	for range 200 {
		many = append(many, "a", "b")
	}
	if got, err := status(c.open(t, head(t, many...))); got != "431" {
		t.Errorf("many fields: %q, %v, want 431", got, err)
	}
	stream := c.open(t, head(t, getting()...))
	_ = stream.Close()
	if got, err := status(stream); got != "200" {
		t.Errorf("the same connection: %q, %v, want 200", got, err)
	}
}

// TestSlowHeads begins requests and does not end their heads, nor a body that a
// GET mostly has not: they are given up, and others are served.
func TestSlowHeads(t *testing.T) {
	s := start(t, http.HandlerFunc(ok), http3.Config{ReadHeaderTimeout: 200 * time.Millisecond}, httpserver.Config{})
	c := s.dial(t)
	whole := head(t, getting()...)
	for name, begin := range map[string][]byte{"one byte": whole[:1], "half of it": whole[:len(whole)/2], "a GET without its end": whole} {
		if got, err := status(c.open(t, begin)); !errors.Is(err, errReset) {
			t.Errorf("%s: %q, %v, want a reset", name, got, err)
		}
	}
	stream := c.open(t, whole)
	_ = stream.Close()
	if got, err := status(stream); got != "200" {
		t.Errorf("a good request: %q, %v, want 200", got, err)
	}
}

// TestSlowBody: a body that stops coming ends as over HTTP/2.
func TestSlowBody(t *testing.T) {
	failed := make(chan error, 1)
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		failed <- err
		w.WriteHeader(http.StatusRequestTimeout)
	}), http3.Config{}, httpserver.Config{BodyIdleTimeout: 200 * time.Millisecond})
	got, err := status(s.dial(t).open(t, append(head(t, getting(":method", "POST")...), frame(0, []byte("abc"))...)))
	if err := <-failed; !errors.Is(err, httpserver.ErrBodyIdle) {
		t.Errorf("the handler read %v, want ErrBodyIdle", err)
	}
	if got != "408" {
		t.Errorf("got %q, %v, want 408", got, err)
	}
}

// TestMaxConnections: one too many is refused, until another closes.
func TestMaxConnections(t *testing.T) {
	s := start(t, http.HandlerFunc(ok), http3.Config{MaxConnections: 2}, httpserver.Config{})
	first := s.dial(t)
	s.dial(t)
	secure := s.client.Clone()
	secure.NextProtos = []string{quichttp3.NextProtoH3}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if conn, err := quic.DialAddr(ctx, s.addr, secure, nil); err == nil {
		t.Error("a third connection was accepted")
		_ = conn.CloseWithError(0, "")
	}
	if s.Refused() == 0 {
		t.Error("the refusal was not counted")
	}
	_ = first.CloseWithError(0, "")
	for {
		conn, err := quic.DialAddr(ctx, s.addr, secure, nil)
		if err == nil {
			_ = conn.CloseWithError(0, "")
			return
		}
		if ctx.Err() != nil {
			t.Fatal("a place that is free is not given away")
		}
	}
}

// TestGivenUpRequestsCount: a client that begins requests and gives them up at
// once does not run more of them than it may.
func TestGivenUpRequestsCount(t *testing.T) {
	attack.Case(t, "TLS-12", attack.Library, func(t *testing.T) {
		const limit, floods = 4, 400
		release := make(chan struct{})
		var running, most, all atomic.Int64
		s := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/slow" {
				return
			}
			all.Add(1)
			n := running.Add(1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			<-release
			running.Add(-1)
		}), http3.Config{MaxStreams: limit}, httpserver.Config{})
		c := s.dial(t)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		begin := head(t, getting(":path", "/slow")...)
		flooded := make(chan struct{})
		go func() {
			defer close(flooded)
			for range floods {
				stream, err := c.OpenStreamSync(ctx)
				if err != nil {
					return
				}
				_, _ = stream.Write(begin)
				_ = stream.Close()
				stream.CancelRead(0x10c) // H3_REQUEST_CANCELLED
			}
		}()
		for all.Load() < limit && ctx.Err() == nil {
			<-time.After(time.Millisecond)
		}
		good := s.dial(t).open(t, head(t, getting()...))
		_ = good.Close()
		if got, err := status(good); got != "200" {
			t.Errorf("another client: %q, %v, want 200", got, err)
		}
		close(release)
		<-flooded
		if most.Load() > limit {
			t.Errorf("%d requests ran at once, want %d at most", most.Load(), limit)
		}
	})
}

// TestShutdown: what runs ends, what comes is rejected, and what does not end is
// cut.
func TestShutdown(t *testing.T) {
	release, begun := make(chan struct{}), make(chan struct{}, 2)
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			begun <- struct{}{}
			<-release
		}
		ok(w, r)
	}), http3.Config{}, httpserver.Config{})
	c, idle := s.dial(t), s.dial(t)
	over := idle.open(t, head(t, getting()...))
	_ = over.Close()
	if got, err := status(over); got != "200" {
		t.Fatalf("%q, %v", got, err)
	}
	running := c.open(t, head(t, getting(":path", "/slow")...))
	_ = running.Close()
	<-begun
	ended := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() { ended <- s.Shutdown(ctx) }()
	<-idle.Context().Done() // nothing runs on it
	late := c.open(t, head(t, getting()...))
	_ = late.Close()
	if got, err := status(late); !errors.Is(err, errReset) {
		t.Errorf("a request while the server stops: %q, %v, want a reset", got, err)
	}
	select {
	case err := <-ended:
		t.Fatalf("Shutdown returned while a request ran: %v", err)
	default:
	}
	close(release)
	if got, err := status(running); got != "200" {
		t.Errorf("the running request: %q, %v, want 200", got, err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestShutdownCuts(t *testing.T) {
	begun := make(chan struct{})
	s := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { close(begun); <-r.Context().Done() }), http3.Config{}, httpserver.Config{})
	stream := s.dial(t).open(t, head(t, getting()...))
	_ = stream.Close()
	<-begun
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v, want the deadline's error", err)
	}
	if got, err := status(stream); err == nil {
		t.Errorf("the request got %q", got)
	}
}

// TestAPanicIsNotTold resets the stream, and the connection lives on.
func TestAPanicIsNotTold(t *testing.T) {
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			panic("secret")
		}
		ok(w, r)
	}), http3.Config{}, httpserver.Config{})
	c := s.dial(t)
	for path, want := range map[string]string{"/panic": "", "/": "200"} {
		stream := c.open(t, head(t, getting(":path", path)...))
		_ = stream.Close()
		if got, err := status(stream); got != want || want == "" && !errors.Is(err, errReset) {
			t.Errorf("%s: %q, %v, want %q", path, got, err, want)
		}
	}
}
