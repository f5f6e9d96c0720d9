package browser

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// patience is how long one step may take.
const patience = time.Minute

// A process is the one Chromium of a test package.
type process struct {
	once sync.Once
	err  error
	ctx  context.Context // how chromedp names a running browser
	stop func()
	cert tls.Certificate
}

// shared is the package's Chromium: tests find it without having to pass it
// through every table, and [Main] ends it.
var shared process //nolint:gochecknoglobals // see above

// Main runs the tests of a package and ends its Chromium. It is all of a
// TestMain: package testing exits with the tests' own code when that returns.
func Main(m *testing.M) {
	m.Run()
	if shared.stop != nil {
		shared.stop()
	}
}

// start starts Chromium unless it runs.
func (p *process) start() error {
	p.once.Do(func() { p.err = p.launch() })
	return p.err
}

var errNoChromium = errors.New("browser: no chromium: install the package of that name")

func (p *process) launch() error {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return errNoChromium
	}
	pin, err := p.certify()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "warder-chromium-")
	if err != nil {
		return fmt.Errorf("browser: %w", err)
	}
	options := append(flags(pin, dir), chromedp.ExecPath(path), chromedp.Env("HOME="+dir, "TMPDIR="+dir))
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	p.stop = func() {
		closing, done := context.WithTimeout(ctx, patience)
		_ = chromedp.Cancel(closing) // closes it; what that cannot, stopAllocator kills
		done()
		cancel()
		stopAllocator()
		_ = os.RemoveAll(dir)
	}
	p.ctx = ctx
	if _, err := chromedp.Run(ctx, chromedp.Location()); err != nil { // starts it
		p.stop()
		p.stop = nil
		return fmt.Errorf("browser: start %s: %w", path, err)
	}
	return nil
}

// flags are what Chromium is started with: nothing that talks to anybody but the
// tests' own listeners, and a certificate that it believes. The pipe of the
// debugger is inherited, so that no other process can drive it.
func flags(pin, dir string) []chromedp.ExecAllocatorOption {
	options := []chromedp.ExecAllocatorOption{
		chromedp.Flag("headless", true),
		chromedp.Flag("user-data-dir", filepath.Join(dir, "profile")),
		chromedp.Flag("ignore-certificate-errors-spki-list", pin),
		chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"),
		chromedp.Flag("remote-debugging-pipe", true),
		chromedp.Flag("password-store", "basic"),
	}
	for _, name := range []string{
		"disable-gpu", "disable-quic", "no-first-run", "no-default-browser-check", "disable-background-networking",
		"disable-component-update", "disable-sync", "disable-default-apps", "disable-extensions", "disable-breakpad",
		"disable-dev-shm-usage", "disable-background-timer-throttling", "disable-renderer-backgrounding", "mute-audio",
	} {
		options = append(options, chromedp.Flag(name, true))
	}
	if os.Geteuid() == 0 {
		options = append(options, chromedp.Flag("no-sandbox", true)) // Chromium's own sandbox does not run as root
	}
	return options
}

// certify makes the certificate of the HTTPS listeners, and returns the digest of
// its key as Chromium wants it.
func (p *process) certify() (pin string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", fmt.Errorf("browser: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"*.test", "*.site.test", "*.other.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return "", fmt.Errorf("browser: %w", err)
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", fmt.Errorf("browser: %w", err)
	}
	p.cert = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	digest := sha256.Sum256(spki)
	return base64.StdEncoding.EncodeToString(digest[:]), nil
}
