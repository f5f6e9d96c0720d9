package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// makeCertificate returns a certificate, and the same in PEM form.
func makeCertificate(t *testing.T) (cert *x509.Certificate, text []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestCertificateSum(t *testing.T) {
	cert, one := makeCertificate(t)
	_, other := makeCertificate(t)
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("canary")})
	for _, tt := range []struct {
		name string
		text []byte
		says string // "" for the digest of cert
	}{
		{"alone", one, ""},
		{"behind a private key", slices.Concat(private, one), ""},
		{"before other text", slices.Concat(one, []byte("canary")), ""},
		{"a chain", slices.Concat(one, other), "several certificates"},
		{"a private key", private, "no certificate"},
		{"DER", cert.Raw, "no certificate"},
		{"empty", nil, "no certificate"},
		{"too long", slices.Concat(bytes.Repeat([]byte("a\n"), maxCertificate), one), "longer than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "client.pem")
			if err := os.WriteFile(path, tt.text, 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := certificateSum(path)
			if tt.says == "" && (err != nil || got != sha256.Sum256(cert.Raw)) {
				t.Errorf("got %x, %v, want the certificate's digest", got, err)
			}
			if tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "canary")) {
				t.Errorf("error %v, want one that says %q", err, tt.says)
			}
		})
	}
}
