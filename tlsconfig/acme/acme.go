// Package acme gets certificates from an authority by itself, and renews them
// (RFC 8555).
//
// A [Manager] gives tlsconfig certificates for names that no file has. It keeps
// accounts, keys and certificates in a folder that nobody else may read, and
// that several processes may share: one of them asks, and all can answer the
// authority. It proves that a name is its own in the ways that are switched on:
// by a file over plain HTTP (HTTP-01), by a TLS handshake (TLS-ALPN-01, RFC
// 8737), or by a record in the DNS (DNS-01).
//
// Nothing here opens a socket or waits for the authority at the start. A name
// without a certificate is tried again, ever more slowly; until there is one, its
// handshakes fail, and all others go on. A certificate is renewed when two
// thirds of its life are over, or when the authority says so (RFC 9773); the old
// one is shown until the new one is there.
package acme

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// LetsEncrypt is the directory that is asked when none is configured.
const LetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

// Config configures a [Manager]. Folder, AgreeToTerms, a name, and a way to prove
// names are required.
type Config struct {
	_ [0]func()

	// Names get certificates at once: lower case, A-labels. A first label "*" stands
	// for one label and needs DNS.
	Names []string

	// OnDemand are further names, as in Names, whose certificates are asked for when
	// the first client wants them. There is no way to ask for a name that is in
	// neither list.
	OnDemand []string

	// Directory is the https URL of the authority's directory (RFC 8555, section
	// 7.1.1). "" means [LetsEncrypt].
	Directory string

	// CAFile is a PEM file with the authorities that may sign the directory's own
	// certificate. "" means the system's.
	CAFile string

	// Email is where the authority writes. "" for nowhere.
	Email string

	// AgreeToTerms says that the operator has read the authority's terms, and agrees.
	AgreeToTerms bool

	// Folder keeps accounts, keys and certificates. It is made with mode 0700; one
	// that others may enter is refused.
	Folder string

	// HTTP proves names by HTTP-01: [Manager.Challenges] must answer on port 80 of
	// every name.
	HTTP bool

	// TLSALPN proves names by TLS-ALPN-01: the handshakes of port 443 of every name
	// must be answered by [Manager.Certificate].
	TLSALPN bool

	// DNS proves names by DNS-01, and by nothing else. nil for none.
	DNS DNS

	// Propagation says how the records of DNS are looked for before the authority is
	// told of them.
	Propagation Propagation

	// Retry is how long a name waits after its first failure; the wait doubles each
	// time, to an hour at most. 0 means 30 s; 100 ms to 1 h.
	Retry time.Duration

	// Patience is how long a handshake of a name of OnDemand waits for its
	// certificate. 0 means 5 s; 100 ms to 1 min.
	Patience time.Duration

	Log *slog.Logger // nil: nothing is logged
}

// DNS publishes the records of DNS-01 (RFC 8555, section 8.4). It is called
// concurrently.
type DNS interface {
	// Publish adds a TXT record with the value at name, which may have others. It need
	// not wait until the record is seen, but where [Propagation] is off.
	Publish(ctx context.Context, name, value string) error

	// Withdraw removes that record, whether or not Publish succeeded.
	Withdraw(ctx context.Context, name, value string) error
}

// checkInterval is how often is looked whether a certificate is due: a look costs
// some microseconds, and certificates of private authorities may live for minutes.
const checkInterval = time.Second

// maxRetry is the longest wait between two attempts for one name.
const maxRetry = time.Hour

// A Manager keeps certificates of its names. It is safe for concurrent use. Close
// ends what it does in the background.
type Manager struct {
	cfg        Config
	names      map[string]*managed
	cache      *certmagic.Cache
	magic      *certmagic.Config
	issuer     *issuer
	challenges challenges
	failures   atomic.Uint64

	run     context.Context //nolint:containedctx // of all work in the background, from New to Close
	stop    context.CancelFunc
	started atomic.Bool
	workers sync.WaitGroup
}

// A managed is one name.
type managed struct {
	name     string
	onDemand bool
	begin    sync.Once
	first    chan struct{} // closed when the first attempt is over

	mu  sync.Mutex
	err error // of the last attempt; nil after a success
}

// New checks cfg, reports everything that is wrong at once, and reads what the
// folder has. It asks nobody: see Start.
func New(cfg Config) (*Manager, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	if err := openFolder(cfg.Folder); err != nil {
		return nil, err
	}
	client, err := newClient(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	storage := &certmagic.FileStorage{Path: cfg.Folder}
	m := &Manager{cfg: cfg, names: make(map[string]*managed, len(cfg.Names)+len(cfg.OnDemand))}
	m.run, m.stop = context.WithCancel(context.Background())
	m.challenges = challenges{storage: storage, known: m.knows, log: cfg.Log, waiting: map[string]*challenge{}}
	m.issuer = newIssuer(m, client, storage)
	log := zap.New(trouble{cfg.Log})
	m.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return m.magic, nil },
		RenewCheckInterval: checkInterval,
		OCSPCheckInterval:  365 * 24 * time.Hour, // nothing is stapled
		Logger:             log,
	})
	m.magic = certmagic.New(m.cache, certmagic.Config{
		Issuers: []certmagic.Issuer{m.issuer}, Storage: storage, Logger: log,
		OCSP: certmagic.OCSPConfig{DisableStapling: true},
	})
	for _, list := range []struct {
		names    []string
		onDemand bool
	}{{cfg.Names, false}, {cfg.OnDemand, true}} {
		for _, name := range list.names {
			m.names[name] = &managed{name: name, onDemand: list.onDemand, first: make(chan struct{})}
			m.load(m.names[name])
		}
	}
	return m, nil
}

// load takes a certificate that the folder has.
func (m *Manager) load(n *managed) {
	_, err := m.magic.CacheManagedCertificate(m.run, n.name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		n.set(fmt.Errorf("acme: %s: the stored certificate cannot be used: %w", n.name, bounded(err)))
		m.cfg.Log.Error("a stored certificate cannot be used", slog.String("name", n.name), slog.String("error", bounded(err).Error()))
	}
}

// Start begins to ask for the certificates that are missing, and returns at once.
// What answers the authority must be served already, or soon.
func (m *Manager) Start() {
	if !m.started.CompareAndSwap(false, true) {
		return
	}
	for _, n := range m.names {
		if !n.onDemand {
			m.tend(n)
		}
	}
}

// tend begins to keep n's certificate, once.
func (m *Manager) tend(n *managed) {
	n.begin.Do(func() { m.workers.Go(func() { m.obtain(n) }) })
}

// obtain tries until there is a certificate. From then on the cache renews it.
func (m *Manager) obtain(n *managed) {
	wait := m.cfg.Retry
	for first := true; ; first = false {
		err := m.magic.ManageSync(m.run, []string{n.name})
		if m.run.Err() != nil {
			return
		}
		if err != nil {
			m.failed(n.name, err, wait)
		}
		if first {
			close(n.first)
		}
		if err == nil {
			n.set(nil)
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-m.run.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		wait = min(2*wait, maxRetry)
	}
}

// failed notes that no certificate could be got for name. again is how long it
// will be until the next attempt; 0 when somebody else decides.
func (m *Manager) failed(name string, err error, again time.Duration) {
	if m.run.Err() != nil {
		return
	}
	m.failures.Add(1)
	if n := m.names[name]; n != nil {
		n.set(fmt.Errorf("acme: %s: %w", name, bounded(err)))
	}
	attrs := []slog.Attr{slog.String("name", name), slog.String("error", bounded(err).Error())}
	if again > 0 {
		attrs = append(attrs, slog.String("again_in", again.String()))
	}
	m.cfg.Log.LogAttrs(m.run, slog.LevelError, "no certificate could be got", attrs...)
}

func (n *managed) set(err error) {
	n.mu.Lock()
	n.err = err
	n.mu.Unlock()
}

func (n *managed) failure() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.err
}

// ErrUnknownName means that a client asked for a name that is in no list: nothing
// is ever asked for it.
var ErrUnknownName = errors.New("acme: not one of the configured names")

// errNone means that there is no certificate yet.
var errNone = errors.New("acme: there is no certificate of this name yet")

// Certificate chooses for a handshake, and answers the handshakes of TLS-ALPN-01.
// It is what tlsconfig's Managed wants. It waits for nobody, but for a name of
// OnDemand that has no certificate, and then no longer than Patience.
func (m *Manager) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if isChallenge(hello) {
		return m.challenges.certificate(hello.Context(), name)
	}
	n := m.find(name)
	if n == nil {
		return nil, ErrUnknownName
	}
	if c := m.newest(n.name); c != nil {
		return c, nil
	}
	if !n.onDemand || !m.started.Load() {
		return nil, errNone
	}
	m.tend(n)
	if err := m.wait(hello.Context(), n); err != nil {
		return nil, err
	}
	if c := m.newest(n.name); c != nil {
		return c, nil
	}
	return nil, errNone
}

// wait waits for n's first attempt.
func (m *Manager) wait(ctx context.Context, n *managed) error {
	timer := time.NewTimer(m.cfg.Patience)
	defer timer.Stop()
	select {
	case <-n.first:
		return nil
	case <-timer.C:
		return errNone
	case <-ctx.Done():
		return ctx.Err()
	case <-m.run.Done():
		return errNone
	}
}

// find returns the name, or the wildcard that stands for it; nil for none.
func (m *Manager) find(name string) *managed {
	if n := m.names[name]; n != nil {
		return n
	}
	if i := strings.IndexByte(name, '.'); i > 0 {
		return m.names["*"+name[i:]]
	}
	return nil
}

func (m *Manager) knows(name string) bool { return m.find(name) != nil || m.names["*."+name] != nil }

// Name returns the name of the configuration, perhaps a wildcard, that the
// certificate for name is made out to; "" where there is to be none. It asks nobody.
// It is a tlsconfig.Config's ManagedName.
func (m *Manager) Name(name string) string {
	if n := m.find(name); n != nil {
		return n.name
	}
	return ""
}

// newest returns the certificate of a name of the configuration that began last;
// nil for none. While one is replaced there are two.
func (m *Manager) newest(name string) *tls.Certificate {
	c, ok := m.cached(name)
	if !ok {
		return nil
	}
	return &c.Certificate
}

func (m *Manager) cached(name string) (newest certmagic.Certificate, found bool) {
	for _, c := range m.cache.AllMatchingCertificates(name) {
		if c.Leaf != nil && (!found || c.Leaf.NotBefore.After(newest.Leaf.NotBefore)) && c.Names[0] == name {
			newest, found = c, true
		}
	}
	return newest, found
}

// Close ends all work, also what is asked of the authority just now. Certificate
// goes on with what there is.
func (m *Manager) Close() {
	m.stop()
	m.cache.Stop()
	m.workers.Wait()
	m.issuer.close()
}
