package authz

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/warder-dev/warder/exchange"
)

// Explain tells of each rule whether it holds, and of one that does not, which
// condition fails. It is an [exchange.Explainer].
func (s *Stage) Explain(x *exchange.Exchange) (all []exchange.Finding) {
	judged := &s.enforced
	if s.trial != nil {
		judged = s.trial
	}
	for _, kind := range []struct {
		effect Effect
		rules  []*rule
	}{{Deny, judged.deny}, {Require, judged.require}, {Allow, judged.allow}} {
		for _, r := range kind.rules {
			f := exchange.Finding{Rule: kind.effect.String() + " " + r.name}
			f.Result, f.Detail = r.explain(x)
			if s.trial != nil && !s.enforced.has(kind.effect, r) {
				f.Detail = "in shadow; " + f.Detail
			}
			all = append(all, f)
		}
	}
	return all
}

// has reports whether r is among the rules.
func (s *rules) has(e Effect, r *rule) bool {
	return slices.Contains(map[Effect][]*rule{Deny: s.deny, Require: s.require, Allow: s.allow}[e], r)
}

// explain says whether r holds, and what fails.
func (r *rule) explain(x *exchange.Exchange) (result, detail string) {
	for _, c := range r.conditions {
		switch holds, err := c.Holds(x); {
		case err != nil:
			return "cannot be judged", conditionName(c)
		case !holds:
			return "does not hold", conditionName(c)
		}
	}
	return "holds", ""
}

// conditionName is the name of a condition's setting.
func conditionName(c Condition) string {
	switch c := c.(type) {
	case *methods:
		return "methods"
	case paths:
		return "paths"
	case clients:
		return "addresses"
	case times:
		return "times"
	case *scopes:
		return "scopes"
	case claims:
		return "claims"
	case *words:
		return c.name
	case every:
		return "a condition in code or CEL"
	default:
		return fmt.Sprint(reflect.TypeOf(c))
	}
}
