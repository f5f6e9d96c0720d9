package ratelimit

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/warder-dev/warder/exchange"
)

// Headers counts what the handler's answer says that the request came to, and
// adds the fields RateLimit-Policy and RateLimit, as lists of structured fields
// (RFC 9651): what each limit grants, what the subject of x has left, and in how
// many seconds it has all of it again. Other stages' members stay, unless Replace
// is set.
func (s *Stage) Headers(x *exchange.Exchange, h http.Header) {
	s.settle(x, h)
	if s.cfg.Replace {
		for _, name := range []string{"Ratelimit", "Ratelimit-Policy", legacyLimit, legacyRemaining, legacyReset} {
			delete(h, name)
		}
	}
	if s.policies == nil || s.cfg.Quiet && !s.cfg.Legacy || s.bypasses(x) {
		return
	}
	var some [maxLimits]wish
	all := some[:0]
	for _, l := range s.limits {
		if !l.shadow && !l.heard(x) {
			all = wishes([]*Limit{l}, x, all)
		}
	}
	if len(all) == 0 {
		return
	}
	for i := range all {
		all[i].look()
	}
	if !s.cfg.Quiet {
		h["Ratelimit-Policy"] = append(slices.Clip(h["Ratelimit-Policy"]), s.policiesOf(all, x.Hearsay)...)
		h["Ratelimit"] = append(slices.Clip(h["Ratelimit"]), standing(all))
	}
	if s.cfg.Legacy {
		legacy(all, h)
	}
}

// policiesOf are the values of RateLimit-Policy for who is told of all: they may
// have quotas of their own, which own says already for those who are told of some.
func (s *Stage) policiesOf(all []wish, own bool) []string {
	for i := range all {
		own = own || all[i].limit.base != nil
	}
	if !own {
		return s.policies
	}
	texts := make([]string, len(all))
	for i := range all {
		texts[i] = all[i].limit.policy
	}
	return []string{strings.Join(texts, ", ")}
}

// standing is the value of RateLimit.
func standing(all []wish) string {
	var b []byte
	for i := range all {
		w := &all[i]
		if len(b) > 0 {
			b = append(b, ", "...)
		}
		b = strconv.AppendQuote(b, w.limit.name)
		b = strconv.AppendUint(append(b, ";r="...), w.limit.rule.left(w.tat, w.now), 10)
		b = strconv.AppendInt(append(b, ";t="...), seconds(w.limit.rule.whole(w.tat, w.now)), 10)
	}
	return string(b)
}

// The fields that many APIs had before there was a draft, in canonical form.
const (
	legacyLimit     = "X-Ratelimit-Limit"
	legacyRemaining = "X-Ratelimit-Remaining"
	legacyReset     = "X-Ratelimit-Reset"
)

// legacy tells of the limit of which least is left, unless a stage further in has
// told of less.
func legacy(all []wish, h http.Header) {
	least, left := &all[0], ^uint64(0)
	for i := range all {
		if n := all[i].limit.rule.left(all[i].tat, all[i].now); n < left {
			least, left = &all[i], n
		}
	}
	if told, err := strconv.ParseUint(h.Get(legacyRemaining), 10, 64); err == nil && told <= left {
		return
	}
	r := &least.limit.rule
	h[legacyLimit] = []string{strconv.FormatUint(r.burst, 10)}
	h[legacyRemaining] = []string{strconv.FormatUint(left, 10)}
	h[legacyReset] = []string{strconv.FormatInt(seconds(r.whole(least.tat, least.now)), 10)}
}
