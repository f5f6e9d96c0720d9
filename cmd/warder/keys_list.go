package main

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
)

// pageSize is how many keys are read at a time.
const pageSize = 500

func newKeysList(p *process) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List all keys",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			form, err := parseFormat(output, asTable, asJSON, asYAML, asID)
			if err != nil {
				return err
			}
			cfg, err := keysConfig(cmd, p)
			if err != nil {
				return err
			}
			db, err := openExisting(cmd.Context(), cfg, stderrLog(p))
			if err != nil {
				return err
			}
			defer db.Close() //nolint:errcheck // read only
			return listKeys(cmd.Context(), p, db.APIKeys(), form)
		},
	}
	addConfigFlags(cmd, "db")
	cmd.Flags().StringVarP(&output, "output", "o", string(asTable), "table, json, yaml or id")
	return cmd
}

func listKeys(ctx context.Context, p *process, keys apikey.Lister, form format) error {
	now := time.Now()
	views, ids := []keyView{}, []apikey.ID{}
	for after := apikey.ID(""); ; {
		page, err := keys.List(ctx, after, pageSize)
		if err != nil {
			return err
		}
		for _, r := range page {
			views, ids = append(views, view(r, now)), append(ids, r.ID)
		}
		if len(page) < pageSize {
			break
		}
		after = page[len(page)-1].ID
	}
	return form.print(p.stdout, views, ids, func(w io.Writer) error {
		rows := [][]string{{"ID", "KEY", "STATE", "NAME", "OWNER", "SCOPES", "CREATED", "EXPIRES"}}
		for _, v := range views {
			rows = append(rows, []string{
				string(v.ID), v.Masked, string(v.State), dash(v.Name), dash(v.Owner), dash(strings.Join(v.Scopes, " ")),
				v.Created.Format(time.DateOnly), moment(v.Expires, "never"),
			})
		}
		return printRows(w, rows)
	})
}

func newKeysShow(p *process) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "show ID|-",
		Short: "Show one key, by its id or by its text on standard input",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			form, err := parseFormat(output, asTable, asJSON, asYAML, asID)
			if err != nil {
				return err
			}
			id, err := keyID(args[0], p.stdin)
			if err != nil {
				return err
			}
			cfg, err := keysConfig(cmd, p)
			if err != nil {
				return err
			}
			db, err := openExisting(cmd.Context(), cfg, stderrLog(p))
			if err != nil {
				return err
			}
			defer db.Close() //nolint:errcheck // read only
			record, err := findKey(cmd.Context(), db.APIKeys(), id)
			if err != nil {
				return err
			}
			v := view(record, time.Now())
			return form.print(p.stdout, v, []apikey.ID{v.ID}, func(w io.Writer) error { return printRows(w, v.rows()) })
		},
	}
	addConfigFlags(cmd, "db")
	cmd.Flags().StringVarP(&output, "output", "o", string(asTable), "table, json, yaml or id")
	return cmd
}
