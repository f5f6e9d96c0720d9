package http3_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	quichttp3 "github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"

	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/http3"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/target"
	"github.com/warder-dev/warder/tlsconfig"
	"github.com/warder-dev/warder/upstream"
)

// patience is how long one step may take on a machine that is busy.
const patience = time.Minute

// A served is a running Server with what its clients need.
type served struct {
	*http3.Server
	addr   string
	client *tls.Config
}

// start serves h, behind the checks and deadlines of httpserver.
func start(t *testing.T, h http.Handler, cfg http3.Config, behind httpserver.Config) *served {
	t.Helper()
	ca := testcert.NewCA(t, "root")
	cert, key := ca.Issue(t, testcert.Leaf{Names: []string{"localhost"}}).Write(t, t.TempDir(), "tls")
	source, err := tlsconfig.New(tlsconfig.Config{Certificates: []tlsconfig.Files{{Certificate: cert, Key: key}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(source.Close)
	behind.Handler = h
	checks, err := httpserver.New(behind)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Handler, cfg.TLS = checks.Handler(), source.TLS()
	s, err := http3.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	socket, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(socket) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 50*time.Millisecond)
		defer cancel()
		_ = s.Shutdown(ctx) // a test may leave connections behind
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return &served{s, socket.LocalAddr().String(), &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost", MinVersion: tls.VersionTLS13}}
}

// transport is a client of s.
func (s *served) transport(t *testing.T) *quichttp3.Transport {
	t.Helper()
	transport := &quichttp3.Transport{
		TLSClientConfig: s.client, DisableCompression: true,
		Dial: func(ctx context.Context, _ string, secure *tls.Config, cfg *quic.Config) (*quic.Conn, error) {
			return quic.DialAddr(ctx, s.addr, secure, cfg)
		},
	}
	t.Cleanup(func() { _ = transport.Close() })
	return transport
}

func request(t *testing.T, method, path string, body io.Reader) *http.Request {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, "https://localhost"+path, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// exchange sends r and returns status, body and protocol.
func exchange(t *testing.T, transport http.RoundTripper, r *http.Request) (status int, body, proto string) {
	t.Helper()
	w, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	text, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.StatusCode, string(text), w.Proto
}

// proxied forwards what is judged to an upstream that records.
func proxied(t *testing.T) (http.Handler, *wire.Upstream) {
	t.Helper()
	behind := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"))
	proxy, err := upstream.New(upstream.Config{URL: behind.URL(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.CloseIdleConnections)
	paths, err := target.New(target.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return forwarded.Direct().Wrap(paths.Wrap(proxy)), behind
}

// A raw is a client that sends what it is told to.
type raw struct{ *quic.Conn }

func (s *served) dial(t *testing.T) raw {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	secure := s.client.Clone()
	secure.NextProtos = []string{quichttp3.NextProtoH3}
	conn, err := quic.DialAddr(ctx, s.addr, secure, &quic.Config{MaxIdleTimeout: patience, KeepAlivePeriod: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseWithError(0, "") })
	control, err := conn.OpenUniStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := control.Write([]byte{0, 4, 0}); err != nil { // control stream, SETTINGS, none
		t.Fatal(err)
	}
	return raw{conn}
}

// frame is a frame of a type with a length, whatever it holds.
func frame(kind uint64, content []byte) []byte {
	return append(quicvarint.Append(quicvarint.Append(nil, kind), uint64(len(content))), content...)
}

// head is a HEADERS frame of pairs of name and value.
func head(t *testing.T, fields ...string) []byte {
	t.Helper()
	var block bytes.Buffer
	encoder := qpack.NewEncoder(&block)
	for i := 0; i < len(fields); i += 2 {
		if err := encoder.WriteField(qpack.HeaderField{Name: fields[i], Value: fields[i+1]}); err != nil {
			t.Fatal(err)
		}
	}
	return frame(1, block.Bytes())
}

// open begins a request with these bytes.
func (c raw) open(t *testing.T, begin []byte) *quic.Stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stream, err := c.OpenStreamSync(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_ = stream.SetDeadline(time.Now().Add(patience))
	_, _ = stream.Write(begin) // who refuses it tells when it is read
	return stream
}

var errReset = errors.New("the stream or the connection was reset")

// status reads the status of a response.
func status(stream *quic.Stream) (string, error) {
	in := quicvarint.NewReader(stream)
	for {
		kind, err := quicvarint.Read(in)
		if err != nil {
			return "", failure(err)
		}
		length, err := quicvarint.Read(in)
		if err != nil {
			return "", failure(err)
		}
		content := make([]byte, length)
		if _, err := io.ReadFull(in, content); err != nil {
			return "", failure(err)
		}
		if kind != 1 {
			continue
		}
		next := qpack.NewDecoder().Decode(content)
		for {
			field, err := next()
			if err != nil {
				return "", err
			}
			if field.Name == ":status" {
				return field.Value, nil
			}
		}
	}
}

// failure tells a reset from a test that waited in vain.
func failure(err error) error {
	var stream *quic.StreamError
	var application *quic.ApplicationError
	if errors.As(err, &stream) || errors.As(err, &application) {
		return errReset
	}
	return err
}
