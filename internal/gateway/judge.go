package gateway

import (
	"net/http"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
)

// Judge explains what the gateway would say of r at a listener, "" for its own, whose peer is the client itself
// and whose TLS says how it came: what forwarded finds out behind proxies is given
// so. headers adds the fields that every answer would get. Nothing is counted, written
// or forwarded.
func (g *Gateway) Judge(r *http.Request, listener string) (e warder.Explanation, x *exchange.Exchange, headers func(http.Header)) {
	edge := g.stackAt(listener).Edge
	edge.Forwarded, edge.SNI = forwarded.Direct(), nil // both are about a connection that is not there
	s := &warder.Stack{Edge: edge, Route: g.stack.Route}
	x = exchange.New(r)
	return s.Explain(x), x, func(h http.Header) { s.Headers(x, h) }
}
