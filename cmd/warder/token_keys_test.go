package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/secret"
)

// Nodes that share a database share the keys of their tokens: none makes its own. Nor
// does a command that only looks.
func TestTokenKeys(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "keys.pem")
	tokens := config.Tokens{Issuer: "https://api.example.com", KeyFile: file}
	fleet := &config.Config{DB: "postgres://u@h/d", Tokens: tokens}
	if _, err := openTokenKeys(fleet); report(io.Discard, err) != exitNotFound || !strings.Contains(err.Error(), file+" is missing") {
		t.Errorf("with a database on a server: %v", err)
	}
	alone := &config.Config{DB: filepath.Join(folder, "warder.db"), Tokens: tokens}
	if keys, err := existingTokenKeys(alone); err != nil || !keys.IsZero() {
		t.Errorf("a command that makes no file: %v", err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Fatal("a file was made")
	}
	made, err := openTokenKeys(alone)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file that was made: %v, %v", info, err)
	}
	for name, cfg := range map[string]*config.Config{"again": alone, "on a server, once there is one": fleet} {
		if again, err := openTokenKeys(cfg); err != nil || !again.Equal(made) {
			t.Errorf("%s: other keys, %v", name, err)
		}
	}
	if seen, err := existingTokenKeys(alone); err != nil || !seen.Equal(made) {
		t.Errorf("a command that makes no file: other keys, %v", err)
	}
	given := &config.Config{Tokens: config.Tokens{Issuer: "x", Keys: secret.New("y")}}
	off := &config.Config{Tokens: config.Tokens{KeyFile: file}}
	for _, get := range []func(*config.Config) (secret.Text, error){openTokenKeys, existingTokenKeys} {
		if keys, err := get(given); err != nil || !keys.Equal(secret.New("y")) {
			t.Errorf("given ones: %v", err)
		}
		if keys, err := get(off); err != nil || !keys.IsZero() {
			t.Errorf("where there are no tokens: %v", err)
		}
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openTokenKeys(alone); report(io.Discard, err) != exitUsage {
		t.Errorf("an empty file: %v", err)
	}
}
