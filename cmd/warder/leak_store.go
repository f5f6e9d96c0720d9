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

// leakKeys are the keys that what was found is looked up among: those of a database,
// or of a server's.
type leakKeys interface {
	// judge says what the text is good for; its secret is compared.
	judge(ctx context.Context, f *leak.Finding) (leak.Verdict, error)
	// take disables a key, or revokes it.
	take(ctx context.Context, id apikey.ID, revoke bool) error
	// receipt says whether the running nodes know what was taken, after waiting for it.
	receipt(ctx context.Context) (r fleet.Receipt, complete bool, err error)
	close() error
}

// leakStore looks up what was found, and takes away what is good; nil when the flags
// want neither.
type leakStore struct {
	keys    leakKeys
	disable bool
	revoke  bool
	done    map[apikey.ID]string // what was done to the key
}

// openLeakStore opens the database, or asks the server, if the flags want it.
func openLeakStore(cmd *cobra.Command, p *process, o *leakOptions) (*leakStore, error) {
	if !o.lookup && !o.disable && !o.revoke {
		return nil, nil //nolint:nilnil // a store that is nil knows nothing, and says so
	}
	wait, err := config.ParseDuration(o.wait)
	if err != nil || wait < 0 {
		return nil, fail(exitUsage, "", "--wait %q: want a duration of 0s or more", printable(o.wait))
	}
	s := &leakStore{disable: o.disable, revoke: o.revoke, done: make(map[apikey.ID]string)}
	if isRemote(cmd) {
		s.keys, err = openLeakServer(cmd, p, o, wait)
	} else {
		s.keys, err = openLeakDatabase(cmd, p, wait)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// judge says what the key is good for, and takes it away where the flags want
// that.
func (s *leakStore) judge(ctx context.Context, f *leak.Finding, v *leakView) error {
	if s == nil {
		return nil
	}
	verdict, err := s.keys.judge(ctx, f)
	if err != nil {
		return err
	}
	v.State = verdict
	if !verdict.Harmful() || !s.disable && !s.revoke || s.disable && verdict == leak.Disabled {
		return nil
	}
	if s.done[f.ID] == "" {
		if err := s.keys.take(ctx, f.ID, s.revoke); err != nil {
			return err
		}
		s.done[f.ID] = leakDone(s.revoke)
	}
	v.Done = s.done[f.ID]
	return nil
}

// leakDone is what became of a key that was taken.
func leakDone(revoke bool) string {
	if revoke {
		return "revoked"
	}
	return "disabled"
}

// finish waits until the running nodes have heard of the changes.
func (s *leakStore) finish(ctx context.Context, p *process) error {
	if s == nil {
		return nil
	}
	err := s.confirm(ctx, p)
	return errors.Join(err, s.keys.close())
}

func (s *leakStore) confirm(ctx context.Context, p *process) error {
	if len(s.done) == 0 {
		return nil
	}
	done := leakDone(s.revoke)
	receipt, complete, err := s.keys.receipt(ctx)
	switch {
	case err != nil:
		return fail(exitServer, "ask again: it is safe", "the keys are %s, but the running nodes cannot be asked: %w", done, err)
	case !complete:
		return fail(exitServer, "stop the others, or wait: they stop to trust their cache after the freshness bound",
			"%s %s, but %s running nodes confirmed it", count(len(s.done), "key"), done, receipt)
	case receipt.Nodes > 0:
		_, _ = fmt.Fprintf(p.stderr, "%s %s. Confirmed by the running nodes: %s.\n", count(len(s.done), "key"), done, receipt)
	default:
		_, _ = fmt.Fprintf(p.stderr, "%s %s. No gateway runs on this database.\n", count(len(s.done), "key"), done)
	}
	return nil
}

// leakDatabase are the keys of a database.
type leakDatabase struct {
	db       *database
	verifier *apikey.Verifier
	by       apikey.By
	wait     time.Duration
	newest   apikey.Revision
}

// asked is a store that is only asked: a search changes nothing by itself.
type asked struct{ apikey.Store }

func (asked) Apply(context.Context, apikey.Change) (apikey.Revision, error) {
	return 0, errors.New("this store is only read")
}

func openLeakDatabase(cmd *cobra.Command, p *process, wait time.Duration) (*leakDatabase, error) {
	cfg, err := keysConfig(cmd, p)
	if err != nil {
		return nil, err
	}
	log := stderrLog(p)
	db, err := openExisting(cmd.Context(), cfg, log)
	if err != nil {
		return nil, err
	}
	verifier, err := newLeakVerifier(cmd.Context(), cfg, db, log)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &leakDatabase{db: db, verifier: verifier, by: by(p), wait: wait}, nil
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

func (d *leakDatabase) judge(ctx context.Context, f *leak.Finding) (leak.Verdict, error) {
	verdict, err := leak.Judge(ctx, d.verifier, f.Text)
	if err != nil {
		return "", fail(exitServer, "", "the key %s could not be looked up: %w", f.ID, err)
	}
	return verdict, nil
}

func (d *leakDatabase) take(ctx context.Context, id apikey.ID, revoke bool) error {
	change := func() (apikey.Record, error) { return apikey.Disable(ctx, d.db.APIKeys(), d.by, id) }
	if revoke {
		change = func() (apikey.Record, error) { return apikey.Revoke(ctx, d.db.APIKeys(), d.by, id, leakReason) }
	}
	record, err := change()
	if err != nil {
		return fail(exitServer, "ask again: it is safe", "the key %s is not %s: %w", id, leakDone(revoke), err)
	}
	d.newest = max(d.newest, record.Revision)
	return nil
}

func (d *leakDatabase) receipt(ctx context.Context) (fleet.Receipt, bool, error) {
	r, err := fleet.Await(ctx, d.db.Nodes(), d.newest, d.wait)
	return r, r.Complete(), err
}

func (d *leakDatabase) close() error { return errors.Join(d.verifier.Close(), d.db.Close()) }
