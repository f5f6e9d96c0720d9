package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/fleet"
)

// revokeMany revokes all keys of an owner or an environment, when they are as many as
// --count says: whoever revokes has looked.
func revokeMany(cmd *cobra.Command, p *process, o *revokeOptions, wait time.Duration) error {
	which := apikey.Selection{Owner: o.owner, Environment: apikey.Environment(o.env), Count: o.count}
	if o.output != string(asTable) {
		return fail(exitUsage, "leave it out", "--output is for one key")
	}
	if !cmd.Flags().Changed("count") {
		return fail(exitUsage, "warder keys list shows them, by --owner, --env and --state",
			"--count is missing: say how many keys there are to revoke")
	}
	if isRemote(cmd) {
		return revokeManyRemote(cmd, p, &which, o.reason, wait)
	}
	return withDatabase(cmd, p, func(cfg *config.Config, db *database) error {
		store, ok := db.APIKeys().(apikey.BulkStore)
		if !ok {
			return fail(exitServer, "", "keys revoke: this database revokes one key at a time")
		}
		revoked, err := apikey.RevokeAll(cmd.Context(), store, by(p), which, o.reason)
		if counted, ok := errors.AsType[*apikey.CountError](err); ok {
			return wrongCount(counted)
		}
		if err != nil {
			return specFailure(err, fmt.Sprintf("keys revoke: %d are revoked, and then", len(revoked)), "count those that are left, and ask again")
		}
		newest := apikey.Revision(0)
		for i := range revoked {
			newest = max(newest, revoked[i].Revision)
		}
		receipt, err := fleet.Await(cmd.Context(), db.Nodes(), newest, wait)
		if err != nil {
			return fail(exitServer, "the list shows them", "%d keys are revoked, but the running nodes cannot be asked: %w", len(revoked), err)
		}
		return printRevokedMany(p, len(revoked), cfg.DB, receipt, receipt.Complete())
	})
}

func wrongCount(e *apikey.CountError) error {
	found := fmt.Sprint(e.Found)
	if e.More {
		found = "more than " + found
	}
	return fail(exitUsage, "look at them, and say so by --count", "nothing is revoked: %s keys are not revoked, and not as many as --count says", found)
}

func revokeManyRemote(cmd *cobra.Command, p *process, which *apikey.Selection, reason string, bound time.Duration) error {
	wait, err := remoteWait(bound)
	if err != nil {
		return err
	}
	r, err := openRemote(cmd, p, "")
	if err != nil {
		return err
	}
	defer r.Close()
	done, err := r.RevokeKeys(cmd.Context(), client.RevokeKeysParams{IdempotencyKey: rand.Text(), Wait: wait}, client.BulkRevocation{
		Owner: which.Owner, Environment: string(which.Environment), Count: new(int64(which.Count)), Reason: reason,
	})
	if err != nil {
		return r.failure(cmd.Context(), err, "keys revoke")
	}
	return printRevokedMany(p, len(done.Value.Revoked), r.server, receiptOf(&done.Value.Receipt), done.Value.Receipt.Complete)
}

// printRevokedMany says what holds now, and fails when a node is missing.
func printRevokedMany(p *process, n int, where string, receipt fleet.Receipt, whole bool) error {
	r := revocation{receipt: receipt}
	if !whole {
		return fail(exitServer, "stop those nodes, or wait: they stop to trust their cache after the freshness bound",
			"%d keys are revoked, but %s running nodes confirmed it; missing: %s", n, receipt, strings.Join(r.nodes().Missing, ", "))
	}
	said := "No gateway runs on this database."
	if receipt.Nodes > 0 {
		said = fmt.Sprintf("Confirmed by the running nodes: %s.", receipt)
	}
	_, err := fmt.Fprintf(p.stderr, "Revoked %d keys in %s. %s\n", n, where, said)
	return err
}
