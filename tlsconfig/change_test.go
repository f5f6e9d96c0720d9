package tlsconfig_test

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/tlsconfig"
)

// shown is the name of the certificate that a client is shown who asks for name; "" when
// the handshake fails.
func shown(t *testing.T, s *tlsconfig.Source, roots *x509.CertPool, name string) string {
	t.Helper()
	o := shake(t, s.TLS(), trusting(roots, name))
	if o.failed() {
		return ""
	}
	return o.shownName()
}

func TestChange(t *testing.T) {
	ca := testcert.NewCA(t, "root")
	one, two := files(t, ca.Issue(t, testcert.Leaf{Names: []string{"one.test"}})), files(t, ca.Issue(t, testcert.Leaf{Names: []string{"two.test"}}))
	authorities := t.TempDir() + "/ca.pem"
	testcert.Replace(t, authorities, ca.PEM)
	s := open(t, tlsconfig.Config{Certificates: []tlsconfig.Files{one}, StrictNames: true})

	client := tlsconfig.ClientCerts{Mode: tlsconfig.ClientCertRequire, CAFile: authorities}
	c, err := s.Prepare([]tlsconfig.Files{one, two}, client)
	if err != nil {
		t.Fatal(err)
	}
	if got := []string{shown(t, s, ca.Pool(), "one.test"), shown(t, s, ca.Pool(), "two.test")}; !slices.Equal(got, []string{"one.test", ""}) {
		t.Errorf("Prepare alone changed something: %q", got)
	}
	c.Apply()
	if got := shown(t, s, ca.Pool(), "two.test"); got != "" {
		t.Errorf("a client without a certificate is shown %q", got)
	}
	own := trusting(ca.Pool(), "two.test")
	own.Certificates = []tls.Certificate{ca.Issue(t, testcert.Leaf{}).TLS}
	if o := shake(t, s.TLS(), own); o.failed() || o.shownName() != "two.test" || len(o.server.VerifiedChains) == 0 {
		t.Errorf("a client with one: %v, %v, %q", o.clientErr, o.serverErr, o.shownName())
	}
	if status := s.Status(); len(status.Certificates) != 2 || status.ClientCAs == nil || status.ClientCAs.Count != 1 {
		t.Errorf("status %+v", status)
	}

	// What is followed stays what it is, also while its file is broken: only what is new
	// has to be good.
	testcert.Replace(t, one.Certificate, []byte("garbage"))
	c, err = s.Prepare([]tlsconfig.Files{one}, tlsconfig.ClientCerts{})
	if err != nil {
		t.Fatal(err)
	}
	c.Apply()
	if got := []string{shown(t, s, ca.Pool(), "one.test"), shown(t, s, ca.Pool(), "two.test")}; !slices.Equal(got, []string{"one.test", ""}) {
		t.Errorf("after the way back: %q", got)
	}
	if err := s.Reload(); err == nil || s.Status().ClientCAs != nil {
		t.Errorf("Reload: %v; status %+v", err, s.Status())
	}
	next := ca.Issue(t, testcert.Leaf{Names: []string{"one.test"}})
	testcert.Replace(t, one.Key, next.Key)
	testcert.Replace(t, one.Certificate, next.Cert)
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if o := shake(t, s.TLS(), trusting(ca.Pool(), "one.test")); o.failed() || o.client.PeerCertificates[0].SerialNumber.Cmp(next.TLS.Leaf.SerialNumber) != 0 {
		t.Error("files are not followed any more")
	}
}

// TestHolds: what a server asks about connections that were open before who may sign
// certificates of clients, or whether one is wanted, changed.
func TestHolds(t *testing.T) {
	ca, other := testcert.NewCA(t, "one"), testcert.NewCA(t, "other")
	folder := t.TempDir()
	file := func(name string, text []byte) string {
		testcert.Replace(t, folder+"/"+name, text)
		return folder + "/" + name
	}
	one, two, both := file("one", ca.PEM), file("two", other.PEM), file("both", slices.Concat(other.PEM, ca.PEM))
	server := files(t, ca.Issue(t, testcert.Leaf{}))
	request := func(file string) tlsconfig.ClientCerts {
		return tlsconfig.ClientCerts{Mode: tlsconfig.ClientCertRequest, CAFile: file}
	}
	s := open(t, tlsconfig.Config{Certificates: []tlsconfig.Files{server}, ClientCerts: request(one)})
	client := asClient(ca, ca.Issue(t, testcert.Leaf{}))
	client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	conns := map[string]*tls.ConnectionState{"with": nil, "resumed": nil, "without": nil}
	for name, c := range map[string]*tls.Config{"with": client, "without": asClient(ca)} {
		o := shake(t, s.TLS(), c)
		if o.failed() {
			t.Fatal(name, o.serverErr)
		}
		conns[name] = &o.server
	}
	again := shake(t, s.TLS(), client)
	if again.failed() || !again.server.DidResume {
		t.Fatalf("not resumed: %v", again.serverErr)
	}
	conns["resumed"] = &again.server
	for _, tt := range []struct {
		name          string
		clients       tlsconfig.ClientCerts
		with, without bool
	}{
		{"as it was", request(one), true, true},
		{"another authority beside it", request(both), true, true},
		{"another authority", request(two), false, true},
		{"one is required", tlsconfig.ClientCerts{Mode: tlsconfig.ClientCertRequire, CAFile: one}, true, false},
		{"none is wanted for this name", tlsconfig.ClientCerts{Mode: tlsconfig.ClientCertRequire, CAFile: one, Names: []string{"other.test"}}, false, true},
		{"none is wanted", tlsconfig.ClientCerts{}, false, true},
	} {
		c, err := s.Prepare([]tlsconfig.Files{server}, tt.clients)
		if err != nil {
			t.Fatal(err)
		}
		c.Apply()
		for name, want := range map[string]bool{"with": tt.with, "resumed": tt.with, "without": tt.without} {
			if got := s.Holds(conns[name]); got != want {
				t.Errorf("%s: a connection %s a certificate holds: %v, want %v", tt.name, name, got, want)
			}
		}
	}
}

func TestChangeReportsEverything(t *testing.T) {
	one := files(t, testcert.SelfSigned(t, testcert.Leaf{}))
	s := open(t, tlsconfig.Config{Certificates: []tlsconfig.Files{one}})
	_, err := s.Prepare([]tlsconfig.Files{one, {Certificate: "/nowhere.crt", Key: "/nowhere.key"}}, tlsconfig.ClientCerts{Mode: tlsconfig.ClientCertRequest, CAFile: "/nowhere.ca"})
	for _, want := range []string{"/nowhere.crt", "/nowhere.key", "/nowhere.ca"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v lacks %s", err, want)
		}
	}
	if _, err := s.Prepare(nil, tlsconfig.ClientCerts{}); err == nil || !strings.Contains(err.Error(), "there is no certificate") {
		t.Errorf("without any: %v", err)
	}
	if _, err := s.Prepare([]tlsconfig.Files{one}, tlsconfig.ClientCerts{Mode: "perhaps"}); err == nil || !strings.Contains(err.Error(), `"perhaps"`) {
		t.Errorf("a mode that is none: %v", err)
	}
	if got := s.Status(); len(got.Certificates) != 1 || got.Certificates[0].Files != one {
		t.Errorf("status %+v", got)
	}
}
