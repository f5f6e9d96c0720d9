package ratelimit

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/warder-dev/warder/exchange"
)

// A Subject names one of a limit's subjects, for as long as this process runs. It
// tells nothing of the address, key or header that it was made of.
type Subject uint64

// String is the subject in 16 hexadecimal digits.
func (s Subject) String() string { return fmt.Sprintf("%016x", uint64(s)) }

// ParseSubject reads what String wrote.
func ParseSubject(text string) (Subject, error) {
	n, err := strconv.ParseUint(text, 16, 64)
	if err != nil || len(text) != 16 {
		return 0, errors.New("ratelimit: a subject is 16 hexadecimal digits")
	}
	return Subject(n), nil
}

// Subject returns the subject of x; false when the limit does not count x.
func (l *Limit) Subject(x *exchange.Exchange) (Subject, bool) {
	key, ok := l.key(x)
	return Subject(key), ok
}

// Digest returns what stands for the subject of x in every process; false when the
// limit does not count x.
func (l *Limit) Digest(x *exchange.Exchange) (Digest, bool) {
	if _, counts := l.key(x); !counts {
		return Digest{}, false
	}
	return digest(l.by, x), true
}

// Name returns the limit's name.
func (l *Limit) Name() string { return l.name }

// Counts are the decisions of a limit since it was made. A request that one limit
// refuses is counted by no other.
type Counts struct{ Passed, Refused, Shadowed uint64 }

// Shared reports whether the limit has a [Store].
func (l *Limit) Shared() bool { return l.remote != nil }

// Exact reports whether the limit asks its [Store] for each request.
func (l *Limit) Exact() bool { return l.remote != nil && l.remote.lease == 0 }

// InShadow reports whether the limit refuses nothing.
func (l *Limit) InShadow() bool { return l.shadow }

// Counts returns what the limit, its plans and those with another cost decided.
func (l *Limit) Counts() Counts {
	c := l.counts
	return Counts{Passed: c.passed.Load(), Refused: c.refused.Load(), Shadowed: c.shadowed.Load()}
}

// Remembered returns how many subjects the limit has in memory.
func (l *Limit) Remembered() int {
	n := l.table.used.Load()
	for i := range l.plans {
		n += l.plans[i].limit.table.used.Load()
	}
	if l.brought != nil {
		n += l.brought.used.Load()
	}
	return int(n)
}

type counts struct{ passed, refused, shadowed atomic.Uint64 }

// Reset forgets what s has spent in this process: its burst is whole. It reports
// whether anything was remembered. [Limit.ResetFor] is for limits with a [Store].
func (l *Limit) Reset(s Subject) bool {
	known := false
	for _, t := range l.tables(s) {
		known = t.forget(uint64(s)) || known
	}
	l.top.forget(uint64(s))
	return known
}

// tables are all in which s may be counted.
func (l *Limit) tables(s Subject) []*table {
	all := []*table{l.table}
	for i := range l.plans {
		all = append(all, l.plans[i].limit.table)
	}
	all = append(all, l.brought.tables()...)
	if known := l.overrides.known.Load(); known != nil {
		if o, ok := (*known)[s]; ok {
			all = append(all, o.limit.table)
		}
	}
	return all
}

// An override is a quota that one subject was given by hand.
type override struct {
	limit *Limit
	quota Quota
	until time.Time // zero: as long as the process runs
}

func (o *override) holds() bool { return o.until.IsZero() || time.Now().Before(o.until) }

// overrides is read without a lock and written hardly ever.
type overrides struct {
	mu    sync.Mutex
	known atomic.Pointer[map[Subject]*override]
}

// maxOverrides bounds the overrides of a limit.
const maxOverrides = 1000

// ErrOverrides means that a limit has as many overrides as there may be.
var ErrOverrides = errors.New("as many overrides as there may be")

// Override gives s another quota than the limit's, its plans' and its own, until then or,
// for the zero time, as long as this process runs. It begins with a whole burst.
// A quota of zero takes the override away. The error is about the quota, or there
// are 1,000 overrides already.
func (l *Limit) Override(s Subject, q Quota, until time.Time) error {
	return l.OverrideAfter(s, q, until, nil)
}

// OverrideAfter is [Limit.Override] that calls before, unless it is nil, once it is
// clear that the override can be made, and makes none when it fails. Other overrides of
// the limit wait for it.
func (l *Limit) OverrideAfter(s Subject, q Quota, until time.Time, before func() error) error {
	var o *override
	if q != (Quota{}) {
		r, err := q.rule()
		if err != nil {
			return fmt.Errorf("ratelimit: limit %q: %w", l.name, err)
		}
		o = &override{limit: l.variant(r, q, 1), quota: q, until: until}
	}
	l.overrides.mu.Lock()
	defer l.overrides.mu.Unlock()
	next := make(map[Subject]*override)
	if known := l.overrides.known.Load(); known != nil {
		maps.Copy(next, *known)
	}
	maps.DeleteFunc(next, func(_ Subject, old *override) bool { return !old.holds() })
	delete(next, s)
	if o != nil {
		if len(next) >= maxOverrides {
			return fmt.Errorf("ratelimit: limit %q has %w: %d; take one away", l.name, ErrOverrides, maxOverrides)
		}
		next[s] = o
	}
	if before != nil {
		if err := before(); err != nil {
			return err
		}
	}
	l.overrides.known.Store(&next)
	return nil
}

// A Standing is where a subject stands with a limit.
type Standing struct {
	Quota Quota         // of the limit, its plan, or its override
	Left  uint64        // requests that may come at once
	Wait  time.Duration // until the next may come; 0 for now
	Whole time.Duration // until all of the burst is there again
}

// Standing returns where the subject of x stands, without counting anything;
// false when the limit does not count x.
func (l *Limit) Standing(x *exchange.Exchange) (Standing, bool) {
	var some [1]wish
	for _, w := range wishes([]*Limit{l}, x, some[:0]) {
		w.look()
		return w.standing(), true
	}
	return Standing{}, false
}

func (w *wish) standing() Standing {
	r := &w.limit.rule
	return Standing{
		Quota: r.quota(), Left: r.left(w.tat, w.now),
		Wait: time.Duration(r.wait(w.tat, w.now, 1)), Whole: time.Duration(r.whole(w.tat, w.now)),
	}
}

// Quota returns the limit's own quota, its burst said.
func (l *Limit) Quota() Quota { return l.rule.quota() }

// near reports whether four fifths of the burst are spent.
func (l *Limit) near(w *wish) bool {
	return l.soft && l.rule.left(w.tat, w.now)*5 <= l.rule.burst
}
