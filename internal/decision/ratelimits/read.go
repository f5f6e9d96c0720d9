package ratelimits

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	commonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/ratelimit"
)

// Bounds of a question. Envoy's configuration decides how many entries there are,
// never a client; how long values are is bounded by the size of a message alone,
// since a client may make them longer, and Envoy may let pass what is refused.
const (
	maxDescriptors = 64
	maxEntries     = 16
	maxShown       = 200 // bytes of keys in a log
)

// A question is what was asked, in our words.
type question struct {
	route     string
	of        []int // for each descriptor its demand; -1 for none
	demands   []ratelimit.Demand
	subjects  map[string]any // by the limit's name
	quotas    []exchange.Quota
	unmatched []string // what no rule has: the domain, or keys
}

// read finds who counts the question. The error names no value.
func (r *rules) read(request *rlsv3.RateLimitRequest) (*question, error) {
	all := request.GetDescriptors()
	switch {
	case request.GetDomain() == "":
		return nil, errors.New("it has no domain")
	case len(all) == 0:
		return nil, errors.New("it has no descriptors")
	case len(all) > maxDescriptors:
		return nil, fmt.Errorf("it has %d descriptors, want at most %d", len(all), maxDescriptors)
	}
	d := r.domains[request.GetDomain()]
	q := &question{of: make([]int, len(all)), subjects: make(map[string]any, len(all))}
	if d != nil {
		q.route = d.route
	}
	for i, descriptor := range all {
		if err := checkEntries(descriptor); err != nil {
			return nil, fmt.Errorf("descriptor %d: %w", i, err)
		}
		q.of[i] = -1
		var n *node
		var subject string
		if d != nil {
			n, subject = d.top.find(descriptor.GetEntries())
		}
		if n == nil {
			q.miss(request.GetDomain(), d != nil, descriptor)
			continue
		}
		if err := q.demand(i, n, subject, descriptor, request.GetHitsAddend()); err != nil {
			return nil, fmt.Errorf("descriptor %d: %w", i, err)
		}
	}
	if err := q.bounded(); err != nil {
		return nil, err
	}
	return q, nil
}

func checkEntries(descriptor *commonv3.RateLimitDescriptor) error {
	entries := descriptor.GetEntries()
	if len(entries) == 0 || len(entries) > maxEntries {
		return fmt.Errorf("it has %d entries, want 1 to %d", len(entries), maxEntries)
	}
	for _, e := range entries {
		if e.GetKey() == "" {
			return errors.New("an entry has no key")
		}
	}
	if descriptor.GetIsNegativeHits() {
		return errors.New("it gives hits back, which no limit takes: leave is_negative_hits out")
	}
	return nil
}

// find returns the rule that counts entries, and which of its subjects they are;
// nil for none.
func (n *node) find(entries []*commonv3.RateLimitDescriptor_Entry) (*node, string) {
	var subject []byte
	for _, e := range entries {
		next := n.exact[pair{e.GetKey(), e.GetValue()}]
		if next == nil {
			next = n.open[e.GetKey()]
			subject = appendValue(subject, e.GetValue())
		}
		if next == nil {
			return nil, ""
		}
		n = next
	}
	if n.limit == nil {
		return nil, ""
	}
	return n, string(subject)
}

// appendValue adds a value to a subject, so that no two lists of values read alike.
func appendValue(subject []byte, value string) []byte {
	return append(binary.AppendUvarint(subject, uint64(len(value))), value...)
}

// Claims are those of a question of which the limit called name counts the values,
// of the entries that its rule leaves open, in their order; see [Part].
func Claims(name string, values []string) map[string]any {
	var subject []byte
	for _, value := range values {
		subject = appendValue(subject, value)
	}
	return map[string]any{name: string(subject)}
}

// miss notes what no rule has: never a value, which may be a client's.
func (q *question) miss(domain string, known bool, descriptor *commonv3.RateLimitDescriptor) {
	text := "domain " + domain
	if known {
		keys := make([]string, 0, maxEntries)
		for _, e := range descriptor.GetEntries() {
			keys = append(keys, e.GetKey())
		}
		text += ": " + strings.Join(keys, ", ")
	}
	q.unmatched = append(q.unmatched, strings.ToValidUTF8(text[:min(len(text), maxShown)], ""))
}

// demand adds what the ith descriptor asks of the limit of n. Two that are alike
// count together.
func (q *question) demand(i int, n *node, subject string, descriptor *commonv3.RateLimitDescriptor, hits uint32) error {
	cost := max(1, uint64(hits)) // the protocol's default
	if own := descriptor.GetHitsAddend(); own != nil {
		cost = min(own.GetValue(), math.MaxUint32) // more than any burst, and the sum of two is no small number
	}
	name := n.limit.Name()
	if other, twice := q.subjects[name]; twice {
		if other != subject {
			return fmt.Errorf("another one is of the limit %q too, with other values: give each a key of its own", name)
		}
		for at := range q.demands {
			if q.demands[at].Limit == n.limit {
				q.demands[at].Cost += cost
				q.of[i] = at
			}
		}
		return nil
	}
	if override := descriptor.GetLimit(); override != nil && n.override {
		quota, err := quotaOf(override)
		if err != nil {
			return err
		}
		quota.Name = name
		q.quotas = append(q.quotas, quota)
	}
	q.subjects[name] = subject
	q.of[i] = len(q.demands)
	q.demands = append(q.demands, ratelimit.Demand{Limit: n.limit, Cost: cost, Debt: n.debt})
	return nil
}

// bounded reports a question that is about more limits than can be counted at once.
func (q *question) bounded() error {
	enforced, shadow := 0, 0
	for i := range q.demands {
		if q.demands[i].Limit.InShadow() {
			shadow++
		} else {
			enforced++
		}
	}
	if enforced > ratelimit.MaxDemands || shadow > ratelimit.MaxDemands {
		return fmt.Errorf("it is about %d limits, and %d in shadow, at once: want at most %d each", enforced, shadow, ratelimit.MaxDemands)
	}
	return nil
}

// A unit is one of the protocol's.
type unit struct {
	name   rlsv3.RateLimitResponse_RateLimit_Unit
	length time.Duration
}

// units are the protocol's, the longest first.
func units() [7]unit {
	const day = 24 * time.Hour
	return [7]unit{
		{rlsv3.RateLimitResponse_RateLimit_YEAR, 365 * day},
		{rlsv3.RateLimitResponse_RateLimit_MONTH, 30 * day},
		{rlsv3.RateLimitResponse_RateLimit_WEEK, 7 * day},
		{rlsv3.RateLimitResponse_RateLimit_DAY, day},
		{rlsv3.RateLimitResponse_RateLimit_HOUR, time.Hour},
		{rlsv3.RateLimitResponse_RateLimit_MINUTE, time.Minute},
		{rlsv3.RateLimitResponse_RateLimit_SECOND, time.Second},
	}
}

// quotaOf is the quota that a descriptor brings along.
func quotaOf(override *commonv3.RateLimitDescriptor_RateLimitOverride) (exchange.Quota, error) {
	const most = 1_000_000_000
	n, per := override.GetRequestsPerUnit(), time.Duration(0)
	for _, u := range units() {
		if int32(u.name) == int32(override.GetUnit()) { // another type, with the same numbers
			per = u.length
		}
	}
	times := uint32(1)
	if m := override.GetUnitMultiplier(); m != nil {
		times = m.GetValue()
	}
	const longest = 366 * 24 * time.Hour
	if n < 1 || n > most || per == 0 || times < 1 || int64(times) > int64(longest/per) {
		return exchange.Quota{}, errors.New("its limit is none: want 1 to 1,000,000,000 requests in a unit, and at most 366 days")
	}
	return exchange.Quota{Count: int(n), Per: time.Duration(times) * per}, nil
}
