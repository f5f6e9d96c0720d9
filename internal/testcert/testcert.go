// Package testcert makes certificates for tests: an authority, and leaves of
// every sort that a verifier must tell apart.
package testcert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A CA is an authority of one test.
type CA struct {
	Cert *x509.Certificate
	PEM  []byte
	key  *ecdsa.PrivateKey
}

// A Leaf says what a certificate is to be. The zero value is for the name
// localhost and the loopback addresses, valid for a day, for servers and clients.
type Leaf struct {
	Names     []string
	Subject   string // common name
	NotBefore time.Time
	NotAfter  time.Time
	Usage     []x509.ExtKeyUsage
	RSA       bool // a key of RSA, of 2048 bits, that may also be encrypted to; else of P-256
}

// A Pair is a certificate with its key.
type Pair struct {
	Cert, Key []byte // PEM
	TLS       tls.Certificate
}

// NewCA makes an authority.
func NewCA(tb testing.TB, name string) *CA {
	tb.Helper()
	key := newKey(tb)
	template := &x509.Certificate{
		SerialNumber: serial(tb), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatalf("testcert: %v", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatalf("testcert: %v", err)
	}
	return &CA{Cert: cert, PEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), key: key}
}

// Pool returns the authority as the only root.
func (c *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.Cert)
	return pool
}

// Issue makes a certificate that c signed.
func (c *CA) Issue(tb testing.TB, leaf Leaf) Pair {
	tb.Helper()
	return issue(tb, leaf, c.Cert, c.key)
}

// SelfSigned makes a certificate that nobody else signed.
func SelfSigned(tb testing.TB, leaf Leaf) Pair {
	tb.Helper()
	return issue(tb, leaf, nil, nil)
}

func issue(tb testing.TB, leaf Leaf, parent *x509.Certificate, signer crypto.Signer) Pair {
	tb.Helper()
	key := leaf.newKey(tb)
	template := &x509.Certificate{
		SerialNumber: serial(tb), Subject: pkix.Name{CommonName: leaf.Subject}, DNSNames: leaf.Names,
		NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, ExtKeyUsage: leaf.Usage,
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	if leaf.Names == nil {
		template.DNSNames = []string{"localhost"}
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	}
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-time.Hour)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(24 * time.Hour)
	}
	if template.ExtKeyUsage == nil {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
	if leaf.RSA {
		template.KeyUsage |= x509.KeyUsageKeyEncipherment
	}
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		tb.Fatalf("testcert: %v", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatalf("testcert: %v", err)
	}
	p := Pair{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}
	if p.TLS, err = tls.X509KeyPair(p.Cert, p.Key); err != nil {
		tb.Fatalf("testcert: %v", err)
	}
	return p
}

// Write puts the pair into two files of folder and returns their names. Each
// file is replaced at once, as a tool that renews certificates does it.
func (p Pair) Write(tb testing.TB, folder, name string) (cert, key string) {
	tb.Helper()
	cert, key = filepath.Join(folder, name+".crt"), filepath.Join(folder, name+".key")
	Replace(tb, key, p.Key)
	Replace(tb, cert, p.Cert)
	return cert, key
}

// Replace writes a file of mode 0600 in one step.
func Replace(tb testing.TB, name string, content []byte) {
	tb.Helper()
	if err := os.WriteFile(name+".new", content, 0o600); err != nil {
		tb.Fatalf("testcert: %v", err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		tb.Fatalf("testcert: %v", err)
	}
}

func (l *Leaf) newKey(tb testing.TB) crypto.Signer {
	tb.Helper()
	if !l.RSA {
		return newKey(tb)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatalf("testcert: %v", err)
	}
	return key
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatalf("testcert: %v", err)
	}
	return key
}

func serial(tb testing.TB) *big.Int {
	tb.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		tb.Fatalf("testcert: %v", err)
	}
	return n
}

// WeakRSASuites are suites of TLS 1.2 for a certificate of RSA that crypto/tls speaks
// when it is told to, and that nobody should: without ephemeral keys, with CBC, 3DES or
// RC4 (RFC 9325, section 4.2).
func WeakRSASuites() []uint16 {
	return []uint16{
		tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA256,
		tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, tls.TLS_RSA_WITH_RC4_128_SHA,
		tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256, tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA,
	}
}
