// Package bruteforce slows down whoever guesses credentials: after some wrong
// ones from an address, the next has to wait, and each further one twice as long.
//
// A [Guard] asks before authentication, where an attempt counts until it is judged,
// and counts failures when a request is over. It
// counts by address, and by address and claim: what a credential says that it is,
// such as the id of a key. So nobody can lock somebody else out: wrong secrets
// for a victim's key, from however many addresses, leave the address alone from
// which the victim sends the right one; and from an address that attacker and
// victim share, a key that was proved there lately still passes.
package bruteforce

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// Config configures a [Guard]. The zero value works: it counts by address alone.
type Config struct {
	_ [0]func()

	// Claim returns what the credential of x says that it is, before anything is
	// proved: the id of its key; "" for nothing. It is called by many at once. nil:
	// nothing is known.
	Claim func(x *exchange.Exchange) string

	// Side returns in whose name x asks about credentials that others have shown it, for
	// a service where several do, who are strangers to each other: what comes in one
	// name never delays what comes in another, whatever it says of addresses. It is
	// known before anything is judged, and called by many at once. nil: all are one.
	Side func(x *exchange.Exchange) string

	// Guess reports whether x carries what could be a guess: others never wait. It is
	// called by many at once. nil: everything may be one.
	Guess func(x *exchange.Exchange) bool

	// Guesses are the reasons of refusals that count. Nobody learns a secret by sending
	// none, something that cannot be one, or one that was right once. Default:
	// "wrong-secret", "signature", "honeytoken", and "unknown" of what claims to be
	// something: a stale cookie does not.
	Guesses []string

	// Address is for failures of one address, whatever they claim: of IPv6 the first
	// 64 bits. Default: 30 are free, then 1 second to 5 minutes, forgotten after 1 hour.
	Address Rule

	// Pair is for failures of one address with one claim. Default: 10 are free, then
	// 1 second to 15 minutes, forgotten after 1 hour.
	Pair Rule

	// Besieged is how many failures a claim may have from all addresses together
	// until an address gets no more than one free: 1 to 1,000,000. Default 100.
	Besieged int

	// Capacity is how many addresses, pairs and claims are remembered, each sort at up
	// to 100 bytes each: 16 to 16,777,216. Default 100,000. When it is reached, those who
	// need not wait are forgotten first.
	Capacity int

	// Shadow counts and never refuses: Shadowed is told instead, and is required then.
	Shadow   bool
	Shadowed func(x *exchange.Exchange, reason string)
}

// A Rule says how failures slow down further tries.
type Rule struct {
	Free    int           // failures that cost nothing: 1 to 1,000,000
	Delay   time.Duration // after the first beyond; each is twice the one before: 1 ms to 1 h
	Longest time.Duration // of all delays: Delay to 24 h
	Forget  time.Duration // without a failure for so long, all are forgotten: Longest to 7 days
}

const (
	defaultBesieged = 100
	defaultCapacity = 100_000
	minCapacity     = 16
	maxCapacity     = 1 << 24
	maxFree         = 1_000_000
	reason          = "brute-force"
	unknown         = "unknown"
)

// A Guard refuses further tries of those who failed. It is safe for concurrent
// use.
type Guard struct {
	cfg     Config
	refusal *problem.Problem
	seed    maphash.Seed // what is remembered is known by hashes that nobody can make alike
	began   time.Time    // with the monotonic clock: setting the wall clock frees nobody

	addresses, pairs, claims *table
	proved                   *table // pairs that were
	trying                   *attempts
	refused                  atomic.Uint64
}

// New reports everything that is wrong with cfg at once.
func New(cfg Config) (*Guard, error) {
	orDefault(&cfg.Address, Rule{30, time.Second, 5 * time.Minute, time.Hour})
	orDefault(&cfg.Pair, Rule{10, time.Second, 15 * time.Minute, time.Hour})
	if cfg.Guesses = slices.Clone(cfg.Guesses); cfg.Guesses == nil {
		cfg.Guesses = []string{"wrong-secret", "signature", "honeytoken", unknown}
	}
	if cfg.Besieged == 0 {
		cfg.Besieged = defaultBesieged
	}
	if cfg.Capacity == 0 {
		cfg.Capacity = defaultCapacity
	}
	errs := []error{cfg.Address.check("Address"), cfg.Pair.check("Pair")}
	if cfg.Besieged < 1 || cfg.Besieged > maxFree {
		errs = append(errs, fmt.Errorf("bruteforce: Besieged is %d, want 1 to %d", cfg.Besieged, maxFree))
	}
	if cfg.Capacity < minCapacity || cfg.Capacity > maxCapacity {
		errs = append(errs, fmt.Errorf("bruteforce: the Capacity is %d, want %d to %d", cfg.Capacity, minCapacity, maxCapacity))
	}
	if cfg.Shadow && cfg.Shadowed == nil {
		errs = append(errs, errors.New("bruteforce: there is Shadow, and no Shadowed to tell"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if cfg.Claim == nil {
		cfg.Claim = func(*exchange.Exchange) string { return "" }
	}
	if cfg.Side == nil {
		cfg.Side = func(*exchange.Exchange) string { return "" }
	}
	n := cfg.Capacity
	return &Guard{
		cfg: cfg, seed: maphash.MakeSeed(), began: time.Now(),
		addresses: newTable(n), pairs: newTable(n), claims: newTable(n), proved: newTable(n), trying: newAttempts(),
		refusal: problem.New(problem.RateLimited, "Too many wrong credentials came from your address. Wait as long as Retry-After says, and mend the credential."),
	}, nil
}

func orDefault(r *Rule, by Rule) {
	if *r == (Rule{}) {
		*r = by
	}
}

func (r *Rule) check(name string) error {
	const day = 24 * time.Hour
	switch {
	case r.Free < 1 || r.Free > maxFree:
		return fmt.Errorf("bruteforce: %s.Free is %d, want 1 to %d", name, r.Free, maxFree)
	case r.Delay < time.Millisecond || r.Delay > time.Hour:
		return fmt.Errorf("bruteforce: %s.Delay is %v, want 1ms to 1h", name, r.Delay)
	case r.Longest < r.Delay || r.Longest > day:
		return fmt.Errorf("bruteforce: %s.Longest is %v, want Delay to 24h", name, r.Longest)
	case r.Forget < r.Longest || r.Forget > 7*day:
		return fmt.Errorf("bruteforce: %s.Forget is %v, want Longest to 168h", name, r.Forget)
	}
	return nil
}

// delay is how long the next try has to wait after failures, of which free cost
// nothing.
func (r *Rule) delay(failures, free int) time.Duration {
	over := failures - free
	if over <= 0 {
		return 0
	}
	if d := float64(r.Delay) * math.Pow(2, float64(over-1)); d < float64(r.Longest) {
		return time.Duration(d)
	}
	return r.Longest
}

// Check refuses x with 429 (RFC 6585, section 4) while its address has to wait.
// Retry-After says for how many seconds, rounded up. Of credentials that come at
// once no more are judged at a time than may be wrong: the others wait for what
// these come to, up to ten seconds, after which x fails with 503.
func (g *Guard) Check(x *exchange.Exchange) exchange.Verdict {
	from, ok := g.origin(x)
	if !ok {
		return exchange.Pass()
	}
	t := g.tryOf(from, g.cfg.Claim(x))
	if g.cfg.Guess != nil && !g.cfg.Guess(x) {
		return exchange.Pass()
	}
	if x.Dry || x.Hearsay || g.cfg.Shadow {
		return g.verdict(x, g.wait(&t))
	}
	wait, err := g.begin(x.Request.Context(), x, &t)
	if err != nil {
		return exchange.Fail(err)
	}
	return g.verdict(x, wait)
}

func (g *Guard) verdict(x *exchange.Exchange, wait int64) exchange.Verdict {
	switch {
	case wait <= 0:
		return exchange.Pass()
	case g.cfg.Shadow:
		if !x.Dry && !x.Hearsay {
			g.cfg.Shadowed(x, reason)
		}
		return exchange.Pass()
	case !x.Dry && !x.Hearsay:
		g.refused.Add(1)
	}
	return exchange.Refuse(g.refusal.With("Retry-After", strconv.FormatInt((wait+int64(time.Second)-1)/int64(time.Second), 10)), reason)
}

// Done counts x when its credential was a guess: refused with 401 by one of our
// stages, for one of the reasons in Guesses. A right one is noted for its address,
// and ends the delays of the pair, never those of the address.
func (g *Guard) Done(x *exchange.Exchange, o exchange.Outcome) {
	defer g.end(x) // what waits for it sees what it came to
	from, ok := g.origin(x)
	switch {
	case !ok || x.Dry || x.Hearsay:
	case o.Status == http.StatusUnauthorized && slices.Contains(g.cfg.Guesses, o.Reason):
		claim := cmp.Or(g.cfg.Claim(x), x.Claim)
		if claim != "" || o.Reason != unknown {
			g.fail(from, claim)
		}
	case x.Principal.KeyID != "" && !x.Attempt.Passed:
		g.prove(from, x.Principal.KeyID)
	}
}

func (g *Guard) fail(from origin, claim string) {
	now := g.now()
	g.addresses.change(g.key(from, ""), now, g.cfg.Address.Forget, func(e *entry) {
		e.until = now + int64(g.cfg.Address.delay(int(e.failures), g.cfg.Address.Free))
	})
	if claim == "" {
		return
	}
	free := g.cfg.Pair.Free
	if g.claims.change(g.key(from.anywhere(), claim), now, g.cfg.Pair.Forget, nil) > uint32(g.cfg.Besieged) { //nolint:gosec // at most maxFree
		free = 1
	}
	g.pairs.change(g.key(from, claim), now, g.cfg.Pair.Forget, func(e *entry) {
		e.until = now + int64(g.cfg.Pair.delay(int(e.failures), free))
	})
}

// prove notes that the claim was proved from there. It is written anew now and
// then only: most requests come from where they came before.
func (g *Guard) prove(from origin, claim string) {
	now, pair := g.now(), g.key(from, claim)
	if e, known := g.proved.get(pair, now, g.cfg.Address.Forget); !known || now-e.last > int64(g.cfg.Address.Forget)/4 {
		g.proved.change(pair, now, g.cfg.Address.Forget, nil)
	}
	if _, failed := g.pairs.get(pair, now, g.cfg.Pair.Forget); failed {
		g.pairs.forget(pair)
	}
}

// Refused returns how many tries were refused.
func (g *Guard) Refused() uint64 { return g.refused.Load() }

// Remembered returns how many addresses have failed, or pairs of address and
// claim, if that is more.
func (g *Guard) Remembered() int { return max(g.addresses.len(), g.pairs.len()) }

// Trying returns how many addresses, and pairs of address and claim, have
// credentials that are being judged.
func (g *Guard) Trying() int { return g.trying.len() }

// Forget lets an address try again at once, and what it claims. With a Side it is
// the address of those who ask in nobody's name.
func (g *Guard) Forget(client netip.Addr, claim string) {
	if address, ok := network(client); ok {
		from := origin{address: address}
		g.addresses.forget(g.key(from, ""))
		g.pairs.forget(g.key(from, claim))
	}
}

// Wrap is Check as net/http middleware, for use without a Stack.
func (g *Guard) Wrap(next http.Handler) http.Handler { return exchange.Wrap(g, next) }

func (g *Guard) now() int64 { return int64(time.Since(g.began)) }

// An origin is where a credential comes from.
type origin struct {
	address netip.Addr // zero: from wherever
	side    string
}

func (o origin) anywhere() origin { return origin{side: o.side} }

func (g *Guard) origin(x *exchange.Exchange) (origin, bool) {
	address, ok := network(x.Client)
	if !ok {
		return origin{}, false
	}
	return origin{address, g.cfg.Side(x)}, true
}

func (g *Guard) key(from origin, claim string) uint64 {
	return maphash.Comparable(g.seed, struct {
		from  origin
		claim string
	}{from, claim})
}

// network returns what counts as one address.
func network(a netip.Addr) (netip.Addr, bool) {
	a = a.WithZone("").Unmap()
	if !a.Is6() {
		return a, a.IsValid()
	}
	p, err := a.Prefix(64)
	return p.Addr(), err == nil
}
