package server_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/internal/wire"
)

// TestHandshakesWithTheGateway: old versions, weak ciphers, and names.
func TestHandshakesWithTheGateway(t *testing.T) {
	ca := testcert.NewCA(t, "root")
	cert, key := ca.Issue(t, testcert.Leaf{Names: []string{"a.test", "b.test"}}).Write(t, t.TempDir(), "tls")
	yaml := "hosts: [a.test, b.test]\nroutes:\n  - {match: 'a.test/', upstream: api, public: true}\n  - {match: 'b.test/', upstream: api}\n" +
		"tls: {certificates: [{cert_file: '" + cert + "', key_file: '" + key + "'}]"
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	loose, strict := start(t, upstream.URL(), settings{yaml: yaml + "}\n"}), start(t, upstream.URL(), settings{yaml: yaml + ", strict_names: true}\n"})
	shake := func(p *program, name string, change func(*tls.Config)) (*tls.Conn, error) {
		c := &tls.Config{RootCAs: ca.Pool(), ServerName: name, MinVersion: tls.VersionTLS12}
		if change != nil {
			change(c)
		}
		conn, err := (&tls.Dialer{Config: c}).DialContext(t.Context(), "tcp", p.gateway)
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { _ = conn.Close() })
		secure, _ := conn.(*tls.Conn)
		return secure, nil
	}
	attack.Case(t, "TLS-01", attack.Gateway, func(t *testing.T) {
		for _, tt := range []struct {
			name   string
			want   uint16 // 0: refused
			change func(*tls.Config)
		}{
			{"newest", tls.VersionTLS13, nil},
			{"TLS 1.2", tls.VersionTLS12, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }},
			{"TLS 1.1", 0, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }},
			{"TLS 1.0", 0, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 }},
			{"CBC", 0, offering(tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256)},
			{"RC4", 0, offering(tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA)},
			{"key exchange", tls.VersionTLS13, func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519MLKEM768} }},
		} {
			conn, err := shake(loose, "a.test", tt.change)
			if (err != nil) != (tt.want == 0) || err == nil && conn.ConnectionState().Version != tt.want {
				t.Errorf("%s: %v, want version %s", tt.name, err, tls.VersionName(tt.want))
			}
		}
	})
	attack.Case(t, "TLS-06", attack.Gateway, func(t *testing.T) {
		for _, tt := range []struct {
			name          string
			loose, strict bool // a certificate is shown
		}{
			{"a.test", true, true}, {"A.TEST", true, true}, {"a.test.", true, true}, {"unknown.test", true, false}, {"127.0.0.1", true, false}, {"", true, false},
		} {
			anyName := func(c *tls.Config) { c.InsecureSkipVerify = true } // which one is shown is looked at below
			for p, want := range map[*program]bool{loose: tt.loose, strict: tt.strict} {
				conn, err := shake(p, tt.name, anyName)
				if (err == nil) != want {
					t.Errorf("%q: %v, strict %v", tt.name, err, p == strict)
				}
				if err == nil && conn.ConnectionState().PeerCertificates[0].DNSNames[0] != "a.test" {
					t.Errorf("%q: another certificate was shown", tt.name)
				}
			}
		}
		// The handshake's name chooses no policy: each request is judged by its own Host.
		for _, tt := range []struct {
			host string
			want int
		}{{"a.test", 200}, {"b.test", 401}, {"A.Test.", 200}, {"other.test", 421}} {
			conn, err := shake(loose, "a.test", nil)
			if err != nil {
				t.Fatal(err)
			}
			c := clientOn(conn)
			c.Send("GET / HTTP/1.1\r\nHost: " + tt.host + "\r\n\r\n")
			if w, _ := c.Response(http.MethodGet); w == nil || w.StatusCode != tt.want {
				t.Errorf("Host %s in a handshake for a.test: %v, want %d", tt.host, w, tt.want)
			}
		}
	})
}

// TestSuitesOfRSAAtTheGateway: static RSA and old ciphers, each of which the same client
// gets from a server that has the same certificate and is told to.
func TestSuitesOfRSAAtTheGateway(t *testing.T) {
	ca := testcert.NewCA(t, "root")
	pair := ca.Issue(t, testcert.Leaf{Names: []string{"a.test"}, RSA: true})
	cert, key := pair.Write(t, t.TempDir(), "tls")
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{yaml: "routes: [{match: '/', upstream: api, public: true}]\ntls: {certificates: [{cert_file: '" + cert + "', key_file: '" + key + "'}]}\n"})
	told := &tls.Config{Certificates: []tls.Certificate{pair.TLS}, MinVersion: tls.VersionTLS12, CipherSuites: testcert.WeakRSASuites()}
	weak := wire.Listen(t, func(c *wire.Conn) { _ = tls.Server(c.Conn, told).HandshakeContext(t.Context()) }) // the client knows how it ended
	shake := func(address string, suite uint16) error {
		client := &tls.Config{RootCAs: ca.Pool(), ServerName: "a.test", MinVersion: tls.VersionTLS12}
		offering(suite)(client)
		conn, err := (&tls.Dialer{Config: client}).DialContext(t.Context(), "tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err
	}
	attack.Case(t, "TLS-01", attack.Gateway, func(t *testing.T) {
		if err := shake(p.gateway, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256); err != nil {
			t.Errorf("a good suite: %v", err)
		}
		for _, suite := range testcert.WeakRSASuites() {
			if err := shake(weak.Addr(), suite); err != nil {
				t.Errorf("%s: control: %v", tls.CipherSuiteName(suite), err)
			}
			if err := shake(p.gateway, suite); err == nil {
				t.Errorf("%s: the handshake succeeds", tls.CipherSuiteName(suite))
			}
		}
	})
}

// offering offers no TLS 1.3, and of 1.2 these alone.
func offering(suites ...uint16) func(*tls.Config) {
	return func(c *tls.Config) { c.MaxVersion, c.CipherSuites = tls.VersionTLS12, suites }
}

// TestEarlyDataAtTheGateway: a resumed session sends a write with its first flight,
// which could be replayed.
func TestEarlyDataAtTheGateway(t *testing.T) {
	attack.Case(t, "TLS-14", attack.Gateway, func(t *testing.T) {
		yaml, client := secured(t, "  http3: true\n")
		upstream := wire.Listen(t, wire.Answer(wire.OK))
		p := start(t, upstream.URL(), settings{yaml: yaml})
		client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		resumed := false
		for range 20 { // until a ticket came
			var conn *quic.Conn
			transport := &http3.Transport{
				TLSClientConfig: client,
				Dial: func(ctx context.Context, _ string, secure *tls.Config, cfg *quic.Config) (*quic.Conn, error) {
					var err error
					conn, err = quic.DialAddrEarly(ctx, p.gateway, secure, cfg)
					return conn, err
				},
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://api.test/pay", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-API-Key", p.key)
			w, err := transport.RoundTrip(r)
			if err != nil || w.StatusCode != http.StatusOK {
				t.Fatalf("%v, %v", w, err)
			}
			_ = w.Body.Close()
			state := conn.ConnectionState()
			_ = transport.Close()
			if state.Used0RTT {
				t.Fatal("early data was accepted")
			}
			if resumed = state.TLS.DidResume; resumed {
				break
			}
		}
		if !resumed {
			t.Error("no session was resumed: nothing was tried")
		}
	})
}
