package main

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
)

// A deletion is what a script sees of a key that was deleted.
type deletion struct {
	ID       apikey.ID       `json:"id" yaml:"id"`
	Deleted  bool            `json:"deleted" yaml:"deleted"`
	Revision apikey.Revision `json:"revision" yaml:"revision"`
	Nodes    *nodesView      `json:"nodes" yaml:"nodes"`
}

func newKeysDelete(p *process) *cobra.Command {
	var o changeFlags
	var sure bool
	cmd := &cobra.Command{
		Use:   "delete ID|-",
		Short: "Take a key out of the database, and wait until every running node refuses it",
		Long: `Take a key out of the database, and wait until every running node refuses it.

Lists do not show it any more; what was done with it stays in the audit. To refuse a
key and to keep it on lists, revoke it.`,
		Args: wants(aKey, 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			form, err := parseFormat(o.output, asTable, asJSON, asYAML, asID)
			if err != nil {
				return err
			}
			id, err := keyID(cmd, p, args[0])
			if err != nil {
				return err
			}
			if !sure {
				return fail(exitUsage, "say --yes; or `warder keys revoke "+string(id)+"`, which keeps it on lists", "keys delete cannot be undone")
			}
			if isRemote(cmd) {
				return deleteRemote(cmd, p, args[0], id, &o, form)
			}
			return withDatabase(cmd, p, func(cfg *config.Config, db *database) error {
				return deleteKey(cmd, p, cfg, db, id, &o, form)
			})
		},
	}
	addConfigFlags(cmd, "db")
	cmd.Flags().BoolVar(&sure, "yes", false, "delete it: it cannot be undone")
	o.addFlags(cmd, "table, json, yaml or id")
	return cmd
}

func deleteKey(cmd *cobra.Command, p *process, cfg *config.Config, db *database, id apikey.ID, o *changeFlags, form format) error {
	c := keyChange{"delete", "deleted", "", func(ctx context.Context, db *database, id apikey.ID, revision apikey.Revision) (apikey.Record, error) {
		deleted, err := apikey.Delete(ctx, db.APIKeys(), by(p), id, revision)
		return apikey.Record{ID: id, Revision: deleted}, err
	}}
	r, err := c.run(cmd, cfg, db, id, o)
	if err != nil {
		return err
	}
	return r.printDeleted(p, form, id)
}

// printDeleted shows what is left of the key: its id, and where it is refused.
func (r revocation) printDeleted(p *process, form format, id apikey.ID) error {
	d := deletion{ID: id, Deleted: true, Revision: r.receipt.Revision, Nodes: r.nodes()}
	err := form.print(p.stdout, d, []apikey.ID{id}, func(w io.Writer) error {
		return printRows(w, [][]string{{"id", string(id)}, {"deleted", time.Now().UTC().Format(time.RFC3339)}})
	})
	if err != nil {
		return err
	}
	return r.confirmed(p, keyView{Nodes: d.Nodes})
}
