package gateway

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/exchange"
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

// metricsAt is who is told of the outcomes at the listener called name.
func (g *Gateway) metricsAt(name string) exchange.Finisher {
	if name != "" && g.cfg.MetricsAt != nil {
		return g.cfg.MetricsAt(name)
	}
	return g.cfg.Metrics
}
