package authz

import (
	"errors"
	"fmt"
	"slices"

	"github.com/warder-dev/warder/exchange"
)

// words holds for a principal that has one of several values in a field.
type words struct {
	name  string // of the setting
	field func(*exchange.Principal) string
	any   []string
}

func environment(p *exchange.Principal) string { return p.Environment }
func owner(p *exchange.Principal) string       { return p.Owner }
func issuer(p *exchange.Principal) string      { return p.Issuer }
func scheme(p *exchange.Principal) string      { return p.Scheme }

func newWords(name string, field func(*exchange.Principal) string, any []string) (Condition, error) {
	if slices.Contains(any, "") {
		return nil, errors.New("a value is empty: what has none is never matched")
	}
	return &words{name: name, field: field, any: slices.Clone(any)}, nil
}

func (w *words) Holds(x *exchange.Exchange) (bool, error) {
	return !x.Principal.IsZero() && slices.Contains(w.any, w.field(&x.Principal)), nil
}

// scopes holds for a principal whose credential grants all or any of its names.
type scopes struct {
	names []string
	all   bool
}

func newScopes(names []string, all bool) (Condition, error) {
	for _, name := range names {
		if !exchange.ValidScope(name) || name[len(name)-1] == '*' {
			return nil, fmt.Errorf("%q: want segments of letters, digits and ._-/ divided by \":\", without a wildcard", name)
		}
	}
	return &scopes{names: slices.Clone(names), all: all}, nil
}

func (s *scopes) Holds(x *exchange.Exchange) (bool, error) {
	if x.Principal.IsZero() {
		return false, nil
	}
	for _, name := range s.names {
		if x.Principal.Scopes.Allow(name) != s.all {
			return !s.all, nil
		}
	}
	return s.all, nil
}
