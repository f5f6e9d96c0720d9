package tlsconfig_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/tlsconfig"
)

// patience is how long a test waits for what should happen soon.
const patience = 20 * time.Second

// open makes a Source that its test closes.
func open(t *testing.T, cfg tlsconfig.Config) *tlsconfig.Source {
	t.Helper()
	s, err := tlsconfig.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// files writes p into a folder of its own.
func files(t *testing.T, p testcert.Pair) tlsconfig.Files {
	t.Helper()
	cert, key := p.Write(t, t.TempDir(), "tls")
	return tlsconfig.Files{Certificate: cert, Key: key}
}

// outcome is what both sides know of a handshake.
type outcome struct {
	client, server       tls.ConnectionState
	clientErr, serverErr error
}

func (o outcome) failed() bool { return o.clientErr != nil || o.serverErr != nil }

// shownName is the first name of the certificate that the client saw.
func (o outcome) shownName() string {
	if len(o.client.PeerCertificates) == 0 {
		return ""
	}
	return o.client.PeerCertificates[0].DNSNames[0]
}

// shake makes one handshake over TCP, and one byte in each direction: in TLS 1.3
// a client learns of a refusal, and gets its session tickets, behind its
// handshake.
func shake(t *testing.T, server, client *tls.Config) outcome {
	t.Helper()
	var o outcome
	raw, accepted := pair(t)
	var side sync.WaitGroup
	side.Go(func() {
		conn := tls.Server(accepted, server)
		defer conn.Close()
		if o.serverErr = conn.HandshakeContext(t.Context()); o.serverErr == nil {
			o.server = conn.ConnectionState()
			_, o.serverErr = conn.Write([]byte("x"))
			_, _ = conn.Read(make([]byte, 1))
		}
	})
	conn := tls.Client(raw, client)
	if _, o.clientErr = conn.Read(make([]byte, 1)); o.clientErr == nil { // shakes hands first
		o.client = conn.ConnectionState()
		_, o.clientErr = conn.Write([]byte("x"))
	}
	_ = conn.Close()
	side.Wait()
	return o
}

// pair returns both ends of a connection over loopback.
func pair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{client, server} {
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	return client, server
}

// trusting is a client that believes roots and asks for name.
func trusting(roots *x509.CertPool, name string) *tls.Config {
	return &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12}
}

// lines is a log that several goroutines may use.
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

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
