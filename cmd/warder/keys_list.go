package main

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/sqlite"
)

// pageSize is how many keys are read at a time.
const pageSize = 500

func newKeysList(p *process) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List all keys, the oldest first",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			form, err := parseFormat(output, asTable, asJSON, asYAML, asID)
			if err != nil {
				return err
			}
			if isRemote(cmd) {
				return listRemote(cmd, p, form)
			}
			return withDatabase(cmd, p, func(_ *config.Config, db *sqlite.DB) error {
				return listKeys(cmd.Context(), p, db.APIKeys(), form)
			})
		},
	}
	addConfigFlags(cmd, "db")
	cmd.Flags().StringVarP(&output, "output", "o", string(asTable), "table, json, yaml or id")
	return cmd
}

func listKeys(ctx context.Context, p *process, keys apikey.Lister, form format) error {
	now := time.Now()
	views := []keyView{}
	for after := apikey.ID(""); ; {
		page, err := keys.List(ctx, after, pageSize)
		if err != nil {
			return err
		}
		for _, r := range page {
			views = append(views, view(r, now))
		}
		if len(page) < pageSize {
			break
		}
		after = page[len(page)-1].ID
	}
	slices.SortStableFunc(views, func(a, b keyView) int { return a.Created.Compare(b.Created) })
	return printList(p, form, views)
}

// printList prints keys in their order.
func printList(p *process, form format, views []keyView) error {
	ids := []apikey.ID{}
	for _, v := range views {
		ids = append(ids, v.ID)
	}
	return form.print(p.stdout, views, ids, func(w io.Writer) error {
		rows := [][]string{{"ID", "KEY", "STATE", "NAME", "OWNER", "SCOPES", "CREATED", "EXPIRES"}}
		for _, v := range views {
			rows = append(rows, []string{
				string(v.ID), v.Masked, string(v.State), dash(v.Name), dash(v.Owner), dash(strings.Join(v.Scopes, " ")),
				v.Created.Format(time.RFC3339), moment(v.Expires, "never"),
			})
		}
		return printRows(w, rows)
	})
}
