package main

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"strings"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/secret"
)

// The admin token is a secret beside the database: whoever may read it is an owner in the
// admin API, as other users of the machine, and pages in its browsers, are not.

// adminTokenSuffix is what the token's file has behind the database's name.
const adminTokenSuffix = ".admin"

// adminTokenFile is where the token is.
func adminTokenFile(cfg *config.Config) string { return cfg.Beside(adminTokenSuffix) }

// openAdminToken returns the token, which is made when there is none.
func openAdminToken(cfg *config.Config) (secret.Text, error) {
	token, err := readAdminToken(adminTokenFile(cfg))
	if !errors.Is(err, fs.ErrNotExist) {
		return token, err
	}
	if err := createPrivate(adminTokenFile(cfg), rand.Text()+"\n"); err != nil {
		return secret.Text{}, fail(causeOf(err), "", "admin token: %w", err)
	}
	return readAdminToken(adminTokenFile(cfg))
}

// readAdminToken reads the token; the error wraps fs.ErrNotExist when there is
// none.
func readAdminToken(name string) (secret.Text, error) {
	const most, least = 256, 16
	text, err := readPrivate(name, "admin token", most)
	if err != nil {
		return secret.Text{}, err
	}
	token := strings.TrimSpace(string(text))
	if len(token) < least || strings.ContainsAny(token, " \r\n\x00") {
		return secret.Text{}, fail(exitUsage, tokenMend(name), "admin token: %s holds none", name)
	}
	return secret.New(token), nil
}

// tokenMend is what helps when there is no token in the file. Only one that warder
// serve has made is made again: any other may hold what nobody has twice, such as
// peppers.
func tokenMend(name string) string {
	if strings.HasSuffix(name, adminTokenSuffix) {
		return "take the file away: warder serve makes another"
	}
	return "is it the right file? the one that warder serve makes is beside the database: DATABASE" + adminTokenSuffix
}

// bearer is the value of Authorization that carries token (RFC 6750, section 2.1).
func bearer(token secret.Text) string { return "Bearer " + token.Reveal() }
