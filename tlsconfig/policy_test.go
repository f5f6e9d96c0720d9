package tlsconfig_test

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"slices"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/tlsconfig"
)

func TestVersionsAndSuites(t *testing.T) {
	ca := testcert.NewCA(t, "root")
	pair := files(t, ca.Issue(t, testcert.Leaf{}))
	s := open(t, tlsconfig.Config{Certificates: []tlsconfig.Files{pair}})
	strict := open(t, tlsconfig.Config{Certificates: []tlsconfig.Files{pair}, MinVersion: tls.VersionTLS13})
	old := open(t, tlsconfig.Config{Certificates: []tlsconfig.Files{pair}, InsecureMinVersion: tls.VersionTLS10})
	client := func(least, most uint16, suites ...uint16) *tls.Config {
		return &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost", MinVersion: least, MaxVersion: most, CipherSuites: suites}
	}
	attack.Case(t, "TLS-01", attack.Library, func(t *testing.T) {
		for _, tt := range []struct {
			name   string
			source *tlsconfig.Source
			client *tls.Config
			want   uint16 // 0: refused
		}{
			{"newest", s, client(0, 0), tls.VersionTLS13},
			{"TLS 1.2", s, client(0, tls.VersionTLS12), tls.VersionTLS12},
			{"TLS 1.2 where 1.3 is the least", strict, client(0, tls.VersionTLS12), 0},
			{"TLS 1.1", s, client(tls.VersionTLS10, tls.VersionTLS11), 0},
			{"TLS 1.0", s, client(tls.VersionTLS10, tls.VersionTLS10), 0},
			{"TLS 1.0 where it was asked for", old, client(tls.VersionTLS10, tls.VersionTLS10), tls.VersionTLS10},
			{"CBC only", s, client(0, tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256), 0},
			{"RC4 only", s, client(0, tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA), 0},
		} {
			o := shake(t, tt.source.TLS(), tt.client)
			if o.failed() != (tt.want == 0) || o.server.Version != tt.want {
				t.Errorf("%s: version %s, %v; want %s", tt.name, tls.VersionName(o.server.Version), o.serverErr, tls.VersionName(tt.want))
			}
		}
		good := []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
		for _, tt := range []struct {
			name   string
			hello  []byte
			answer byte // type of the first record: 22 handshake, 21 alert
		}{
			{"control: the same hello, and nothing wrong in it", hello(0x0303, good, []byte{0}), 22},
			{"SSL 3.0", hello(0x0300, good, []byte{0}), 21},
			{"TLS 1.0", hello(0x0301, good, []byte{0}), 21},
			{"compression only", hello(0x0303, good, []byte{1}), 21},
			{"no encryption", hello(0x0303, []uint16{0x0001, 0x0002, 0x003b, 0xc006, 0xc010}, []byte{0}), 21},
			{"anonymous", hello(0x0303, []uint16{0x0018, 0x001b, 0x0034, 0x00a6, 0xc018}, []byte{0}), 21},
			{"a fallback from TLS 1.3, RFC 7507", hello(0x0303, []uint16{good[0], tls.TLS_FALLBACK_SCSV}, []byte{0}), 21},
			{"SSL 2.0", append([]byte{0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10}, make([]byte, 37)...), 21},
		} {
			if got := firstRecord(t, s.TLS(), tt.hello); got != tt.answer {
				t.Errorf("%s: the answer begins with a record of type %d, want %d", tt.name, got, tt.answer)
			}
		}
	})
}

// TestSuitesOfRSA: a certificate of RSA can do without ephemeral keys, and with old
// ciphers. A server that is told to takes each suite from the same client.
func TestSuitesOfRSA(t *testing.T) {
	ca := testcert.NewCA(t, "root")
	leaf := ca.Issue(t, testcert.Leaf{RSA: true})
	s := open(t, tlsconfig.Config{Certificates: []tlsconfig.Files{files(t, leaf)}})
	attack.Case(t, "TLS-01", attack.Library, func(t *testing.T) {
		good := trusting(ca.Pool(), "localhost")
		good.MaxVersion, good.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
		if o := shake(t, s.TLS(), good); o.failed() {
			t.Errorf("a good suite: %v, %v", o.clientErr, o.serverErr)
		}
		for _, suite := range testcert.WeakRSASuites() {
			name, client := tls.CipherSuiteName(suite), good.Clone()
			client.CipherSuites = []uint16{suite}
			weak := &tls.Config{Certificates: []tls.Certificate{leaf.TLS}, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, CipherSuites: client.CipherSuites}
			if o := shake(t, weak, client); o.failed() || o.server.CipherSuite != suite {
				t.Errorf("%s: control: %v, %v", name, o.clientErr, o.serverErr)
			}
			if o := shake(t, s.TLS(), client); !o.failed() || o.client.Version != 0 {
				t.Errorf("%s: the handshake succeeds", name)
			}
		}
	})
}

// hello builds a ClientHello without TLS 1.3, in a record of its own.
func hello(version uint16, suites []uint16, compression []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, version)
	b = append(b, make([]byte, 32)...) // random
	b = append(b, 0)                   // no session
	b = binary.BigEndian.AppendUint16(b, uint16(2*len(suites)))
	for _, s := range suites {
		b = binary.BigEndian.AppendUint16(b, s)
	}
	b = append(append(b, byte(len(compression))), compression...)
	extensions := []byte{
		0, 10, 0, 4, 0, 2, 0, 23, // supported_groups: P-256
		0, 11, 0, 2, 1, 0, // ec_point_formats: uncompressed
		0, 13, 0, 6, 0, 4, 4, 3, 8, 4, // signature_algorithms: ECDSA P-256, RSA-PSS, with SHA-256
	}
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(extensions))), extensions...)
	b = slices.Concat([]byte{1, 0, byte(len(b) >> 8), byte(len(b))}, b)
	return slices.Concat([]byte{22, 3, 1, byte(len(b) >> 8), byte(len(b))}, b)
}

// firstRecord sends raw and returns the type of the first record that comes
// back; 21 for a connection that is closed without one.
func firstRecord(t *testing.T, server *tls.Config, raw []byte) byte {
	t.Helper()
	client, accepted := pair(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn := tls.Server(accepted, server)
		_ = conn.HandshakeContext(t.Context()) // the client never ends it
		_ = conn.Close()
	}()
	if _, err := client.Write(raw); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 1)
	_, err := io.ReadFull(client, head)
	_ = client.Close()
	<-done
	if err != nil {
		return 21
	}
	return head[0]
}

func TestWhatGoChooses(t *testing.T) {
	ca := testcert.NewCA(t, "root")
	s := open(t, tlsconfig.Config{Certificates: []tlsconfig.Files{files(t, ca.Issue(t, testcert.Leaf{}))}})
	client := trusting(ca.Pool(), "localhost")
	client.NextProtos = []string{"http/1.1", "h2"}
	client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	o := shake(t, s.TLS(), client)
	if o.server.CurveID != tls.X25519MLKEM768 || o.server.NegotiatedProtocol != "h2" {
		t.Errorf("curve %v, protocol %q; want X25519MLKEM768 and h2", o.server.CurveID, o.server.NegotiatedProtocol)
	}
	if o := shake(t, s.TLS(), client); !o.server.DidResume {
		t.Errorf("the session was not resumed: %v, %v", o.clientErr, o.serverErr)
	}
}
