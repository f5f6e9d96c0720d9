package server

import (
	"crypto/tls"
	"fmt"
	"net/netip"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/decision"
	"github.com/warder-dev/warder/internal/decision/extauthz"
	"github.com/warder-dev/warder/ticket"
)

// A decisionFront answers other proxies, by the stack that is in force.
type decisionFront interface{ Replace(stack *warder.Stack) }

// addDecision makes the front where other proxies ask.
func (p *program) addDecision() error {
	o := p.options
	d := &o.Config.Decision
	var networks []netip.Prefix
	for _, text := range d.Networks() {
		network, err := prefix(text)
		if err != nil {
			return fmt.Errorf("decision.proxies: %w", err)
		}
		networks = append(networks, network)
	}
	var secure *tls.Config
	if address, err := netip.ParseAddrPort(o.Listeners.Decision.Addr().String()); err != nil || !address.Addr().IsLoopback() && !d.InsecureListen {
		secure = p.publicTLS()
	}
	var refused func() uint64
	var err error
	if d.Dialect == config.Envoy {
		refused, err = p.answerEnvoy(networks, secure)
	} else {
		refused, err = p.answerDialect(networks, secure)
	}
	if err != nil {
		return err
	}
	return p.metrics.Watch("warder_decision_strangers_total", "Requests for a decision by peers that are not in decision.proxies.",
		func() float64 { return float64(refused()) })
}

// answerDialect answers proxies that ask by plain requests.
func (p *program) answerDialect(networks []netip.Prefix, secure *tls.Config) (refused func() uint64, err error) {
	o := p.options
	dialect, known := decision.DialectOf(o.Config.Decision.Dialect)
	if !known {
		return nil, fmt.Errorf("decision.dialect: there is no %q", o.Config.Decision.Dialect)
	}
	lasting, err := p.lasting()
	if err != nil {
		return nil, err
	}
	headers, cookies := p.gateway.Load().Carriers()
	front, err := decision.New(decision.Config{
		Stack: p.decides(p.gateway.Load()), Dialect: dialect, Proxies: networks, Log: o.Log, Lasting: lasting, RemoveHeaders: headers, RemoveCookies: cookies,
	})
	if err != nil {
		return nil, err
	}
	p.front = front
	cfg := p.serverConfig(p.guard(p.hearTrace(front), false), secure)
	cfg.Strict = secure == nil // questions are short, and have no body
	return front.Refused, p.addServer("decision", o.Listeners.Decision, &cfg)
}

// lasting says for how long decisions may be kept; nil for not at all.
func (p *program) lasting() (*decision.Lasting, error) {
	d := &p.options.Config.Decision
	if d.MaxAge == 0 && d.TicketKey.IsZero() {
		return nil, nil //nolint:nilnil // nobody may keep any
	}
	l := &decision.Lasting{Fresh: p.verifier.FreshUntil, MaxAge: d.MaxAge}
	l.Revision = func() uint64 { return uint64(max(0, p.verifier.Applied())) }
	if d.TicketKey.IsZero() {
		return l, nil
	}
	headers, _ := p.gateway.Load().Carriers()
	var err error
	if l.Tickets, err = ticket.NewSigner(ticket.SignerConfig{Key: d.TicketKey, Carriers: headers}); err != nil {
		return nil, fmt.Errorf("decision.ticket_key: %w", err)
	}
	return l, nil
}

// answerEnvoy answers Envoys, which ask by gRPC: over HTTP/2 alone, with or without
// TLS.
func (p *program) answerEnvoy(networks []netip.Prefix, secure *tls.Config) (refused func() uint64, err error) {
	o := p.options
	headers, cookies := p.gateway.Load().Carriers()
	if err := p.answerLimits(); err != nil {
		return nil, err
	}
	front, err := extauthz.New(extauthz.Config{
		Register: p.descriptors.service.Register,
		Stack:    p.decides(p.gateway.Load()), Proxies: networks, Log: o.Log, MaxHeaderBytes: int(o.Config.Limits.HeaderBytes), RemoveHeaders: headers, RemoveCookies: cookies,
	})
	if err != nil {
		return nil, err
	}
	p.front = front
	cfg := p.serverConfig(p.guard(p.hearTrace(front), false), secure)
	cfg.InsecureH2C = secure == nil
	cfg.MaxStreams = envoyStreams
	return front.Refused, p.addServer("decision", o.Listeners.Decision, &cfg)
}

// envoyStreams is how many requests are open at once on a connection: Envoy has one
// for each of its threads, with all that they ask.
const envoyStreams = 1000

// prefix reads an address or a network.
func prefix(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	return netip.ParsePrefix(text)
}
