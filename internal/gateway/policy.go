package gateway

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/authz"
	"github.com/warder-dev/warder/authz/celcond"
	"github.com/warder-dev/warder/bodylimit"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
)

// policy makes what the requests of one route meet.
func (g *Gateway) policy(route *config.Route) (*warder.Policy, error) {
	cfg := g.cfg.Config
	limit := cfg.Limits.BodyBytes
	if route.BodyBytes > 0 {
		limit = route.BodyBytes
	}
	var errs [6]error
	policy := &warder.Policy{Paths: ambiguities(route.Allow), CSRF: g.csrf}
	policy.CORS, errs[0] = g.corsOf(route)
	policy.BodyLimit, errs[1] = bodylimit.New(bodylimit.Config{Max: int64(limit)})
	if !route.Public {
		policy.Guard = g.guard
		policy.Authn, errs[2] = g.authn(cfg.RouteSecurity(route), route.PublicKeys)
	}
	if len(route.Conditions) > 0 {
		policy.Authz, errs[3] = g.authz(route.Conditions)
	}
	errs[4] = g.limit(policy, route)
	errs[5] = g.addOwn(policy, route)
	return policy, errors.Join(errs[:]...)
}

func (g *Gateway) authn(security []config.Alternative, publicKeys bool) (*authn.Stage, error) {
	requirement, err := g.schemes.requirement(security)
	if err != nil {
		return nil, err
	}
	return authn.New(authn.Config{Requirement: requirement, Realm: g.cfg.Config.Keys.Realm, PublicKeys: publicKeys, InsecureVerbose: g.cfg.Config.InsecureVerbose})
}

// CheckExpression reports what is wrong with an expression of a condition, or with one
// whose value is a text, for config.Source. Its errors name the line and column within it.
func CheckExpression(expression string, text bool) (err error) {
	if text {
		_, err = celcond.NewText(celcond.Config{Expression: expression})
	} else {
		_, err = celcond.New(celcond.Config{Expression: expression})
	}
	return err
}

// authz makes the rules of a route's conditions.
func (g *Gateway) authz(conditions []config.Condition) (*authz.Stage, error) {
	return newAuthz(conditions, func(x *exchange.Exchange, would exchange.Verdict) { g.cfg.Shadowed(x, "authz", would.Reason()) })
}

// CheckConditions makes the rules of every route as [New] does, for those who
// check a configuration without a store. Its errors name the conditions.
func CheckConditions(cfg *config.Config) error {
	unseen := func(*exchange.Exchange, exchange.Verdict) {}
	var errs []error
	for i := range cfg.Routes {
		conditions, before := cfg.Routes[i].Conditions, len(errs)
		for j := range conditions {
			if _, err := newAuthz(conditions[j:j+1], unseen); err != nil {
				errs = append(errs, fmt.Errorf("routes[%d].conditions[%d]: %w", i, j, err))
			}
		}
		if len(errs) > before || len(conditions) == 0 {
			continue
		}
		if _, err := newAuthz(conditions, unseen); err != nil { // what is wrong with them together
			errs = append(errs, fmt.Errorf("routes[%d].conditions: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

func newAuthz(conditions []config.Condition, shadowed func(x *exchange.Exchange, would exchange.Verdict)) (*authz.Stage, error) {
	var errs []error
	rules := make([]authz.Rule, len(conditions))
	for i := range conditions {
		rule, err := ruleOf(&conditions[i])
		if err != nil {
			errs = append(errs, fmt.Errorf("%q: %w", conditions[i].Name, err))
		}
		rules[i] = rule
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return authz.New(authz.Config{Rules: rules, Shadowed: shadowed})
}

// ruleOf translates a condition, which the configuration has checked.
func ruleOf(c *config.Condition) (authz.Rule, error) {
	rule := authz.Rule{
		Name: c.Name, Label: c.Label, Shadow: c.Shadow, Effect: effectOf(c.Effect),
		Methods: c.Methods, Paths: c.Paths, Environments: c.Environments, Owners: c.Owners, Issuers: c.Issuers, Schemes: c.Schemes,
	}
	var errs []error
	for _, text := range c.Addresses {
		network, err := prefixOf(text)
		errs = append(errs, err)
		rule.Clients = append(rule.Clients, network)
	}
	for _, w := range c.Times {
		window := authz.Window{From: w.From, To: w.To, Zone: w.Zone}
		for _, day := range w.Days {
			window.Days = append(window.Days, weekdays()[day])
		}
		rule.Times = append(rule.Times, window)
	}
	if c.CEL != "" {
		condition, err := celcond.New(celcond.Config{Expression: c.CEL})
		errs = append(errs, err)
		rule.Conditions = append(rule.Conditions, condition)
	}
	return rule, errors.Join(errs...)
}

func effectOf(word string) authz.Effect {
	switch word {
	case "deny":
		return authz.Deny
	case "allow":
		return authz.Allow
	default:
		return authz.Require
	}
}

// prefixOf reads an address or a network.
func prefixOf(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	return netip.ParsePrefix(text)
}

// prefixesOf reads addresses and networks.
func prefixesOf(texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	var errs []error
	for _, text := range texts {
		network, err := prefixOf(text)
		all, errs = append(all, network), append(errs, err)
	}
	return all, errors.Join(errs...)
}

func weekdays() map[string]time.Weekday {
	return map[string]time.Weekday{
		"mon": time.Monday, "tue": time.Tuesday, "wed": time.Wednesday, "thu": time.Thursday, "fri": time.Friday, "sat": time.Saturday, "sun": time.Sunday,
	}
}

// ambiguities translates a route's allow list, which the configuration has checked.
func ambiguities(allow []string) exchange.Ambiguity {
	var a exchange.Ambiguity
	for _, name := range allow {
		switch name {
		case "resolve":
			a |= exchange.DotSegments
		case "merge":
			a |= exchange.EmptySegments
		case "matrix":
			a |= exchange.PathParameters
		case "encoded_slash":
			a |= exchange.EncodedSlash
		}
	}
	return a
}
