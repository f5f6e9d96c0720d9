package tlsconfig_test

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/tlsconfig"
)

func TestNames(t *testing.T) {
	ca := testcert.NewCA(t, "root")
	cfg := tlsconfig.Config{Certificates: []tlsconfig.Files{
		files(t, ca.Issue(t, testcert.Leaf{Names: []string{"first.example"}})),
		files(t, ca.Issue(t, testcert.Leaf{Names: []string{"api.example.com"}})),
		files(t, ca.Issue(t, testcert.Leaf{Names: []string{"*.example.com"}})),
	}}
	s := open(t, cfg)
	cfg.StrictNames = true
	strict := open(t, cfg)
	attack.Case(t, "TLS-06", attack.Library, func(t *testing.T) {
		for _, tt := range []struct{ name, asked, shown, strict string }{
			{"exact", "api.example.com", "api.example.com", "api.example.com"},
			{"other case, RFC 4343", "API.Example.COM", "api.example.com", "api.example.com"},
			{"wildcard", "www.example.com", "*.example.com", "*.example.com"},
			{"a wildcard is one label", "a.b.example.com", "first.example", ""},
			{"a wildcard is a label", "example.com", "first.example", ""},
			{"unknown", "evil.example", "first.example", ""},
			{"suffix without a dot", "evilexample.com", "first.example", ""},
			{"absent", "", "first.example", ""},
		} {
			client := &tls.Config{InsecureSkipVerify: true, ServerName: tt.asked, MinVersion: tls.VersionTLS12}
			if o := shake(t, s.TLS(), client); o.shownName() != tt.shown {
				t.Errorf("%s: %q was shown to who asks for %q, want %q (%v)", tt.name, o.shownName(), tt.asked, tt.shown, o.serverErr)
			}
			o := shake(t, strict.TLS(), client)
			if o.shownName() != tt.strict {
				t.Errorf("%s: strict: %q was shown to who asks for %q, want %q", tt.name, o.shownName(), tt.asked, tt.strict)
			}
			if tt.strict == "" && (o.clientErr == nil || !strings.Contains(o.clientErr.Error(), "unrecognized name")) {
				t.Errorf("%s: strict: %v, want the alert unrecognized_name", tt.name, o.clientErr)
			}
		}
		// What no client library sends: a name with the root's dot is no name
		// (RFC 6066, section 3), and an address is an unknown one.
		dotted := withName(hello(0x0303, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}, []byte{0}), "api.example.com.")
		if got := firstRecord(t, s.TLS(), dotted); got != 21 {
			t.Errorf("a name with a dot at its end: record %d, want an alert", got)
		}
		for source, want := range map[*tlsconfig.Source]byte{s: 22, strict: 21} {
			address := withName(hello(0x0303, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}, []byte{0}), "127.0.0.1")
			if got := firstRecord(t, source.TLS(), address); got != want {
				t.Errorf("an address as name: record %d, want %d", got, want)
			}
		}
	})
}

// withName adds the extension server_name to a hello.
func withName(hello []byte, name string) []byte {
	n := len(name)
	extension := append([]byte{0, 0, 0, byte(n + 5), 0, byte(n + 3), 0, 0, byte(n)}, name...)
	b := append(append([]byte{}, hello...), extension...)
	grow := func(at, by int) {
		v := int(b[at])<<8 | int(b[at+1])
		b[at], b[at+1] = byte((v+by)>>8), byte(v+by)
	}
	grow(3, len(extension))                 // record
	grow(7, len(extension))                 // handshake message
	grow(len(hello)-22-2-2, len(extension)) // extensions: 24 bytes behind their length
	return b
}

func TestManaged(t *testing.T) {
	ca := testcert.NewCA(t, "root")
	managed := ca.Issue(t, testcert.Leaf{Names: []string{"managed.example"}})
	asked := 0
	cfg := tlsconfig.Config{
		Certificates: []tlsconfig.Files{files(t, ca.Issue(t, testcert.Leaf{Names: []string{"file.example"}}))},
		Managed: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			asked++
			if hello.ServerName != "managed.example" {
				return nil, errors.New("not allowed")
			}
			return &managed.TLS, nil
		},
	}
	s := open(t, cfg)
	for name, want := range map[string]string{"file.example": "file.example", "managed.example": "managed.example", "other.example": "file.example"} {
		o := shake(t, s.TLS(), &tls.Config{InsecureSkipVerify: true, ServerName: name, MinVersion: tls.VersionTLS12})
		if o.shownName() != want {
			t.Errorf("who asks for %s is shown %q, want %s", name, o.shownName(), want)
		}
	}
	if asked != 2 {
		t.Errorf("Managed was asked %d times, want 2: not for a name that a file has", asked)
	}
	challenge := &tls.Config{InsecureSkipVerify: true, ServerName: "managed.example", NextProtos: []string{tlsconfig.ACMEProtocol}, MinVersion: tls.VersionTLS12}
	if o := shake(t, s.TLS(), challenge); o.server.NegotiatedProtocol != tlsconfig.ACMEProtocol {
		t.Errorf("a challenge got protocol %q, %v", o.server.NegotiatedProtocol, o.serverErr)
	}
	challenge.NextProtos = []string{tlsconfig.ACMEProtocol, "http/1.1"}
	if o := shake(t, s.TLS(), challenge); o.server.NegotiatedProtocol != "http/1.1" {
		t.Errorf("a challenge among others got protocol %q, %v", o.server.NegotiatedProtocol, o.serverErr)
	}
	cfg.Certificates, cfg.StrictNames = nil, true
	if o := shake(t, open(t, cfg).TLS(), &tls.Config{InsecureSkipVerify: true, ServerName: "other.example", MinVersion: tls.VersionTLS12}); !o.failed() {
		t.Error("a name that Managed refused got a certificate")
	}
}

func helloFor(name string) *tls.ClientHelloInfo { return &tls.ClientHelloInfo{ServerName: name} }

func TestChoosingACertificateAllocatesNothing(t *testing.T) {
	ca := testcert.NewCA(t, "root")
	s := open(t, tlsconfig.Config{Certificates: []tlsconfig.Files{files(t, ca.Issue(t, testcert.Leaf{Names: []string{"*.example.com"}}))}})
	hello := helloFor("api.example.com")
	if got := testing.AllocsPerRun(100, func() {
		c, err := s.TLS().GetConfigForClient(hello)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.GetCertificate(hello); err != nil {
			t.Fatal(err)
		}
	}); got != 0 {
		t.Errorf("%v allocations, want 0", got)
	}
}
