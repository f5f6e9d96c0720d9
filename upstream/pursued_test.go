package upstream_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/upstream"
)

// TestAConnectionForTheNext: a request whose own connection is long in its handshake is
// given one that another has done with. It ends well, and leaves its handshake to the
// request that comes next: only a client that leaves without any connection ends one.
func TestAConnectionForTheNext(t *testing.T) {
	ca := testcert.NewCA(t, "root")
	shaking, shake, shaken := make(chan struct{}), make(chan struct{}), make(chan struct{})
	asked, answer := make(chan struct{}), make(chan struct{})
	var handshakes atomic.Int32
	u := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(asked)
			<-answer
		}
	}))
	own := &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, testcert.Leaf{}).TLS}, MinVersion: tls.VersionTLS12}
	u.TLS = own.Clone()
	u.TLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		if handshakes.Add(1) == 1 {
			return own, nil
		}
		close(shaking)
		<-shake
		second := own.Clone()
		second.VerifyConnection = func(tls.ConnectionState) error { close(shaken); return nil } // the end of a handshake
		return second, nil
	}
	u.StartTLS()
	t.Cleanup(u.Close)
	f := newFront(t, upstream.Config{URL: u.URL, RootCAs: ca.Pool()}, nil)
	begin := func(path string) *wire.Client {
		c := wire.Dial(t, f.addr())
		c.Send("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n")
		return c
	}
	first := begin("/slow")
	<-asked
	second := begin("/quick")
	<-shaking
	close(answer)
	for _, c := range []*wire.Client{first, second} {
		if w, _ := c.Response(http.MethodGet); w == nil || w.StatusCode != http.StatusOK {
			t.Errorf("got %v, want 200", w)
		}
	}
	for range 2 {
		f.outcome(t) // and with it the requests' contexts have ended
	}
	close(shake)
	select {
	case <-shaken:
	case <-time.After(wire.Patience):
		t.Error("the handshake of a request that had another connection was given up")
	}
}
