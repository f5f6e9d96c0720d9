package gateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/usage"
)

// returnTime is how long a gateway that stops waits for the store to take back
// what was not spent.
const returnTime = 5 * time.Second

var errNoCredits = errors.New("it costs credits, and nothing keeps them")

// addCredit lets requests of a route cost what the configuration says.
func (g *Gateway) addCredit(policy *warder.Policy, route *config.Route) error {
	c := &g.cfg.Config.Credits
	cost := g.cfg.Config.RouteCost(route)
	if cost == 0 {
		return nil
	}
	if err := g.openLedger(); err != nil {
		return err
	}
	stage, err := usage.New(usage.Config{
		Ledger: g.ledger, By: usage.Kind(c.By), Cost: int64(cost), Unmetered: c.Unmetered,
		RefundFailed: c.RefundFailed, CostHeader: http.CanonicalHeaderKey(c.CostHeader),
	})
	policy.Credit = stage
	return err
}

// openLedger makes the ledger that all routes share, at its first use.
func (g *Gateway) openLedger() error {
	if g.ledger != nil {
		return nil
	}
	if g.cfg.Credits == nil {
		return errNoCredits
	}
	c := &g.cfg.Config.Credits
	ledger, err := usage.NewLedger(usage.LedgerConfig{
		Store: g.cfg.Credits, Log: g.cfg.Log, CrashFavoursCustomer: c.CrashFavoursCustomer,
		MinReserve: int64(c.MinReserve), MaxReserve: int64(c.MaxReserve), Term: c.Term, Timeout: g.cfg.Config.Timeouts.Store,
	})
	if err == nil {
		g.ledger = ledger
	}
	return err
}

// closeLedger gives back what was not spent.
func (g *Gateway) closeLedger() error {
	if g.ledger == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), returnTime)
	defer cancel()
	return g.ledger.Close(ctx)
}
