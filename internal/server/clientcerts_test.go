package server_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testcert"
)

// TestClientCertificatesAtTheGateway: who shows none, or one that does not hold,
// sends no request; and neither does who goes on with a session of before its
// authority was struck off.
func TestClientCertificatesAtTheGateway(t *testing.T) {
	clients, others := testcert.NewCA(t, "clients"), testcert.NewCA(t, "others")
	caFile := filepath.Join(t.TempDir(), "clients.pem")
	testcert.Replace(t, caFile, clients.PEM)
	otherFile, api := filepath.Join(t.TempDir(), "others.pem"), told(t, "ok")
	testcert.Replace(t, otherFile, others.PEM)
	yaml, secure := secured(t, "  client_ca_file: "+caFile+"\n  client_auth: require\n")
	p := start(t, api, settings{yaml: yaml})
	ask := func(cfg *tls.Config, shown *testcert.Pair) (status int, resumed bool) {
		t.Helper()
		if shown != nil {
			cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown.TLS, nil } // whatever is asked for
		}
		transport := &http.Transport{TLSClientConfig: cfg, DisableKeepAlives: true}
		r := newRequest(t, "https://"+p.gateway+"/a")
		r.Host = "api.test"
		r.Header.Set("X-API-Key", p.key)
		w, err := transport.RoundTrip(r)
		if err != nil {
			return 0, false
		}
		_ = w.Body.Close()
		return w.StatusCode, w.TLS.DidResume
	}
	usage := func(u x509.ExtKeyUsage) testcert.Leaf { return testcert.Leaf{Usage: []x509.ExtKeyUsage{u}} }
	good := clients.Issue(t, usage(x509.ExtKeyUsageClientAuth))
	attack.Case(t, "TLS-07", attack.Gateway, func(t *testing.T) {
		for name, tt := range map[string]struct {
			shown testcert.Pair
			want  int // 0 for no connection
		}{
			"none":           {testcert.Pair{}, 0},
			"of its own":     {testcert.SelfSigned(t, testcert.Leaf{}), 0},
			"expired":        {clients.Issue(t, testcert.Leaf{NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(-time.Minute)}), 0},
			"not valid yet":  {clients.Issue(t, testcert.Leaf{NotBefore: time.Now().Add(time.Hour)}), 0},
			"of another":     {others.Issue(t, testcert.Leaf{}), 0},
			"for servers":    {clients.Issue(t, usage(x509.ExtKeyUsageServerAuth)), 0},
			"one that holds": {good, http.StatusOK},
		} {
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				cfg := secure.Clone()
				cfg.MaxVersion = version
				if status, _ := ask(cfg, &tt.shown); status != tt.want {
					t.Errorf("%s, %s: %d, want %d", name, tls.VersionName(version), status, tt.want)
				}
			}
		}
		sessions := map[uint16]*tls.Config{}
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			cfg := secure.Clone()
			cfg.MaxVersion, cfg.ClientSessionCache = version, tls.NewLRUClientSessionCache(4)
			sessions[version] = cfg
			eventually(t, func() (struct{}, bool) { // until a ticket came
				status, resumed := ask(cfg, &good)
				if status != http.StatusOK {
					t.Fatalf("%s: %d while its authority is there", tls.VersionName(version), status)
				}
				return struct{}{}, resumed
			})
		}
		p.write(t, api, strings.Replace(yaml, caFile, otherFile, 1))
		p.reload(t)
		for version, cfg := range sessions {
			if status, resumed := ask(cfg, &good); status != 0 {
				t.Errorf("%s: %d after its authority was struck off, resumed %v", tls.VersionName(version), status, resumed)
			}
		}
	})
}
