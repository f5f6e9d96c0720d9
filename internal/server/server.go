// Package server is the running program: it opens the listeners, joins the
// stores, the gateway and the probes, and stops in good order.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/warder-dev/warder/accesslog"
	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/http3"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/fleet"
	"github.com/warder-dev/warder/internal/gateway"
	"github.com/warder-dev/warder/internal/housekeeping"
	"github.com/warder-dev/warder/internal/idempotency"
	"github.com/warder-dev/warder/internal/portallink"
	"github.com/warder-dev/warder/internal/tracing"
	"github.com/warder-dev/warder/jwt"
	"github.com/warder-dev/warder/proxyproto"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/tlsconfig"
	"github.com/warder-dev/warder/tlsconfig/acme"
	"github.com/warder-dev/warder/usage"
	"github.com/warder-dev/warder/usage/tally"
	"github.com/warder-dev/warder/webhook"
)

// Options are what [Run] needs. Every field is required but LimitStore,
// Accounts, AdminToken, TokenKeys, Attempts, Audit, Portal, Owners, Seen, Usage, Reloads, Shadow and Ready.
type Options struct {
	_         [0]func()
	Config    *config.Config
	Listeners *Listeners // closed by Run
	Store     apikey.Store
	Registry  fleet.Registry
	Sessions  session.Store  // of people who log in
	Credits   usage.Store    // of keys and owners
	Outbox    webhook.Outbox // of events; nil when nobody is told of any
	Peppers   *apikey.Peppers
	Audit     *AuditOptions // nil: no checkpoints are made
	Seen      *SeenOptions  // of the database's past; nil: an older state of it is not told from the newest
	Usage     tally.Store   // of what keys were used for; nil: it is not counted
	AccessLog *slog.Logger
	Log       *slog.Logger
	Dropped   func() uint64 // log records that were lost
	Version   string
	// LimitStore counts what nodes share; nil when no limit is shared. LimitStoreUp
	// reports whether it answers.
	LimitStore   ratelimit.Store
	LimitStoreUp func() bool

	// Accounts keeps who administers; nil: nobody logs in to the admin listener.
	Accounts account.Store

	// AdminToken is the token of an owner for the admin API. Without it there is no API,
	// and nobody can ask about limits or change them.
	AdminToken secret.Text

	// TokenKeys sign the tokens that are made from keys, as keytoken.Config has them.
	// Without any, and where the configuration wants tokens, keys are made that end with
	// the program.
	TokenKeys secret.Text

	// Attempts keeps what came of requests to the admin API with an Idempotency-Key;
	// nil: in memory.
	Attempts idempotency.Store

	// Portal keeps links to the holders' portal. Required where there is one.
	Portal portallink.Store

	// Owners keeps what is known of whom keys belong to; nil: nothing does, and the admin
	// API says so.
	Owners apikey.OwnerStore

	// Environ is the process's environment, as os.Environ has it. Of it, a program
	// that publishes records in the DNS gets PATH and HOME.
	Environ []string

	// Reloads ask for the configuration to be loaded again. They are taken one by one,
	// once requests are answered and until the stop begins. nil for none.
	Reloads <-chan Reload

	// Shadow is a configuration that judges the same requests, and whose answers
	// nobody gets; see shadow.go. nil for none.
	Shadow *config.Config

	Ready func() // called once, when requests are answered
}

// pollInterval is how often changes of keys are asked for. An idle poll costs
// about 15 µs; half of the interval is what a revocation's receipt waits.
const pollInterval = 100 * time.Millisecond

// A program is everything that runs between start and stop.
type program struct {
	options     Options
	member      *fleet.Member
	siblings    *siblings
	lineage     *lineage // nil when nothing is known of the database's past
	verifier    *apikey.Verifier
	people      people
	signer      *jwt.Signer // nil when no upstream wants signed identities
	tokens      keyTokens
	gateway     atomic.Pointer[gateway.Gateway]
	front       decisionFront // where proxies ask; nil when there is none
	descriptors descriptors   // of Envoys that ask about limits
	reloads     reloads
	keys        keyService
	holding     gateway.HolderCommands // what holders of keys ask for their own; nil when they may not
	probes      *readiness
	metrics     *Metrics
	tail        *accesslog.Tail // of what becomes of requests, for those who watch
	servers     []service
	http3       *http3.Server // nil when it is off
	announcer   *announcer    // nil when nobody is told of events
	keeper      *housekeeping.Keeper

	administrators administrators
	portal         holdersPortal
	checkpoints    *audit.Checkpointer // nil when the audit log is not signed
	tally          *tally.Tally        // nil when usage is not counted
	shadow         *shadow             // nil when no other configuration judges
	tracer         *tracing.Tracer     // nil when nothing is traced

	certificates *tlsconfig.Source // nil for plain HTTP
	balancers    []*proxyproto.Listener
	managed      *acme.Manager // nil when nobody is asked for certificates
}

// A service is one listener with its server.
type service struct {
	name     string
	listener net.Listener
	server   *httpserver.Server
}

// Run serves until ctx ends, then drains: readiness fails, after the configured
// delay no connection is accepted any more, and running requests and upgraded
// connections get the configured time. It returns nil after a stop in good order.
func Run(ctx context.Context, o Options) error {
	p := &program{options: o, tail: new(accesslog.Tail), metrics: NewMetrics(o.Version, limitReasons(o.Config)...)}
	defer o.Listeners.Close()
	defer p.close() //nolint:contextcheck // it closes what has contexts of its own
	if err := p.join(ctx); err != nil {
		return err
	}
	if err := p.build(); err != nil { //nolint:contextcheck // certificates are read again until close, not until ctx ends
		return err
	}
	failed := make(chan error, len(p.servers)+1)
	for _, s := range p.servers {
		go func() { failed <- s.serve() }() //nolint:contextcheck // each request has a context of its own
	}
	if p.http3 != nil {
		go func() { failed <- p.serveHTTP3() }() //nolint:contextcheck // drain ends it, as it ends the others
	}
	if p.managed != nil {
		p.managed.Start()
	}
	p.tellWeaknesses(o.Config)
	o.Log.Info("serving", slog.String("version", o.Version), slog.String("listen", o.Listeners.Public.Addr().String()))
	if o.Ready != nil {
		o.Ready()
	}
	for {
		select {
		case <-ctx.Done():
			return p.drain(ctx)
		case err := <-failed:
			return errors.Join(err, p.drain(ctx))
		case asked := <-o.Reloads:
			p.reload(asked) //nolint:contextcheck // what it makes lives until it is replaced
		}
	}
}

// join announces this node and begins to follow the store.
func (p *program) join(ctx context.Context) error {
	o := p.options
	var err error
	p.member, err = fleet.Join(ctx, fleet.MemberConfig{
		Registry: o.Registry, Version: o.Version, Lease: o.Config.Keys.Freshness, Log: o.Log,
		Config: o.Config.Digest(), Peppers: strings.Join(o.Peppers.IDs(), ","),
	})
	if err != nil {
		return fmt.Errorf("server: cannot announce this node: %w", err)
	}
	if p.tokens, err = newKeyTokens(&o.Config.Tokens, o.TokenKeys); err != nil {
		return err
	}
	p.compareNodes(ctx)
	p.followLineage(ctx)
	p.verifier, err = apikey.NewVerifier(apikey.VerifierConfig{
		Store: o.Store, Peppers: o.Peppers, Log: o.Log,
		CacheSize:     o.Config.Keys.CacheSize,
		LookupTimeout: o.Config.Timeouts.Store,
		Poll:          pollInterval,
		Freshness:     o.Config.Keys.Freshness,
		Lease:         p.member.Announced,
		Applied:       func(rev apikey.Revision) { p.member.Applied(rev); p.lineage.changed() },
		Rewound:       p.lineage.rewound,
		Honeytoken:    p.honeytoken,
		Tokens:        p.tokens.verifier(),
		LegacyFormats: o.Config.Keys.LegacyFormats,
	})
	if err != nil {
		return err
	}
	p.hear(ctx)
	return nil
}

// hear waits for the first answer of the feed, for as long as a look-up may take: until
// then nothing is remembered, and each of the requests that come to a cold node at once
// would ask the store for itself. Without an answer the node begins all the same, and
// is not ready.
func (p *program) hear(ctx context.Context) {
	if _, ok := p.options.Store.(apikey.Feed); !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, p.options.Config.Timeouts.Store)
	defer cancel()
	beat := time.NewTicker(5 * time.Millisecond)
	defer beat.Stop()
	for !p.verifier.Fresh() {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		}
	}
}

// build makes the handlers and their servers.
func (p *program) build() error {
	o := p.options
	if err := errors.Join(p.tls(), p.joinPeople(), p.sign(), p.startWebhooks(), p.countUsage(), p.startTracing()); err != nil {
		return err
	}
	holder, err := p.holder()
	if err != nil {
		return err
	}
	p.holding = holder
	p.prepareShadow()
	first, err := p.newGateway(o.Config, nil)
	if err != nil {
		return err
	}
	p.gateway.Store(first)
	if err := p.startShadow(); err != nil {
		return err
	}
	p.probes = &readiness{restored: p.lineage.broken, fresh: p.verifier.Fresh, certificates: p.certificateProblems, stale: p.reloads.stale.Load, documents: p.documentProblems, differing: p.siblings.differing}
	public := p.metrics.InFlight(p.current((*gateway.Gateway).ServeHTTP))
	if err := p.addPublic("public", o.Listeners.Public, p.advertise(public), p.publicTLS()); err != nil {
		return err
	}
	errs := []error{p.addHTTP3(p.servers[0]), p.addListeners()}
	if o.Listeners.Redirect != nil {
		errs = append(errs, p.addPublic("redirect", o.Listeners.Redirect, p.redirect(), nil))
	}
	if o.Listeners.Admin != nil {
		if err := errors.Join(p.openAdministrators(), p.openKeyService()); err != nil {
			return err
		}
		admin, err := newAdmin(o.Listeners.Admin, p.probes, p.metrics.Handler(), p.keySet(), &p.keys, p.traceVerify(), o.Log)
		if err == nil {
			admin, err = p.before(admin)
		}
		if err == nil {
			admin, err = p.withPage(admin)
		}
		errs = append(errs, err, p.add("admin", o.Listeners.Admin, p.lineage.settling(admin), nil))
	}
	if o.Listeners.Health != nil {
		health, err := newHealth(p.probes, p.keySet(), o.Log)
		errs = append(errs, err, p.add("health", o.Listeners.Health, health, nil))
	}
	if o.Listeners.Decision != nil {
		errs = append(errs, p.addDecision())
	}
	if o.Listeners.Portal != nil {
		errs = append(errs, p.addPortal())
	}
	return errors.Join(append(errs, p.watch(), p.keepHouse(), p.signAudit())...)
}

// addPublic makes the server of a listener that load balancers may stand before.
func (p *program) addPublic(name string, l net.Listener, h http.Handler, secure *tls.Config) error {
	l, err := p.balanced(l, p.options.Config)
	if err != nil {
		return err
	}
	return p.add(name, l, h, secure)
}

// add makes the server of one listener.
func (p *program) add(name string, l net.Listener, h http.Handler, secure *tls.Config) error {
	cfg := p.serverConfig(p.guard(h, name == "admin" || name == "health"), secure)
	cfg.InsecureH2C = p.speaksH2C(name)
	return p.addServer(name, l, &cfg)
}

// serverConfig is how every listener is bounded.
func (p *program) serverConfig(h http.Handler, secure *tls.Config) httpserver.Config {
	c := p.options.Config
	return httpserver.Config{
		Handler:           p.stillProved(h, secure),
		Log:               p.options.Log,
		TLS:               secure,
		ReadHeaderTimeout: c.Timeouts.Header,
		IdleTimeout:       c.Timeouts.Idle,
		BodyIdleTimeout:   c.Timeouts.BodyIdle,
		WriteTimeout:      c.Timeouts.Write,
		MaxHeaderBytes:    int(c.Limits.HeaderBytes),
		MaxConnections:    c.Limits.Connections,
	}
}

func (p *program) addServer(name string, l net.Listener, cfg *httpserver.Config) error {
	server, err := httpserver.New(*cfg)
	if err != nil {
		return err
	}
	p.servers = append(p.servers, service{name, l, server})
	return nil
}

// shadowed counts and logs what a stage in shadow would have refused.
func (p *program) shadowed(x *exchange.Exchange, stage, reason string) {
	p.metrics.Shadowed(stage, reason)
	p.options.Log.Info("a stage in shadow would have refused a request",
		slog.String("id", x.ID), slog.String("route", x.Route), slog.String("stage", stage), slog.String("reason", reason))
}

// exposed counts and logs a credential that came over plain HTTP.
func (p *program) exposed(x *exchange.Exchange, id string) {
	p.metrics.Exposed()
	p.options.Log.Warn("a credential came over plain HTTP: whoever is on the way may have it; replace it",
		slog.String("id", x.ID), slog.String("key_id", id), slog.String("client", x.Client.String()))
}

// disable takes a key out of use that was exposed, here at once and on every other
// node as soon as it follows.
func (p *program) disable(ctx context.Context, id apikey.ID) error {
	_, err := apikey.Disable(ctx, p.options.Store, apikey.By{Actor: "system", Source: "gateway"}, id)
	p.verifier.Invalidate(id)
	return err
}

// watch adds the figures that are read when metrics are asked for.
func (p *program) watch() error {
	return errors.Join(
		p.metrics.Watch("warder_log_records_dropped_total", "Log records that were lost because the log was full or stuck.",
			func() float64 { return float64(p.options.Dropped()) }),
		p.metrics.Watch("warder_http_refused_total", "Requests that the HTTP server refused before a handler saw them.", func() float64 {
			var n uint64
			for _, s := range p.servers {
				n += s.server.Refused()
			}
			if p.http3 != nil {
				n += p.http3.Refused()
			}
			return float64(n)
		}),
		p.metrics.Watch("warder_upstream_unasked_bytes_total", "Connections to upstreams that were closed because bytes came on them that nobody had asked for.",
			func() float64 { return float64(p.gateway.Load().Poisoned()) }),
		p.metrics.Watch("warder_store_revision_applied", "Every change of keys up to this revision holds on this node.",
			func() float64 { return float64(p.verifier.Applied()) }),
		p.watchLineage(),
		p.watchSiblings(),
		p.watchTLS(),
		p.watchBalancers(),
		p.metrics.register(limitCounts{p.gateway.Load, p.descriptors.all}),
		p.watchReloads(),
		p.watchDocuments(),
		p.watchLimitStore(),
		p.watchWebhooks(),
		p.watchShadow(),
		p.watchTracing(),
		p.watchTail(),
	)
}

func (s service) serve() error {
	if err := s.server.Serve(s.listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("server: the %s listener failed: %w", s.name, err)
	}
	return nil
}

// drain stops the public listener first, so that probes and metrics answer as
// long as requests run.
func (p *program) drain(ctx context.Context) error {
	p.probes.draining.Store(true)
	p.options.Log.Info("draining", slog.String("bound", p.options.Config.Timeouts.Drain.String()))
	p.leave()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.options.Config.Timeouts.Drain)
	defer cancel()
	var errs []error
	http3Ended := p.drainHTTP3(ctx)
	for _, s := range p.servers {
		if s.name == "admin" {
			p.keys.stopWatching() // who watches has seen the others drain
		}
		err := s.server.Shutdown(ctx)
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			p.options.Log.Warn("the drain bound is reached: what still ran was cut", slog.String("listener", s.name))
		case err != nil:
			errs = append(errs, fmt.Errorf("server: stop the %s listener: %w", s.name, err))
		}
		if s.name == "public" {
			errs = append(errs, http3Ended()) // probes and metrics answer that long too
		}
	}
	return errors.Join(errs...)
}

// leave lets those who send requests here find out that they should not.
func (p *program) leave() {
	delay := p.options.Config.Timeouts.ShutdownDelay
	if delay == 0 {
		return
	}
	p.options.Log.Info("still accepting, for balancers to notice", slog.String("for", delay.String()))
	for _, s := range p.servers {
		if s.name != "admin" && s.name != "health" { // they are asked whether this one is ready
			s.server.Leave()
		}
	}
	<-time.After(delay)
}

// close ends what join and build began.
func (p *program) close() {
	if p.shadow != nil {
		p.shadow.close()
	}
	if g := p.gateway.Load(); g != nil {
		p.logFailure("stop the gateway", g.Close())
	}
	if p.tracer != nil {
		p.logFailure("post what was traced last", p.tracer.Close())
	}
	p.logFailure("give back credits", p.keys.close())
	if p.keeper != nil {
		p.keeper.Close()
	}
	if p.announcer != nil {
		p.announcer.close()
	}
	if p.people.stop != nil {
		p.people.stop()
	}
	if p.certificates != nil {
		p.certificates.Close()
	}
	if p.managed != nil {
		p.managed.Close()
	}
	if p.verifier != nil {
		p.logFailure("stop the verifier", p.verifier.Close())
		p.logFailure("stop the verifier of admin keys", p.administrators.close())
	}
	if p.tally != nil {
		p.logFailure("write usage", p.tally.Close())
	}
	if p.checkpoints != nil {
		p.logFailure("sign the audit log", p.checkpoints.Close())
	}
	if p.siblings != nil {
		p.siblings.close()
	}
	p.lineage.close(context.Background())
	if p.member != nil {
		p.logFailure("leave the registry", p.member.Close())
	}
}

func (p *program) logFailure(doing string, err error) {
	if err != nil {
		p.options.Log.Warn("could not "+doing, slog.String("error", err.Error()))
	}
}
