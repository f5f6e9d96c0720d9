package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/fleet"
)

// exitConflict is the exit code when somebody else changed the key meanwhile.
const exitConflict = 7

// changeFlags are those of every command that changes one key.
type changeFlags struct {
	wait, output string
	revision     int64
}

func (o *changeFlags) addFlags(cmd *cobra.Command, output string) {
	f := cmd.Flags()
	f.Int64Var(&o.revision, "if-revision", 0, "change the key only if it is at this revision still, as keys show has it (default: whatever it is)")
	f.StringVar(&o.wait, "wait", "7s", "how long to wait for the running nodes")
	f.StringVarP(&o.output, "output", "o", string(asTable), output)
}

// bound is how long to wait.
func (o *changeFlags) bound() (time.Duration, error) {
	bound, err := config.ParseDuration(o.wait)
	if err != nil || bound < 0 {
		return 0, fail(exitUsage, "", "--wait %q: want a duration of 0s or more", printable(o.wait))
	}
	if o.revision < 0 {
		return 0, fail(exitUsage, "warder keys show tells it", "--if-revision %d: want a revision", o.revision)
	}
	return bound, nil
}

// A keyChange is one change of one key.
type keyChange struct {
	name, done string // "update", "updated"
	same       string // what to say when nothing was to be changed
	change     func(ctx context.Context, db *database, id apikey.ID, revision apikey.Revision) (apikey.Record, error)
}

// run changes the key, and waits for the running nodes.
func (c keyChange) run(cmd *cobra.Command, cfg *config.Config, db *database, id apikey.ID, o *changeFlags) (revocation, error) {
	ctx := cmd.Context()
	wait, err := o.bound()
	if err != nil {
		return revocation{}, err
	}
	found, err := findKey(ctx, db.APIKeys(), id)
	if err != nil {
		return revocation{}, err
	}
	r := revocation{database: cfg.DB, done: c.done, same: c.same}
	if r.record, err = c.change(ctx, db, id, apikey.Revision(o.revision)); err != nil {
		return r, c.failure(err)
	}
	r.before = r.record.Revision == found.Revision
	if r.receipt, err = fleet.Await(ctx, db.Nodes(), r.record.Revision, wait); err != nil {
		err = fail(exitServer, "wait for the freshness bound, after which no node trusts its cache", "the key is %s, but the running nodes cannot be asked: %w", r.done, err)
	}
	return r, err
}

// failure tells why the key was not changed.
func (c keyChange) failure(err error) error {
	switch {
	case errors.Is(err, apikey.ErrRevoked):
		return fail(exitUsage, "make another key", "the key is revoked, for good: it cannot be %s", c.done)
	case errors.Is(err, apikey.ErrExpired):
		return fail(exitUsage, "give it a later end first, by `warder keys update ID --expires-in 90d`", "the key has expired: it cannot be %s", c.done)
	case errors.Is(err, apikey.ErrConflict):
		return fail(exitConflict, "look at it by `warder keys show`, and decide anew", "the key was changed meanwhile: it is not %s", c.done)
	case errors.Is(err, apikey.ErrNotFound):
		return fail(exitNotFound, "", "the key was deleted meanwhile")
	default:
		return specFailure(err, "keys "+c.name, "the key is not "+c.done)
	}
}
