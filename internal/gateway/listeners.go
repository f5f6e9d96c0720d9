package gateway

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/accesslog"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
)

// A front is how one listener judges: an edge of its own before the routes, limits,
// guard and keys that all share.
type front struct {
	stack   *warder.Stack
	handler http.Handler
}

// buildListeners makes the fronts of listeners beside the gateway's own.
func (g *Gateway) buildListeners(routes warder.Route) error {
	g.fronts = make(map[string]front, len(g.cfg.Config.Listeners))
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(g.cfg.Config.Listeners)) {
		edge, err := g.edge(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("listeners.%s: %w", name, err))
			continue
		}
		stack := &warder.Stack{Edge: edge, Route: routes}
		g.fronts[name] = front{stack, stack.Wrap(http.HandlerFunc(g.forward))}
	}
	return errors.Join(errs...)
}

// At judges and forwards what comes to the listener called name. What comes to one
// that this configuration has not is refused: only a restart opens and closes
// listeners.
func (g *Gateway) At(name string) http.Handler {
	if f, ok := g.fronts[name]; ok {
		return f.handler
	}
	return http.HandlerFunc(notHere)
}

// stackAt is how the listener called name judges; the gateway's own for a name that
// none has, as in a shadow configuration.
func (g *Gateway) stackAt(name string) *warder.Stack {
	if f, ok := g.fronts[name]; ok {
		return f.stack
	}
	return g.stack
}

// Where requests come to, as logs and metrics have it: the setting of the listener.
const (
	atListen   = "listen"
	atRedirect = "tls.redirect_listen"
	atDecision = "decision.listen"
)

// placeOf is where the requests of the listener called name come to; "" is the gateway's
// own.
func placeOf(name string) string {
	if name == "" {
		return atListen
	}
	return config.ListenersField + name
}

// metricsAt is who is told of the outcomes at place.
func (g *Gateway) metricsAt(place string) exchange.Finisher {
	if g.cfg.MetricsAt != nil {
		return g.cfg.MetricsAt(place)
	}
	return g.cfg.Metrics
}

// accessLogAt makes the stage that logs what comes to place, which is named where there
// are several.
func (g *Gateway) accessLogAt(place string) (*accesslog.Stage, error) {
	cfg := accesslog.Config{Logger: g.cfg.AccessLog, Path: accesslog.PathMode(g.cfg.Config.Log.Path), Tail: g.cfg.Tail}
	if len(g.cfg.Config.Listeners) > 0 {
		cfg.Listener = place
	}
	return accesslog.New(cfg)
}
