package ratelimit

import (
	"slices"

	"github.com/warder-dev/warder/exchange"
)

// heard reports whether l counts what somebody may have made up: x is told of, and l
// counts by the address of its client and by nobody who was proved.
func (l *Limit) heard(x *exchange.Exchange) bool {
	return x.Hearsay && !l.personal() && slices.ContainsFunc(l.by, func(p Part) bool { return p.kind == byAddress })
}

// checkHearsay is Check of what is told of by somebody who may make addresses up:
// limits by address alone are looked at, and count nothing.
func (s *Stage) checkHearsay(x *exchange.Exchange) exchange.Verdict {
	heard, counted := s.apart(x, s.enforced)
	if len(heard) > 0 {
		dry := x.Dry
		x.Dry = true
		v := s.verdict(x, heard, nil)
		x.Dry = dry
		if !v.Passed() {
			return v
		}
	}
	_, tried := s.apart(x, s.shadow)
	if len(counted) == 0 && len(tried) == 0 {
		return exchange.Pass()
	}
	return s.verdict(x, counted, tried)
}

func (*Stage) apart(x *exchange.Exchange, limits []*Limit) (heard, counted []wish) {
	for _, l := range limits { // sorted, and so are both
		if l.heard(x) {
			heard = wishes([]*Limit{l}, x, heard)
		} else {
			counted = wishes([]*Limit{l}, x, counted)
		}
	}
	return heard, counted
}
