package main

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
)

func newKeysShow(p *process) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "show ID|-",
		Short: "Show one key, by its id or by its text on standard input",
		Args:  wants(aKey, 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			form, err := parseFormat(output, asTable, asJSON, asYAML, asID)
			if err != nil {
				return err
			}
			id, err := keyID(cmd, p, args[0])
			if err != nil {
				return err
			}
			if isRemote(cmd) {
				return showRemote(cmd, p, args[0], id, form)
			}
			return withDatabase(cmd, p, func(_ *config.Config, db *database) error {
				return showKey(cmd.Context(), p, db, id, form)
			})
		},
	}
	addConfigFlags(cmd, "db")
	cmd.Flags().StringVarP(&output, "output", "o", string(asTable), "table, json, yaml or id")
	return cmd
}

func showKey(ctx context.Context, p *process, db *database, id apikey.ID, form format) error {
	record, err := findKey(ctx, db.APIKeys(), id)
	if err != nil {
		return err
	}
	one := []keyView{view(record, time.Now())}
	if err := nameOwners(ctx, db.Owners(), one); err != nil {
		return err
	}
	v := one[0]
	return form.print(p.stdout, v, []apikey.ID{v.ID}, func(w io.Writer) error { return printRows(w, v.rows()) })
}
