package mtls_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/mtls"
)

func TestIssuers(t *testing.T) {
	ca, other := newAuthority(t, "ca"), newAuthority(t, "other")
	twin := newAuthority(t, "ca") // the same name, another key
	below := sign(t, ca, func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "below"}
		c.BasicConstraintsValid, c.IsCA, c.KeyUsage, c.ExtKeyUsage = true, true, x509.KeyUsageCertSign, nil
	})
	s := newScheme(t, mtls.Config{
		SubjectFrom: mtls.CommonName, Issuers: []mtls.Issuer{{Name: "ours", Certificate: ca.cert}, {Name: "theirs", Certificate: other.cert}},
		Grants: []mtls.Grant{{Match: "admin", Issuer: "ours", Scopes: []string{"*"}}},
	})
	tests := []struct {
		name string
		by   *authority
		want string
	}{
		{"one of two", ca, "ours"},
		{"the other", other, "theirs"},
		{"one of the same name", twin, ""},
		{"one below that is not listed itself", below, ""},
		{"nobody", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cert := sign(t, tt.by, named("admin")).cert
			for range 2 { // found, and remembered
				p, err := s.Authenticate(request(cert))
				if p.Issuer != tt.want || (err == nil) != (tt.want != "") {
					t.Errorf("got %q, %v, want %q", p.Issuer, err, tt.want)
				}
				if got, want := p.Scopes.Allow("users:write"), tt.want == "ours"; got != want {
					t.Errorf("has the grant = %v, want %v", got, want)
				}
			}
		})
	}
	intermediate := newScheme(t, mtls.Config{SubjectFrom: mtls.CommonName, Issuers: []mtls.Issuer{{Certificate: below.cert}}})
	if got := outcome(t, intermediate, sign(t, below, named("web")).cert); got != "web" {
		t.Errorf("by a listed intermediate: got %q", got)
	}
	if got := outcome(t, intermediate, sign(t, ca, named("web")).cert); got != "wrong: unlisted-issuer" {
		t.Errorf("by the root above a listed intermediate: got %q", got)
	}
}

// An authority names the workloads of its own trust domains only.
func TestTrustDomainsOfIssuers(t *testing.T) {
	a, b := newAuthority(t, "a"), newAuthority(t, "b")
	s := newScheme(t, mtls.Config{SubjectFrom: mtls.SPIFFE, TrustDomains: []string{"a.example", "b.example"}, Issuers: []mtls.Issuer{
		{Certificate: a.cert, TrustDomains: []string{"a.example"}}, {Certificate: b.cert, TrustDomains: []string{"b.example"}},
	}})
	for _, tt := range []struct {
		by   *authority
		id   string
		want string
	}{
		{a, "spiffe://a.example/web", "spiffe://a.example/web"},
		{b, "spiffe://b.example/web", "spiffe://b.example/web"},
		{b, "spiffe://a.example/web", "wrong: unlisted-issuer"},
		{a, "spiffe://b.example/web", "wrong: unlisted-issuer"},
	} {
		cert := tt.by.client(t, func(c *x509.Certificate) { c.URIs = uris(t, tt.id) })
		if got := outcome(t, s, cert); got != tt.want {
			t.Errorf("%s by %s: got %q, want %q", tt.id, tt.by.cert.Subject, got, tt.want)
		}
	}
}

// An authority whose own certificate has ended signs for nobody any more, also
// for those that are remembered.
func TestTheEndOfAnIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := sign(t, nil, func(c *x509.Certificate) {
			c.Subject = pkix.Name{CommonName: "ca"}
			c.BasicConstraintsValid, c.IsCA, c.KeyUsage, c.ExtKeyUsage = true, true, x509.KeyUsageCertSign, nil
			c.NotAfter = time.Now().Add(time.Hour)
		})
		s := newScheme(t, mtls.Config{SubjectFrom: mtls.CommonName, Issuers: []mtls.Issuer{{Certificate: ca.cert}}})
		cert := ca.client(t, named("web"))
		if got := outcome(t, s, cert); got != "web" {
			t.Errorf("before: got %q", got)
		}
		<-time.After(time.Hour + time.Second)
		if got := outcome(t, s, cert); got != "wrong: unlisted-issuer" {
			t.Errorf("after: got %q", got)
		}
	})
}

// A dry exchange finds the same, and leaves nothing behind.
func TestDry(t *testing.T) {
	ca := newAuthority(t, "ca")
	s := newScheme(t, mtls.Config{SubjectFrom: mtls.CommonName, Issuers: []mtls.Issuer{{Name: "ca", Certificate: ca.cert}}})
	x := request(ca.client(t, named("web")))
	x.Dry = true
	if p, err := s.Authenticate(x); err != nil || p.Issuer != "ca" || mtls.Known(s) != 0 {
		t.Errorf("got %q, %v, and remembers %d", p.Issuer, err, mtls.Known(s))
	}
}

// What is remembered is bounded, whoever comes.
func TestWhatIsRemembered(t *testing.T) {
	ca := newAuthority(t, "ca")
	s := newScheme(t, mtls.Config{SubjectFrom: mtls.CommonName, Issuers: []mtls.Issuer{{Name: "ca", Certificate: ca.cert}}})
	cert := *ca.client(t, named("web"))
	raw := cert.Raw
	for n := range 5000 { // certificates of other bytes, which nobody has signed
		cert.Raw = append([]byte{byte(n), byte(n >> 8)}, raw...)
		cert.Signature = []byte{0}
		if got := outcome(t, s, &cert); got != "wrong: unlisted-issuer" {
			t.Fatalf("got %q", got)
		}
	}
	if got := mtls.Known(s); got != 4096 {
		t.Errorf("%d are remembered, want 4096", got)
	}
}

func TestConcurrentUse(t *testing.T) {
	ca := newAuthority(t, "ca")
	s := newScheme(t, mtls.Config{SubjectFrom: mtls.CommonName, Issuers: []mtls.Issuer{{Name: "ca", Certificate: ca.cert}}})
	certs := []*x509.Certificate{ca.client(t, named("a")), ca.client(t, named("b"))}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 100 {
				if p, err := s.Authenticate(request(certs[i%2])); err != nil || p.Subject != string(rune('a'+i%2)) {
					t.Errorf("got %q, %v", p.Subject, err)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkAuthenticate(b *testing.B) {
	ca := newAuthority(b, "ca")
	cert := ca.client(b, func(c *x509.Certificate) {
		c.Subject.CommonName, c.URIs = "web", uris(b, "spiffe://example.org/ns/shop/sa/web")
	})
	for name, cfg := range map[string]mtls.Config{
		"common name": {SubjectFrom: mtls.CommonName},
		"spiffe":      {SubjectFrom: mtls.SPIFFE, TrustDomains: []string{"example.org"}, Issuer: "ca"},
		"issuers":     {SubjectFrom: mtls.SPIFFE, TrustDomains: []string{"example.org"}, Issuers: []mtls.Issuer{{Certificate: ca.cert, TrustDomains: []string{"example.org"}}}},
	} {
		b.Run(name, func(b *testing.B) {
			s, x := newScheme(b, cfg), request(cert)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Authenticate(x); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
