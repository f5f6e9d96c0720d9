package tlsconfig

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of [Config.ReloadInterval].
const (
	defaultReload = 5 * time.Second
	minReload     = 100 * time.Millisecond
	maxReload     = time.Hour
)

// Config configures a [Source]. One of Certificates and Managed is required.
type Config struct {
	_ [0]func()

	// Certificates are tried in order; the first that has the name a client
	// asks for and a key that the client supports is used. A name is found
	// exactly, or beneath a wildcard, which stands for one label (RFC 9525,
	// section 6.3). The first entry is also for clients that ask for no name, or
	// for one that nobody has.
	Certificates []Files

	// Managed is asked for names that no file has, and for the challenges of
	// RFC 8737: tlsconfig/acme gives one. nil for none.
	Managed func(*tls.ClientHelloInfo) (*tls.Certificate, error)

	// ManagedName returns the name, perhaps a wildcard, that the certificate of
	// Managed for a name is made out to; "" where Managed has none. It asks nobody for
	// one. nil: each name has one of its own.
	ManagedName func(name string) string

	// ClientCerts says of whom a certificate is wanted.
	ClientCerts ClientCerts

	// MinVersion is [tls.VersionTLS12] or [tls.VersionTLS13]. 0 means 1.2.
	MinVersion uint16

	// InsecureMinVersion is [tls.VersionTLS10] or [tls.VersionTLS11], for clients
	// that cannot be replaced. It costs what these versions lack (RFC 8996): their
	// handshake is signed with SHA-1, their records are CBC, and whoever can
	// forge that reads along. 0 for none.
	InsecureMinVersion uint16

	// StrictNames refuses handshakes that ask for no name, or for one that no
	// certificate has, instead of showing the first certificate.
	StrictNames bool

	// StrictFiles refuses key files that everybody may read or write, instead of
	// a warning.
	StrictFiles bool

	// Protocols are offered by ALPN, the preferred one first. nil means "h2" and
	// "http/1.1".
	Protocols []string

	// ReloadInterval is how often the files are read. 0 means 5 s; 100 ms to 1 h.
	ReloadInterval time.Duration

	Log *slog.Logger // nil: nothing is logged
}

// A Source gives certificates to handshakes and follows the files that they are
// in. It is safe for concurrent use. Close ends its goroutine.
type Source struct {
	base    *tls.Config
	current atomic.Pointer[generation]
	every   time.Duration // between two looks at the files

	mu        sync.Mutex // of a reload, and of what is below
	cfg       Config
	pairs     []*loaded
	clientCAs *loadedCAs

	stop    context.CancelFunc
	stopped sync.WaitGroup
}

// New reads every file and reports everything that is wrong at once. Close the
// Source after use.
func New(cfg Config) (*Source, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	s := &Source{cfg: cfg, every: cfg.ReloadInterval}
	var errs []error
	for _, files := range cfg.Certificates {
		l := &loaded{files: files}
		errs = append(errs, s.load(l))
		s.pairs = append(s.pairs, l)
	}
	if cfg.ClientCerts.wanted() {
		s.clientCAs = &loadedCAs{file: cfg.ClientCerts.CAFile}
		errs = append(errs, s.clientCAs.load())
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	s.publish()
	s.base = s.settings()
	s.base.GetConfigForClient = s.forClient
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.stopped.Go(func() { s.follow(ctx) })
	return s, nil
}

// complete sets defaults and checks what needs no file.
func (cfg *Config) complete() error {
	var errs []error
	if len(cfg.Certificates) == 0 && cfg.Managed == nil {
		errs = append(errs, errors.New("tlsconfig: there is no certificate"))
	}
	for i, files := range cfg.Certificates {
		if files.Certificate == "" || files.Key == "" {
			errs = append(errs, fmt.Errorf("tlsconfig: Certificates[%d] lacks a file: it needs Certificate and Key", i))
		}
	}
	if v := cfg.MinVersion; v != 0 && v != tls.VersionTLS12 && v != tls.VersionTLS13 {
		errs = append(errs, fmt.Errorf("tlsconfig: MinVersion is %s, want TLS 1.2 or TLS 1.3", tls.VersionName(v)))
	}
	if v := cfg.InsecureMinVersion; v != 0 && v != tls.VersionTLS10 && v != tls.VersionTLS11 {
		errs = append(errs, fmt.Errorf("tlsconfig: InsecureMinVersion is %s, want TLS 1.0 or TLS 1.1", tls.VersionName(v)))
	}
	if cfg.MinVersion != 0 && cfg.InsecureMinVersion != 0 {
		errs = append(errs, errors.New("tlsconfig: MinVersion and InsecureMinVersion contradict each other"))
	}
	if cfg.ReloadInterval == 0 {
		cfg.ReloadInterval = defaultReload
	}
	if d := cfg.ReloadInterval; d < minReload || d > maxReload {
		errs = append(errs, fmt.Errorf("tlsconfig: ReloadInterval is %v, want %v to %v", d, minReload, maxReload))
	}
	if cfg.Protocols == nil {
		cfg.Protocols = []string{"h2", "http/1.1"}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	errs = append(errs, cfg.ClientCerts.check())
	return errors.Join(errs...)
}

// TLS returns the configuration for a server: the same each time, valid until
// the process ends. It must not be changed.
func (s *Source) TLS() *tls.Config { return s.base }

// Close ends the following of files. Handshakes go on with the last
// certificates.
func (s *Source) Close() {
	s.stop()
	s.stopped.Wait()
}
