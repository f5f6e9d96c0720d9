package password

import (
	"container/list"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// A ThrottledError means that so many logins have failed that the next one has to
// wait.
type ThrottledError struct{ After time.Duration } // until it is worth trying again

func (e *ThrottledError) Error() string {
	return fmt.Sprintf("password: throttled for %v", e.After.Round(time.Second))
}

// A rule says how failures slow down further tries.
type rule struct {
	free      int           // failures that cost nothing
	base, max time.Duration // the first delay, and the longest; each is twice the one before
	forget    time.Duration // after which nothing has happened
}

// The rules. A user's own address counts by the first alone. One address adds at
// most pairRule.free to a user's count: alone it cannot reach userRule.free.
func pairRule() rule    { return rule{5, time.Second, 15 * time.Minute, time.Hour} }
func userRule() rule    { return rule{20, time.Second, time.Minute, time.Hour} }
func addressRule() rule { return rule{20, time.Second, 5 * time.Minute, time.Hour} }

const (
	maxCounted = 20_000 // users, addresses and pairs of both that are remembered, each
	maxTrusted = 20_000 // pairs that logged in
)

// throttle counts failures. It is safe for concurrent use; what it remembers is
// bounded: the longest unused is forgotten first.
type throttle struct {
	mu        sync.Mutex
	pairs     *counts[pair]
	users     *counts[string]
	addresses *counts[netip.Prefix]
	trusted   *counts[pair] // whose user has logged in from the address
}

// A pair is a user's name from an address.
type pair struct {
	name string
	from netip.Prefix
}

func newThrottle() *throttle {
	return &throttle{
		pairs: newCounts[pair](pairRule(), maxCounted), users: newCounts[string](userRule(), maxCounted),
		addresses: newCounts[netip.Prefix](addressRule(), maxCounted), trusted: newCounts[pair](rule{forget: 90 * 24 * time.Hour}, maxTrusted),
	}
}

// network returns what counts as one address: an IPv6 client has a whole /64.
func network(from netip.Addr) netip.Prefix {
	from = from.Unmap().WithZone("")
	bits := 64
	if from.Is4() {
		bits = 32
	}
	p, _ := from.Prefix(bits) // the invalid address is one as well: it stands for all that are unknown
	return p
}

// An attempt is a try that counts as failed until it is told otherwise.
type attempt struct {
	t      *throttle
	pair   pair
	toUser bool // it was added to the user's count
}

// begin counts a try, or returns a *ThrottledError.
func (t *throttle) begin(name string, from netip.Addr) (*attempt, error) {
	now := time.Now()
	a := &attempt{t: t, pair: pair{name, network(from)}}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.throttled(a.pair, now); err != nil {
		return nil, err
	}
	if a.toUser = t.pairs.add(a.pair, now) <= t.pairs.rule.free; a.toUser {
		t.users.add(name, now)
	}
	t.addresses.add(a.pair.from, now)
	return a, nil
}

// throttled returns a *ThrottledError when p has to wait; the caller holds mu.
func (t *throttle) throttled(p pair, now time.Time) error {
	wait := t.pairs.wait(p, now)
	if !t.trusted.has(p, now) {
		wait = max(wait, t.users.wait(p.name, now), t.addresses.wait(p.from, now))
	}
	if wait > 0 {
		return &ThrottledError{After: wait}
	}
	return nil
}

// look returns what begin would, and counts nothing.
func (t *throttle) look(name string, from netip.Addr) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.throttled(pair{name, network(from)}, time.Now())
}

// forget takes the try back: it was none.
func (a *attempt) forget() {
	a.t.mu.Lock()
	defer a.t.mu.Unlock()
	a.t.pairs.take(a.pair)
	a.back()
}

// back takes the try from what the pair shares with others; the caller holds mu.
func (a *attempt) back() {
	if a.toUser {
		a.t.users.take(a.pair.name)
	}
	a.t.addresses.take(a.pair.from)
}

// succeeded makes the address one of the user's own, and forgets its failures for
// this user. What others failed at from there stays.
func (a *attempt) succeeded() {
	a.t.mu.Lock()
	defer a.t.mu.Unlock()
	a.t.pairs.drop(a.pair)
	a.back()
	a.t.trusted.add(a.pair, time.Now())
}

// counts are failures by key, the latest in front.
type counts[K comparable] struct {
	rule  rule
	limit int
	order *list.List // of *count[K]
	byKey map[K]*list.Element
}

type count[K comparable] struct {
	key      K
	failures int
	last     time.Time
}

func newCounts[K comparable](r rule, limit int) *counts[K] {
	return &counts[K]{rule: r, limit: limit, order: list.New(), byKey: make(map[K]*list.Element)}
}

// find returns the count of k, nil when it has none that still matters.
func (c *counts[K]) find(k K, now time.Time) *count[K] {
	element, ok := c.byKey[k]
	if !ok {
		return nil
	}
	one, _ := element.Value.(*count[K])
	if now.Sub(one.last) >= c.rule.forget {
		c.drop(k)
		return nil
	}
	return one
}

func (c *counts[K]) has(k K, now time.Time) bool { return c.find(k, now) != nil }

// wait returns how long k has to wait.
func (c *counts[K]) wait(k K, now time.Time) time.Duration {
	one := c.find(k, now)
	if one == nil || one.failures < c.rule.free {
		return 0
	}
	delay := c.rule.max
	if doublings := one.failures - c.rule.free; doublings < 20 {
		delay = min(delay, c.rule.base<<doublings)
	}
	return max(0, one.last.Add(delay).Sub(now))
}

// add counts one more for k and returns how many there are.
func (c *counts[K]) add(k K, now time.Time) int {
	one := c.find(k, now)
	if one == nil {
		one = &count[K]{key: k}
		c.byKey[k] = c.order.PushFront(one)
	} else {
		c.order.MoveToFront(c.byKey[k])
	}
	one.failures, one.last = one.failures+1, now
	if c.order.Len() > c.limit {
		if oldest, ok := c.order.Back().Value.(*count[K]); ok {
			c.drop(oldest.key)
		}
	}
	return one.failures
}

// take takes one back.
func (c *counts[K]) take(k K) {
	element, ok := c.byKey[k]
	if !ok {
		return
	}
	if one, _ := element.Value.(*count[K]); one.failures > 1 {
		one.failures--
		return
	}
	c.drop(k)
}

func (c *counts[K]) drop(k K) {
	if element, ok := c.byKey[k]; ok {
		c.order.Remove(element)
		delete(c.byKey, k)
	}
}
