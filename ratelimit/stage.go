// Package ratelimit refuses requests of whoever sends too many: 429, with the
// time after which the next one passes.
//
// A [Limit] is a quota for each of its subjects: an address, a key, an owner, or
// whatever else tells one from another. A [Stage] has several: a request passes
// all of them and is counted by all, or is counted by none.
//
// Limits count in this process, exactly, by a clock that nobody can set. Memory
// is bounded, whoever comes: see [LimitConfig].
package ratelimit

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// Config configures a [Stage]. The zero value is invalid.
type Config struct {
	_      [0]func()
	Limits []*Limit // 1 to 8, each once. Required.

	// Quiet leaves the fields RateLimit and RateLimit-Policy out, which tell a client
	// what it has left (draft-ietf-httpapi-ratelimit-headers-10).
	Quiet bool

	// Shadowed is told of each request that a limit with Shadow would have refused,
	// by the name of the limit. It is called by many at once. Required when there is one.
	Shadowed func(x *exchange.Exchange, limit string)
}

// A Stage refuses requests over one of its limits. It is safe for concurrent
// use.
type Stage struct {
	limits   []*Limit // in the order of Config
	enforced []*Limit // in the order of locking
	shadow   []*Limit
	quiet    bool
	shadowed func(*exchange.Exchange, string)
	policies []string // values of RateLimit-Policy
	refusal  *problem.Problem
}

// New reports everything that is wrong with cfg at once. Changing cfg later has
// no effect.
func New(cfg Config) (*Stage, error) {
	var errs []error
	if n := len(cfg.Limits); n < 1 || n > maxLimits {
		return nil, fmt.Errorf("ratelimit: Limits has %d limits, want 1 to %d", n, maxLimits)
	}
	names := make(map[string]bool)
	s := &Stage{quiet: cfg.Quiet, shadowed: cfg.Shadowed, limits: slices.Clone(cfg.Limits)}
	var policies []string
	for i, l := range cfg.Limits {
		if l == nil {
			errs = append(errs, fmt.Errorf("ratelimit: limit %d is missing", i))
			continue
		}
		if names[l.name] {
			errs = append(errs, fmt.Errorf("ratelimit: limit %d: the name %q is taken", i, l.name))
		}
		names[l.name] = true
		if l.shadow {
			s.shadow = append(s.shadow, l)
			continue
		}
		s.enforced = append(s.enforced, l)
		policies = append(policies, l.policy)
	}
	if len(s.shadow) > 0 && cfg.Shadowed == nil {
		errs = append(errs, errors.New("ratelimit: there is a limit with Shadow, and no Shadowed to tell"))
	}
	errs = append(errs, together(s.enforced)...)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	s.enforced = locked(s.enforced)
	if policies != nil {
		s.policies = []string{strings.Join(policies, ", ")}
	}
	s.refusal = problem.New(problem.RateLimited, "Send fewer requests. Retry-After says in how many seconds the next one passes.")
	return s, nil
}

// Check counts x, and refuses it with 429 (RFC 6585, section 4) when a limit is
// reached: no limit then has counted it. Retry-After (RFC 9110, section 10.2.3)
// is rounded up: whoever waits so long passes, unless others of the same subject
// come first. A dry exchange is judged and not counted.
func (s *Stage) Check(x *exchange.Exchange) exchange.Verdict {
	if len(s.shadow) > 0 {
		return s.checkTrying(x)
	}
	var some [maxLimits]wish
	return s.verdict(x, wishes(s.enforced, x, some[:0]), nil)
}

// checkTrying is Check with limits that are only tried.
func (s *Stage) checkTrying(x *exchange.Exchange) exchange.Verdict {
	var some, more [maxLimits]wish
	tried := wishes(s.shadow, x, more[:0])
	v := s.verdict(x, wishes(s.enforced, x, some[:0]), tried)
	for i := range tried {
		if v.Passed() && !tried[i].ok && !x.Dry {
			s.shadowed(x, tried[i].limit.name)
		}
	}
	return v
}

func (s *Stage) verdict(x *exchange.Exchange, all, tried []wish) exchange.Verdict {
	passed, err := judge(x, all, tried)
	switch {
	case err != nil:
		return exchange.Fail(err)
	case !passed:
		return s.refuse(all)
	default:
		return exchange.Pass()
	}
}

// refuse names the limit for which the request has to wait longest.
func (s *Stage) refuse(all []wish) exchange.Verdict {
	wait, name := int64(-1), ""
	for i := range all {
		w := &all[i]
		if w.ok {
			continue
		}
		if d := w.limit.rule.wait(w.tat, w.now, w.limit.cost); d > wait {
			wait, name = d, w.limit.name
		}
	}
	return exchange.Refuse(s.refusal.With("Retry-After", strconv.FormatInt(max(1, seconds(wait)), 10)), "limit:"+name)
}

// seconds rounds nanoseconds up.
func seconds(ns int64) int64 { return (ns + int64(time.Second) - 1) / int64(time.Second) }

// Headers adds the fields RateLimit-Policy and RateLimit, as lists of structured
// fields (RFC 9651): what each limit grants, what the subject of x has left, and
// in how many seconds it has all of it again. Other stages' members stay.
func (s *Stage) Headers(x *exchange.Exchange, h http.Header) {
	if s.quiet || s.policies == nil {
		return
	}
	var some [maxLimits]wish
	var b []byte
	for _, l := range s.limits {
		if l.shadow {
			continue
		}
		for _, w := range wishes([]*Limit{l}, x, some[:0]) {
			w.look()
			if len(b) > 0 {
				b = append(b, ", "...)
			}
			b = strconv.AppendQuote(b, l.name)
			b = strconv.AppendUint(append(b, ";r="...), l.rule.left(w.tat, w.now), 10)
			b = strconv.AppendInt(append(b, ";t="...), seconds(l.rule.whole(w.tat, w.now)), 10)
		}
	}
	if len(b) == 0 {
		return
	}
	h["Ratelimit-Policy"] = append(slices.Clip(h["Ratelimit-Policy"]), s.policies...)
	h["Ratelimit"] = append(slices.Clip(h["Ratelimit"]), string(b))
}

// Wrap is Check as net/http middleware, for use without a Stack.
func (s *Stage) Wrap(next http.Handler) http.Handler { return exchange.Wrap(s, next) }
