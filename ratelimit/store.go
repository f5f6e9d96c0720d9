package ratelimit

import (
	"context"
	"time"
)

// A Store counts for limits that several processes share: see
// [LimitConfig.Store]. Implementations pass ratelimittest.TestStore and are safe
// for concurrent use.
type Store interface {
	// Take judges claims by the store's own clock, and counts each that is
	// [Together] when all of those may pass; then also each [Alone] that may pass.
	// One that is [Forced] counts in any case. dry counts nothing. The claims, 1 to 16,
	// are of one Near, and no two are of one limit and subject.
	//
	// It fills in the answers of each claim. After an error there are none: the store
	// did not answer, and may have counted or not. Take returns within the store's
	// budget, whatever ctx says, and sooner when ctx ends.
	Take(ctx context.Context, claims []Claim, dry bool) error

	// Reset forgets what a subject of a limit has spent, on all nodes. A subject that
	// has spent nothing is no error.
	Reset(ctx context.Context, limit string, subject, near Digest) error

	// Fleet returns what the store last heard of the others. It never waits.
	Fleet() Fleet
}

// A Fleet is all processes that share a [Store].
type Fleet struct {
	// Nodes is how many there are, this one included: 1 at least, also when nobody
	// was heard of yet.
	Nodes int

	// Epoch is another number after each Reset, by whichever node, and after the
	// store lost what it knew: what was learnt before does not hold any more.
	Epoch uint64
}

// A Digest is 16 bytes of a SHA-256 digest. It stands for a subject, the same in
// every process, and does not show it.
type Digest [16]byte

// A Claim is one request's wish to be counted by one limit.
type Claim struct {
	Limit   string // its name
	Subject Digest
	Near    Digest // counters of one Near are on one server of a cluster; zero: with all that have none
	Quota   Quota  // valid, with its Burst set
	Cost    int    // 1 to the burst
	Kind    ClaimKind

	// Answers. Debt is how long the subject's burst takes to be whole again: after
	// this request when it was counted, before it otherwise. Since that is seldom a whole
	// number of nanoseconds, it is Debt and Fraction/Quota.Count of one more.
	OK       bool // this limit on its own lets the request pass
	Debt     time.Duration
	Fraction int
}

// ClaimKind is how a claim counts.
type ClaimKind uint8

// Kinds of claims.
const (
	Together ClaimKind = iota // all or none
	Alone                     // when those together pass, and this one too: a limit that is only tried, or a lease
	Forced                    // also when it is over the limit: what a request turned out to cost; at most one burst beyond it
)

// An Outage is what becomes of requests while the [Store] gives no answer. Whoever
// was over the limit when the store was last asked is refused with each of them, for
// as long as that is certain: nobody has to be asked about it.
type Outage uint8

// Choices for an outage.
const (
	// Share counts in this process, against the limit divided by the nodes last seen:
	// together they admit no more, as long as requests come to all of them alike.
	// At least one request passes at a time. What the store last said of a subject
	// still holds; what passes meanwhile is not told to it later.
	Share Outage = iota

	// Closed answers 503.
	Closed

	// InsecureOpen lets requests pass, uncounted: whoever can slow the store down before
	// the limit is reached has none.
	InsecureOpen
)

// remote is what a limit with a store has beside its table. The table then
// mirrors what the store said last, on this process's clock.
type remote struct {
	store  Store
	outage Outage
	lease  uint64 // most units held for a subject; 0: exact
	spread []Part
}

// newRemote returns the remote part of a limit, or nil for one that counts in
// memory. What is wrong is reported at once.
func (c *LimitConfig) newRemote(r rule) (*remote, []error) {
	var errs []error
	if c.Store == nil {
		if c.Lease != 0 || c.Outage != Share || len(c.Spread) > 0 {
			errs = append(errs, errNoStore)
		}
		return nil, errs
	}
	if c.Lease < 0 || uint64(c.Lease) > r.burst {
		errs = append(errs, leaseError(c.Lease, r.burst))
	}
	if c.Outage > InsecureOpen {
		errs = append(errs, errOutage)
	}
	for i := range c.Spread {
		if !within(&c.Spread[i], c.By) {
			errs = append(errs, spreadError(i))
		}
	}
	return &remote{store: c.Store, outage: c.Outage, lease: uint64(max(0, c.Lease)), spread: c.Spread}, errs
}
