package ratelimits

import (
	"fmt"
	"slices"
	"strings"

	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"

	"github.com/warder-dev/warder/exchange"
)

// A Question is what an Envoy asked, for [Service.Compare].
type Question struct{ request *rlsv3.RateLimitRequest }

// A Difference is how two configurations count one question, in their own words:
// no value of the question is in it.
type Difference struct {
	Route, OtherRoute string // of the domain; "" for one that a configuration does not have
	By, Other         string // which limits count those descriptors that are counted differently
}

// Compare reports how other would count a question otherwise than s does. It counts
// nothing. same is for two that count alike, and for questions that name none.
func (s *Service) Compare(other *Service, q Question) (d Difference, same bool) {
	one, err := s.rules.Load().read(q.request)
	if err != nil {
		return d, true // by its form, which both judge alike
	}
	two, err := other.rules.Load().read(q.request)
	if err != nil { // two descriptors are of one limit there
		return Difference{Route: one.route, By: "counted", Other: "refused: its descriptors cannot be counted together"}, false
	}
	var by, others []string
	for i := range one.of {
		if a, b := one.counting(i), two.counting(i); a != b {
			by, others = append(by, a), append(others, b)
		}
	}
	return Difference{Route: one.route, OtherRoute: two.route, By: words(by), Other: words(others)}, len(by) == 0
}

// maxWords is how many descriptors of one question a difference tells of.
const maxWords = 4

func words(all []string) string {
	if n := len(all); n > maxWords {
		all = append(all[:maxWords:maxWords], fmt.Sprintf("and %d more", n-maxWords))
	}
	return strings.Join(all, "; ")
}

// counting says what counts the ith descriptor.
func (q *question) counting(i int) string {
	if q.of[i] < 0 {
		return "no limit"
	}
	d := &q.demands[q.of[i]]
	l := d.Limit
	quota := l.Quota()
	text := fmt.Sprintf("%s %d/%v burst %d", l.Name(), quota.Count, quota.Per, quota.Burst)
	if q.brings(l.Name()) {
		text = l.Name() + " with the descriptor's own quota"
	}
	if l.InShadow() {
		text += ", in shadow"
	}
	if d.Debt {
		text += ", as a debt"
	}
	return text
}

// brings reports whether a descriptor brings a quota of the limit along.
func (q *question) brings(limit string) bool {
	return slices.ContainsFunc(q.quotas, func(quota exchange.Quota) bool { return quota.Name == limit })
}
