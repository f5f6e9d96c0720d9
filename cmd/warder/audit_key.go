package main

import (
	"crypto/rand"
	"errors"
	"io/fs"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/internal/config"
)

// maxSigningKey is how much of a file with a signing key is read, in bytes.
const maxSigningKey = 16 << 10

// openSigner returns the key that signs checkpoints: the configured one, else that of
// the file, which is made when there is none.
func openSigner(cfg *config.Config) (*audit.Signer, error) {
	signer, err := readSigner(cfg)
	if !errors.Is(err, fs.ErrNotExist) {
		return signer, err
	}
	text, err := audit.NewSigningKey(rand.Reader)
	if err == nil {
		err = createPrivate(cfg.Audit.KeyFile, string(text))
	}
	if err != nil {
		return nil, fail(causeOf(err), "", "audit.key_file: %w", err)
	}
	return readSigner(cfg)
}

// readSigner reads the key; the error wraps fs.ErrNotExist when there is none.
func readSigner(cfg *config.Config) (*audit.Signer, error) {
	if !cfg.Audit.Key.IsZero() {
		signer, err := audit.ParseSigner([]byte(cfg.Audit.Key.Reveal()))
		if err != nil {
			return nil, fail(exitUsage, "make one, for every node: openssl genpkey -algorithm ed25519", "audit.key: %w", err)
		}
		return signer, nil
	}
	text, err := readPrivate(cfg.Audit.KeyFile, "audit.key_file", maxSigningKey)
	if err != nil {
		return nil, err
	}
	signer, err := audit.ParseSigner(text)
	if err != nil {
		return nil, fail(exitUsage, "restore it from a backup, or move it away: warder serve makes another", "audit.key_file: %s: %w", cfg.Audit.KeyFile, err)
	}
	return signer, nil
}
