// Package forwarded finds who sent a request and which host it is for. It is
// the only reader of such data: every later stage reads the exchange.
//
// Each constructor is a trust model, so that none is chosen by accident:
//
//   - [Direct]: the peers are the clients, and no field is read.
//   - [XForwardedFor]: listed proxies append to X-Forwarded-For.
//   - [Forwarded]: listed proxies append to Forwarded (RFC 7239).
//   - [SingleHeader]: listed peers, such as a CDN's, send the address in a field
//     of their own.
//
// From a peer that is not listed nothing is read. From a listed one only the
// fields of the model are: X-Forwarded-For is not looked at where Forwarded is
// configured. Scheme, host and client certificate are read when the
// configuration says so, since a proxy that does not set such a field passes on
// the client's.
//
// # The client's address
//
// The lists are read from the right, since each proxy appends: the first
// address that is not listed is the client, and what stands left of it is the
// client's own word and never read. When every entry is listed, the leftmost is
// the client. An entry that is no address where one decides (a word, a zone, an
// IPv4 address with leading zeros or missing parts) makes the last listed hop
// the client and sets [exchange.Exchange.ClientDoubtful].
//
// An IPv4 address that is written as IPv6 is the IPv4 address, as peer, as entry
// and in the list of proxies.
package forwarded

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// A Stage sets Peer, Client, ClientDoubtful, Scheme, Host, Port and ClientCert
// of an exchange.
type Stage struct {
	source     source
	field      string // canonical name of the field that names the client
	trusted    ranges
	unixSocket bool // its peers are listed
	readProto  bool
	readHost   bool
	certField  string // canonical; "" for none

	invalidHost, unreadable *problem.Problem
}

// source is where the client's address comes from.
type source uint8

const (
	connection source = iota
	xForwardedFor
	forwardedField
	singleField
)

// Direct returns the stage for a listener whose peers are the clients: it reads
// the connection and Host, and no forwarded header at all.
func Direct() *Stage {
	// A client that sends no usable Host may frame what follows as badly.
	return &Stage{invalidHost: problem.New(problem.InvalidHost, "Send one Host: a name, an IPv4 address or an IPv6 address in brackets, and a port if need be.").
		With("Connection", "close")}
}

// Check passes every request with a usable Host (RFC 9110, section 7.2) and
// refuses all others with 400, and so what a listed peer forwards in a form that
// has two readings; the Scheme is "" then, unless it is known. The Peer of a Unix socket is invalid, and so is the Client
// unless a field names it: no rule about addresses holds for it.
func (s *Stage) Check(x *exchange.Exchange) exchange.Verdict {
	r := x.Request
	at, number := peer(r.RemoteAddr)
	x.Peer = at
	x.Client = at.Addr()
	if x.Client.Is6() {
		x.Client = x.Client.WithZone("")
	}
	x.Scheme = "http"
	if r.TLS != nil {
		x.Scheme = "https"
	}
	host, port, ok := split(r.Host)
	if !ok {
		if s.readProto && s.listed(x, number) {
			x.Scheme = "" // nobody has looked what the proxy says
		}
		return exchange.Refuse(s.invalidHost, "")
	}
	x.Host, x.Port = host, port
	if s.source != connection && s.listed(x, number) {
		x.PeerListed = true
		if reason := s.believe(x); reason != "" {
			return exchange.Refuse(s.unreadable, reason)
		}
		return exchange.Pass()
	}
	if r.TLS != nil {
		x.ClientCert = verified(r.TLS)
	}
	return exchange.Pass()
}

// Wrap is Check as net/http middleware, for use without a Stack.
func (s *Stage) Wrap(next http.Handler) http.Handler { return exchange.Wrap(s, next) }

// Fields returns the names of the fields that listed peers are believed in: what
// a gateway must not pass on, since its upstream cannot tell whose they are.
func (s *Stage) Fields() []string {
	var names []string
	if s.field != "" {
		names = append(names, s.field)
	}
	if s.readProto && s.source != forwardedField {
		names = append(names, protoField)
	}
	if s.readHost && s.source != forwardedField {
		names = append(names, hostField)
	}
	if s.certField != "" {
		names = append(names, s.certField)
	}
	return names
}

// peer reads the address that net/http noted for the connection. An IPv4
// address that a dual-stack socket wrote as IPv6 is IPv4 again, so that it has
// one spelling. number is the address once more; 0 where there is none.
func peer(remote string) (at netip.AddrPort, number ip) {
	if remote == "" || remote[0] == '@' || remote[0] == '/' {
		return at, number // a Unix socket
	}
	if number, before := connected(remote); before > 0 {
		if p, ok := port(remote[before:]); ok {
			return netip.AddrPortFrom(number.addr(), p), number
		}
	}
	p, err := netip.ParseAddrPort(remote)
	if err != nil {
		return at, number
	}
	a := p.Addr().Unmap()
	return netip.AddrPortFrom(a, p.Port()), ipOf(a)
}

// connected reads the address that remote begins with, and how many bytes stand
// before its port; 0 where netip has to read it.
func connected(remote string) (number ip, before int) {
	if remote[0] != '[' {
		if a, n := ipv4(remote); n > 0 && n < len(remote) && remote[n] == ':' {
			return a, n + 1
		}
		return ip{}, 0
	}
	if a, n := ipv6(remote[1:]); n > 0 && strings.HasPrefix(remote[1+n:], "]:") {
		return a, n + len("[]:")
	}
	return ip{}, 0
}

// listed reports whether the peer of x is believed, whose address is number.
func (s *Stage) listed(x *exchange.Exchange, number ip) bool {
	if x.Client.IsValid() {
		return s.trusted.contains(number)
	}
	return s.unixSocket && onUnixSocket(x.Request)
}

// onUnixSocket reports whether r came over a Unix socket. The server's own note
// of it decides: RemoteAddr is text that middleware may have replaced.
func onUnixSocket(r *http.Request) bool {
	address, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && address.Network() == "unix"
}

// verified returns the certificate that the handshake verified. What a client
// merely sent (PeerCertificates) proves nothing when the server only asks.
func verified(state *tls.ConnectionState) *x509.Certificate {
	if len(state.VerifiedChains) == 0 || len(state.VerifiedChains[0]) == 0 {
		return nil
	}
	return state.VerifiedChains[0][0]
}
