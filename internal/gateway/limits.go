package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/authz/celcond"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/ratelimit"
)

// limits are what rate_limits says, ready to be put into policies.
type limits struct {
	rates      map[string]*ratelimit.Limit
	concurrent map[string]*ratelimit.Concurrency
	everybody  *ratelimit.Stage // the limits of requests that no route matches; nil for none
	bypass     func(x *exchange.Exchange) bool

	// of the gateway before, by which those with other settings count on; nil once built
	former map[string]*ratelimit.Limit
	busy   map[string]*ratelimit.Concurrency
}

func newLimits() limits {
	return limits{rates: make(map[string]*ratelimit.Limit), concurrent: make(map[string]*ratelimit.Concurrency), former: make(map[string]*ratelimit.Limit), busy: make(map[string]*ratelimit.Concurrency)}
}

// addLimits makes those limits that are not there yet. Routes that name the same
// one count together.
func (g *Gateway) addLimits() error {
	cfg := g.cfg.Config
	var errs []error
	var err error
	if g.limits.bypass, err = bypassOf(&cfg.RateLimitBypass); err != nil {
		errs = append(errs, fmt.Errorf("rate_limit_bypass: %w", err))
	}
	near := spreads(cfg)
	for name, settings := range cfg.RateLimits {
		if g.limits.rates[name] != nil || g.limits.concurrent[name] != nil {
			continue // inherited
		}
		if err := g.addLimit(name, &settings, near[name]); err != nil {
			errs = append(errs, fmt.Errorf("rate_limits.%s: %w", name, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	g.limits.everybody, err = g.limitStage(cfg.DefaultRateLimits, early, 0, true)
	return err
}

// addLimit makes one limit; spread are the entries of by that say where it counts
// in a cluster.
func (g *Gateway) addLimit(name string, settings *config.RateLimit, spread []string) error {
	by, err := partsOf(settings.By)
	if err != nil {
		return err
	}
	if settings.Concurrent > 0 {
		g.limits.concurrent[name], err = ratelimit.NewConcurrency(ratelimit.ConcurrencyConfig{
			Name: name, Max: settings.Concurrent, By: by, SkipMissing: settings.SkipMissing, Bypass: g.limits.bypass,
			Shadow: settings.Shadow, Shadowed: g.shadowedLimit("concurrency"), Previous: g.limits.busy[name],
		})
		return err
	}
	cfg := ratelimit.LimitConfig{
		Name: name, Quota: ratelimit.Quota{Count: settings.Count, Per: settings.Per, Burst: settings.Burst}, By: by, Cost: settings.Cost,
		CostHeader: settings.CostHeader, SkipMissing: settings.SkipMissing, Capacity: settings.Capacity, Shadow: settings.Shadow, Soft: settings.Soft,
	}
	cfg.Previous = g.limits.former[name]
	if settings.Shared() {
		if g.cfg.LimitStore == nil {
			return errors.New("it is shared by nodes, and there is no store")
		}
		cfg.Store, cfg.Lease, cfg.Outage = g.cfg.LimitStore, settings.LeaseUnits(), outageOf(settings.OnStoreFailure)
		if cfg.Spread, err = partsOf(spread); err != nil {
			return err
		}
	}
	for i := range settings.Plans {
		p := &settings.Plans[i]
		cfg.Plans = append(cfg.Plans, ratelimit.Plan{Name: p.Name, Quota: ratelimit.Quota{Count: p.Count, Per: p.Per, Burst: p.Burst}, For: whose(p)})
	}
	g.limits.rates[name], err = ratelimit.NewLimit(cfg)
	return err
}

func outageOf(word string) ratelimit.Outage {
	switch word {
	case config.FailClosed:
		return ratelimit.Closed
	case config.FailOpen:
		return ratelimit.InsecureOpen
	default:
		return ratelimit.Share
	}
}

// shadowedLimit tells of requests that a limit in shadow would have refused.
func (g *Gateway) shadowedLimit(stage string) func(*exchange.Exchange, string) {
	tell := g.cfg.Shadowed // and not g, which a limit may outlive
	return func(x *exchange.Exchange, limit string) { tell(x, stage, "limit:"+limit) }
}

// limit adds the limits of a route to its policy.
func (g *Gateway) limit(policy *warder.Policy, route *config.Route) error {
	names := g.cfg.Config.RouteLimits(route)
	var errs [2]error
	policy.PrincipalLimit, errs[0] = g.limitStage(names, late, route.Cost, true)
	policy.AddressLimit, errs[1] = g.limitStage(names, early, route.Cost, policy.PrincipalLimit == nil)
	for _, name := range names {
		if c := g.limits.concurrent[name]; c != nil {
			policy.Concurrency = c
		}
	}
	return errors.Join(errs[:]...)
}

// The stages that count: before anybody is asked for a credential, and after
// every check.
const (
	early = "addresslimit"
	late  = "principallimit"
)

// limitStage makes the stage of those of names that belong there; nil for none of
// them. cost is what a request counts; 0 for what the limits say. Only the
// innermost stage takes the upstream's own fields away.
func (g *Gateway) limitStage(names []string, stage string, cost int, innermost bool) (*ratelimit.Stage, error) {
	cfg := g.cfg.Config
	var chosen []*ratelimit.Limit
	var errs []error
	for _, name := range names {
		settings, limit := cfg.RateLimits[name], g.limits.rates[name]
		if limit == nil || settings.Early() != (stage == early) {
			continue
		}
		if cost > 0 {
			var err error
			limit, err = limit.WithCost(cost)
			errs = append(errs, err)
		}
		chosen = append(chosen, limit)
	}
	if err := errors.Join(errs...); err != nil || chosen == nil {
		return nil, err
	}
	fields := cfg.RateLimitFields
	return ratelimit.New(ratelimit.Config{
		Limits: chosen, Bypass: g.limits.bypass, Shadowed: g.shadowedLimit(stage), BadCost: g.badCost, Near: g.cfg.Near,
		Quiet:   fields != config.FieldsStandard && fields != config.FieldsBoth,
		Legacy:  fields == config.FieldsLegacy || fields == config.FieldsBoth,
		Replace: innermost && fields != config.Off, KeepCostHeaders: true, // until the edge takes them away
	})
}

// badCost logs that an upstream told of a cost that is none.
func (g *Gateway) badCost(x *exchange.Exchange, limit string) {
	g.cfg.Log.Warn("the upstream's answer tells of a cost that is no whole number, or more than the burst",
		slog.String("id", x.ID), slog.String("route", x.Route), slog.String("limit", limit))
}

// costHeaders are the fields of upstreams that no client gets.
func costHeaders(cfg *config.Config) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(cfg.RateLimits)) {
		if field := cfg.RateLimits[name].CostHeader; field != "" && !slices.Contains(names, field) {
			names = append(names, field)
		}
	}
	return names
}

// partsOf translates by, which the configuration has checked.
func partsOf(by []string) ([]ratelimit.Part, error) {
	var parts []ratelimit.Part
	var errs []error
	for i, text := range by {
		b, ok := config.ParseBy(text)
		if !ok {
			errs = append(errs, fmt.Errorf("by[%d] does not tell subjects apart", i))
		}
		switch b.Kind {
		case "address":
			parts = append(parts, ratelimit.ByAddress())
		case "key":
			parts = append(parts, ratelimit.ByKey())
		case "owner":
			parts = append(parts, ratelimit.ByOwner())
		case "session":
			parts = append(parts, ratelimit.BySession())
		case "principal":
			parts = append(parts, ratelimit.ByPrincipal()...)
		case "route":
			parts = append(parts, ratelimit.ByRoute())
		case "header":
			parts = append(parts, ratelimit.ByHeader(b.Name))
		case "claim":
			parts = append(parts, ratelimit.ByClaim(b.Path...))
		case "cel":
			value, err := celcond.NewText(celcond.Config{Expression: b.Name})
			if err != nil {
				errs = append(errs, fmt.Errorf("by[%d]: %w", i, err))
				continue
			}
			parts = append(parts, ratelimit.ByFunc("cel", value.Text))
		}
	}
	return parts, errors.Join(errs...)
}

// whose reports whom a plan fits.
func whose(p *config.RatePlan) func(x *exchange.Exchange) bool {
	claim, _ := config.ParseBy("claim:" + p.Claim)
	value := ratelimit.ByClaim(claim.Path...)
	return func(x *exchange.Exchange) bool {
		who := &x.Principal
		if who.IsZero() {
			return false
		}
		for _, rule := range []struct {
			want []string
			is   string
		}{{p.Keys, who.KeyID}, {p.Plans, who.Plan}, {p.Owners, who.Owner}, {p.Environments, who.Environment}} {
			if len(rule.want) > 0 && !slices.Contains(rule.want, rule.is) {
				return false
			}
		}
		if p.Scope != "" && !slices.Contains(who.Scopes.Names(), p.Scope) {
			return false
		}
		if p.Claim == "" {
			return true
		}
		got, found := value.Text(x)
		return found && got == p.Value
	}
}

// bypassOf reports whom no limit counts; nil for nobody. A client whose address a
// proxy made doubtful is not let by for it.
func bypassOf(b *config.RateLimitBypass) (func(x *exchange.Exchange) bool, error) {
	networks, err := prefixesOf(b.Addresses)
	if err != nil || len(networks)+len(b.Keys) == 0 {
		return nil, err
	}
	keys := slices.Clone(b.Keys)
	return func(x *exchange.Exchange) bool {
		if id := x.Principal.KeyID; id != "" && slices.Contains(keys, id) {
			return true
		}
		return !x.ClientDoubtful && slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(x.Client.Unmap().WithZone("")) })
	}, nil
}

// RateLimits returns the limits on requests per time, by name.
func (g *Gateway) RateLimits() map[string]*ratelimit.Limit { return maps.Clone(g.limits.rates) }

// Concurrency returns the limits on requests under way, by name.
func (g *Gateway) Concurrency() map[string]*ratelimit.Concurrency {
	return maps.Clone(g.limits.concurrent)
}
