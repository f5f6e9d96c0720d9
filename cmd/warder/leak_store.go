package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/fleet"
	"github.com/warder-dev/warder/leak"
)

// leakReason is why a key is revoked that was found (compare RFC 5280, section
// 5.3.1).
const leakReason = "key-compromise"

// leakStore is the database that found keys are looked up in; nil when none is.
type leakStore struct {
	db       *database
	verifier *apikey.Verifier
	by       apikey.By
	disable  bool
	revoke   bool
	wait     time.Duration
	done     map[apikey.ID]string // what was done to the key
	newest   apikey.Revision
}

// asked is a store that is only asked: a search changes nothing by itself.
type asked struct{ apikey.Store }

func (asked) Apply(context.Context, apikey.Change) (apikey.Revision, error) {
	return 0, errors.New("this store is only read")
}

// openLeakStore opens the database, if the flags want it.
func openLeakStore(cmd *cobra.Command, p *process, o *leakOptions) (*leakStore, error) {
	if !o.lookup && !o.disable && !o.revoke {
		return nil, nil //nolint:nilnil // a store that is nil knows nothing, and says so
	}
	wait, err := config.ParseDuration(o.wait)
	if err != nil || wait < 0 {
		return nil, fail(exitUsage, "", "--wait %q: want a duration of 0s or more", printable(o.wait))
	}
	cfg, err := keysConfig(cmd, p)
	if err != nil {
		return nil, err
	}
	log := stderrLog(p)
	db, err := openExisting(cmd.Context(), cfg, log)
	if err != nil {
		return nil, err
	}
	s := &leakStore{db: db, by: by(p), disable: o.disable, revoke: o.revoke, wait: wait, done: make(map[apikey.ID]string)}
	if s.verifier, err = newLeakVerifier(cmd.Context(), cfg, db, log); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

func newLeakVerifier(ctx context.Context, cfg *config.Config, db *database, log *slog.Logger) (*apikey.Verifier, error) {
	used, err := db.APIKeys().PepperIDs(ctx)
	if err != nil {
		return nil, err
	}
	peppers, err := loadPeppers(cfg.Peppers, used, log)
	if err != nil {
		return nil, err
	}
	return apikey.NewVerifier(apikey.VerifierConfig{Store: asked{db.APIKeys()}, Peppers: peppers})
}

// judge says what the key is good for, and takes it away where the flags want
// that.
func (s *leakStore) judge(ctx context.Context, f *leak.Finding, v *leakView) error {
	if s == nil {
		return nil
	}
	verdict, err := leak.Judge(ctx, s.verifier, f.Text)
	if err != nil {
		return fail(exitServer, "", "the key %s could not be looked up: %w", f.ID, err)
	}
	v.State = verdict
	if !verdict.Harmful() || !s.disable && !s.revoke || s.disable && verdict == leak.Disabled {
		return nil
	}
	if s.done[f.ID] == "" {
		if err := s.act(ctx, f.ID); err != nil {
			return err
		}
	}
	v.Done = s.done[f.ID]
	return nil
}

func (s *leakStore) act(ctx context.Context, id apikey.ID) error {
	done, change := "disabled", func() (apikey.Record, error) { return apikey.Disable(ctx, s.db.APIKeys(), s.by, id) }
	if s.revoke {
		done, change = "revoked", func() (apikey.Record, error) { return apikey.Revoke(ctx, s.db.APIKeys(), s.by, id, leakReason) }
	}
	record, err := change()
	if err != nil {
		return fail(exitServer, "ask again: it is safe", "the key %s is not %s: %w", id, done, err)
	}
	s.done[id], s.newest = done, max(s.newest, record.Revision)
	return nil
}

// finish waits until the running nodes have heard of the changes.
func (s *leakStore) finish(ctx context.Context, p *process) error {
	if s == nil {
		return nil
	}
	err := s.confirm(ctx, p)
	return errors.Join(err, s.verifier.Close(), s.db.Close())
}

func (s *leakStore) confirm(ctx context.Context, p *process) error {
	if len(s.done) == 0 {
		return nil
	}
	done := "disabled"
	if s.revoke {
		done = "revoked"
	}
	receipt, err := fleet.Await(ctx, s.db.Nodes(), s.newest, s.wait)
	switch {
	case err != nil:
		return fail(exitServer, "ask again: it is safe", "the keys are %s, but the running nodes cannot be asked: %w", done, err)
	case !receipt.Complete():
		return fail(exitServer, "stop the others, or wait: they stop to trust their cache after the freshness bound",
			"%s %s, but %s running nodes confirmed it", count(len(s.done), "key"), done, receipt)
	case receipt.Nodes > 0:
		_, _ = fmt.Fprintf(p.stderr, "%s %s. Confirmed by the running nodes: %s.\n", count(len(s.done), "key"), done, receipt)
	default:
		_, _ = fmt.Fprintf(p.stderr, "%s %s. No gateway runs on this database.\n", count(len(s.done), "key"), done)
	}
	return nil
}
