package browser

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"testing"
)

// Certificate returns the one that the package's Chromium believes, for programs
// that serve HTTPS by themselves: for every name under .test, .site.test and
// .other.test, and for 127.0.0.1. It vouches for itself.
func Certificate(tb testing.TB) tls.Certificate {
	tb.Helper()
	if err := shared.start(); err != nil {
		tb.Fatal(err)
	}
	return shared.cert
}

// CertificatePEM is [Certificate] with its key in PEM form, for programs that read
// files.
func CertificatePEM(tb testing.TB) (cert, key []byte) {
	tb.Helper()
	own := Certificate(tb)
	der, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		tb.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
