// Package forwarded finds who sent a request and which host it is for. It is
// the only reader of such data: every later stage reads the exchange.
//
// [Direct] is the trust model of a server that clients reach without a proxy.
// Further models, such as listed proxies, become constructors of their own, so
// that none is chosen by accident.
package forwarded

import (
	"net/http"
	"net/netip"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// A Stage sets Peer, Client, Scheme, Host and Port of an exchange.
type Stage struct{ invalid *problem.Problem }

// Direct returns the stage for a listener whose peers are the clients: it reads
// the connection and Host, and no forwarded header at all.
func Direct() *Stage {
	// A client that sends no usable Host may frame what follows as badly.
	return &Stage{invalid: problem.New(problem.InvalidHost, "Send one Host: a name, an IPv4 address or an IPv6 address in brackets, and a port if need be.").
		With("Connection", "close")}
}

// Check passes every request with a usable Host (RFC 9110, section 7.2) and
// refuses all others with 400. The Peer of a Unix socket is invalid, and so is
// the Client then: no rule about addresses holds for it.
func (s *Stage) Check(x *exchange.Exchange) exchange.Verdict {
	r := x.Request
	x.Peer = peer(r.RemoteAddr)
	x.Client = x.Peer.Addr().WithZone("")
	x.Scheme = "http"
	if r.TLS != nil {
		x.Scheme = "https"
	}
	host, port, ok := split(r.Host)
	if !ok {
		return exchange.Refuse(s.invalid, "")
	}
	x.Host, x.Port = host, port
	return exchange.Pass()
}

// Wrap is Check as net/http middleware, for use without a Stack.
func (s *Stage) Wrap(next http.Handler) http.Handler { return exchange.Wrap(s, next) }

// peer reads the address that net/http noted for the connection. An IPv4
// address that a dual-stack socket wrote as IPv6 is IPv4 again, so that it has
// one spelling.
func peer(remote string) netip.AddrPort {
	if remote == "" || remote[0] == '@' || remote[0] == '/' {
		return netip.AddrPort{} // a Unix socket
	}
	p, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}
