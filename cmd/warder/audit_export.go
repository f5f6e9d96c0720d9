package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/internal/config"
)

func newAuditExport(p *process) *cobra.Command {
	const asJSONL, asCSV = "jsonl", "csv"
	var form string
	var after int64
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the log to standard output, as it is read",
		Long: `Write the log to standard output, as it is read.

jsonl is one JSON object a line, which warder audit verify takes, and every program
that follows the documentation of the hash. csv is for spreadsheets: text that one
would run as a formula gets an apostrophe before it.`,
		Example: `  warder audit export > audit.jsonl
  warder audit export --after 1200 >> audit.jsonl
  warder audit export --server https://keys.example.com --token-file token.txt --format csv`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if form != asJSONL && form != asCSV {
				return fail(exitUsage, "", "--format %q: want %s or %s", printable(form), asJSONL, asCSV)
			}
			if after < 0 {
				return fail(exitUsage, "", "--after %d: want the number of an entry", after)
			}
			if isRemote(cmd) {
				return exportRemote(cmd, p, form, after)
			}
			return withDatabase(cmd, p, func(_ *config.Config, db *database) error {
				w := audit.NewJSONWriter(p.stdout)
				if form == asCSV {
					w = audit.NewCSVWriter(p.stdout)
				}
				return exportAudit(cmd.Context(), db.Audit(), w, after)
			})
		},
	}
	addConfigFlags(cmd, "db")
	addRemoteFlags(cmd)
	cmd.Flags().StringVar(&form, "format", asJSONL, "jsonl or csv")
	cmd.Flags().Int64Var(&after, "after", 0, "only entries after this number")
	err := cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{asJSONL, asCSV}, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic("warder: audit export: " + err.Error()) // it has the flag
	}
	return cmd
}

// exportAudit writes the log a page at a time.
func exportAudit(ctx context.Context, log audit.Reader, w *audit.Writer, after int64) error {
	for {
		page, err := log.List(ctx, audit.Query{After: after, Limit: audit.MaxPage})
		if err != nil {
			return err
		}
		for i := range page {
			if err := w.Write(&page[i]); err != nil {
				return err
			}
			after = page[i].Seq
		}
		if len(page) < audit.MaxPage {
			return w.Flush()
		}
	}
}
