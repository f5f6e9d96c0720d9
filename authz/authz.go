// Package authz decides whether a request that proves somebody may do what it
// asks for, beyond the scopes that its route requires: by method, path, client
// address, time, and by who it is.
//
// A [Stage] has rules. A Deny rule that holds refuses, a Require rule that does
// not hold refuses, and where there are Allow rules, one of them has to hold.
// What cannot be judged is refused too, with 503: a condition that has an error
// is neither true nor false, and either would let somebody through, once it
// stands in a Deny rule and once in an Allow rule.
//
// Rules read the exchange only, so that they judge what the edge established:
// the canonical path, and the address that forwarded found, never a header.
package authz

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// Config configures a [Stage]. The zero value is invalid: a stage without rules
// would pass everybody.
type Config struct {
	_     [0]func()
	Rules []Rule // 1 to 256. Required.

	// Shadowed is told of each request that would have had another decision, had
	// the rules with Shadow counted: would is that decision. Its reason and kind are
	// constants of the configuration, fit for logs and metrics. It is called on the
	// request's goroutine before the request goes on, by many at once, and never for
	// a dry exchange. Required when a rule has Shadow.
	Shadowed func(x *exchange.Exchange, would exchange.Verdict)
}

// maxRules is how many rules a stage may have: each may be judged for each request.
const maxRules = 256

// A Stage judges requests by its rules. It is safe for concurrent use.
type Stage struct {
	enforced rules
	trial    *rules // with those in shadow; nil when there are none
	shadowed func(*exchange.Exchange, exchange.Verdict)
}

// New reports everything that is wrong with cfg at once. Changing cfg later has
// no effect.
func New(cfg Config) (*Stage, error) {
	compiled, err := cfg.compile()
	if err != nil {
		return nil, err
	}
	s := &Stage{shadowed: cfg.Shadowed}
	var all rules
	for i, r := range compiled {
		all.add(cfg.Rules[i].Effect, r)
		if !cfg.Rules[i].Shadow {
			s.enforced.add(cfg.Rules[i].Effect, r)
		}
	}
	s.enforced.seal()
	all.seal()
	if all.count() != s.enforced.count() {
		s.trial = &all
	}
	return s, nil
}

// compile checks cfg, and returns its rules in order.
func (c *Config) compile() ([]*rule, error) {
	switch n := len(c.Rules); {
	case n == 0:
		return nil, errors.New("authz: Rules is empty; a route without rules has no Stage")
	case n > maxRules:
		return nil, fmt.Errorf("authz: Rules has %d rules, want at most %d", n, maxRules)
	}
	var errs []error
	compiled := make([]*rule, len(c.Rules))
	names := make(map[string]bool)
	for i := range c.Rules {
		r := &c.Rules[i]
		var err error
		if compiled[i], err = r.compile(); err != nil {
			errs = append(errs, fmt.Errorf("authz: Rules[%d] %q: %w", i, r.Name, err))
		}
		if names[r.Name] {
			errs = append(errs, fmt.Errorf("authz: Rules[%d] %q: the name is taken", i, r.Name))
		}
		names[r.Name] = true
		if r.Shadow && c.Shadowed == nil {
			errs = append(errs, fmt.Errorf("authz: Rules[%d] %q: it has Shadow, and there is no Shadowed to tell", i, r.Name))
		}
	}
	return compiled, errors.Join(errs...)
}

// Check passes the requests that the rules let through, and gives the others
// 403. It judges the Deny rules, then the Require rules, then the Allow rules,
// each in their order, until the decision is made: an error of a condition that
// comes before that is 503.
func (s *Stage) Check(x *exchange.Exchange) exchange.Verdict {
	v := s.enforced.decide(x)
	if s.trial != nil && !x.Dry {
		if would := s.trial.decide(x); would.Kind() != v.Kind() {
			s.shadowed(x, would)
		}
	}
	return v
}

// Wrap is Check as net/http middleware, for use without a Stack. Path conditions
// need target before it, and address conditions forwarded.
func (s *Stage) Wrap(next http.Handler) http.Handler { return exchange.Wrap(s, next) }

// Reasons returns the reasons of the stage's refusals, for metrics that know
// their words beforehand.
func (s *Stage) Reasons() []string {
	r := &s.enforced
	if s.trial != nil {
		r = s.trial
	}
	var words []string
	for _, rule := range slices.Concat(r.deny, r.require) {
		words = append(words, rule.refusal.Reason())
	}
	if len(r.allow) > 0 {
		words = append(words, r.none.Reason())
	}
	return words
}

// rules are compiled rules by effect.
type rules struct {
	deny, require, allow []*rule
	none                 exchange.Verdict // no Allow rule holds
}

func (s *rules) add(e Effect, r *rule) {
	switch e {
	case Deny:
		s.deny = append(s.deny, r)
	case Require:
		s.require = append(s.require, r)
	case Allow:
		s.allow = append(s.allow, r)
	default: // refused by compile
	}
}

func (s *rules) count() int { return len(s.deny) + len(s.require) + len(s.allow) }

// seal makes the refusal of a request that no Allow rule lets through.
func (s *rules) seal() {
	detail, labels := "No rule of this route allows the request.", ""
	for _, r := range s.allow {
		if r.label != "" {
			labels += "; " + r.label
		}
	}
	if labels != "" {
		detail += " Allowed is: " + labels[2:] + "."
	}
	reason := "not-allowed"
	if len(s.allow) == 1 {
		reason += ":" + s.allow[0].name
	}
	s.none = exchange.Refuse(problem.New(problem.Forbidden, detail), reason)
}

// decide judges x by the rules alone.
func (s *rules) decide(x *exchange.Exchange) exchange.Verdict {
	for _, r := range s.deny {
		switch holds, err := r.holds(x); {
		case err != nil:
			return exchange.Fail(err)
		case holds:
			return r.refusal
		}
	}
	for _, r := range s.require {
		switch holds, err := r.holds(x); {
		case err != nil:
			return exchange.Fail(err)
		case !holds:
			return r.refusal
		}
	}
	if len(s.allow) == 0 {
		return exchange.Pass()
	}
	for _, r := range s.allow {
		switch holds, err := r.holds(x); {
		case err != nil:
			return exchange.Fail(err)
		case holds:
			return exchange.Pass()
		}
	}
	return s.none
}
