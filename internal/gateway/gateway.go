// Package gateway is the front that stands in front of an API: it turns the
// configuration's routes into a warder.Stack and forwards what the Stack allows
// to the route's upstream.
package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/accesslog"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/bodylimit"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/requestid"
	"github.com/warder-dev/warder/target"
	"github.com/warder-dev/warder/upstream"
)

// Config configures a [Gateway]. Every field is required but Metrics.
type Config struct {
	_         [0]func()
	Config    *config.Config    // valid, as config.Load returns it
	Scheme    authn.Scheme      // proves keys
	KeyField  string            // the header field that carries the key: never forwarded
	AccessLog *slog.Logger      // one record per request
	Log       *slog.Logger      // everything else
	Metrics   exchange.Finisher // told of every outcome; nil for none
}

// A Gateway judges and forwards requests. It is safe for concurrent use.
type Gateway struct {
	handler   http.Handler
	routes    map[string]http.Handler // by pattern
	upstreams map[destination]*upstream.Upstream
}

// New reports every route and upstream that cannot be built, at once.
func New(cfg Config) (*Gateway, error) {
	g := &Gateway{routes: make(map[string]http.Handler), upstreams: make(map[destination]*upstream.Upstream)}
	edge, err := newEdge(cfg)
	if err != nil {
		return nil, err
	}
	routes, err := g.build(cfg)
	if err != nil {
		return nil, err
	}
	stack := &warder.Stack{Edge: edge, Route: routes}
	g.handler = stack.Wrap(http.HandlerFunc(g.forward))
	return g, nil
}

// newEdge builds the stages that every request meets.
func newEdge(cfg Config) (warder.Edge, error) {
	ids, idErr := requestid.New(requestid.Config{})
	access, logErr := accesslog.New(accesslog.Config{Logger: cfg.AccessLog, Path: accesslog.PathMode(cfg.Config.Log.Path)})
	var allow exchange.Ambiguity
	for _, route := range cfg.Config.Routes {
		allow |= ambiguities(route.Allow)
	}
	targets, targetErr := target.New(target.Config{MaxLength: int(cfg.Config.Limits.TargetBytes), Allow: allow})
	return warder.Edge{
		RequestID: ids,
		AccessLog: access,
		Recover:   httpserver.NewRecover(cfg.Log),
		Forwarded: forwarded.Direct(),
		Target:    targets,
		Metrics:   cfg.Metrics,
	}, errors.Join(idErr, logErr, targetErr)
}

// build makes each route's policy and its way to the upstream.
func (g *Gateway) build(cfg Config) (*warder.Routes, error) {
	var errs []error
	routes := new(warder.Routes)
	for i, route := range cfg.Config.Routes {
		if err := g.addRoute(cfg, routes, route); err != nil {
			errs = append(errs, fmt.Errorf("routes[%d] %q: %w", i, route.Match, err))
		}
	}
	return routes, errors.Join(errs...)
}

func (g *Gateway) addRoute(cfg Config, routes *warder.Routes, route config.Route) error {
	policy, err := newPolicy(cfg, route)
	if err != nil {
		return err
	}
	to, err := g.to(cfg, route)
	if err != nil {
		return err
	}
	if err := routes.Handle(route.Match, policy); err != nil {
		return err
	}
	g.routes[route.Match] = to
	return nil
}

func newPolicy(cfg Config, route config.Route) (*warder.Policy, error) {
	policy := &warder.Policy{Paths: ambiguities(route.Allow)}
	limit := cfg.Config.Limits.BodyBytes
	if route.BodyBytes > 0 {
		limit = route.BodyBytes
	}
	var err error
	if policy.BodyLimit, err = bodylimit.New(bodylimit.Config{Max: int64(limit)}); err != nil {
		return nil, err
	}
	if route.Public {
		return policy, nil
	}
	policy.Authn, err = authn.New(authn.Config{
		Requirement: authn.Require(cfg.Scheme, route.Scopes...),
		Realm:       cfg.Config.Keys.Realm,
	})
	return policy, err
}

// ambiguities translates a route's allow list, which the configuration has checked.
func ambiguities(allow []string) exchange.Ambiguity {
	var a exchange.Ambiguity
	for _, name := range allow {
		switch name {
		case "resolve":
			a |= exchange.DotSegments
		case "merge":
			a |= exchange.EmptySegments
		case "matrix":
			a |= exchange.PathParameters
		case "encoded_slash":
			a |= exchange.EncodedSlash
		}
	}
	return a
}

// forward sends what the Stack allowed to its route's upstream.
func (g *Gateway) forward(w http.ResponseWriter, r *http.Request) {
	g.routes[exchange.From(r.Context()).Route].ServeHTTP(w, r)
}

// ServeHTTP judges r and forwards it, or refuses.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.handler.ServeHTTP(w, r) }

// Poisoned is how many connections were given up because an upstream sent bytes
// on them that no request had asked for.
func (g *Gateway) Poisoned() (n uint64) {
	for _, u := range g.upstreams {
		n += u.Poisoned()
	}
	return n
}

// Close drops the idle connections to the upstreams.
func (g *Gateway) Close() {
	for _, u := range g.upstreams {
		u.CloseIdleConnections()
	}
}
