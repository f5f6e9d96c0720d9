package bruteforce

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/warder-dev/warder/exchange"
)

// patience is how long a request waits for credentials of the same address, or for
// the same claim, that are being judged.
const patience = 10 * time.Second

var errBusy = errors.New("bruteforce: credentials of the same address are being judged, and that takes too long")

// A try is a request whose credential may be a guess.
type try struct {
	from          origin
	claim         string
	address, pair uint64 // the keys of both; pair is 0 without a claim
}

func (g *Guard) tryOf(from origin, claim string) try {
	t := try{from: from, claim: claim, address: g.key(from, "")}
	if claim != "" {
		t.pair = g.key(from, claim)
	}
	return t
}

// proven reports whether the claim of t was proved from there lately: what others do
// at its address is then nothing to it.
func (g *Guard) proven(t *try) bool {
	if t.pair == 0 {
		return false
	}
	_, known := g.proved.get(t.pair, g.now(), g.cfg.Address.Forget)
	return known
}

// wait is for how long t has to wait, in nanoseconds.
func (g *Guard) wait(t *try) (wait int64) {
	now := g.now()
	if e, failed := g.addresses.get(t.address, now, g.cfg.Address.Forget); failed && !g.proven(t) {
		wait = e.until - now
	}
	if t.pair != 0 {
		if e, failed := g.pairs.get(t.pair, now, g.cfg.Pair.Forget); failed {
			wait = max(wait, e.until-now)
		}
	}
	return wait
}

// begin counts t as an attempt until end. It waits while as many are being judged
// as may fail before somebody has to wait: what they come to decides about t.
// Whoever sends right credentials waits for the judgement of others and is not
// refused; of wrong ones no more are judged at once than one after another.
func (g *Guard) begin(ctx context.Context, x *exchange.Exchange, t *try) (wait int64, err error) {
	var bound *time.Timer // made when it is needed
	var woken uint64      // whose turn it is
	defer func() {
		if bound != nil {
			bound.Stop()
		}
		if woken != 0 && x.Attempt.Address != woken && x.Attempt.Pair != woken {
			g.trying.pass(woken)
		}
		if wait > 0 || err != nil {
			g.end(x)
		}
	}()
	for {
		key, turn, begun := g.take(x, t)
		switch {
		case begun:
			return 0, nil
		case turn == nil:
			if wait = g.wait(t); wait > 0 {
				return wait, nil
			}
			continue // not any more
		case woken != 0 && woken != key && x.Attempt.Pair != woken:
			g.trying.pass(woken)
		}
		if woken = 0; bound == nil {
			bound = time.NewTimer(patience)
		}
		select {
		case <-turn:
			woken = key
		case <-bound.C:
			g.trying.leave(key, turn)
			return 0, errBusy
		case <-ctx.Done():
			g.trying.leave(key, turn)
			return 0, ctx.Err()
		}
	}
}

// take begins the attempts of t, that of its pair first: whoever has one of an
// address waits for nobody. When it cannot, it returns the key at which it waits,
// and its turn; nil for now.
func (g *Guard) take(x *exchange.Exchange, t *try) (key uint64, turn chan struct{}, begun bool) {
	if t.pair != 0 && x.Attempt.Pair == 0 {
		if begun, turn = g.trying.begin(t.pair, func() int { return g.mostOfPair(t) }); !begun {
			return t.pair, turn, false
		}
		x.Attempt.Pair = t.pair
	}
	if g.proven(t) {
		return 0, nil, true
	}
	if begun, turn = g.trying.begin(t.address, func() int { return g.most(g.addresses, t.address, &g.cfg.Address, g.cfg.Address.Free) }); !begun {
		return t.address, turn, false
	}
	x.Attempt.Address = t.address
	return 0, nil, true
}

// most is how many attempts of key may be judged at once: as many as would have
// been let through one after another, were all of them wrong.
func (g *Guard) most(of *table, key uint64, r *Rule, free int) int {
	now := g.now()
	e, failed := of.get(key, now, r.Forget)
	switch {
	case !failed:
		return free + 1
	case e.until > now:
		return 0
	default:
		return max(1, free+1-int(e.failures))
	}
}

func (g *Guard) mostOfPair(t *try) int {
	free := g.cfg.Pair.Free
	if e, failed := g.claims.get(g.key(t.from.anywhere(), t.claim), g.now(), g.cfg.Pair.Forget); failed && e.failures > uint32(g.cfg.Besieged) { //nolint:gosec // at most maxFree
		free = 1
	}
	return g.most(g.pairs, t.pair, &g.cfg.Pair, free)
}

// end takes the attempts of x back. What came of them is counted before.
func (g *Guard) end(x *exchange.Exchange) {
	a := x.Attempt
	x.Attempt.Address, x.Attempt.Pair = 0, 0
	if a.Address != 0 {
		g.trying.end(a.Address)
	}
	if a.Pair != 0 {
		g.trying.end(a.Pair)
	}
}

// Passed tells the guard that x has passed authentication, however long the rest
// takes. A warder.Stack does so; without it, the guard learns it when the response
// begins.
func (g *Guard) Passed(x *exchange.Exchange) {
	if x.Dry || x.Hearsay || x.Attempt.Passed {
		return
	}
	if from, ok := g.origin(x); ok && x.Principal.KeyID != "" {
		g.prove(from, x.Principal.KeyID)
	}
	x.Attempt.Passed = true
	g.end(x)
}

// Headers sets no field. A response that begins with a principal is that of a
// right credential.
func (g *Guard) Headers(x *exchange.Exchange, _ http.Header) {
	if !x.Principal.IsZero() {
		g.Passed(x)
	}
}
