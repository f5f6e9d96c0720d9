package server

import (
	"errors"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/usage/tally"
)

// countUsage begins to count requests by key and route.
func (p *program) countUsage() error {
	o, c := p.options, &p.options.Config.Usage
	if o.Usage == nil || c.Off {
		return nil
	}
	scopes := make(map[string][]string)
	for i := range o.Config.Routes {
		scopes[o.Config.Routes[i].Match] = o.Config.RouteScopes(&o.Config.Routes[i])
	}
	var err error
	p.tally, err = tally.New(tally.Config{
		Store: o.Usage, Flush: c.Flush, Blind: o.Config.Keys.Freshness, Cells: c.Cells, Log: o.Log,
		Scopes: func(route string) []string { return scopes[route] },
		Keep:   tally.Retention{Minutes: c.KeepMinutes, Hours: c.KeepHours, Days: c.KeepDays},
	})
	if err != nil {
		return err
	}
	return errors.Join(
		p.metrics.Watch("warder_usage_overflowed_total", "Requests that usage counts as other, for want of place.", func() float64 { return float64(p.tally.Overflowed()) }),
		p.metrics.Watch("warder_usage_lost_total", "Requests that usage lacks, because the store was away for too long.", func() float64 { return float64(p.tally.Lost()) }),
	)
}

// used notes that a secret of a key is in use, where no request is counted for it.
func (p *program) used(key string, number int) {
	if p.tally != nil {
		p.tally.Used(key, number)
	}
}

// stillOpen notes that the key of an open stream is in use: the request itself counts
// when it is over.
func (p *program) stillOpen(x *exchange.Exchange) {
	p.used(x.Principal.KeyID, x.Principal.SecretNumber)
}
