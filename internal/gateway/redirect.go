package gateway

import (
	"net/http"

	"github.com/warder-dev/warder"
)

// buildRedirect makes the front of plain HTTP beside TLS: the same stages, and
// https is required there whatever https.require says of the other listener.
func (g *Gateway) buildRedirect(edge warder.Edge, routes warder.Route) error {
	if g.cfg.Config.TLS.RedirectListen == "" {
		return nil
	}
	var err error
	if edge.AccessLog, err = g.accessLogAt(atRedirect); err != nil {
		return err
	}
	edge.Metrics = g.metricsAt(atRedirect)
	if edge.HTTPS == nil {
		if edge.HTTPS, err = g.https(g.cfg.Config, edge.TrustedHost); err != nil {
			return err
		}
	}
	stack := &warder.Stack{Edge: edge, Route: routes}
	g.redirect = stack.Wrap(http.HandlerFunc(g.forward))
	return nil
}

// Redirect sends plain HTTP to https at the names of this gateway, and refuses
// what carries a credential. What a believed proxy got over https is served as
// by the Gateway itself, so that there is no loop. nil without
// tls.redirect_listen.
func (g *Gateway) Redirect() http.Handler { return g.redirect }
