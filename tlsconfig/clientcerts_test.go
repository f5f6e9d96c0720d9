package tlsconfig_test

import (
	"crypto/tls"
	"crypto/x509"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/tlsconfig"
)

// asClient is a client of ca that proves p, when p is given.
func asClient(ca *testcert.CA, p ...testcert.Pair) *tls.Config {
	c := trusting(ca.Pool(), "localhost")
	for _, pair := range p {
		// Sent whatever the server says it wants: an attacker's client does not ask.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair.TLS, nil }
	}
	return c
}

func TestClientCertificates(t *testing.T) {
	ca, clients, other := testcert.NewCA(t, "servers"), testcert.NewCA(t, "clients"), testcert.NewCA(t, "other")
	server := files(t, ca.Issue(t, testcert.Leaf{}))
	caFile := filepath.Join(t.TempDir(), "clients.pem")
	testcert.Replace(t, caFile, clients.PEM)
	with := func(mode tlsconfig.ClientCertMode, file string) tlsconfig.Config {
		return tlsconfig.Config{Certificates: []tlsconfig.Files{server}, ClientCerts: tlsconfig.ClientCerts{Mode: mode, CAFile: file}}
	}
	request, require := open(t, with(tlsconfig.ClientCertRequest, caFile)), open(t, with(tlsconfig.ClientCertRequire, caFile))
	usage := func(u x509.ExtKeyUsage) testcert.Leaf {
		return testcert.Leaf{Subject: "ada", Usage: []x509.ExtKeyUsage{u}}
	}
	good := clients.Issue(t, usage(x509.ExtKeyUsageClientAuth))
	expired := testcert.Leaf{NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Minute)}
	future := testcert.Leaf{NotBefore: time.Now().Add(time.Hour)}

	attack.Case(t, "TLS-07", attack.Library, func(t *testing.T) {
		for _, tt := range []struct {
			name              string
			client            *tls.Config
			request, required bool // whether the handshake succeeds
		}{
			{"none", asClient(ca), true, false},
			{"one that holds", asClient(ca, good), true, true},
			{"self-signed", asClient(ca, testcert.SelfSigned(t, testcert.Leaf{})), false, false},
			{"expired", asClient(ca, clients.Issue(t, expired)), false, false},
			{"not valid yet", asClient(ca, clients.Issue(t, future)), false, false},
			{"of another CA", asClient(ca, other.Issue(t, testcert.Leaf{})), false, false},
			{"of the servers' CA", asClient(ca, ca.Issue(t, testcert.Leaf{})), false, false},
			{"for servers", asClient(ca, clients.Issue(t, usage(x509.ExtKeyUsageServerAuth))), false, false},
		} {
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				tt.client.MaxVersion = version
				if o := shake(t, request.TLS(), tt.client); o.failed() == tt.request {
					t.Errorf("%s, %s, request: %v", tt.name, tls.VersionName(version), o.serverErr)
				}
				o := shake(t, require.TLS(), tt.client)
				if o.failed() == tt.required {
					t.Errorf("%s, %s, require: %v", tt.name, tls.VersionName(version), o.serverErr)
				}
				if !o.failed() && (len(o.server.VerifiedChains) == 0 || o.server.PeerCertificates[0].Subject.CommonName != "ada") {
					t.Errorf("%s: the server does not know whom it talks to", tt.name)
				}
			}
		}
		folder := t.TempDir()
		for name, content := range map[string]string{
			"missing": "-", "empty": "", "blank": " \n", "text": "hello\n", "a key": string(good.Key), "a leaf": string(good.Cert),
			"cut": string(clients.PEM[:len(clients.PEM)-40]), "one whole and one cut": string(clients.PEM) + string(other.PEM[:len(other.PEM)-40]),
			"a certificate of garbage": "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n",
		} {
			file := filepath.Join(folder, strings.ReplaceAll(name, " ", "-"))
			if content != "-" {
				testcert.Replace(t, file, []byte(content))
			}
			s, err := tlsconfig.New(with(tlsconfig.ClientCertRequire, file))
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), file) || strings.Contains(err.Error(), "PRIVATE KEY-----") {
				t.Errorf("a CA file, %s: New: %v, want an error that names the file", name, err)
			}
		}
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			resumeAfterTheCALeft(t, with(tlsconfig.ClientCertRequire, caFile), version, ca, clients, other)
		}
	})
}

// resumeAfterTheCALeft begins a session, takes its authority out of the pool, and
// goes on with the session.
func resumeAfterTheCALeft(t *testing.T, cfg tlsconfig.Config, version uint16, ca, clients, other *testcert.CA) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "clients.pem")
	testcert.Replace(t, file, append(append([]byte{}, clients.PEM...), other.PEM...))
	cfg.ClientCerts.CAFile = file
	s := open(t, cfg)
	client := asClient(ca, clients.Issue(t, testcert.Leaf{}))
	client.MaxVersion, client.ClientSessionCache = version, tls.NewLRUClientSessionCache(4)
	if o := shake(t, s.TLS(), client); o.failed() {
		t.Fatal(o.clientErr, o.serverErr)
	}
	if o := shake(t, s.TLS(), client); o.failed() || !o.server.DidResume || len(o.server.VerifiedChains) == 0 {
		t.Errorf("%s: while the CA is there: resumed %v, %v", tls.VersionName(version), o.server.DidResume, o.serverErr)
	}
	testcert.Replace(t, file, other.PEM)
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if o := shake(t, s.TLS(), client); !o.failed() {
		t.Errorf("%s: a session was resumed %v after its CA left the pool", tls.VersionName(version), o.server.DidResume)
	}
	if got := s.Status().ClientCAs; got.Count != 1 || got.Err != nil {
		t.Errorf("status of the CAs: %+v", got)
	}
	testcert.Replace(t, file, nil)
	if err := s.Reload(); err == nil || s.Status().ClientCAs.Err == nil {
		t.Error("an empty CA file was taken")
	}
	if o := shake(t, s.TLS(), client); !o.failed() {
		t.Error("an empty CA file lets the old ones in again")
	}
}

func TestClientCertificatesByName(t *testing.T) {
	ca, clients := testcert.NewCA(t, "servers"), testcert.NewCA(t, "clients")
	caFile := filepath.Join(t.TempDir(), "clients.pem")
	testcert.Replace(t, caFile, clients.PEM)
	s := open(t, tlsconfig.Config{
		Certificates: []tlsconfig.Files{files(t, ca.Issue(t, testcert.Leaf{}))},
		ClientCerts:  tlsconfig.ClientCerts{Mode: tlsconfig.ClientCertRequire, CAFile: caFile, Names: []string{"admin.example", "*.in.example"}},
	})
	for name, wanted := range map[string]bool{"admin.example": true, "ADMIN.example": true, "a.in.example": true, "in.example": false, "b.a.in.example": false, "api.example": false, "": false} {
		o := shake(t, s.TLS(), &tls.Config{InsecureSkipVerify: true, ServerName: name, MinVersion: tls.VersionTLS12})
		if o.failed() != wanted {
			t.Errorf("who asks for %q without a certificate: %v, %v; wanted %v", name, o.clientErr, o.serverErr, wanted)
		}
	}
}
