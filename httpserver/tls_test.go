package httpserver_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/tlsconfig"
)

func mustRequest(t *testing.T, host string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Host = host
	return r
}

// arrived is a request for host beneath a handshake for asked.
func arrived(asked, host string) *exchange.Exchange {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host, r.TLS = host, &tls.ConnectionState{ServerName: asked}
	return exchange.New(r)
}

// recordHello returns what a client sends first, in two pieces.
func recordHello(t *testing.T, client *tls.Config) (first, rest string) {
	t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() {
		_ = tls.Client(theirs, client).HandshakeContext(t.Context()) // there is no server
		_ = theirs.Close()
	}()
	_ = ours.SetDeadline(time.Now().Add(patience))
	head := make([]byte, 5)
	if _, err := io.ReadFull(ours, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, int(head[3])<<8|int(head[4]))
	if _, err := io.ReadFull(ours, body); err != nil {
		t.Fatal(err)
	}
	return string(head), string(body)
}

// TestAChallengeConnectionIsClosed asks for HTTP where a certificate authority
// looks at a certificate: with no client certificate, although one is required.
func TestAChallengeConnectionIsClosed(t *testing.T) {
	ca := testcert.NewCA(t, "root")
	challenge := ca.Issue(t, testcert.Leaf{})
	cert, key := challenge.Write(t, t.TempDir(), "tls")
	caFile := t.TempDir() + "/ca.pem"
	testcert.Replace(t, caFile, ca.PEM)
	source, err := tlsconfig.New(tlsconfig.Config{
		Certificates: []tlsconfig.Files{{Certificate: cert, Key: key}},
		Managed:      func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &challenge.TLS, nil },
		ClientCerts:  tlsconfig.ClientCerts{Mode: tlsconfig.ClientCertRequire, CAFile: caFile},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(source.Close)
	asked := make(chan struct{}, 1)
	_, addr := start(t, httpserver.Config{TLS: source.TLS(), Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- struct{}{} })})
	conn := tls.Client(dial(t, addr), &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost", NextProtos: []string{tlsconfig.ACMEProtocol}, MinVersion: tls.VersionTLS12})
	if err := conn.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, get) // the server may have closed
	if !closed(conn) {
		t.Error("the connection of a challenge gives an answer")
	}
	select {
	case <-asked:
		t.Error("the handler was asked over the connection of a challenge")
	default:
	}
}
