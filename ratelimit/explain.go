package ratelimit

import (
	"fmt"

	"github.com/warder-dev/warder/exchange"
)

// Explain tells of each limit where the request's subject stands. It is an
// [exchange.Explainer].
func (s *Stage) Explain(x *exchange.Exchange) (all []exchange.Finding) {
	if s.bypasses(x) {
		return []exchange.Finding{{Rule: "bypass", Result: "holds", Detail: "no limit counts the request"}}
	}
	for _, l := range s.limits {
		f := exchange.Finding{Rule: "limit " + l.name}
		standing, counts := l.Standing(x)
		switch {
		case !counts:
			f.Result = "does not count it"
		case standing.Left == 0:
			f.Result = "is reached"
		default:
			f.Result = "has room"
		}
		if counts {
			f.Detail = fmt.Sprintf("%d left of %d", standing.Left, standing.Quota.Burst)
		}
		if l.shadow {
			f.Detail = "in shadow; " + f.Detail
		}
		all = append(all, f)
	}
	return all
}
