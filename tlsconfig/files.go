package tlsconfig

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"time"
)

// maxFile bounds what is read of one file, in bytes: a thousand certificates fit.
const maxFile = 4 << 20

// minRSA is the least size of an RSA key, in bits (RFC 9325, section 4.5).
const minRSA = 2048

// Files are a certificate with its chain and its key, both in PEM.
type Files struct{ Certificate, Key string }

// loaded is what is in use of one pair of files.
type loaded struct {
	files       Files
	certificate *tls.Certificate
	digest      [sha256.Size]byte // of both files' content
	at          time.Time
	exposed     bool  // everybody may read the key file
	err         error // why the files as they are now are not in use
}

// load reads l's files and, when they are good, puts them in use; else l stays
// as it is.
func (s *Source) load(l *loaded) error {
	cert, key, err := l.files.read()
	if err != nil {
		return err
	}
	exposed, err := l.files.exposed()
	if err != nil {
		return err
	}
	if exposed && s.cfg.StrictFiles {
		return fmt.Errorf("tlsconfig: key file %q: everybody on this machine may read or write it: take that right away, chmod o-rw", l.files.Key)
	}
	digest := sha256.Sum256(append(fmt.Appendf(nil, "%d\n", len(cert)), append(cert, key...)...))
	if l.certificate != nil && digest == l.digest {
		l.exposed = exposed
		return nil
	}
	c, err := parse(l.files, cert, key)
	if err != nil {
		return err
	}
	l.certificate, l.digest, l.at, l.exposed = c, digest, time.Now(), exposed
	if exposed {
		s.cfg.Log.Warn("everybody on this machine may read a key file", slog.String("file", l.files.Key))
	}
	return nil
}

// parse makes a certificate of two files, when it can be used now.
func parse(files Files, cert, key []byte) (*tls.Certificate, error) {
	c, err := tls.X509KeyPair(cert, key)
	if err != nil { // names kinds of PEM blocks at most, never their content
		return nil, fmt.Errorf("tlsconfig: certificate file %q with key file %q: %w", files.Certificate, files.Key, err)
	}
	now := time.Now()
	switch {
	case now.After(c.Leaf.NotAfter):
		return nil, expired(files.Certificate, c.Leaf.NotAfter)
	case now.Before(c.Leaf.NotBefore):
		return nil, fmt.Errorf("tlsconfig: certificate file %q: not valid before %s", files.Certificate, c.Leaf.NotBefore.UTC().Format(time.RFC3339))
	}
	if public, ok := c.Leaf.PublicKey.(*rsa.PublicKey); ok && public.N.BitLen() < minRSA {
		return nil, fmt.Errorf("tlsconfig: certificate file %q: its RSA key has %d bits, want %d or more", files.Certificate, public.N.BitLen(), minRSA)
	}
	return &c, nil
}

func expired(file string, at time.Time) error {
	return fmt.Errorf("tlsconfig: certificate file %q: expired at %s", file, at.UTC().Format(time.RFC3339))
}

func (f Files) read() (cert, key []byte, err error) {
	cert, certErr := read("certificate", f.Certificate)
	key, keyErr := read("key", f.Key)
	return cert, key, errors.Join(certErr, keyErr)
}

// exposed reports whether everybody may read or write the key file, or the file
// that a link leads to. Windows has no such bits.
func (f Files) exposed() (bool, error) {
	info, err := os.Stat(f.Key)
	if err != nil {
		return false, fileError("key", f.Key, err)
	}
	return runtime.GOOS != "windows" && info.Mode().Perm()&0o006 != 0, nil
}

// read returns the content of a regular file: a pipe would hold a reload up.
func read(kind, name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fileError(kind, name, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("tlsconfig: %s file %q: not a regular file", kind, name)
	}
	f, err := os.Open(name) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fileError(kind, name, err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, fileError(kind, name, err)
	case len(content) > maxFile:
		return nil, fmt.Errorf("tlsconfig: %s file %q: more than %d bytes", kind, name, maxFile)
	case len(bytes.TrimSpace(content)) == 0:
		return nil, fmt.Errorf("tlsconfig: %s file %q: empty", kind, name)
	}
	return content, nil
}

// fileError names the file once.
func fileError(kind, name string, err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err
	}
	return fmt.Errorf("tlsconfig: %s file %q: %w", kind, name, err)
}
