// Package housekeeping does what nobody asks for at the moment when it is due: it
// tells of keys that expire soon, revokes those that nobody uses, and ends overlaps
// that nobody needs.
//
// Every node does all of it. What is done twice is done once: an event has an id
// that says what it is about, and a key is changed from what was read.
package housekeeping

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/usage/tally"
	"github.com/warder-dev/warder/webhook"
)

// Keys are the store of keys, as the stores of this module are.
type Keys interface {
	apikey.Store
	apikey.Finder
}

// Config configures a [Keeper].
type Config struct {
	_    [0]func()
	Keys Keys // Required.

	// Announce has an event delivered. nil: nobody is told.
	Announce func(ctx context.Context, e webhook.Event) error

	// Changed is told of each key that was changed. May be nil.
	Changed func(apikey.ID)

	// Uses tells when keys were used. nil: this node counts nothing, and says so in
	// Cover, so that no other one takes a key for idle that is used here.
	Uses tally.Reader
	// Cover tells for which time uses are known. nil: nothing is ever idle.
	Cover tally.CoverStore
	// Kept is for how long a use is kept, [tally.Retention.Days]; 0 for the default.
	Kept time.Duration

	Log *slog.Logger // nil: none
}

// Every is the time between two rounds.
const Every = time.Hour

// roundTime bounds one round.
const roundTime = 10 * time.Minute

// leaveTime bounds the last word of a node that counts nothing.
const leaveTime = 5 * time.Second

// page is how many keys are read at a time.
const page = 500

// A Keeper does its rounds in the background. Close it to stop.
type Keeper struct {
	cfg    Config
	node   string // for [tally.Abstain]
	began  time.Time
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// Start begins with a round at once.
func Start(cfg Config) (*Keeper, error) {
	if cfg.Keys == nil {
		return nil, errors.New("housekeeping: Keys is missing")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Changed == nil {
		cfg.Changed = func(apikey.ID) {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	if cfg.Kept == 0 {
		cfg.Kept = tally.DefaultRetention().Days
	}
	k := &Keeper{cfg: cfg, node: rand.Text(), began: time.Now(), cancel: cancel}
	k.done.Go(func() { k.run(ctx) })
	return k, nil
}

// Close stops, and waits for the round that is under way to end early.
func (k *Keeper) Close() {
	k.cancel()
	k.done.Wait()
	if k.cfg.Uses != nil || k.cfg.Cover == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	if err := tally.Resume(ctx, k.cfg.Cover, k.node, time.Now()); err != nil {
		k.cfg.Log.Warn("the store was not told that this node ended, which counts no usage", slog.String("error", err.Error()))
	}
}

func (k *Keeper) run(ctx context.Context) {
	tick := time.NewTicker(Every)
	defer tick.Stop()
	for {
		k.round(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// round does everything once. What fails is tried again in the next round.
func (k *Keeper) round(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, roundTime)
	defer cancel()
	for _, task := range []struct {
		what string
		do   func(context.Context) error
	}{{"tell of keys that expire", k.expiring}, {"end what is idle", k.idle}} {
		if err := task.do(ctx); err != nil && ctx.Err() == nil {
			k.cfg.Log.Warn("housekeeping could not "+task.what+"; it tries again in an hour", slog.String("error", err.Error()))
		}
	}
}

// each calls do with every key that f finds.
func (k *Keeper) each(ctx context.Context, f apikey.Filter, do func(context.Context, *apikey.Record) error) error {
	f.Sort, f.Limit = apikey.SortID, page
	for {
		p, err := k.cfg.Keys.Find(ctx, f)
		if err != nil {
			return err
		}
		for i := range p.Records {
			if err := do(ctx, &p.Records[i]); err != nil {
				return err
			}
		}
		if !p.More {
			return nil
		}
		f.After = p.Next
	}
}
