package server

import (
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/warder-dev/warder/accesslog"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/decision/ratelimits"
	"github.com/warder-dev/warder/internal/gateway"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/requestid"
)

// descriptors are the limits that Envoys ask about by rate_limit_domains.
type descriptors struct {
	service *ratelimits.Service // nil when no Envoy asks
	limits  atomic.Pointer[descriptorLimits]
}

// descriptorLimits are the limits of one configuration, by name.
type descriptorLimits struct {
	settings map[string]config.DescriptorLimit
	made     map[string]*ratelimit.Limit
	open     map[string][]string // keys of the entries whose values tell its subjects apart
	domains  []ratelimits.Domain
}

// all are those in force.
func (d *descriptors) all() map[string]*ratelimit.Limit {
	if l := d.limits.Load(); l != nil {
		return l.made
	}
	return nil
}

// answerLimits makes what answers Envoys that ask about limits.
func (p *program) answerLimits() error {
	c := p.options.Config
	log, err := accesslog.New(accesslog.Config{Logger: p.options.AccessLog, Path: accesslog.PathMode(c.Log.Path), Tail: p.tail})
	if err != nil {
		return err
	}
	ids, err := requestid.New(requestid.Config{})
	if err != nil {
		return err
	}
	service, err := ratelimits.New(ratelimits.Config{
		Log: p.options.Log, Identify: ids, Finishers: []exchange.Finisher{p.metrics, log},
		Shadowed: func(x *exchange.Exchange, limit string) { p.shadowed(x, ratelimits.Stage, "limit:"+limit) },
		Asked:    p.shadow.asked(&p.descriptors),
	})
	if err != nil {
		return err
	}
	p.descriptors.service = service
	first, err := p.newDescriptors(c)
	if err != nil {
		return err
	}
	if err := p.replaceDescriptors(c, first); err != nil {
		return err
	}
	return p.metrics.Watch("warder_descriptors_unmatched_total", "Descriptors of Envoy's rate limit filter that rate_limit_domains does not have: no limit counted them.",
		func() float64 { return float64(service.Unmatched()) })
}

// newDescriptors makes the limits of cfg. One that is as it was counts on.
func (p *program) newDescriptors(cfg *config.Config) (*descriptorLimits, error) {
	if p.descriptors.service == nil {
		return new(descriptorLimits), nil
	}
	return makeDescriptors(cfg, p.descriptors.limits.Load(), p.newDescriptorLimit)
}

// makeDescriptors makes the limits of cfg by one, but for those that are as before,
// which may be nil.
func makeDescriptors(cfg *config.Config, before *descriptorLimits, one func(*config.DescriptorLimit) (*ratelimit.Limit, error)) (*descriptorLimits, error) {
	l := &descriptorLimits{settings: make(map[string]config.DescriptorLimit), made: make(map[string]*ratelimit.Limit), open: make(map[string][]string)}
	var first error
	cfg.DescriptorLimits(func(field string, settings *config.DescriptorLimit) {
		l.settings[settings.Name] = *settings
		if before != nil && before.made[settings.Name] != nil && config.SameDescriptorLimit(before.settings[settings.Name], *settings) {
			l.made[settings.Name] = before.made[settings.Name]
			return
		}
		made, err := one(settings)
		if err != nil && first == nil {
			first = fmt.Errorf("%s: %w", field, err)
		}
		l.made[settings.Name] = made
	})
	for i := range cfg.RateLimitDomains {
		l.domains = append(l.domains, ratelimits.Domain{Name: cfg.RateLimitDomains[i].Domain, Rules: l.rules(cfg.RateLimitDomains[i].Descriptors, nil)})
	}
	return l, first
}

func (p *program) newDescriptorLimit(settings *config.DescriptorLimit) (*ratelimit.Limit, error) {
	rate := settings.Rate()
	return gateway.NewDescriptorLimit(settings.Name, &rate, ratelimits.Part(settings.Name), p.options.LimitStore, p.descriptors.all()[settings.Name])
}

// rules are those of descriptors below entries of which some are left open.
func (l *descriptorLimits) rules(all []config.Descriptor, open []string) (rules []ratelimits.Rule) {
	for i := range all {
		open := slices.Clip(open)
		if all[i].Value == "" {
			open = append(open, all[i].Key)
		}
		rule := ratelimits.Rule{Key: all[i].Key, Value: all[i].Value, Rules: l.rules(all[i].Descriptors, open)}
		if settings := all[i].Limit; settings != nil {
			l.open[settings.Name] = open
			rule.Limit, rule.Override, rule.Debt = l.made[settings.Name], settings.Override, settings.Debt
		}
		rules = append(rules, rule)
	}
	return rules
}

// replaceDescriptors puts next, the limits of cfg, into force.
func (p *program) replaceDescriptors(cfg *config.Config, next *descriptorLimits) error {
	if p.descriptors.service == nil {
		return nil
	}
	err := p.descriptors.service.Replace(next.ready(cfg))
	if err == nil {
		p.descriptors.limits.Store(next)
	}
	return err
}

// ready are l, the limits of cfg, as a service takes them.
func (l *descriptorLimits) ready(cfg *config.Config) ratelimits.Settings {
	fields := cfg.RateLimitFields
	return ratelimits.Settings{
		Domains: l.domains,
		Quiet:   fields != config.FieldsStandard && fields != config.FieldsBoth,
		Legacy:  fields == config.FieldsLegacy || fields == config.FieldsBoth,
	}
}

// descriptorReasons are the words by which those limits refuse.
func descriptorReasons(cfg *config.Config) (words []string) {
	if len(cfg.RateLimitDomains) == 0 {
		return nil
	}
	names := map[string]struct{}{ratelimits.Malformed: {}}
	cfg.DescriptorLimits(func(_ string, limit *config.DescriptorLimit) { names["limit:"+limit.Name] = struct{}{} })
	return slices.Sorted(maps.Keys(names))
}
