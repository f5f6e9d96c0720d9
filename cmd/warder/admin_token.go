package main

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/secret"
)

// The admin token is a secret beside the database: whoever may read it may ask the
// admin listener about limits and change them, as other users of the machine, and
// pages in its browsers, may not.

// adminTokenFile is where the token is.
func adminTokenFile(cfg *config.Config) string { return cfg.Beside(".admin") }

// openAdminToken returns the token, which is made when there is none.
func openAdminToken(cfg *config.Config) (secret.Text, error) {
	token, err := readAdminToken(adminTokenFile(cfg))
	if !errors.Is(err, fs.ErrNotExist) {
		return token, err
	}
	if err := createAdminToken(adminTokenFile(cfg)); err != nil {
		return secret.Text{}, fail(causeOf(err), "", "admin token: %w", err)
	}
	return readAdminToken(adminTokenFile(cfg))
}

// createAdminToken makes the file whole or not at all. Of two processes that do
// so at once the second finds the first one's.
func createAdminToken(name string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*") // of mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	if _, err := io.WriteString(f, rand.Text()+"\n"); err != nil {
		return err
	}
	if err := os.Link(f.Name(), name); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// readAdminToken reads the token; the error wraps fs.ErrNotExist when there is
// none.
func readAdminToken(name string) (_ secret.Text, err error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // beside the database, which the operator names
	if errors.Is(err, fs.ErrNotExist) {
		return secret.Text{}, err
	}
	if err != nil {
		return secret.Text{}, fail(exitDenied, "run warder as the user that owns the file", "admin token: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return secret.Text{}, fail(exitServer, "", "admin token: %w", err)
	case !info.Mode().IsRegular():
		return secret.Text{}, fail(exitUsage, "", "admin token: %s is not a file", name)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return secret.Text{}, fail(exitDenied, "chmod 600 "+name, "admin token: %s may be read by others (mode %04o)", name, info.Mode().Perm())
	case !trustedOwner(info, os.Geteuid()):
		return secret.Text{}, fail(exitDenied, "chown it to the user that runs warder", "admin token: %s belongs to another user", name)
	}
	const most, least = 256, 16
	text, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return secret.Text{}, fail(exitServer, "", "admin token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if len(token) < least || strings.ContainsAny(token, " \r\n\x00") {
		return secret.Text{}, fail(exitUsage, "take the file away: warder serve makes another", "admin token: %s holds none", name)
	}
	return secret.New(token), nil
}

// bearer is the value of Authorization that carries token (RFC 6750, section 2.1).
func bearer(token secret.Text) string { return "Bearer " + token.Reveal() }
