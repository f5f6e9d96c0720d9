package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/fleet"
)

// A turn takes a key out of use, or back into it.
type turn struct {
	name, done string // "disable", "disabled"
	short      string
	change     func(ctx context.Context, store apikey.Store, by apikey.By, id apikey.ID) (apikey.Record, error)
	already    func(apikey.Record) bool
}

func newKeysDisable(p *process) *cobra.Command {
	return newKeysTurn(p, turn{
		"disable", "disabled", "Take a key out of use until it is enabled, and wait until every running node refuses it",
		apikey.Disable, func(r apikey.Record) bool { return r.Disabled },
	})
}

func newKeysEnable(p *process) *cobra.Command {
	return newKeysTurn(p, turn{
		"enable", "enabled", "Take a disabled key back into use, and wait until every running node takes it",
		apikey.Enable, func(r apikey.Record) bool { return !r.Disabled },
	})
}

func newKeysTurn(p *process, t turn) *cobra.Command {
	var wait, output string
	cmd := &cobra.Command{
		Use:   t.name + " ID|-",
		Short: t.short,
		Args:  wants(aKey, 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := keyID(cmd, p, args[0])
			if err != nil {
				return err
			}
			form, err := parseFormat(output, asTable, asJSON, asYAML, asID)
			if err != nil {
				return err
			}
			bound, err := config.ParseDuration(wait)
			if err != nil || bound < 0 {
				return fail(exitUsage, "", "--wait %q: want a duration of 0s or more", wait)
			}
			if isRemote(cmd) {
				return turnRemote(cmd, p, args[0], id, turnOn(t), bound, form)
			}
			return withDatabase(cmd, p, func(cfg *config.Config, db *database) error {
				r, err := turnKey(cmd.Context(), p, db, id, t, bound)
				if err != nil {
					return err
				}
				r.database = cfg.DB
				return r.print(p, form)
			})
		},
	}
	addConfigFlags(cmd, "db")
	f := cmd.Flags()
	f.StringVar(&wait, "wait", "7s", "how long to wait for the running nodes")
	f.StringVarP(&output, "output", "o", string(asTable), "table, json, yaml or id")
	return cmd
}

// turnKey changes the key, and waits for the running nodes.
func turnKey(ctx context.Context, p *process, db *database, id apikey.ID, t turn, wait time.Duration) (revocation, error) {
	found, err := findKey(ctx, db.APIKeys(), id)
	switch {
	case err != nil:
		return revocation{}, err
	case !found.Revoked.IsZero():
		return revocation{}, fail(exitUsage, "make another key", "the key is revoked, for good: it cannot be %s", t.done)
	}
	r := revocation{before: t.already(found), done: t.done}
	if r.record, err = t.change(ctx, db.APIKeys(), by(p), id); err != nil {
		return r, specFailure(err, "keys "+t.name, "the key is not "+t.done)
	}
	if r.receipt, err = fleet.Await(ctx, db.Nodes(), r.record.Revision, wait); err != nil {
		return r, fail(exitServer, "ask again: it is safe", "the key is %s, but the running nodes cannot be asked: %w", t.done, err)
	}
	return r, nil
}
