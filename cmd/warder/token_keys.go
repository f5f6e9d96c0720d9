package main

import (
	"errors"
	"io/fs"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/jwt"
	"github.com/warder-dev/warder/secret"
)

// maxTokenKeys is how much of the file with the keys of tokens is read, in bytes: far
// more than it may hold.
const maxTokenKeys = 64 << 10

// openTokenKeys returns what signs the tokens of keys; nothing where there are none.
// The file is made when it is missing, unless nodes share the database: each would
// make its own, and refuse the tokens of the others.
func openTokenKeys(cfg *config.Config) (secret.Text, error) {
	t := &cfg.Tokens
	switch {
	case !t.On():
		return secret.Text{}, nil
	case !t.Keys.IsZero():
		return t.Keys, nil
	}
	keys, err := readTokenKeys(t)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	if cfg.IsPostgres() {
		return secret.Text{}, fail(exitNotFound, "make it once, for every node: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "+t.KeyFile,
			"tokens.key_file: %s is missing", t.KeyFile)
	}
	made, err := jwt.GenerateKey(jwt.ES256)
	if err == nil {
		err = createPrivate(t.KeyFile, made.Reveal())
	}
	if err != nil {
		return secret.Text{}, fail(causeOf(err), "", "tokens.key_file: %w", err)
	}
	return readTokenKeys(t)
}

// existingTokenKeys is openTokenKeys for a command that makes no file: nothing where
// there is none.
func existingTokenKeys(cfg *config.Config) (secret.Text, error) {
	t := &cfg.Tokens
	if !t.On() || !t.Keys.IsZero() {
		return t.Keys, nil
	}
	keys, err := readTokenKeys(t)
	if errors.Is(err, fs.ErrNotExist) {
		return secret.Text{}, nil
	}
	return keys, err
}

// readTokenKeys reads the file; the error wraps fs.ErrNotExist when there is none.
func readTokenKeys(t *config.Tokens) (secret.Text, error) {
	text, err := readPrivate(t.KeyFile, "tokens.key_file", maxTokenKeys+1)
	switch {
	case err != nil:
		return secret.Text{}, err
	case len(text) == 0:
		return secret.Text{}, fail(exitUsage, "restore it from a backup, or move it away: warder serve makes another", "tokens.key_file: %s is empty", t.KeyFile)
	case len(text) > maxTokenKeys:
		return secret.Text{}, fail(exitUsage, "", "tokens.key_file: %s is larger than %d bytes", t.KeyFile, maxTokenKeys)
	}
	return secret.New(string(text)), nil
}
