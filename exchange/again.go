package exchange

import (
	"context"
	"net/http"
)

// Again returns a fresh exchange of the same request, with ctx, for judging it
// anew while its answer is under way: what the edge, the target and the route found
// is there, what was found out about the sender is not. It is Dry and has no body.
// A credential that was taken out of the query is in it again.
//
// It shares the header with x: nobody may change that meanwhile. Again may be
// called by another goroutine than that of x once a handler has it, as long as no
// stage changes x.
func (x *Exchange) Again(ctx context.Context) *Exchange {
	r := *x.Request
	if x.queryTaken {
		address := *r.URL
		address.RawQuery = x.sentQuery
		r.URL, r.RequestURI = &address, address.RequestURI()
	}
	again := New(r.WithContext(ctx))
	again.Request.Body = http.NoBody
	again.ID, again.Peer, again.Client, again.Scheme, again.Host, again.Port = x.ID, x.Peer, x.Client, x.Scheme, x.Host, x.Port
	again.PeerListed, again.ClientDoubtful, again.ClientCert = x.PeerListed, x.ClientDoubtful, x.ClientCert
	again.Path, again.UpstreamPath, again.Ambiguity, again.RawQuery = x.Path, x.UpstreamPath, x.Ambiguity, x.RawQuery
	if x.queryTaken {
		again.RawQuery = x.sentQuery
	}
	again.Route, again.Policy, again.Dry = x.Route, x.Policy, true
	return again
}
