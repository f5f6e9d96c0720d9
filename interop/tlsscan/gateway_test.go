package tlsscan_test

import (
	"bufio"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/testcert"
)

// A gateway is warder with TLS and nothing else configured.
type gateway struct {
	address, port string // of 127.0.0.1
}

// build builds the program.
func build(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "warder")
	c := exec.CommandContext(t.Context(), "go", "build", "-o", name, "./cmd/warder")
	c.Dir = "../.."
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return name
}

// start runs the program with a certificate.
func start(t *testing.T, program, cert, key string) gateway {
	t.Helper()
	folder := t.TempDir()
	text := "upstream: http://127.0.0.1:9\nlisten: 127.0.0.1:0\nadmin_listen: off\nlog: {file: warder.log}\n" +
		"tls: {certificates: [{cert_file: '" + cert + "', key_file: '" + key + "'}]}\n"
	if err := os.WriteFile(filepath.Join(folder, "warder.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), program, "serve", "--config", "warder.yaml")
	c.Dir = folder
	stderr, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	line, err := bufio.NewReader(stderr).ReadString('\n')
	m := regexp.MustCompile(`gateway on https?://(127\.0\.0\.1:(\d+))`).FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("the program says %q (%v)", line, err)
	}
	go func() { _, _ = io.Copy(io.Discard, stderr) }()
	return gateway{address: m[1], port: m[2]}
}

// certificates are one of each kind that servers have: with a key of an elliptic
// curve, and with one of RSA.
func certificates(t *testing.T) map[string][2]string {
	t.Helper()
	folder := t.TempDir()
	cert, key := testcert.SelfSigned(t, testcert.Leaf{Subject: "localhost"}).Write(t, folder, "curve")
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		name = filepath.Join(folder, name)
		if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	return map[string][2]string{
		"curve": {cert, key},
		"RSA":   {write("rsa.crt", "CERTIFICATE", der), write("rsa.key", "PRIVATE KEY", pkcs8)},
	}
}

// groupOf is what a client of Go's, which asks for everything that is known today,
// exchanges keys by.
func groupOf(t *testing.T, at gateway) tls.CurveID {
	t.Helper()
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
	conn, err := d.DialContext(t.Context(), "tcp", at.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	secured, ok := conn.(*tls.Conn)
	if !ok {
		t.Fatalf("dialed %T", conn)
	}
	return secured.ConnectionState().CurveID
}
