package server_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/fleet"
	"github.com/warder-dev/warder/internal/server"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/sqlite"
	"github.com/warder-dev/warder/usage"
	"github.com/warder-dev/warder/webhook"
)

// A program is a whole running warder: gateway, admin and health listeners on
// free ports, a database in a temporary folder, one key.
type program struct {
	gateway  string // host:port
	admin    string
	health   string
	redirect string            // "" when there is none
	more     map[string]string // of listeners, by name
	asked    string            // where proxies ask; "" when none may
	portal   string            // "" when there is none
	folder   string            // holds warder.db, warder.log
	keys     *sqlite.APIKeys
	nodes    *sqlite.Nodes
	credits  *sqlite.Credits
	accounts *sqlite.Accounts
	issuer   *apikey.Issuer
	peppers  *apikey.Peppers
	record   apikey.Record
	key      string
	reloads  chan server.Reload
	source   config.Source // of its configuration
	stop     func() error  // drains; called at the end of the test in any case
	flush    func() error  // writes what is logged and not yet in the file; nothing is logged after it
}

// settings changes how a program is started.
type settings struct {
	yaml  string                          // more of the configuration file
	api   string                          // more fields of the upstream, with a comma before each
	flags map[string]string               // by flag name
	spec  apikey.Spec                     // of the key; zero for one with every scope of "orders"
	store func(apikey.Store) apikey.Store // puts a store of the test's own in between
	limit ratelimit.Store                 // counts limits that nodes share
	seen  *server.SeenOptions             // of the database's past; nil for nothing

	credits func(usage.Store) usage.Store       // the same
	outbox  func(webhook.Outbox) webhook.Outbox // the same

	sessions func(session.Store) session.Store // the same

	passed map[string]net.Listener // sockets that are open already, by setting

	access io.Writer // gets the access log in JSON, whole records as they come; nil for the log file

	tokenKeys secret.Text                    // sign tokens of keys
	environ   []string                       // of the configuration
	before    func(t *testing.T, p *program) // is run before the program starts; nil for nothing
	token     secret.Text                    // of the admin listener
	shadow    *config.Config                 // judges beside the program's own; nil for none
	options   func(*server.Options)          // changes them in the end; nil for nothing
}

// start runs warder in front of upstream, a base URL. The configuration protects
// every path unless s.yaml has routes.
func start(t *testing.T, upstream string, s settings) *program {
	t.Helper()
	p := &program{folder: t.TempDir()}
	p.source = s.source(t, p.folder, upstream)
	cfg, err := config.Load(p.source)
	if err != nil {
		t.Fatal(err)
	}
	listeners, err := server.ListenOn(t.Context(), cfg, s.passed)
	if err != nil {
		t.Fatal(err)
	}
	p.gateway, p.admin, p.health = listeners.Public.Addr().String(), listeners.Admin.Addr().String(), listeners.Health.Addr().String()
	if listeners.Decision != nil {
		p.asked = listeners.Decision.Addr().String()
	}
	if listeners.Portal != nil {
		p.portal = listeners.Portal.Addr().String()
	}
	if listeners.Redirect != nil {
		p.redirect = listeners.Redirect.Addr().String()
	}
	p.more = make(map[string]string, len(listeners.More))
	for _, l := range listeners.More {
		p.more[l.Name] = l.Addr().String()
	}
	logs, err := server.OpenJournal(cfg.Log, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	p.flush = logs.Close
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: cfg.DB, Log: logs.Main})
	if err != nil {
		t.Fatal(err)
	}
	p.keys, p.nodes, p.credits, p.accounts = db.APIKeys(), db.Nodes(), db.Credits(), db.Accounts()
	p.peppers = newPeppers(t)
	p.issue(t, s.spec)
	if s.before != nil {
		s.before(t, p)
	}
	var store apikey.Store = p.keys
	if s.store != nil {
		store = s.store(store)
	}
	var credits usage.Store = p.credits
	if s.credits != nil {
		credits = s.credits(credits)
	}
	var outbox webhook.Outbox = db.Outbox()
	if s.outbox != nil {
		outbox = s.outbox(outbox)
	}
	var sessions session.Store = db.Sessions()
	if s.sessions != nil {
		sessions = s.sessions(sessions)
	}
	signer, err := audit.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	access := logs.Access
	if s.access != nil {
		access = slog.New(slog.NewJSONHandler(s.access, nil))
	}
	o := server.Options{
		Usage: db.Usage(), Audit: &server.AuditOptions{Store: db.Audit(), Signer: signer},
		Config: cfg, Listeners: listeners, Store: store, Registry: p.nodes, Sessions: sessions, Credits: credits, Outbox: outbox, Portal: db.Portal(), Owners: db.Owners(), Peppers: p.peppers,
		Accounts:  p.accounts,
		AccessLog: access, Log: logs.Main, Dropped: logs.Dropped, Version: "test",
		AdminToken: s.token, TokenKeys: s.tokenKeys, Shadow: s.shadow,
		Seen: s.seen, LimitStore: s.limit, LimitStoreUp: func() bool { return s.limit != nil },
	}
	if s.options != nil {
		s.options(&o)
	}
	p.run(t, o, func() { closeAll(t, logs.Close, db.Close) })
	return p
}

// load makes the configuration of a program on free ports.
func (s settings) load(t *testing.T, folder, upstream string) *config.Config {
	t.Helper()
	cfg, err := config.Load(s.source(t, folder, upstream))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// source writes the configuration of a program on free ports.
func (s settings) source(t *testing.T, folder, upstream string) config.Source {
	t.Helper()
	source := config.Source{Environ: s.environ, Flags: map[string]string{
		"listen": "127.0.0.1:0", "admin-listen": "127.0.0.1:0", "health-listen": "127.0.0.1:0",
		"db": filepath.Join(folder, "warder.db"), "log-file": filepath.Join(folder, "warder.log"),
	}}
	maps.Copy(source.Flags, s.flags)
	if s.yaml == "" {
		source.Flags["upstream"] = upstream
	} else {
		source.File = filepath.Join(folder, "warder.yaml")
		text := s.yaml + "\nupstreams:\n  api: {url: \"" + upstream + "\"" + s.api + "}\n"
		if err := os.WriteFile(source.File, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return source
}

func newPeppers(t *testing.T) *apikey.Peppers {
	t.Helper()
	line, err := apikey.NewPepper(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	peppers, err := apikey.ParsePeppers(line)
	if err != nil {
		t.Fatal(err)
	}
	return peppers
}

// issue makes the program's key.
func (p *program) issue(t *testing.T, spec apikey.Spec) {
	t.Helper()
	if spec.Environment == "" {
		spec = apikey.Spec{Environment: "live", Name: "test", Owner: "acme", Scopes: []string{"orders:*"}}
	}
	var err error
	p.issuer, err = apikey.NewIssuer(apikey.IssuerConfig{Store: p.keys, Peppers: p.peppers, Prefix: "wrd", Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	p.record, p.key = p.create(t, spec)
}

// create makes one more key and returns its text.
func (p *program) create(t *testing.T, spec apikey.Spec) (apikey.Record, string) {
	t.Helper()
	record, text, err := p.issuer.Create(t.Context(), apikey.By{Actor: "system", Source: "test"}, spec)
	if err != nil {
		t.Fatal(err)
	}
	return record, text.Reveal()
}

// run starts the program and waits until it answers. cleanup runs after it stopped.
func (p *program) run(t *testing.T, o server.Options, cleanup func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	p.reloads = make(chan server.Reload)
	o.Ready, o.Reloads = func() { close(ready) }, p.reloads
	go func() { done <- server.Run(ctx, o) }()
	stopped := false
	p.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
		cleanup()
	})
	select {
	case <-ready:
	case err := <-done:
		stopped = true
		t.Fatalf("the program did not start: %v", err)
	}
}

func closeAll(t *testing.T, closers ...func() error) {
	t.Helper()
	for _, c := range closers {
		if err := c(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

// awaitNodes waits until the program has confirmed the revision.
func (p *program) awaitNodes(t *testing.T, revision apikey.Revision) {
	t.Helper()
	receipt, err := fleet.Await(t.Context(), p.nodes, revision, 5*time.Second)
	if err != nil || receipt.Nodes != 1 || len(receipt.Missing) > 0 {
		t.Fatalf("receipt = %v, %v, want the one node's", receipt, err)
	}
}

// get asks the gateway for path, with the key unless it is empty.
func (p *program) get(t *testing.T, path, key string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.gateway+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		r.Header.Set("X-API-Key", key)
	}
	return do(t, r)
}

// do sends r over a connection of its own and closes the body at the end of the test.
func do(t *testing.T, r *http.Request) *http.Response {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	response, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// log stops the program and returns all that it logged.
func (p *program) log(t *testing.T) string {
	t.Helper()
	if err := errors.Join(p.stop(), p.flush()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(p.folder, "warder.log"))
	if err != nil || len(text) == 0 {
		t.Fatalf("the log has %d bytes, %v", len(text), err)
	}
	return string(text)
}

// patience is how long what must happen may take, on a machine that is busy.
const patience = time.Minute

// eventually polls until f is content.
func eventually[T any](t *testing.T, f func() (T, bool)) T {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if v, ok := f(); ok {
			return v
		}
	}
	t.Fatalf("it did not happen within %v", patience)
	panic("unreachable")
}
