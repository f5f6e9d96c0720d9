package acme

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/warder-dev/warder/internal/outgoing"
)

// complete sets defaults and checks what needs no file.
func (cfg *Config) complete() error {
	var errs []error
	say := func(format string, args ...any) { errs = append(errs, fmt.Errorf("acme: "+format, args...)) }
	if len(cfg.Names)+len(cfg.OnDemand) == 0 {
		say("there is no name: Names and OnDemand are the only ones that are ever asked for")
	}
	seen := map[string]bool{}
	for _, name := range append(append([]string{}, cfg.Names...), cfg.OnDemand...) {
		switch bare := strings.TrimPrefix(name, "*."); {
		case !validName(bare):
			say("name %q: want a full host name in lower case, such as api.example.com", name)
		case bare != name && cfg.DNS == nil:
			say("name %q: a wildcard can be proved by DNS only", name)
		case seen[name]:
			say("name %q: listed twice", name)
		}
		seen[name] = true
	}
	if cfg.Directory == "" {
		cfg.Directory = LetsEncrypt
	}
	if u, err := url.Parse(cfg.Directory); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		say("Directory %q: want an https URL", cfg.Directory)
	}
	if !cfg.AgreeToTerms {
		say("AgreeToTerms is false: read the authority's terms, and set it")
	}
	if cfg.Folder == "" {
		say("Folder is missing")
	}
	if strings.ContainsAny(cfg.Email, " ,?\r\n") || cfg.Email != "" && !strings.Contains(cfg.Email, "@") {
		say("Email %q: want one address, such as ops@example.com", cfg.Email)
	}
	if !cfg.HTTP && !cfg.TLSALPN && cfg.DNS == nil {
		say("there is no way to prove names: set HTTP, TLSALPN or DNS")
	}
	cfg.Propagation.complete(say)
	bounds := []struct {
		name             string
		value            *time.Duration
		otherwise, limit time.Duration
	}{{"Retry", &cfg.Retry, 30 * time.Second, maxRetry}, {"Patience", &cfg.Patience, 5 * time.Second, time.Minute}}
	for _, b := range bounds {
		if *b.value == 0 {
			*b.value = b.otherwise
		}
		if *b.value < 100*time.Millisecond || *b.value > b.limit {
			say("%s is %v, want 100ms to %v", b.name, *b.value, b.limit)
		}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return errors.Join(errs...)
}

// validName reports whether name is a host name of two labels or more, in lower
// case. The folder's files are called by it.
func validName(name string) bool {
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return len(labels) > 1 && len(name) <= 253
}

// openFolder makes the folder, or checks that nobody else may enter it.
func openFolder(name string) error {
	if err := os.MkdirAll(name, 0o700); err != nil {
		return folderError(name, err)
	}
	info, err := os.Stat(name)
	if err != nil {
		return folderError(name, err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("acme: folder %q: others on this machine may enter it, and it holds keys: chmod 700", name)
	}
	return nil
}

// folderError names the folder once.
func folderError(name string, err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err
	}
	return fmt.Errorf("acme: folder %q: %w", name, err)
}

// Bounds of one exchange with the authority.
const (
	askTimeout = 30 * time.Second
	maxAnswer  = 4 << 20 // bytes: far more than any chain
)

// newClient makes the client that talks to the authority, and to what it names:
// over TLS only.
func newClient(caFile string) (*http.Client, error) {
	cfg := outgoing.Config{Timeout: askTimeout, MaxBytes: maxAnswer}
	if caFile != "" {
		content, err := os.ReadFile(caFile) //nolint:gosec // the operator names the file
		if err != nil {
			if path, ok := errors.AsType[*fs.PathError](err); ok {
				err = path.Err
			}
			return nil, fmt.Errorf("acme: CA file %q: %w", caFile, err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(content) {
			return nil, fmt.Errorf("acme: CA file %q: holds no certificate in PEM form", caFile)
		}
	}
	return outgoing.New(cfg)
}
