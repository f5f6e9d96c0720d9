package server

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/proxyproto"
)

// balancerPatience is the most that a load balancer may take for its header,
// whatever the time for a request's head.
const balancerPatience = time.Minute

// balanced is l, to which the configuration at holds, for the clients of listed load
// balancers, if there are any.
func (p *program) balanced(l net.Listener, at *config.Config) (net.Listener, error) {
	if len(at.ProxyProtocol.TrustedPeers) == 0 {
		return l, nil
	}
	peers, err := networksOf(at.ProxyProtocol.TrustedPeers)
	if err != nil {
		return nil, err
	}
	w, err := proxyproto.Listen(l, proxyproto.Config{Peers: peers, Timeout: min(at.Timeouts.Header, balancerPatience), Log: p.options.Log})
	if err != nil {
		return nil, fmt.Errorf("proxy_protocol: %w", err)
	}
	p.balancers = append(p.balancers, w)
	return w, nil
}

// networksOf reads addresses and networks, which the configuration has checked.
func networksOf(texts []string) ([]netip.Prefix, error) {
	networks := make([]netip.Prefix, len(texts))
	errs := make([]error, len(texts))
	for i, text := range texts {
		if address, err := netip.ParseAddr(text); err == nil {
			networks[i] = netip.PrefixFrom(address, address.BitLen())
			continue
		}
		networks[i], errs[i] = netip.ParsePrefix(text)
	}
	return networks, errors.Join(errs...)
}

// watchBalancers adds the figure of load balancers that broke the protocol.
func (p *program) watchBalancers() error {
	if len(p.balancers) == 0 {
		return nil
	}
	return p.metrics.Watch("warder_proxy_protocol_refused_total", "Connections of listed load balancers that began with no PROXY header, or with a bad one.", func() float64 {
		var n uint64
		for _, l := range p.balancers {
			n += l.Refused()
		}
		return float64(n)
	})
}
