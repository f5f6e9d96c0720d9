package gateway

import (
	"slices"

	"github.com/warder-dev/warder/bruteforce"
	"github.com/warder-dev/warder/exchange"
)

// addGuard makes what slows down those whose credentials are wrong. One stands
// before all routes: who guesses at one cannot go on at another.
func (g *Gateway) addGuard() error {
	b := &g.cfg.Config.BruteForce
	if b.InsecureOff || g.guard != nil {
		return nil
	}
	rule := func(free int) bruteforce.Rule {
		return bruteforce.Rule{Free: free, Delay: b.Delay, Longest: b.LongestDelay, Forget: b.Forget}
	}
	carriers, guesses, shadowed := g.carriers, g.carriers, g.cfg.Shadowed // and not g, which the guard may outlive
	sessions := loginCookies(&g.cfg.Config.Session)
	guesses.cookies = slices.DeleteFunc(slices.Clone(carriers.cookies), func(name string) bool { return slices.Contains(sessions, name) })
	var err error
	g.guard, err = bruteforce.New(bruteforce.Config{
		Claim: carriers.claimed, Guess: guesses.carried, Address: rule(b.Failures), Pair: rule(b.KeyFailures), Capacity: b.Capacity, Shadow: b.Shadow,
		Shadowed: func(x *exchange.Exchange, reason string) { shadowed(x, "guard", reason) },
	})
	return err
}

// claimed is the id of the key that x carries, whether it proves it or not.
func (c carriers) claimed(x *exchange.Exchange) string {
	if x.Claim != "" {
		return x.Claim
	}
	id, _ := c.carries(x)
	return id
}

// carried reports whether x carries anything. Of the guard's it is what somebody
// could be guessing at: the cookie of a session is too long for that, so that
// whoever shares an address with a guesser stays logged in.
func (c carriers) carried(x *exchange.Exchange) bool {
	found := false
	c.each(x, func(string) { found = true })
	return found
}

// Guard returns what slows down those who guess; nil when it is off.
func (g *Gateway) Guard() *bruteforce.Guard { return g.guard }
