package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/fleet"
)

// revokeOptions are the flags of keys revoke.
type revokeOptions struct {
	reason, wait, output string
	owner, env           string // of many
	count                int
}

func newKeysRevoke(p *process) *cobra.Command {
	var o revokeOptions
	cmd := &cobra.Command{
		Use:   "revoke ID|- | --owner OWNER --count N",
		Short: "Revoke a key for good, and wait until every running node refuses it",
		Long: `Revoke a key for good, and wait until every running node refuses it.

The command ends when every live node has confirmed the change. When one has not
within --wait, the key is revoked all the same, the nodes are named, and the exit
code is 5: such a node stops to trust its cache after the freshness bound.

With --owner, --env or both it revokes all keys of these, when --count says how many
there are that are not revoked yet.`,
		Args: wants(aKey+", or --owner or --env", 0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			many := o.owner != "" || o.env != ""
			if many == (len(args) > 0) {
				return fail(exitUsage, "warder keys revoke ID|- [flags]", "keys revoke: want %s, or --owner or --env", aKey)
			}
			if !many && cmd.Flags().Changed("count") {
				return fail(exitUsage, "", "--count is for --owner and --env")
			}
			form, err := parseFormat(o.output, asTable, asJSON, asYAML, asID)
			if err != nil {
				return err
			}
			wait, err := config.ParseDuration(o.wait)
			if err != nil {
				return fail(exitUsage, "", "--wait %q: %w", o.wait, err)
			}
			if wait < 0 {
				return fail(exitUsage, "", "--wait %s: want 0s or more", o.wait)
			}
			if many {
				return revokeMany(cmd, p, &o, wait)
			}
			id, err := keyID(cmd, p, args[0])
			if err != nil {
				return err
			}
			if isRemote(cmd) {
				return turnRemote(cmd, p, args[0], id, revokeOn(o.reason), wait, form)
			}
			return withDatabase(cmd, p, func(cfg *config.Config, db *database) error {
				r, err := revokeKey(cmd.Context(), p, db, id, o.reason, wait)
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
	f.StringVar(&o.reason, "reason", "unspecified", "word for the audit, such as key-compromise or superseded")
	f.StringVar(&o.owner, "owner", "", "all keys of this owner")
	f.StringVar(&o.env, "env", "", "all keys of this environment")
	f.IntVar(&o.count, "count", 0, "how many keys of the owner and the environment are not revoked yet")
	f.StringVar(&o.wait, "wait", "7s", "how long to wait for the running nodes")
	f.StringVarP(&o.output, "output", "o", string(asTable), "table, json, yaml or id")
	return cmd
}

// A revocation is what came of keys revoke.
type revocation struct {
	database string
	record   apikey.Record
	receipt  fleet.Receipt
	told     *keyView // of a key that a server told of; nil: of record
	whole    bool     // it holds everywhere, as a server told
	before   bool     // the key was so already
	done     string   // "revoked", "disabled" or "enabled"
	same     string   // what to say of before; "" for what is usual
}

// revokeKey revokes, and waits for the running nodes.
func revokeKey(ctx context.Context, p *process, db *database, id apikey.ID, reason string, wait time.Duration) (r revocation, err error) {
	found, err := findKey(ctx, db.APIKeys(), id)
	if err != nil {
		return r, err
	}
	r.before, r.done = !found.Revoked.IsZero(), "revoked"
	r.record, err = apikey.Revoke(ctx, db.APIKeys(), by(p), id, reason)
	if err != nil {
		return r, specFailure(err, "keys revoke", "the key is not revoked")
	}
	r.receipt, err = fleet.Await(ctx, db.Nodes(), r.record.Revision, wait)
	if err != nil {
		return r, fail(exitServer, "ask again: revoking twice is safe", "the key is revoked, but the running nodes cannot be asked: %w", err)
	}
	return r, nil
}

// nodes is the receipt for a person or a script.
func (r revocation) nodes() *nodesView {
	n := &nodesView{Live: r.receipt.Nodes, Confirmed: r.receipt.Applied, Took: r.receipt.Took.Round(time.Millisecond).String()}
	for _, one := range r.receipt.Missing {
		n.Missing = append(n.Missing, fmt.Sprintf("%s (%s, pid %d)", one.ID, one.Host, one.PID))
	}
	return n
}

// view is the key with the receipt.
func (r revocation) view() keyView {
	v := view(r.record, time.Now())
	if r.told != nil {
		v = *r.told
	}
	v.Nodes = r.nodes()
	return v
}

// print shows the key with the receipt, and fails when a node is missing.
func (r revocation) print(p *process, form format) error {
	v := r.view()
	err := form.print(p.stdout, v, []apikey.ID{v.ID}, func(w io.Writer) error { return printRows(w, v.rows()) })
	if err != nil {
		return err
	}
	return r.confirmed(p, v)
}

// confirmed says what holds now, and fails when a node is missing.
func (r revocation) confirmed(p *process, v keyView) error {
	if !r.whole && !r.receipt.Complete() {
		return fail(exitServer, "stop those nodes, or wait: they stop to trust their cache after the freshness bound",
			"the key is %s, but %s running nodes confirmed it; missing: %s", r.done, r.receipt, strings.Join(v.Nodes.Missing, ", "))
	}
	_, _ = fmt.Fprintln(p.stderr, r.summary())
	return nil
}

// summary says in one line what holds now.
func (r revocation) summary() string {
	begin := strings.ToUpper(r.done[:1]) + r.done[1:] + " in " + r.database + "."
	switch {
	case r.before && !r.record.Revoked.IsZero():
		begin = "It was revoked before, at " + r.record.Revoked.UTC().Format(time.RFC3339) + "."
	case r.before && r.same != "":
		begin = r.same
	case r.before:
		begin = "It was " + r.done + " before."
	}
	switch {
	case r.receipt.Nodes > 0:
		return fmt.Sprintf("%s Confirmed by the running nodes: %s.", begin, r.receipt)
	case r.receipt.Took > 50*time.Millisecond: // without a node the first look ends it
		return fmt.Sprintf("%s A node was waited for, %s, and is taken as stopped: it no longer announces itself.", begin, r.receipt.Took.Round(time.Millisecond))
	default:
		return begin + " No gateway runs on this database."
	}
}
