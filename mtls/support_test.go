package mtls_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/mtls"
)

// An authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// newAuthority makes a root authority of a name.
func newAuthority(tb testing.TB, name string) *authority {
	tb.Helper()
	return sign(tb, nil, func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: name}
		c.BasicConstraintsValid, c.IsCA, c.KeyUsage, c.ExtKeyUsage = true, true, x509.KeyUsageCertSign, nil
		c.NotAfter = time.Now().Add(100 * 24 * time.Hour)
	})
}

// sign makes a certificate for clients, valid for a day, signed by parent or by
// itself.
func sign(tb testing.TB, parent *authority, change func(*x509.Certificate)) *authority {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	change(template)
	a := &authority{key: key}
	if parent == nil {
		parent = &authority{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.cert, key.Public(), parent.key)
	if err != nil {
		tb.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		tb.Fatal(err)
	}
	return a
}

// client makes a client's certificate.
func (a *authority) client(tb testing.TB, change func(*x509.Certificate)) *x509.Certificate {
	tb.Helper()
	return sign(tb, a, change).cert
}

func uris(tb testing.TB, texts ...string) []*url.URL {
	tb.Helper()
	var all []*url.URL
	for _, text := range texts {
		u, err := url.Parse(text)
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, u)
	}
	return all
}

func named(cn string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.Subject.CommonName = cn }
}

func newScheme(tb testing.TB, cfg mtls.Config) *mtls.Scheme {
	tb.Helper()
	s, err := mtls.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func request(cert *x509.Certificate) *exchange.Exchange {
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
	x.ClientCert = cert
	return x
}

// outcome is the subject that cert proves, or the reason why it does not.
func outcome(tb testing.TB, s *mtls.Scheme, cert *x509.Certificate) string {
	tb.Helper()
	p, err := s.Authenticate(request(cert))
	if refusal, ok := errors.AsType[*authn.Refusal](err); ok {
		return "wrong: " + refusal.Reason()
	}
	if err != nil {
		tb.Fatal(err)
	}
	return p.Subject
}
