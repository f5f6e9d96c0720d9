package ratelimit

import (
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// LimitConfig configures a [Limit].
type LimitConfig struct {
	_ [0]func()

	// Name is the limit's, for clients, logs and metrics: 1 to 40 lower-case
	// letters, digits and ._-. Required.
	Name string

	Quota Quota // Required.

	// By are the parts of a request that make its subject: the limit counts each
	// combination on its own. 1 to 8. Required.
	By []Part

	// Cost is what one request counts: 1 to the quota's burst. Default 1.
	Cost int

	// CostHeader is a field of the handler's response that says in a whole number
	// what the request came to: what is more than it counted so far is counted then,
	// up to the burst, and the client gets an answer without the field. What is no
	// number of 0 to 1,000,000,000 changes nothing: the request has counted already.
	// Empty for none.
	CostHeader string

	// SkipMissing leaves requests alone that lack a part, such as one without a key
	// in a limit by keys. By default they share one subject, so that nobody escapes by
	// leaving something out. Set it where another limit counts them.
	SkipMissing bool

	// Capacity is how many subjects are remembered, at up to 100 bytes each: 1 to
	// 16,777,216. Default 100,000. When it is reached, whoever is over the limit is
	// still remembered, and new subjects are refused once all are.
	Capacity int

	// Shadow counts and never refuses: [Config.Shadowed] is told instead.
	Shadow bool

	// Soft names the limit in [exchange.Exchange.NearLimit], for the upstream, once
	// four fifths of a subject's burst are spent.
	Soft bool

	// Plans are quotas for some subjects in place of Quota: the first that is
	// theirs counts. At most 16, each with Capacity subjects of its own.
	//
	// A quota of this Name that the principal brings along ([exchange.Principal.Quotas])
	// counts before them, where By tells principals apart: by key, owner, session,
	// issuer, subject or claim. All such quotas have Capacity subjects together, and
	// there are up to 4096 different ones: for one more, Plans and Quota count.
	Plans []Plan

	// Store counts the limit for all processes that share it. nil: this process
	// counts alone. Limits that share a Store and have one Name count together, and
	// must be of one By.
	Store Store

	// Lease 0 asks the Store for each request: that is exact. Otherwise this node
	// takes up to so many units ahead for each subject, 1 to the burst, in the
	// background, and decides by itself; a subject that comes seldom is asked for each
	// time. The nodes then admit at most Lease each more than the limit says. A lease
	// takes up to 200 bytes beside what Capacity says.
	Lease int

	// Outage is what becomes of requests while the Store gives no answer.
	Outage Outage

	// Spread are those parts of By by which counters are spread over the servers of a
	// cluster. Exact limits of one stage have the same Spread, since they are asked for in
	// one call. None: all counters of limits without Spread are on one server.
	Spread []Part

	// Previous is a limit whose place this one takes, such as that of the settings
	// before. Nobody has a burst anew by that: where both have one Name, By and Store,
	// each quota counts on that both have, their own and those of plans of one name,
	// and so do quotas that principals bring along and overrides. By [ByFunc] counts as
	// the same by its name. Both may be used at once. Where Capacity is less than
	// before, those go first who have spent least, as others come; their memory is
	// free when the process ends. nil for none.
	Previous *Limit
}

const (
	maxName         = 40
	maxParts        = 8
	defaultCapacity = 100_000
	maxCapacity     = 1 << 24
)

// A Limit counts the requests of each of its subjects. Several stages may share
// one, and then count together. It is safe for concurrent use.
type Limit struct {
	name   string
	rule   rule
	by     []Part
	cost   uint64
	step   instant // what cost moves the arrival time on
	costs  string  // CostHeader in canonical form
	skip   bool
	shadow bool
	soft   bool
	policy string // its member of RateLimit-Policy

	refusal   *problem.Problem
	plans     []plan
	base      *Limit // of which this is a plan or an override; nil for none
	overrides *overrides
	brought   *family // nil when principals cannot bring quotas
	counts    *counts
	top       *top

	made   *made
	seed   maphash.Seed // keys are known to this process alone: nobody can make two alike
	table  *table
	began  time.Time // with the monotonic clock: setting the wall clock changes nothing
	remote *remote   // nil for a limit that counts in memory
	room   int64     // LimitConfig.Capacity
	order  uint64    // in which limits are locked, so that two stages with the same ones never wait for each other
}

// NewLimit reports everything that is wrong with cfg at once.
func NewLimit(cfg LimitConfig) (*Limit, error) {
	if cfg.Cost == 0 {
		cfg.Cost = 1
	}
	if cfg.Capacity == 0 {
		cfg.Capacity = defaultCapacity
	}
	r, err := cfg.Quota.rule()
	errs := append([]error{err}, cfg.check()...)
	shared, wrong := cfg.newRemote(r)
	if err == nil {
		errs = append(errs, wrong...)
	}
	if err == nil && (cfg.Cost < 1 || uint64(cfg.Cost) > r.burst) {
		errs = append(errs, fmt.Errorf("the Cost is %d, want 1 to the burst, %d", cfg.Cost, r.burst))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("ratelimit: limit %q: %w", cfg.Name, err)
	}
	seed := maphash.MakeSeed()
	l := &Limit{
		name: cfg.Name, rule: r, by: slices.Clone(cfg.By), cost: uint64(cfg.Cost), skip: cfg.SkipMissing, shadow: cfg.Shadow, //nolint:gosec // 1 at least
		policy: policy(cfg.Name, cfg.Quota), seed: seed, table: newTable(r, cfg.Capacity), room: int64(cfg.Capacity), began: time.Now(),
		order:  maphash.String(seed, cfg.Name), // of 64 random bits
		remote: shared, soft: cfg.Soft, costs: http.CanonicalHeaderKey(cfg.CostHeader), overrides: new(overrides), counts: new(counts), top: new(top),
		refusal: problem.New(problem.RateLimited, "The limit "+cfg.Name+" is reached. Send fewer requests: Retry-After says in how many seconds the next one passes."),
	}
	l.step, l.made = r.cost(l.cost), new(made)
	if l.personal() {
		l.brought = newFamily()
	}
	before := cfg.Previous
	if before != nil && !before.continues(l) {
		before = nil
	}
	l.succeed(before)
	if err := l.addPlans(&cfg, before); err != nil {
		return nil, fmt.Errorf("ratelimit: limit %q: %w", cfg.Name, err)
	}
	return l, nil
}

func (c *LimitConfig) check() (errs []error) {
	if !validName(c.Name) {
		errs = append(errs, errors.New("want a Name of 1 to 40 lower-case letters, digits and ._-"))
	}
	if n := len(c.By); n < 1 || n > maxParts {
		errs = append(errs, fmt.Errorf("there are %d parts in By, want 1 to %d", n, maxParts))
	}
	for i := range c.By {
		p := &c.By[i]
		switch {
		case p.kind == 0 || p.kind == byText && p.read == nil:
			errs = append(errs, fmt.Errorf("part %d of By is none", i))
		case p.kind == byHeader && (p.name == "" || p.name != http.CanonicalHeaderKey(p.name)):
			errs = append(errs, fmt.Errorf("part %d of By: %q is no header field", i, p.name))
		case p.kind == byClaim && (len(p.path) == 0 || slices.Contains(p.path, "")):
			errs = append(errs, fmt.Errorf("part %d of By: the claim has no name", i))
		}
	}
	if c.Capacity < 1 || c.Capacity > maxCapacity {
		errs = append(errs, fmt.Errorf("the Capacity is %d, want 1 to %d", c.Capacity, maxCapacity))
	}
	return errs
}

func validName(name string) bool {
	for i := range len(name) {
		b := name[i]
		if (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '.' && b != '_' && b != '-' {
			return false
		}
	}
	return name != "" && len(name) <= maxName
}

// policy is the limit's member of RateLimit-Policy: its quota in whole seconds,
// or without the window where that is not one.
func policy(name string, q Quota) string {
	count, per := int64(q.Count), q.Per
	if per < time.Second && time.Second%per == 0 {
		count, per = count*int64(time.Second/per), time.Second
	}
	text := strconv.Quote(name) + ";q=" + strconv.FormatInt(count, 10)
	if per%time.Second == 0 {
		text += ";w=" + strconv.FormatInt(int64(per/time.Second), 10)
	}
	return text
}

// key returns the key of x's subject; false when the limit does not count x.
func (l *Limit) key(x *exchange.Exchange) (uint64, bool) {
	var sum uint64
	for i := range l.by {
		var found bool
		if sum, found = l.by[i].sum(l.seed, sum, x); !found && l.skip {
			return 0, false
		}
	}
	return sum, true
}

// now is the time of the limit's clock, in nanoseconds.
func (l *Limit) now() int64 { return int64(time.Since(l.began)) }
