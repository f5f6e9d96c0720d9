package main

import (
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/audit"
)

// auditFilter are the flags of audit list.
type auditFilter struct {
	actor, op, kind, subject, since, until string
	limit                                  int
	after                                  int64
	output                                 string
}

func newAuditList(p *process) *cobra.Command {
	var f auditFilter
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the newest entries, or those after one",
		Long: `List the newest entries, or those after one, by their number.

Texts that others chose are escaped where they hold what a terminal would not show
as it is.`,
		Example: `  warder audit list --subject 7HqLk2mVxWcP
  warder audit list --op revoke --since 7d
  warder audit list --after 1200 --limit 1000 --output json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			form, err := parseFormat(f.output, asTable, asJSON)
			if err != nil {
				return err
			}
			q, err := f.query(time.Now())
			if err != nil {
				return err
			}
			return withAuditLog(cmd, p, func(log audit.Reader) error {
				entries, err := log.List(cmd.Context(), q)
				if err != nil {
					return err
				}
				if q.Newest {
					slices.Reverse(entries)
				}
				return form.print(p.stdout, append([]audit.Entry{}, entries...), nil, func(w io.Writer) error { return printRows(w, auditRows(entries)) })
			})
		},
	}
	addConfigFlags(cmd, "db")
	addRemoteFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.actor, "actor", "", "only what this one did, such as user:ada or system")
	flags.StringVar(&f.op, "op", "", "only this operation, such as create, roll or revoke")
	flags.StringVar(&f.kind, "kind", "", "only this sort of thing: key, credits, sessions, account or portal")
	flags.StringVar(&f.subject, "subject", "", "only what was done to this one, such as a key's id")
	flags.StringVar(&f.since, "since", "", "not before this time, or so long ago: 2027-01-31, 24h, 7d")
	flags.StringVar(&f.until, "until", "", "before this time, or so long ago")
	flags.Int64Var(&f.after, "after", 0, "entries after this number (default: the newest)")
	flags.IntVar(&f.limit, "limit", 50, "how many at most, 1 to 1000")
	flags.StringVarP(&f.output, "output", "o", string(asTable), "table or json")
	return cmd
}

// query reports everything that is wrong with the flags at once.
func (f *auditFilter) query(now time.Time) (q audit.Query, _ error) {
	since, sinceErr := parseMoment("since", f.since, now)
	until, untilErr := parseMoment("until", f.until, now)
	q = audit.Query{Actor: f.actor, Op: f.op, Kind: f.kind, Subject: f.subject, Since: since, Until: until, After: f.after, Newest: f.after == 0, Limit: f.limit}
	errs := []error{sinceErr, untilErr}
	if f.limit < 1 || f.limit > audit.MaxPage {
		errs = append(errs, fail(exitUsage, "", "--limit %d: want 1 to %d", f.limit, audit.MaxPage))
	}
	if f.after < 0 {
		errs = append(errs, fail(exitUsage, "", "--after %d: want the number of an entry", f.after))
	}
	return q, errors.Join(errs...)
}

func auditRows(entries []audit.Entry) [][]string {
	rows := [][]string{{"SEQ", "AT", "ACTOR", "SOURCE", "OP", "KIND", "SUBJECT", "CHANGED"}}
	for _, e := range entries {
		var changed []string
		for _, d := range e.Diff() {
			changed = append(changed, shown(d.Path))
		}
		what := strings.Join(changed, ", ")
		switch {
		case e.Before == nil:
			what = "-"
		case e.After == nil && e.Kind != audit.KindSessions:
			what = "everything"
		}
		rows = append(rows, []string{
			strconv.FormatInt(e.Seq, 10), e.At.Format(time.RFC3339), shown(e.Actor), shown(e.Source), shown(e.Op), shown(e.Kind), shown(e.Subject), dash(what),
		})
	}
	return rows
}

func newAuditShow(p *process) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "show SEQ",
		Short: "Show one entry, and what it changed",
		Args:  wants("the number of an entry", 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			form, err := parseFormat(output, asTable, asJSON)
			if err != nil {
				return err
			}
			seq, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || seq < 1 {
				return fail(exitUsage, "warder audit list shows the numbers", "%q is not the number of an entry", printable(args[0]))
			}
			return withAuditLog(cmd, p, func(log audit.Reader) error {
				entries, err := log.List(cmd.Context(), audit.Query{After: seq - 1, Limit: 1})
				switch {
				case err != nil:
					return err
				case len(entries) == 0 || entries[0].Seq != seq:
					return fail(exitNotFound, "warder audit list shows the numbers", "the log has no entry %d", seq)
				}
				return form.print(p.stdout, entries[0], nil, func(w io.Writer) error { return printRows(w, entryRows(&entries[0])) })
			})
		},
	}
	addConfigFlags(cmd, "db")
	addRemoteFlags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", string(asTable), "table or json")
	return cmd
}

func entryRows(e *audit.Entry) [][]string {
	rows := [][]string{
		{"seq", strconv.FormatInt(e.Seq, 10)},
		{"at", e.At.Format(time.RFC3339Nano)},
		{"actor", shown(e.Actor)},
		{"source", shown(e.Source)},
		{"op", shown(e.Op)},
		{shown(e.Kind), shown(e.Subject)},
		{"sha256", e.Hash.String()},
	}
	if e.Sum() != e.Hash {
		rows = append(rows, []string{"", "this is not the hash of what is shown: the entry was changed; see warder audit verify"})
	}
	for _, d := range e.Diff() {
		rows = append(rows, []string{"  " + shown(d.Path), dash(shown(string(d.Before))) + "  ->  " + dash(shown(string(d.After)))})
	}
	return rows
}
