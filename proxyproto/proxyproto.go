// Package proxyproto reads the PROXY protocol, versions 1 and 2, which load
// balancers of connections use to tell who connected to them.
//
// A [Listener] stands between a socket and an HTTP server, below TLS. Listed
// peers must begin each connection with a header, and its source is then the
// connection's remote address. The connections of everybody else are handed on
// untouched: a header that they send is what it looks like to HTTP or TLS, a
// malformed request, and is never believed.
//
// The header is read where the connection is first used, in the goroutine that
// serves it, so that a peer that is slow holds up nobody.
//
// A header that names no address of the internet keeps the peer's own: UNKNOWN of
// version 1, and LOCAL, an unspecified and a Unix family of version 2. Every
// other deviation from the specification ends the connection without an answer.
package proxyproto

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// Config configures a [Listener]. Peers is required: the zero value is refused.
type Config struct {
	_ [0]func()

	// Peers are the addresses and networks of the load balancers, which must send a
	// header. An IPv4 address that is written as IPv6 is the IPv4 address. A network
	// of fewer than 8 bits is refused: it holds everybody, who could then choose an
	// address. So is one with bits behind its length.
	Peers []netip.Prefix

	// Timeout is the time for the whole header, from the connection's first use. 0
	// means 5 s; 1 ms to 1 min.
	Timeout time.Duration

	Log *slog.Logger // is told which peers were refused and why; nil: nothing is logged
}

// A Listener accepts connections of which some begin with a header. It is safe
// for concurrent use.
type Listener struct {
	net.Listener
	peers   []netip.Prefix
	timeout time.Duration
	log     *slog.Logger
	refused atomic.Uint64
}

const (
	defaultTimeout = 5 * time.Second
	maxTimeout     = time.Minute
)

// Listen wraps l, and reports every invalid field of cfg at once. Closing the
// Listener closes l.
func Listen(l net.Listener, cfg Config) (*Listener, error) {
	var errs []error
	if l == nil {
		errs = append(errs, errors.New("proxyproto: the listener is missing"))
	}
	if len(cfg.Peers) == 0 {
		errs = append(errs, errors.New("proxyproto: Peers are missing: list the load balancers' addresses, or do not wrap the listener"))
	}
	w := &Listener{Listener: l, timeout: cfg.Timeout, log: cfg.Log}
	for _, p := range cfg.Peers {
		network, err := networkOf(p)
		errs = append(errs, err)
		w.peers = append(w.peers, network)
	}
	if w.timeout == 0 {
		w.timeout = defaultTimeout
	}
	if w.timeout < time.Millisecond || w.timeout > maxTimeout {
		errs = append(errs, fmt.Errorf("proxyproto: Timeout is %v, want 1ms to %v", w.timeout, maxTimeout))
	}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return w, nil
}

// networkOf is p as IPv4 when it is IPv4 that was written as IPv6 (RFC 4291,
// section 2.5.5.2).
func networkOf(p netip.Prefix) (netip.Prefix, error) {
	const shortest, mapped = 8, 96 // bits
	if p.IsValid() && p.Addr().Is4In6() && p.Bits() >= mapped {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped)
	}
	switch {
	case !p.IsValid():
		return p, errors.New("proxyproto: Peers hold a network that is none")
	case p != p.Masked():
		return p, fmt.Errorf("proxyproto: Peers hold %s: write the network, %s, or the address", p, p.Masked())
	case p.Bits() < shortest:
		return p, fmt.Errorf("proxyproto: Peers hold %s, which is nearly everybody: list the load balancers' own networks", p)
	default:
		return p, nil
	}
}

// Accept returns the next connection, without waiting for its header.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil || !l.listed(c.RemoteAddr()) {
		return c, err
	}
	return &conn{Conn: c, from: l}, nil
}

// Refused returns how many connections of listed peers ended because they began
// with no header, or with one that was malformed, too long or too late.
func (l *Listener) Refused() uint64 { return l.refused.Load() }

// listed reports whether a is the address of a load balancer. A Unix socket's
// peers have none.
func (l *Listener) listed(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return false
	}
	addr := tcp.AddrPort().Addr().Unmap().WithZone("")
	for _, p := range l.peers {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
