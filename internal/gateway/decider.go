package gateway

import (
	"net/http"
	"slices"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/problem"
)

// Decider is the Stack for a front that only decides: it makes the requests that
// are judged, each with the client as the peer. What the gateway answers itself
// is refused: whoever asks would have its own upstream answer that.
func (g *Gateway) Decider() *warder.Stack {
	edge := g.stack.Edge
	edge.Forwarded, edge.SNI = forwarded.Direct(), nil // both are about a connection that the proxy holds
	edge.AccessLog, edge.Metrics = g.asked, g.metricsAt(atDecision)
	own := &warder.Policy{
		AddressLimit: g.limits.everybody,
		Deny:         problem.New(problem.NotFound, "The gateway answers this path itself: the proxy must send it there and not ask."),
	}
	return &warder.Stack{Edge: edge, Route: elsewhere{g.stack.Route, g.own, own}}
}

// Carriers are the fields and cookies that no upstream sees: those with
// credentials, and fields that only listed proxies may say.
func (g *Gateway) Carriers() (headers, cookies []string) {
	return g.removed(), slices.Clone(g.carriers.cookies)
}

// answer lets h answer requests that match pattern and meet policy, at the
// gateway and nowhere else.
func (g *Gateway) answer(routes *warder.Routes, pattern string, policy *warder.Policy, h http.Handler) error {
	g.own[pattern] = struct{}{}
	return g.handle(routes, pattern, policy, h)
}

// elsewhere is a route that refuses the gateway's own patterns.
type elsewhere struct {
	warder.Route

	own    map[string]struct{}
	refuse *warder.Policy
}

// Match implements [warder.Route].
func (e elsewhere) Match(x *exchange.Exchange) *warder.Policy {
	policy := e.Route.Match(x)
	if _, own := e.own[x.Route]; own {
		return e.refuse
	}
	return policy
}
