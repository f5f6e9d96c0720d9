package upstream

import (
	"context"
	"net"
)

// dialFunc makes a connection, as [http.Transport] wants it.
type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// attemptKey is for the attempt that a context belongs to.
type attemptKey struct{}

// Value makes an attempt the context of its request: what dials for it finds it.
func (a *attempt) Value(key any) any {
	if key == (attemptKey{}) {
		return a
	}
	return a.Context.Value(key)
}

// pursued is dial, given up when the request ends that wants the connection and has
// none: its client left. [http.Transport] would go on, for a request that may come, and
// hold on to an upstream that takes connections slowly, or no more of them, once for each
// client that was there. A request that was given another connection leaves its dial to
// the next one.
func pursued(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		a, ok := ctx.Value(attemptKey{}).(*attempt)
		if !ok {
			return dial(ctx, network, addr)
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(a.Context, func() { //nolint:contextcheck // that of the transport is another, which has no end
			if !a.connected.Load() {
				cancel()
			}
		})()
		return dial(ctx, network, addr)
	}
}
