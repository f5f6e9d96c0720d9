package usage_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/usage"
)

// A world is some nodes that share an account while everything happens to them.
type world struct {
	t      *testing.T
	random *rand.Rand
	favour bool
	store  *usage.MemoryStore
	nodes  []*node
	began  time.Time

	given   int64 // credits that a person gave
	passed  int64 // what requests cost, those that run included
	crashes int64 // of nodes; silence that is taken for one counts too
}

// skewed is a store as a node reaches it whose clock is not the others'.
type skewed struct {
	usage.Store
	by time.Duration
}

func (s skewed) Reserve(ctx context.Context, at time.Time, asks []usage.Ask) ([]usage.Grant, error) {
	return s.Store.Reserve(ctx, at.Add(s.by), asks)
}

// A node is a ledger with its way to the store.
type node struct {
	probe   *probe
	ledger  *usage.Ledger
	stage   *usage.Stage
	running []*exchange.Exchange
}

const (
	worldReserve, worldCost, worldRunning = 40, 5, 6
	worldRefill                           = 50
	worldSkew                             = 2 * time.Second

	// worldLoss is the most that the end of one node may cost either side: what it
	// had reserved, and what requests had that still ran.
	worldLoss = worldReserve + worldCost + worldRunning*worldCost
)

func (w *world) add() {
	p := &probe{Store: skewed{w.store, time.Duration(w.random.Int64N(int64(2*worldSkew+1))) - worldSkew}}
	l := newLedger(w.t, p, func(c *usage.LedgerConfig) {
		c.MinReserve, c.MaxReserve, c.CrashFavoursCustomer = 4, worldReserve, w.favour
	})
	s := newStage(w.t, l, func(c *usage.Config) { c.Cost, c.RefundFailed = worldCost, true })
	w.nodes = append(w.nodes, &node{probe: p, ledger: l, stage: s})
}

// granted is how much there ever was to spend, by a clock that is ahead of the
// world's.
func (w *world) granted(ahead time.Duration) int64 {
	return w.given + worldRefill*int64((time.Since(w.began)+ahead)/(24*time.Hour))
}

func (w *world) step() {
	n := w.nodes[w.random.IntN(len(w.nodes))]
	switch dice := w.random.IntN(100); {
	case dice < 55:
		w.request(n)
	case dice < 65:
		w.finish(n)
	case dice < 85:
		time.Sleep(time.Duration(w.random.IntN(3000)) * time.Millisecond) //nolint:forbidigo // by the bubble's clock
	case dice < 87:
		w.night()
	case dice < 90:
		give := int64(w.random.IntN(60) + 1)
		w.given += give
		if _, err := w.store.Apply(w.t.Context(), usage.Change{Actor: "user:ada", Source: "cli", At: time.Now(), Subject: key("k1"), Op: usage.OpAdd, Amount: give}); err != nil {
			w.t.Fatal(err)
		}
	case dice < 92:
		w.leave(n, true)
	case dice < 94:
		w.leave(n, false)
	case dice < 99:
		w.disturb(n)
	default:
		w.outage()
	}
}

// request lets one come, which ends at once or goes on.
func (w *world) request(n *node) {
	x := request()
	v := n.stage.Check(x)
	if !v.Passed() {
		n.stage.Done(x, exchange.Outcome{Status: v.Problem().Type.Status()})
		return
	}
	w.passed += worldCost
	n.running = append(n.running, x)
	if len(n.running) >= worldRunning || w.random.IntN(3) > 0 {
		w.finish(n)
	}
}

// finish ends a request that runs; one of four fails.
func (w *world) finish(n *node) {
	if len(n.running) == 0 {
		return
	}
	i := w.random.IntN(len(n.running))
	x := n.running[i]
	n.running = append(n.running[:i:i], n.running[i+1:]...)
	o := exchange.Outcome{Status: http.StatusOK}
	if w.random.IntN(4) == 0 {
		o.Status = http.StatusBadGateway
		w.passed -= worldCost
	}
	n.stage.Done(x, o)
}

// leave ends a node, by a crash or in good order, and lets another come.
func (w *world) leave(n *node, crash bool) {
	if crash {
		w.crashes++
		n.probe.set(func(context.Context, []usage.Ask) error { return errAway }, nil)
	} else {
		n.probe.set(nil, nil)
	}
	err := n.ledger.Close(w.t.Context())
	if !crash && err != nil {
		w.t.Fatal(err)
	}
	for i := range w.nodes {
		if w.nodes[i] == n {
			w.nodes = append(w.nodes[:i:i], w.nodes[i+1:]...)
			break
		}
	}
	w.add()
}

// night ends all nodes, and lets others come just before the next refill.
func (w *world) night() {
	nodes := len(w.nodes)
	for _, n := range w.nodes {
		n.probe.set(nil, nil)
		for len(n.running) > 0 {
			w.finish(n)
		}
		closeLedger(w.t, n.ledger)
	}
	midnight := time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	time.Sleep(time.Until(midnight) - time.Duration(w.random.IntN(4000))*time.Millisecond) //nolint:forbidigo // by the bubble's clock
	w.nodes = nil
	for range nodes {
		w.add()
	}
}

// disturb makes one node's questions fail for a while: before they are asked, or
// after they were answered.
func (w *world) disturb(n *node) {
	until := time.Now().Add(time.Duration(w.random.IntN(5000)) * time.Millisecond)
	fails := func() error {
		if time.Now().Before(until) {
			return errAway
		}
		return nil
	}
	if w.random.IntN(2) == 0 {
		n.probe.set(func(context.Context, []usage.Ask) error { return fails() }, nil)
		return
	}
	n.probe.set(nil, func([]usage.Ask) error { return fails() })
}

// outage lets the store be away for longer than reservations hold.
func (w *world) outage() {
	w.crashes += int64(len(w.nodes))
	for _, n := range w.nodes {
		n.probe.set(func(context.Context, []usage.Ask) error { return errAway }, nil)
	}
	time.Sleep(time.Duration(w.random.IntN(150)) * time.Second) //nolint:forbidigo // by the bubble's clock
	for _, n := range w.nodes {
		n.probe.set(nil, nil)
	}
}

// check holds the world against what must be so at every moment.
func (w *world) check() {
	most := w.granted(worldSkew)
	if w.favour {
		most += w.crashes * worldLoss
	}
	if w.passed > most {
		w.t.Fatalf("requests spent %d credits of %d, after %d crashes", w.passed, most, w.crashes)
	}
	a := account(w.t, w.store, key("k1"))
	sum := a.Balance + a.Held + a.Spent + a.Lost
	if a.Balance < 0 || a.Held < 0 || a.Spent < 0 || a.Lost < 0 || sum < w.granted(0) || sum > w.granted(worldSkew) {
		w.t.Fatalf("account = %+v, want a sum of %d", a, w.granted(0))
	}
	if a.Lost > w.crashes*worldLoss || w.favour && a.Lost != 0 {
		w.t.Fatalf("%d credits were lost in %d crashes", a.Lost, w.crashes)
	}
}

// TestRandomInterleavings is the promise of the package: whatever the order of
// requests, answers that are lost, clocks that differ, outages, crashes, refills and
// gifts, nobody spends more than he was given, and nothing disappears but what a crash costs.
func TestRandomInterleavings(t *testing.T) {
	seeds, steps := 60, 800
	if raceEnabled {
		seeds = 8
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{t: t, random: rand.New(rand.NewPCG(uint64(seed), 1)), favour: seed%2 == 1, store: new(usage.MemoryStore), began: time.Now(), given: 100}
				give(t, w.store, key("k1"), w.given, usage.Refill{Every: usage.Day, Amount: worldRefill, Cap: usage.MaxCredits})
				for range 1 + seed%4 {
					w.add()
				}
				for range steps {
					w.step()
					w.check()
				}
				w.end()
			})
		})
	}
}

// end lets everything come to rest, and counts.
func (w *world) end() {
	if w.passed < 100 || w.crashes == 0 {
		w.t.Errorf("%d credits were spent in %d crashes: this shows nothing", w.passed, w.crashes)
	}
	for _, n := range w.nodes {
		n.probe.set(nil, nil)
		for len(n.running) > 0 {
			w.finish(n)
		}
		closeLedger(w.t, n.ledger)
	}
	time.Sleep(2 * time.Minute) //nolint:forbidigo // by the bubble's clock: until crashed nodes are taken as gone
	w.check()
	a := account(w.t, w.store, key("k1"))
	if a.Held != 0 {
		w.t.Errorf("%d credits are held by nobody", a.Held)
	}
	// What was spent and never confirmed is either lost to the customer or, in his
	// favour, for nothing.
	unconfirmed := w.passed - a.Spent
	if w.favour && unconfirmed > w.crashes*worldLoss || !w.favour && unconfirmed > a.Lost {
		w.t.Errorf("spent %d, confirmed %d, lost %d, crashes %d", w.passed, a.Spent, a.Lost, w.crashes)
	}
}
