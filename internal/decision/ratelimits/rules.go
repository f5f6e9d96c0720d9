package ratelimits

import (
	"errors"
	"fmt"

	"github.com/warder-dev/warder/ratelimit"
)

// Settings are what may change in a running [Service].
type Settings struct {
	_ [0]func()

	Domains []Domain

	// Quiet leaves out the fields RateLimit and RateLimit-Policy, Legacy adds those
	// that came before them.
	Quiet, Legacy bool
}

// A Domain is a tree of rules: each Envoy's filter names one.
type Domain struct {
	Name  string
	Rules []Rule
}

// A Rule fits an entry of a descriptor with its Key and, unless it is "", its
// Value; one with a Value goes before one without. A descriptor is counted by the
// Limit of the rule that fits its last entry, below those that fit the entries
// before; nil counts none. Each Limit is made by [Part].
type Rule struct {
	Key, Value string
	Limit      *ratelimit.Limit
	Override   bool // a descriptor may bring another quota along
	Debt       bool // hits count also beyond the limit: see [ratelimit.Demand]
	Rules      []Rule
}

// Part is by what the limit called name tells its subjects apart: the values of
// the entries that a rule leaves open.
func Part(name string) ratelimit.Part { return ratelimit.ByClaim(name) }

// rules are Settings, ready to judge by.
type rules struct {
	settings Settings
	domains  map[string]*domain
}

type domain struct {
	route string
	top   node
}

// A node is a rule and what is below it.
type node struct {
	limit    *ratelimit.Limit
	override bool
	debt     bool
	exact    map[pair]*node
	open     map[string]*node // by key
}

type pair struct{ key, value string }

// Replace has s judge by settings from now on, or reports everything that is wrong
// with them.
func (s *Service) Replace(settings Settings) error {
	r := &rules{settings: settings, domains: make(map[string]*domain, len(settings.Domains))}
	var errs []error
	names := make(map[string]bool)
	for i := range settings.Domains {
		d := &settings.Domains[i]
		if d.Name == "" || r.domains[d.Name] != nil {
			errs = append(errs, fmt.Errorf("ratelimits: domain %d: want a name of its own", i))
			continue
		}
		made := &domain{route: "ratelimit:" + d.Name}
		var all []*ratelimit.Limit
		errs = append(errs, made.top.add(d.Rules, d.Name, names, &all), together(d.Name, all))
		r.domains[d.Name] = made
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	s.rules.Store(r)
	return nil
}

// add puts all below n; at is where that is.
func (n *node) add(all []Rule, at string, names map[string]bool, limits *[]*ratelimit.Limit) error {
	n.exact, n.open = make(map[pair]*node), make(map[string]*node)
	var errs []error
	for i := range all {
		r := &all[i]
		place := at + " > " + r.Key
		if r.Value != "" {
			place += "=" + r.Value
		}
		if r.Key == "" || n.exact[pair{r.Key, r.Value}] != nil || r.Value == "" && n.open[r.Key] != nil {
			errs = append(errs, fmt.Errorf("ratelimits: %s: want a key, and each key and value once", place))
			continue
		}
		if r.Limit != nil {
			if names[r.Limit.Name()] {
				errs = append(errs, fmt.Errorf("ratelimits: %s: the limit %q is another rule's too", place, r.Limit.Name()))
			}
			names[r.Limit.Name()] = true
			*limits = append(*limits, r.Limit)
		}
		below := &node{limit: r.Limit, override: r.Override, debt: r.Debt}
		errs = append(errs, below.add(r.Rules, place, names, limits))
		if r.Value == "" {
			n.open[r.Key] = below
		} else {
			n.exact[pair{r.Key, r.Value}] = below
		}
	}
	return errors.Join(errs...)
}

// together reports limits of one domain that could not be counted all or none: a
// question may be about any of them at once.
func together(domain string, all []*ratelimit.Limit) error {
	var exact, memory *ratelimit.Limit
	for _, l := range all {
		switch {
		case l.InShadow():
		case !l.Shared():
			memory = l
		case l.Exact():
			exact = l
		}
	}
	if exact != nil && memory != nil {
		return fmt.Errorf("ratelimits: domain %q: the limit %q is exact and %q counts in memory: give both a store, or the first a lease", domain, exact.Name(), memory.Name())
	}
	return nil
}
