package tally

import (
	"net/http"
	"net/netip"

	"github.com/warder-dev/warder/exchange"
)

// An Outcome is what came of a request.
type Outcome uint8

// The outcomes.
const (
	OK              Outcome = iota // passed, and answered below 400
	ClientError                    // passed, and answered 4xx by the handler
	ServerError                    // passed, and answered 5xx
	Answered                       // answered by a stage: a redirect, a preflight
	Unauthenticated                // 401
	Forbidden                      // 403: a scope, a condition, another site
	Limited                        // 429: a limit, or no credits
	Refused                        // refused otherwise: no route, a body too large
	Unavailable                    // could not be judged: 503
	Aborted                        // cut short
	outcomes
)

// Outcomes returns every outcome.
func Outcomes() []Outcome {
	all := make([]Outcome, outcomes)
	for i := range all {
		all[i] = Outcome(i)
	}
	return all
}

// String returns the word that stores and exports use.
func (o Outcome) String() string {
	if o >= outcomes {
		return "unknown"
	}
	return [outcomes]string{"ok", "client-error", "server-error", "answered", "unauthenticated", "forbidden", "limited", "refused", "unavailable", "aborted"}[o]
}

// Passed reports whether the request reached the handler.
func (o Outcome) Passed() bool { return o <= ServerError }

func outcomeOf(o exchange.Outcome) Outcome {
	switch {
	case o.Aborted:
		return Aborted
	case o.Trace.Verdict.Kind() == exchange.Passed:
		switch {
		case o.Status >= http.StatusInternalServerError:
			return ServerError
		case o.Status >= http.StatusBadRequest:
			return ClientError
		default:
			return OK
		}
	case o.Trace.Verdict.Kind() == exchange.Answered:
		return Answered
	case o.Trace.Verdict.Kind() == exchange.Failed:
		return Unavailable
	}
	switch o.Status {
	case http.StatusUnauthorized:
		return Unauthenticated
	case http.StatusForbidden:
		return Forbidden
	case http.StatusTooManyRequests:
		return Limited
	default:
		return Refused
	}
}

// How much is told apart of one key within a minute.
const (
	maxRoutes    = 64 // the next are Other
	maxSecrets   = 4  // that are used at once
	maxAddresses = 16 // the most frequent, about
)

// A cell is what one key did. Its lists are short, and searched from the front:
// what is used often comes first, by chance or soon.
type cell struct {
	routes    []routeCount
	secrets   [maxSecrets]secretUse
	addresses []addressCount
	grown     bool // a route was added
	pushed    bool // a secret took the place of another one
}

type routeCount struct {
	route  string
	counts [outcomes]uint32
}

type secretUse struct {
	number int
	last   int64 // seconds since 1970; 0 for a free place
}

type addressCount struct {
	prefix netip.Prefix
	n      uint32 // may be too large by what the one that it took the place of had
	last   int64
}

// add counts s; room says that another route has a place. It reports whether s was
// counted under its own route.
func (c *cell) add(s *sample, room bool) (own bool) {
	r, own := c.route(s.route, room)
	if r.counts[s.outcome] != ^uint32(0) {
		r.counts[s.outcome]++
	}
	if s.key == "" {
		return own
	}
	c.use(s)
	c.address(s)
	return own
}

func (c *cell) route(name string, room bool) (r *routeCount, own bool) {
	for i := range c.routes {
		if c.routes[i].route == name {
			return &c.routes[i], true
		}
	}
	if len(c.routes) > 0 && (!room || len(c.routes) >= maxRoutes) {
		if name == Other { // it has the place that is always there
			return c.other(), true
		}
		return c.other(), false
	}
	c.routes, c.grown = append(c.routes, routeCount{route: name}), true
	return &c.routes[len(c.routes)-1], true
}

func (c *cell) other() *routeCount {
	for i := range c.routes {
		if c.routes[i].route == Other {
			return &c.routes[i]
		}
	}
	c.routes = append(c.routes, routeCount{route: Other})
	return &c.routes[len(c.routes)-1]
}

// use notes when a secret was used.
func (c *cell) use(s *sample) {
	oldest := 0
	for i := range c.secrets {
		u := &c.secrets[i]
		if u.last != 0 && u.number == s.secret {
			u.last = max(u.last, s.at)
			return
		}
		if u.last < c.secrets[oldest].last {
			oldest = i
		}
	}
	c.pushed = c.pushed || c.secrets[oldest].last != 0
	c.secrets[oldest] = secretUse{s.secret, s.at}
}

// address counts by Space-Saving: an address that has no place takes that of the
// least frequent, with its count, so that what is frequent is never missed.
func (c *cell) address(s *sample) {
	if !s.client.IsValid() {
		return
	}
	least := 0
	for i := range c.addresses {
		a := &c.addresses[i]
		if a.prefix == s.client {
			a.n, a.last = a.n+1, max(a.last, s.at)
			return
		}
		if a.n < c.addresses[least].n {
			least = i
		}
	}
	if len(c.addresses) < maxAddresses {
		c.addresses = append(c.addresses, addressCount{s.client, 1, s.at})
		return
	}
	a := &c.addresses[least]
	a.prefix, a.n, a.last = s.client, a.n+1, s.at
}

// drain moves what was counted to b.
func (c *cell) drain(b *Batch, key string, scopes func(route string) []string) {
	for i := range c.routes {
		r := &c.routes[i]
		passed := false
		for o, n := range r.counts {
			if n == 0 {
				continue
			}
			outcome := Outcome(o)
			b.Counts = append(b.Counts, Count{Key: key, Route: r.route, Outcome: outcome, N: int64(n)})
			passed = passed || outcome.Passed()
		}
		r.counts = [outcomes]uint32{}
		if passed && key != "" && key != Other {
			for _, scope := range scopes(r.route) {
				b.Scopes = append(b.Scopes, ScopeUse{Key: key, Scope: scope})
			}
		}
	}
	for i, u := range c.secrets {
		if u.last != 0 && key != Other {
			b.Secrets = append(b.Secrets, SecretUse{Key: key, Secret: u.number, At: minuteOf(u.last)})
		}
		c.secrets[i] = secretUse{}
	}
	for _, a := range c.addresses {
		b.Addresses = append(b.Addresses, AddressUse{Key: key, Prefix: a.prefix, N: int64(a.n), At: minuteOf(a.last)})
	}
	c.addresses = c.addresses[:0]
}
