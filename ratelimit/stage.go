// Package ratelimit refuses requests of whoever sends too many: 429, with the
// time after which the next one passes.
//
// A [Limit] is a quota for each of its subjects: an address, a key, an owner, or
// whatever else tells one from another. A [Stage] has several: a request passes
// all of them and is counted by all, or is counted by none. A [Concurrency]
// bounds instead what a subject has under way at once.
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
)

// Config configures a [Stage]. The zero value is invalid.
type Config struct {
	_      [0]func()
	Limits []*Limit // 1 to 8, each once. Required.

	// Quiet leaves the fields RateLimit and RateLimit-Policy out, which tell a client
	// what it has left (draft-ietf-httpapi-ratelimit-headers-10).
	Quiet bool

	// Legacy tells it in X-RateLimit-Limit, -Remaining and -Reset as well, or, with
	// Quiet, instead: of the one limit of which least is left, in requests and
	// seconds.
	Legacy bool

	// Replace takes such fields away that the handler set, so that there is one who
	// tells. Set it in the innermost stage of several.
	Replace bool

	// KeepCostHeaders leaves the fields that say what a request came to in the answer,
	// for a stage further out that reads them too.
	KeepCostHeaders bool

	// BadCost is told of each field [LimitConfig.CostHeader] that is no cost, or is
	// more than the limit's burst, by the name of the limit. It is called by many at
	// once. nil for nobody.
	BadCost func(x *exchange.Exchange, limit string)

	// Near is told of each request that counts and after which four fifths of the
	// burst are spent, of a limit that is Soft: l is that limit, with the quota that its
	// subject has. It is called by many at once, before the request is answered. nil
	// for nobody.
	Near func(x *exchange.Exchange, l *Limit)

	// Bypass leaves a request alone, neither judged nor counted. It is called by many
	// at once. nil for none.
	Bypass func(x *exchange.Exchange) bool

	// Shadowed is told of each request that a limit with Shadow would have refused,
	// by the name of the limit. It is called by many at once. Required when there is one.
	Shadowed func(x *exchange.Exchange, limit string)
}

// A Stage refuses requests over one of its limits. It is safe for concurrent
// use.
type Stage struct {
	cfg      Config
	limits   []*Limit // in the order of Config
	enforced []*Limit // in the order of locking
	shadow   []*Limit
	policies []string // values of RateLimit-Policy
}

// New reports everything that is wrong with cfg at once. Changing cfg later has
// no effect.
func New(cfg Config) (*Stage, error) {
	var errs []error
	if n := len(cfg.Limits); n < 1 || n > maxLimits {
		return nil, fmt.Errorf("ratelimit: Limits has %d limits, want 1 to %d", n, maxLimits)
	}
	names := make(map[string]bool)
	s := &Stage{cfg: cfg, limits: slices.Clone(cfg.Limits)}
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
	return s, nil
}

// Check counts x, and refuses it with 429 (RFC 6585, section 4) when a limit is
// reached: no limit then has counted it. Retry-After (RFC 9110, section 10.2.3)
// is rounded up: whoever waits so long passes, unless others of the same subject
// come first. A dry exchange is judged and not counted.
func (s *Stage) Check(x *exchange.Exchange) exchange.Verdict {
	if s.bypasses(x) {
		return exchange.Pass()
	}
	if x.Hearsay {
		return s.checkHearsay(x)
	}
	if len(s.shadow) > 0 {
		return s.checkTrying(x)
	}
	if len(s.enforced) == 1 && s.enforced[0].remote == nil {
		return s.checkOne(x)
	}
	var some [maxLimits]wish
	return s.verdict(x, wishes(s.enforced, x, some[:0]), nil)
}

// checkOne is Check with one limit in memory, which most stages have: there is less
// to clear, and nobody to wait for.
func (s *Stage) checkOne(x *exchange.Exchange) exchange.Verdict {
	l := s.enforced[0]
	key, counts := l.key(x)
	if !counts {
		return exchange.Pass()
	}
	l = l.of(x, key)
	one := [1]wish{{limit: l, key: key, shard: l.table.shard(key)}}
	passed := take(one[:], x.Dry)
	if passed && !l.soft {
		if !x.Dry {
			l.counts.passed.Add(1)
		}
		return exchange.Pass()
	}
	s.note(x, one[:], passed)
	if !passed {
		return s.refuse(one[:])
	}
	return exchange.Pass()
}

// checkTrying is Check with limits that are only tried.
func (s *Stage) checkTrying(x *exchange.Exchange) exchange.Verdict {
	var some, more [maxLimits]wish
	tried := wishes(s.shadow, x, more[:0])
	v := s.verdict(x, wishes(s.enforced, x, some[:0]), tried)
	for i := range tried {
		w := &tried[i]
		switch {
		case !v.Passed() || x.Dry: // nobody is told
		case w.ok:
			w.limit.counts.passed.Add(1)
		default:
			w.limit.counts.shadowed.Add(1)
			s.cfg.Shadowed(x, w.limit.name)
		}
	}
	return v
}

func (s *Stage) verdict(x *exchange.Exchange, all, tried []wish) exchange.Verdict {
	passed, err := judge(x, all, tried)
	if err != nil {
		return exchange.Fail(err)
	}
	s.note(x, all, passed)
	if !passed {
		return s.refuse(all)
	}
	return exchange.Pass()
}

func (s *Stage) bypasses(x *exchange.Exchange) bool { return s.cfg.Bypass != nil && s.cfg.Bypass(x) }

// note counts what was decided, and tells the upstream of a limit that is nearly
// reached.
func (s *Stage) note(x *exchange.Exchange, all []wish, passed bool) {
	if x.Dry {
		return
	}
	for i := range all {
		w := &all[i]
		switch {
		case passed:
			w.limit.counts.passed.Add(1)
			if w.limit.near(w) {
				x.NearLimit = w.limit.name
				if s.cfg.Near != nil {
					s.cfg.Near(x, w.limit)
				}
			}
		case !w.ok:
			w.limit.counts.refused.Add(1)
			w.limit.top.note(w.key, w.limit, x)
		}
	}
}

// refuse names the limit for which the request has to wait longest.
func (s *Stage) refuse(all []wish) exchange.Verdict {
	wait, longest := int64(-1), all[0].limit
	for i := range all {
		w := &all[i]
		if w.ok {
			continue
		}
		if d := w.limit.rule.wait(w.tat, w.now, w.limit.cost); d > wait {
			wait, longest = d, w.limit
		}
	}
	return exchange.Refuse(longest.refusal.With("Retry-After", retryAfter(wait)), "limit:"+longest.name)
}

// retryAfter is the value of Retry-After for a wait in nanoseconds.
func retryAfter(wait int64) string { return strconv.FormatInt(max(1, seconds(wait)), 10) }

// seconds rounds nanoseconds up.
func seconds(ns int64) int64 { return (ns + int64(time.Second) - 1) / int64(time.Second) }

// Wrap is Check as net/http middleware, for use without a Stack.
func (s *Stage) Wrap(next http.Handler) http.Handler { return exchange.Wrap(s, next) }

// Statuses returns the statuses with which the stage refuses, in order: 429, and
// 503 when one of its limits is [Closed] while its store gives no answer.
func (s *Stage) Statuses() []int {
	if slices.ContainsFunc(s.enforced, func(l *Limit) bool { return l.remote != nil && l.remote.outage == Closed }) {
		return []int{http.StatusTooManyRequests, http.StatusServiceUnavailable}
	}
	if len(s.enforced) == 0 {
		return nil
	}
	return []int{http.StatusTooManyRequests}
}
