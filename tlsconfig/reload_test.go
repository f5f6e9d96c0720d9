package tlsconfig_test

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/tlsconfig"
)

// serial of the certificate that clients are shown.
func serial(t *testing.T, s *tlsconfig.Source, roots *x509.CertPool) string {
	t.Helper()
	o := shake(t, s.TLS(), trusting(roots, "localhost"))
	if o.failed() {
		t.Fatal(o.clientErr, o.serverErr)
	}
	return o.client.PeerCertificates[0].SerialNumber.String()
}

func TestReplacingUnderLoad(t *testing.T) {
	ca := testcert.NewCA(t, "root")
	var log lines
	first := ca.Issue(t, testcert.Leaf{})
	f := files(t, first)
	s := open(t, tlsconfig.Config{Certificates: []tlsconfig.Files{f}, Log: log.logger()})
	attack.Case(t, "TLS-08", attack.Library, func(t *testing.T) {
		var load sync.WaitGroup
		var shaken, failed atomic.Int64
		end := make(chan struct{})
		for range 4 {
			load.Go(func() {
				for {
					select {
					case <-end:
						return
					default:
					}
					shaken.Add(1)
					if o := shake(t, s.TLS(), trusting(ca.Pool(), "localhost")); o.failed() {
						failed.Add(1)
						t.Errorf("a handshake failed: %v, %v", o.clientErr, o.serverErr)
					}
				}
			})
		}
		last := first
		for range 100 {
			last = ca.Issue(t, testcert.Leaf{})
			testcert.Replace(t, f.Key, last.Key)
			_ = s.Reload() // in between: the key is new and the certificate is not
			testcert.Replace(t, f.Certificate, last.Cert)
			if err := s.Reload(); err != nil {
				t.Fatal(err)
			}
			if got := serial(t, s, ca.Pool()); got != last.TLS.Leaf.SerialNumber.String() {
				t.Fatal("a replaced certificate is not shown")
			}
		}
		for before := shaken.Load(); shaken.Load() < before+8; {
			<-time.After(time.Millisecond)
		}
		close(end)
		load.Wait()
		t.Logf("%d handshakes during 100 replacements, %d failed", shaken.Load(), failed.Load())

		for name, spoil := range map[string]func(){
			"garbage":            func() { testcert.Replace(t, f.Certificate, []byte("garbage")) },
			"an empty file":      func() { testcert.Replace(t, f.Certificate, nil) },
			"no file":            func() { _ = os.Remove(f.Certificate) },
			"a folder":           func() { _ = os.Remove(f.Certificate); _ = os.Mkdir(f.Certificate, 0o700) },
			"a key of another":   func() { testcert.Replace(t, f.Key, ca.Issue(t, testcert.Leaf{}).Key) },
			"the key twice":      func() { testcert.Replace(t, f.Certificate, last.Key) },
			"half a certificate": func() { testcert.Replace(t, f.Certificate, last.Cert[:len(last.Cert)/2]) },
			"a file of 5 MiB":    func() { testcert.Replace(t, f.Certificate, make([]byte, 5<<20)) },
			"an expired certificate": func() {
				p := ca.Issue(t, past())
				testcert.Replace(t, f.Key, p.Key)
				testcert.Replace(t, f.Certificate, p.Cert)
			},
		} {
			spoil()
			err := s.Reload()
			if err == nil || !strings.Contains(err.Error(), f.Certificate) && !strings.Contains(err.Error(), f.Key) {
				t.Errorf("%s: Reload: %v, want an error that names a file", name, err)
			}
			status := s.Status()
			if status.Err(time.Now()) == nil || status.Certificates[0].Err.Error() != err.Error() || !strings.Contains(log.String(), "cannot be used") {
				t.Errorf("%s: status %+v, log %s", name, status, log.String())
			}
			if got := serial(t, s, ca.Pool()); got != last.TLS.Leaf.SerialNumber.String() {
				t.Errorf("%s: the old certificate did not stay", name)
			}
			_ = os.Remove(f.Certificate)
			testcert.Replace(t, f.Key, last.Key)
			testcert.Replace(t, f.Certificate, last.Cert)
			if err := s.Reload(); err != nil || s.Status().Err(time.Now()) != nil {
				t.Fatalf("%s: mended, but %v", name, err)
			}
		}
		if strings.Contains(log.String(), "PRIVATE KEY-----") {
			t.Error("the log holds a key")
		}
	})
}

func past() testcert.Leaf {
	return testcert.Leaf{NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Minute)}
}

// TestFilesAreFollowed swaps a folder beneath a link, as volumes of secrets do.
func TestFilesAreFollowed(t *testing.T) {
	defer goleak.VerifyNone(t)
	folder := t.TempDir()
	link := filepath.Join(folder, "data")
	swap := func(t *testing.T, version string, p testcert.Pair) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(folder, version), 0o700); err != nil {
			t.Fatal(err)
		}
		p.Write(t, filepath.Join(folder, version), "tls")
		if err := os.Symlink(version, link+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(link+".new", link); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		ca := testcert.NewCA(t, "root")
		first, second := ca.Issue(t, testcert.Leaf{}), ca.Issue(t, testcert.Leaf{NotAfter: time.Now().Add(time.Hour)})
		swap(t, "v1", first)
		s := open(t, tlsconfig.Config{Certificates: []tlsconfig.Files{{Certificate: filepath.Join(link, "tls.crt"), Key: filepath.Join(link, "tls.key")}}})
		shown := func() time.Time { return s.Status().NotAfter().UTC() }
		swap(t, "v2", second)
		<-time.After(4 * time.Second)
		if shown() != first.TLS.Leaf.NotAfter {
			t.Error("the files were read before their time")
		}
		<-time.After(2 * time.Second)
		synctest.Wait()
		if shown() != second.TLS.Leaf.NotAfter {
			t.Error("a swapped folder was not seen")
		}
		if err := s.Status().Err(time.Now()); err != nil {
			t.Error(err)
		}
		<-time.After(2 * time.Hour)
		if err := s.Status().Err(time.Now()); err == nil || !strings.Contains(err.Error(), "expired") {
			t.Errorf("status: %v, want that the certificate in use has expired", err)
		}
	})
}

func TestAKeyThatEverybodyMayRead(t *testing.T) {
	ca := testcert.NewCA(t, "root")
	f := files(t, ca.Issue(t, testcert.Leaf{}))
	attack.Case(t, "TLS-09", attack.Library, func(t *testing.T) {
		for mode, exposed := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true, 0o602: true, 0o604: true} {
			if err := os.Chmod(f.Key, mode); err != nil {
				t.Fatal(err)
			}
			var log lines
			s := open(t, tlsconfig.Config{Certificates: []tlsconfig.Files{f}, Log: log.logger()})
			if got := s.Status().Certificates[0].Exposed; got != exposed || strings.Contains(log.String(), f.Key) != exposed {
				t.Errorf("mode %v: exposed %v, log %q; want %v", mode, got, log.String(), exposed)
			}
			strict, err := tlsconfig.New(tlsconfig.Config{Certificates: []tlsconfig.Files{f}, StrictFiles: true})
			if err == nil {
				strict.Close()
			}
			if (err != nil) != exposed || err != nil && !strings.Contains(err.Error(), f.Key) {
				t.Errorf("mode %v, strict: %v", mode, err)
			}
		}
	})
}

func TestNewReportsEverything(t *testing.T) {
	ca := testcert.NewCA(t, "root")
	good, other := ca.Issue(t, testcert.Leaf{}), ca.Issue(t, testcert.Leaf{})
	mixed, expired, garbage := files(t, good), files(t, ca.Issue(t, past())), files(t, good)
	testcert.Replace(t, mixed.Key, other.Key)
	testcert.Replace(t, garbage.Certificate, []byte("garbage"))
	future := files(t, ca.Issue(t, testcert.Leaf{NotBefore: time.Now().Add(time.Hour)}))
	missing := tlsconfig.Files{Certificate: filepath.Join(t.TempDir(), "none.crt"), Key: mixed.Key}
	_, err := tlsconfig.New(tlsconfig.Config{Certificates: []tlsconfig.Files{mixed, expired, garbage, future, missing}})
	for _, want := range []string{
		mixed.Certificate, "private key does not match", expired.Certificate, "expired at", garbage.Certificate, "failed to find any PEM",
		future.Certificate, "not valid before", missing.Certificate, "no such file",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New: %v does not say %q", err, want)
		}
	}
	_, err = tlsconfig.New(tlsconfig.Config{
		Certificates: []tlsconfig.Files{{Certificate: "a"}}, MinVersion: tls.VersionTLS11, InsecureMinVersion: tls.VersionTLS12, ReloadInterval: time.Millisecond,
		ClientCerts: tlsconfig.ClientCerts{Mode: "maybe", Names: []string{"A", "*", ""}},
	})
	for _, want := range []string{"Certificates[0]", "MinVersion is TLS 1.1", "InsecureMinVersion is TLS 1.2", "contradict", "ReloadInterval", `"maybe"`, `"A"`, `"*"`, `""`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New: %v does not say %q", err, want)
		}
	}
	if _, err := tlsconfig.New(tlsconfig.Config{}); err == nil {
		t.Error("New accepted no certificate")
	}
	if _, err := tlsconfig.New(tlsconfig.Config{Certificates: []tlsconfig.Files{mixed}, ClientCerts: tlsconfig.ClientCerts{CAFile: "a"}}); err == nil || !strings.Contains(err.Error(), "asks for no certificate") {
		t.Errorf("New: %v, want that CAFile needs a mode", err)
	}
	if _, err := tlsconfig.New(tlsconfig.Config{Certificates: []tlsconfig.Files{mixed}, ClientCerts: tlsconfig.ClientCerts{Mode: tlsconfig.ClientCertRequire}}); err == nil || !strings.Contains(err.Error(), "lacks a CAFile") {
		t.Errorf("New: %v, want that the mode needs a CAFile", err)
	}
}

// FuzzClientCAs reads any file of authorities: it is refused with its name, or
// there is at least one authority in it.
func FuzzClientCAs(f *testing.F) {
	ca := testcert.NewCA(f, "root")
	server := ca.Issue(f, testcert.Leaf{})
	f.Add(ca.PEM)
	f.Add(append(append([]byte("text\n"), ca.PEM...), ca.PEM[:100]...))
	f.Add(server.Cert)
	f.Add(server.Key)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n"))
	f.Add([]byte(" \n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		folder := t.TempDir()
		cert, key := server.Write(t, folder, "tls")
		file := filepath.Join(folder, "ca.pem")
		testcert.Replace(t, file, content)
		s, err := tlsconfig.New(tlsconfig.Config{
			Certificates: []tlsconfig.Files{{Certificate: cert, Key: key}},
			ClientCerts:  tlsconfig.ClientCerts{Mode: tlsconfig.ClientCertRequire, CAFile: file},
		})
		if err != nil {
			if !strings.Contains(err.Error(), file) {
				t.Errorf("New: %v does not name the file", err)
			}
			return
		}
		defer s.Close()
		if got := s.Status().ClientCAs.Count; got < 1 {
			t.Errorf("%d authorities were taken from %q", got, content)
		}
	})
}
