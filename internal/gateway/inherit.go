package gateway

import (
	"errors"
	"slices"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/upstream"
)

// Settings is the configuration that g was made from.
func (g *Gateway) Settings() *config.Config { return g.cfg.Config }

// Replaced gives back what by, which was made with g as its Previous, did not
// take over. Requests that g still serves are served to their end.
func (g *Gateway) Replaced(by *Gateway) error { return g.release(by) }

// inherit takes over from before what must not begin anew when settings change:
// what was counted, learnt and reserved, the keys of tokens that are with clients,
// and connections. All that is made once for the process, since its settings need
// a restart, and of the rest what is configured in the same way.
func (g *Gateway) inherit(before *Gateway) {
	g.schemes, g.guard, g.ledger, g.login = before.schemes, before.guard, before.ledger, before.login
	g.inheritTokens(before)
	g.inheritLimits(before)
	g.inheritUpstreams(before)
	g.inheritDocuments(before)
	g.poisoned.Store(before.poisoned.Load())
}

// inheritTokens takes over the keys of tokens that are with clients.
func (g *Gateway) inheritTokens(before *Gateway) {
	if before.cfg.Config.CSRF.Keys.Equal(g.cfg.Config.CSRF.Keys) {
		g.keys = before.keys
	}
}

// inheritDocuments goes on with what is served of each document.
func (g *Gateway) inheritDocuments(before *Gateway) {
	d := &before.documents
	d.mu.Lock()
	defer d.mu.Unlock()
	g.described, g.drifts = make(map[string][]byte), make(map[string]*drift)
	for _, one := range d.all {
		g.described[one.cfg.Name], g.drifts[one.cfg.Name] = one.served.text, one.drift
	}
}

func (g *Gateway) inheritLimits(before *Gateway) {
	was, is := before.cfg.Config, g.cfg.Config
	wasNear, isNear := spreads(was), spreads(is)
	sameBypass := config.SameBypass(was.RateLimitBypass, is.RateLimitBypass)
	for name, settings := range is.RateLimits {
		if slices.Equal(was.RateLimits[name].By, settings.By) { // where cel:EXPRESSION is one by its words
			g.limits.former[name], g.limits.busy[name] = before.limits.rates[name], before.limits.concurrent[name]
		}
		if !config.SameLimit(was.RateLimits[name], settings) || !slices.Equal(wasNear[name], isNear[name]) {
			continue
		}
		if limit := before.limits.rates[name]; limit != nil {
			g.limits.rates[name] = limit
		}
		if limit := before.limits.concurrent[name]; limit != nil && sameBypass {
			g.limits.concurrent[name] = limit
		}
	}
}

// inheritUpstreams keeps the connections to the upstreams that are reached in the
// same way. Files that an upstream names may hold something else by now.
func (g *Gateway) inheritUpstreams(before *Gateway) {
	was, is := before.cfg.Config, g.cfg.Config
	if !slices.Equal(before.removed(), g.removed()) {
		return
	}
	for d, u := range before.upstreams {
		settings, ok := is.Upstreams[d.name]
		if ok && config.SameUpstream(was.Upstreams[d.name], settings) && settings.CAFile == "" && settings.CertFile == "" {
			g.offered[d] = u
		}
	}
}

// release gives back what g has and other has not; all of it when other is nil.
func (g *Gateway) release(other *Gateway) error {
	g.closeDocuments()
	if g.gitHub != nil {
		g.gitHub.Close()
	}
	kept := make(map[*upstream.Upstream]bool)
	var errs []error
	if other != nil {
		for _, u := range other.upstreams {
			kept[u] = true
		}
	}
	for _, u := range g.upstreams {
		if kept[u] {
			continue
		}
		u.CloseIdleConnections()
		if other != nil {
			other.poisoned.Add(u.Poisoned())
		}
	}
	if other == nil || other.ledger != g.ledger {
		errs = append(errs, g.closeLedger())
	}
	if other == nil || other.schemes != g.schemes {
		errs = append(errs, g.schemes.close())
	}
	return errors.Join(errs...)
}
