// Package gateway is the front that stands in front of an API: it turns the
// configuration's routes into a warder.Stack and forwards what the Stack allows
// to the route's upstream. The paths of a login it answers itself.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/accesslog"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/bruteforce"
	"github.com/warder-dev/warder/cors"
	"github.com/warder-dev/warder/csrf"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/jwt"
	"github.com/warder-dev/warder/leak"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/session/oidc"
	"github.com/warder-dev/warder/session/password"
	"github.com/warder-dev/warder/upstream"
	"github.com/warder-dev/warder/usage"
)

// Config configures a [Gateway]. Every field is required unless it says so.
type Config struct {
	_          [0]func()
	Config     *config.Config    // valid, as config.Load returns it
	Verifier   *apikey.Verifier  // proves keys
	Sessions   *session.Manager  // of people who logged in; nil when no scheme is a session
	People     *password.Checker // who log in by name and password; nil when there are none
	Signer     *jwt.Signer       // signs identities for upstreams; nil when none wants that
	LimitStore ratelimit.Store   // counts what nodes share; nil when no limit is shared
	Credits    usage.Store       // keeps credits; nil when no route costs any
	TokenKeys  http.Handler      // answers with the public keys of tokens that are made from keys; nil when none are
	Holder     HolderCommands    // answers holders of keys; nil when they may do nothing with them
	AccessLog  *slog.Logger      // one record per request
	Tail       *accesslog.Tail   // shows each record to those who look on; nil: nobody can
	Log        *slog.Logger      // everything else
	Metrics    exchange.Finisher // told of every outcome; nil for none

	// MetricsAt returns who is told in place of Metrics of the outcomes at a listener, by
	// its setting: listen, listeners.NAME, tls.redirect_listen, decision.listen. nil for
	// Metrics.
	MetricsAt func(place string) exchange.Finisher

	// Tracing is the Stack's stage that traces requests; nil for none.
	Tracing exchange.Stage

	// SameHandshake reports whether a connection whose handshake asked for name may
	// carry requests for host as well: see [httpserver.SNIConfig]. nil where nothing
	// speaks TLS.
	SameHandshake func(name, host string) bool

	// Previous is the Gateway whose place this one takes: what it counts, remembers and
	// holds open is taken over where both configurations say the same of it. Settings
	// that need a restart must not differ. nil at the start.
	Previous *Gateway

	// Beside is a Gateway whose requests this one judges as well: tokens that the one
	// made are good here, where both configurations say the same of them. nil for none.
	Beside *Gateway

	// Near is told of each request after which a limit that is soft is nearly reached:
	// see [ratelimit.Config]. nil for nobody.
	Near func(x *exchange.Exchange, l *ratelimit.Limit)

	// Shadowed is told of each request that a stage in shadow would have refused.
	// nil for nobody.
	Shadowed func(x *exchange.Exchange, stage, reason string)

	// StillOpen is told, each second or so, of a request whose answer lasts and whose
	// sender still has the right to it. nil for nobody.
	StillOpen func(x *exchange.Exchange)

	// Exposed is told of each credential that came over plain HTTP where https is
	// required, by the id of the key if it has one. nil for nobody.
	Exposed func(x *exchange.Exchange, id string)

	// Disable disables a key that was exposed so, where the configuration wants that.
	// nil where it does not.
	Disable func(ctx context.Context, id apikey.ID) error

	// KeyStore is where keys are changed that were reported as leaked, and Leaked is
	// told of each such report. nil where the configuration takes no reports; Leaked
	// also for nobody.
	KeyStore apikey.Store
	Leaked   func(leak.Report)

	// Changed is told of each of those keys before the report is answered. nil for the
	// Verifier alone.
	Changed func(apikey.ID)
}

// A Gateway judges and forwards requests. It is safe for concurrent use.
type Gateway struct {
	cfg       Config
	stack     *warder.Stack
	handler   http.Handler
	redirect  http.Handler
	fronts    map[string]front // of listeners beside the gateway's own, by name
	asked     *accesslog.Stage // of requests that proxies ask about
	schemes   *schemes
	carriers  carriers
	csrf      *csrf.Stage
	keys      []secret.Text // of csrf's tokens
	cors      map[string]*cors.Stage
	routes    map[string]http.Handler // by pattern
	own       map[string]struct{}     // patterns that no upstream answers
	upstreams map[destination]*upstream.Upstream
	offered   map[destination]*upstream.Upstream // by the Gateway before: those that a route wants go to upstreams
	limits    limits
	guard     *bruteforce.Guard
	ledger    *usage.Ledger // nil when no route costs credits
	login     *oidc.Client  // nil when nobody logs in at a provider
	poisoned  atomic.Uint64 // of upstreams that are not used any more
	documents documents
	drifts    map[string]*drift // of documents, by name, as the gateway before counted; nil once built
	described map[string][]byte // texts of documents that the gateway before served; nil once built
	gitHub    *leak.GitHub      // nil when it may report nothing
}

// New reports every route and upstream that cannot be built, at once. Close the
// Gateway to stop what it does in the background.
func New(cfg Config) (*Gateway, error) {
	if cfg.Shadowed == nil {
		cfg.Shadowed = func(*exchange.Exchange, string, string) {}
	}
	before := cfg.Previous
	beside := cfg.Beside
	cfg.Previous, cfg.Beside = nil, nil // each holds on to itself alone
	g := &Gateway{
		cfg: cfg, schemes: newSchemes(cfg), carriers: carriersOf(cfg.Config), limits: newLimits(),
		cors: make(map[string]*cors.Stage), routes: make(map[string]http.Handler), own: make(map[string]struct{}), upstreams: make(map[destination]*upstream.Upstream), offered: make(map[destination]*upstream.Upstream),
	}
	if before != nil {
		g.inherit(before)
	}
	if beside != nil {
		g.inheritTokens(beside)
	}
	err := g.build()
	g.offered, g.described, g.drifts, g.limits.former, g.limits.busy = nil, nil, nil, nil, nil
	if err != nil {
		return nil, errors.Join(err, g.release(before))
	}
	return g, nil
}

func (g *Gateway) build() error {
	edge, edgeErr := g.edge("")
	routes := new(warder.Routes)
	err := errors.Join(edgeErr, g.addBrowserStages(), g.addLimits(), g.addGuard())
	begin := func(r *warder.Routes) *warder.Routes {
		r.CORS = g.cors[config.DefaultCORS]
		r.AddressLimit = g.limits.everybody
		return r
	}
	begin(routes)
	if err == nil {
		err = errors.Join(g.addRoutes(routes), g.addLogins(routes), g.addLeaks(routes), g.addHolder(routes), g.addTokens(routes))
	}
	var route warder.Route = routes
	if len(g.cfg.Config.OpenAPIDocuments) > 0 && err == nil {
		err = g.addDocuments(func() *warder.Routes { return begin(new(warder.Routes)) })
		route = &g.documents.table
	}
	g.stack = &warder.Stack{Edge: edge, Route: route}
	g.handler = g.stack.Wrap(http.HandlerFunc(g.forward))
	var logErr error
	g.asked, logErr = g.accessLogAt(atDecision)
	return errors.Join(err, logErr, g.buildRedirect(edge, route), g.buildListeners(route))
}

// addRoutes makes each route's policy and its way to the upstream.
func (g *Gateway) addRoutes(routes *warder.Routes) error {
	var errs []error
	for i := range g.cfg.Config.Routes {
		route := &g.cfg.Config.Routes[i]
		if err := g.addRoute(routes, route); err != nil {
			errs = append(errs, fmt.Errorf("routes[%d] %q: %w", i, route.Match, err))
		}
	}
	return errors.Join(errs...)
}

func (g *Gateway) addRoute(routes *warder.Routes, route *config.Route) error {
	policy, err := g.policy(route)
	if err != nil {
		return err
	}
	if err := g.addCredit(policy, route); err != nil {
		return err
	}
	if route.Upstream == "" {
		return g.handle(routes, route.Match, policy, http.HandlerFunc(notHere))
	}
	to, err := g.to(route)
	if err != nil {
		return err
	}
	return g.handle(routes, route.Match, policy, to)
}

// handle lets requests that match pattern and meet policy go to h.
func (g *Gateway) handle(routes *warder.Routes, pattern string, policy *warder.Policy, h http.Handler) error {
	if err := routes.Handle(pattern, policy); err != nil {
		return err
	}
	g.routes[pattern] = h
	g.documents.fixed = append(g.documents.fixed, fixed{pattern, policy})
	return nil
}

// forward sends what the Stack allowed to its route's upstream.
func (g *Gateway) forward(w http.ResponseWriter, r *http.Request) {
	x := exchange.From(r.Context())
	if policy, ok := x.Policy.(*warder.Policy); ok {
		if stage, ok := policy.Validate.(*operationStage); ok { // of a document, which may be another by now
			stage.to.ServeHTTP(w, r)
			return
		}
	}
	g.routes[x.Route].ServeHTTP(w, r)
}

// ServeHTTP judges r and forwards it, or refuses.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.handler.ServeHTTP(w, r) }

// notHere answers for a route without an upstream: some proxy asks about it and
// forwards by itself.
func notHere(w http.ResponseWriter, r *http.Request) {
	exchange.Respond(w, r, problem.New(problem.NotFound, "This route is reached through another proxy."), "no-upstream", nil)
}

// Poisoned is how many connections were given up because an upstream sent bytes
// on them that no request had asked for.
func (g *Gateway) Poisoned() uint64 {
	n := g.poisoned.Load()
	for _, u := range g.upstreams {
		n += u.Poisoned()
	}
	return n
}

// Close drops the idle connections to the upstreams, stops what fetches keys, and
// gives back credits that were reserved and not spent.
func (g *Gateway) Close() error { return g.release(nil) }
