package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/fleet"
	"github.com/warder-dev/warder/sqlite"
)

// revokeOptions are the flags of keys revoke.
type revokeOptions struct{ reason, wait, output string }

func newKeysRevoke(p *process) *cobra.Command {
	var o revokeOptions
	cmd := &cobra.Command{
		Use:   "revoke ID|-",
		Short: "Revoke a key for good, and wait until every running node refuses it",
		Long: `Revoke a key for good, and wait until every running node refuses it.

The command ends when every live node has confirmed the change. When one has not
within --wait, the key is revoked all the same, the nodes are named, and the exit
code is 5: such a node stops to trust its cache after the freshness bound.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := keyID(args[0], p.stdin)
			if err != nil {
				return err
			}
			form, err := parseFormat(o.output, asTable, asJSON, asYAML, asID)
			if err != nil {
				return err
			}
			wait, err := config.ParseDuration(o.wait)
			if err != nil {
				return fail(exitUsage, "", "--wait: %w", err)
			}
			return withDatabase(cmd, p, func(_ *config.Config, db *sqlite.DB) error {
				record, receipt, err := revokeKey(cmd.Context(), p, db, id, o.reason, wait)
				if err != nil {
					return err
				}
				return printRevoked(p, form, record, receipt)
			})
		},
	}
	addConfigFlags(cmd, "db")
	f := cmd.Flags()
	f.StringVar(&o.reason, "reason", "unspecified", "word for the audit, such as key-compromise or superseded")
	f.StringVar(&o.wait, "wait", "5s", "how long to wait for the running nodes")
	f.StringVarP(&o.output, "output", "o", string(asTable), "table, json, yaml or id")
	return cmd
}

// revokeKey revokes, and waits for the running nodes.
func revokeKey(ctx context.Context, p *process, db *sqlite.DB, id apikey.ID, reason string, wait time.Duration) (apikey.Record, fleet.Receipt, error) {
	record, err := findKey(ctx, db.APIKeys(), id)
	if err != nil {
		return record, fleet.Receipt{}, err
	}
	record, err = apikey.Revoke(ctx, db.APIKeys(), by(p), id, reason)
	if err != nil {
		return record, fleet.Receipt{}, specFailure(err, "keys revoke", "the key is not revoked")
	}
	receipt, err := fleet.Await(ctx, db.Nodes(), record.Revision, wait)
	if err != nil {
		return record, receipt, fail(exitServer, "ask again: revoking twice is safe", "the key is revoked, but the running nodes cannot be asked: %w", err)
	}
	return record, receipt, nil
}

func printRevoked(p *process, form format, record apikey.Record, receipt fleet.Receipt) error {
	v := view(record, time.Now())
	v.Nodes = &nodesView{Live: receipt.Nodes, Confirmed: receipt.Applied, Took: receipt.Took.Round(time.Millisecond).String()}
	for _, n := range receipt.Missing {
		v.Nodes.Missing = append(v.Nodes.Missing, fmt.Sprintf("%s (%s, pid %d)", n.ID, n.Host, n.PID))
	}
	err := form.print(p.stdout, v, []apikey.ID{v.ID}, func(w io.Writer) error { return printRows(w, v.rows()) })
	if err != nil {
		return err
	}
	if !receipt.Complete() {
		return fail(exitServer, "stop those nodes, or wait: they stop to trust their cache after the freshness bound",
			"the key is revoked, but %s running nodes confirmed it; missing: %v", receipt, v.Nodes.Missing)
	}
	_, _ = fmt.Fprintf(p.stderr, "Revoked. Confirmed by the running nodes: %s.\n", receipt)
	return nil
}
