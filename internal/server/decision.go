package server

import (
	"crypto/tls"
	"fmt"
	"net/netip"

	"github.com/warder-dev/warder/internal/decision"
)

// addDecision makes the front where other proxies ask.
func (p *program) addDecision() error {
	o := p.options
	d := &o.Config.Decision
	dialect, known := decision.DialectOf(d.Dialect)
	if !known {
		return fmt.Errorf("decision.dialect: there is no %q", d.Dialect)
	}
	var networks []netip.Prefix
	var err error
	for _, text := range d.Networks() {
		network, err := prefix(text)
		if err != nil {
			return fmt.Errorf("decision.proxies: %w", err)
		}
		networks = append(networks, network)
	}
	p.front, err = decision.New(decision.Config{Stack: p.decider(p.gateway.Load()), Dialect: dialect, Proxies: networks, Log: o.Log})
	if err != nil {
		return err
	}
	var secure *tls.Config
	if address, err := netip.ParseAddrPort(o.Listeners.Decision.Addr().String()); err != nil || !address.Addr().IsLoopback() && !d.InsecureListen {
		secure = p.publicTLS()
	}
	if err := p.add("decision", o.Listeners.Decision, p.front, secure); err != nil {
		return err
	}
	return p.metrics.Watch("warder_decision_strangers_total", "Requests for a decision by peers that are not in decision.proxies.",
		func() float64 { return float64(p.front.Refused()) })
}

// prefix reads an address or a network.
func prefix(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	return netip.ParsePrefix(text)
}
