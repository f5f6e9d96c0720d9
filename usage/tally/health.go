package tally

import (
	"slices"
	"time"

	"github.com/warder-dev/warder/exchange"
)

// A Key is what the judgement of a key's health needs of it.
type Key struct {
	ID      string
	Scopes  []string // grants, whose last segment may be "*"
	Created time.Time
	Expires time.Time // zero: never
	Secrets []Secret  // current first
}

// A Secret is one of a key's.
type Secret struct {
	Number  int
	Retires time.Time // zero for the current one
}

// An Ill is what is wrong with a key.
type Ill string

// What may be wrong with a key.
const (
	NeverExpires  Ill = "never-expires"
	Idle          Ill = "idle"           // not used for [HealthConfig.Idle]
	OverScoped    Ill = "over-scoped"    // has scopes that it never needed
	ManyAddresses Ill = "many-addresses" // used from [HealthConfig.Addresses] or more
	OldSecret     Ill = "old-secret"     // a retiring secret is still in use
)

// A Finding is something that is wrong with a key.
type Finding struct {
	Ill    Ill
	Since  time.Time // last use, or creation of a key that was never used; of the old secret its last use. Zero where it says nothing.
	Ends   time.Time // of the old secret; zero otherwise
	Scopes []string  // those that were never needed
	Secret int       // number of the old secret
	Count  int       // of addresses
}

// HealthConfig says from when on something is wrong.
type HealthConfig struct {
	Idle      time.Duration // default 90 days
	Addresses int           // distinct addresses of the last 30 days; default 16
	Grace     time.Duration // for how long after its creation a key is not called over-scoped; default 30 days
	// Ignore reports whether a scope need not be needed by a route, such as one that a
	// plan goes by. May be nil.
	Ignore func(scope string) bool
}

// Defaults of [HealthConfig].
const (
	day              = 24 * time.Hour
	DefaultIdle      = 90 * day
	DefaultAddresses = 16
	DefaultGrace     = 30 * day
	recent           = 30 * day
)

// Health returns what is wrong with k at now, by what is known of its use.
func (c HealthConfig) Health(k *Key, u *KeyUse, now time.Time) (found []Finding) {
	if c.Idle == 0 {
		c.Idle = DefaultIdle
	}
	if c.Addresses == 0 {
		c.Addresses = DefaultAddresses
	}
	if c.Grace == 0 {
		c.Grace = DefaultGrace
	}
	if k.Expires.IsZero() {
		found = append(found, Finding{Ill: NeverExpires})
	}
	since := u.LastUsed()
	if since.IsZero() {
		since = k.Created
	}
	if now.Sub(since) >= c.Idle {
		found = append(found, Finding{Ill: Idle, Since: since})
	}
	if unused := c.unused(k, u); len(unused) > 0 && now.Sub(k.Created) >= c.Grace && !u.LastUsed().IsZero() {
		found = append(found, Finding{Ill: OverScoped, Scopes: unused})
	}
	n := 0
	for _, a := range u.Addresses {
		if now.Sub(a.At) <= recent {
			n++
		}
	}
	if n >= c.Addresses {
		found = append(found, Finding{Ill: ManyAddresses, Count: n})
	}
	return append(found, old(k, u, now)...)
}

// old finds retiring secrets that were used after the current one came.
func old(k *Key, u *KeyUse, now time.Time) (found []Finding) {
	for _, s := range k.Secrets {
		if s.Retires.IsZero() || !now.Before(s.Retires) {
			continue
		}
		for _, use := range u.Secrets {
			if use.Secret == s.Number {
				found = append(found, Finding{Ill: OldSecret, Secret: s.Number, Since: use.At, Ends: s.Retires})
			}
		}
	}
	return found
}

// unused returns the grants of k that no use needed.
func (c HealthConfig) unused(k *Key, u *KeyUse) (unused []string) {
	for _, grant := range k.Scopes {
		if c.Ignore != nil && c.Ignore(grant) {
			continue
		}
		granted := exchange.PatternScopes(grant)
		if !slices.ContainsFunc(u.Scopes, func(s ScopeUse) bool { return granted.Allow(s.Scope) }) {
			unused = append(unused, grant)
		}
	}
	return unused
}

// Reduced returns the grants that k needs: those that were needed, a pattern as the
// scopes that were needed of it, and those that c ignores. They grant nothing that k
// does not.
func (c HealthConfig) Reduced(k *Key, u *KeyUse) (needed []string) {
	for _, grant := range k.Scopes {
		if c.Ignore != nil && c.Ignore(grant) {
			needed = append(needed, grant)
			continue
		}
		granted := exchange.PatternScopes(grant)
		for _, s := range u.Scopes {
			if granted.Allow(s.Scope) {
				needed = append(needed, s.Scope)
			}
		}
	}
	slices.Sort(needed)
	return slices.Compact(needed)
}
