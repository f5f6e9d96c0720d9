package ratelimit

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// A Demand is what one question asks of one limit, from a protocol whose questions
// bring their cost along: see [TakeAll].
type Demand struct {
	Limit *Limit
	Cost  uint64 // 0 asks whether anything is left, and counts nothing

	// Debt is for what is spent already: Cost counts in any case, whatever the others
	// say, and up to one burst beyond the limit. OK is whether it had room.
	Debt bool

	// Answers.
	OK       bool          // the limit on its own lets it pass
	Counts   bool          // it has a subject that the limit counts; the others pass
	Standing Standing      // of the subject, after what was counted
	Wait     time.Duration // until Cost may pass, if nothing else comes; 0 for now, and where no wait helps: Cost is more than the burst

	policy string
}

// MaxDemands is how many limits one question may be counted by, and by how many
// in shadow beside them.
const MaxDemands = maxLimits

// TakeAll counts x by every demand or by none, as [Stage.Check] does: none is
// counted when a limit that is enforced has no room. A limit with Shadow counts when
// all those pass and it has room itself, and refuses nothing. What is a Debt counts
// by itself. It reports whether x may pass.
//
// No two demands are of one limit, and as in [New] no exact limit is beside one
// in memory. The error is about that, or of a store that gave no answer and whose
// limit is [Closed] then; nothing is counted.
func TakeAll(x *exchange.Exchange, demands []Demand) (passed bool, err error) {
	if err := checkDemands(demands); err != nil {
		return false, err
	}
	counted, tried, idle := wishesOf(x, demands)
	defer func(dry bool) { x.Dry = dry }(x.Dry)
	counting := x.Dry
	x.Dry = true
	passed, err = idle.look(x)
	if err != nil {
		return false, err
	}
	x.Dry = counting || !passed // who is refused already learns where it stands with the others
	ok, err := judge(x, counted.wishes, tried.wishes)
	if err != nil {
		return false, err
	}
	passed = passed && ok
	x.Dry = counting
	for _, list := range []*wishlist{&counted, &tried, &idle} {
		list.answer(x, passed)
	}
	return passed, nil
}

// checkDemands reports what New would report of the limits.
func checkDemands(demands []Demand) error {
	var enforced []*Limit
	shadow := 0
	for i := range demands {
		l := demands[i].Limit
		if slices.ContainsFunc(demands[:i], func(d Demand) bool { return d.Limit.order == l.order }) {
			return fmt.Errorf("ratelimit: two demands of the limit %q", l.name)
		}
		if l.shadow {
			shadow++
		} else {
			enforced = append(enforced, l)
		}
	}
	if len(enforced) > MaxDemands || shadow > MaxDemands {
		return fmt.Errorf("ratelimit: %d limits and %d in shadow at once, want at most %d each", len(enforced), shadow, MaxDemands)
	}
	return errors.Join(together(enforced)...)
}

// A wishlist is wishes, each with the demand that it is of.
type wishlist struct {
	wishes []wish
	of     []*Demand
}

func (l *wishlist) add(w *wish, d *Demand) {
	l.wishes, l.of = append(l.wishes, *w), append(l.of, d)
}

// wishesOf are what x wishes: what is counted, what is only tried, and what is not
// counted with those, because it costs nothing or more than ever passes, or is a
// debt; each in the order of locking.
func wishesOf(x *exchange.Exchange, demands []Demand) (counted, tried, idle wishlist) {
	sorted := make([]*Demand, len(demands))
	for i := range demands {
		sorted[i] = &demands[i]
	}
	slices.SortFunc(sorted, func(a, b *Demand) int {
		if a.Limit.order < b.Limit.order {
			return -1
		}
		return 1
	})
	for _, d := range sorted {
		key, counts := d.Limit.key(x)
		d.Counts, d.OK = counts, true
		if !counts {
			continue
		}
		l := d.Limit.of(x, key)
		d.policy = l.policy
		possible := d.Cost > 0 && d.Cost <= l.rule.burst && !d.Debt
		if d.Cost > 0 {
			l = l.withCost(d.Cost) // or the whole burst
		}
		w := wish{limit: l, key: key, shard: l.table.shard(key)}
		switch {
		case !possible:
			idle.add(&w, d)
		case l.shadow:
			tried.add(&w, d)
		default:
			counted.add(&w, d)
		}
	}
	return counted, tried, idle
}

// look judges what counts nothing, for x that is dry, and reports whether it lets x
// pass.
func (l *wishlist) look(x *exchange.Exchange) (passed bool, err error) {
	passed = true
	for i := range l.wishes {
		w := l.wishes[i : i+1]
		if _, err := judge(x, w, nil); err != nil {
			if w[0].limit.shadow {
				w[0].ok = true // a trial refuses nobody
				continue
			}
			return false, err
		}
		w[0].ok = w[0].ok && l.of[i].Cost <= w[0].limit.rule.burst
		passed = passed && (w[0].ok || w[0].limit.shadow)
	}
	return passed, nil
}

// answer fills in the demands, and counts what was decided.
func (l *wishlist) answer(x *exchange.Exchange, passed bool) {
	for i := range l.wishes {
		w, d := &l.wishes[i], l.of[i]
		if w.limit.remote == nil && !passed {
			w.look() // what was not judged because another limit refused
		}
		d.OK = w.ok
		if d.Debt && d.Cost > 0 && !x.Dry {
			w.charge(x, w.limit.cost)
			w.look()
		}
		d.Standing = w.standing()
		if d.Cost <= w.limit.rule.burst {
			d.Wait = time.Duration(w.limit.rule.wait(w.tat, w.now, max(1, d.Cost)))
		}
		if w.ok {
			d.Wait = 0
		}
		w.note(x, passed)
	}
}

// note counts what was decided of w's limit.
func (w *wish) note(x *exchange.Exchange, passed bool) {
	c := w.limit.counts
	switch {
	case x.Dry:
	case passed && !w.ok:
		c.shadowed.Add(1)
	case passed:
		c.passed.Add(1)
	case !w.ok && !w.limit.shadow:
		c.refused.Add(1)
		w.limit.top.note(w.key, w.limit, x)
	}
}

// Shadowed reports whether d is of a limit in shadow that would have refused.
func (d *Demand) Shadowed() bool { return d.Limit.shadow && !d.OK }

// Refusal is the problem of the limit that is reached and for which the question
// has to wait longest, with its Retry-After where waiting helps, and that limit's
// name; nil when none is reached.
func Refusal(demands []Demand) (p *problem.Problem, limit string) {
	var longest *Demand
	for i := range demands {
		d := &demands[i]
		if d.OK || d.Limit.shadow || !d.Counts {
			continue
		}
		if longest == nil || d.Wait > longest.Wait {
			longest = d
		}
	}
	if longest == nil {
		return nil, ""
	}
	if longest.Cost > uint64(longest.Standing.Quota.Burst) { //nolint:gosec // 1 at least
		return longest.Limit.refusal, longest.Limit.name
	}
	return longest.Limit.refusal.With("Retry-After", retryAfter(int64(longest.Wait))), longest.Limit.name
}

// AddFields adds the fields with which a [Stage] tells of limits, those that are
// enforced: the standard ones unless quiet, and the legacy ones if asked for.
func AddFields(h http.Header, demands []Demand, quiet, legacy bool) {
	var policies, standings []string
	var least *Demand
	for i := range demands {
		d := &demands[i]
		if !d.Counts || d.Limit.shadow {
			continue
		}
		policies = append(policies, d.policy)
		standings = append(standings, fmt.Sprintf("%q;r=%d;t=%d", d.Limit.name, d.Standing.Left, seconds(int64(d.Standing.Whole))))
		if least == nil || d.Standing.Left < least.Standing.Left {
			least = d
		}
	}
	if least == nil {
		return
	}
	if !quiet {
		h["Ratelimit-Policy"] = []string{strings.Join(policies, ", ")}
		h["Ratelimit"] = []string{strings.Join(standings, ", ")}
	}
	if legacy {
		h[legacyLimit] = []string{fmt.Sprint(least.Standing.Quota.Burst)}
		h[legacyRemaining] = []string{fmt.Sprint(least.Standing.Left)}
		h[legacyReset] = []string{fmt.Sprint(seconds(int64(least.Standing.Whole)))}
	}
}
