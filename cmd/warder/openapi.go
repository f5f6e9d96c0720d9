package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/internal/keyservice"
)

func newOpenAPI(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "openapi",
		Short: "Show where OpenAPI documents and requests differ, and confirm changed documents",
		Long: `Show where OpenAPI documents and requests differ, and confirm changed documents.

` + asksNode,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	drift, confirm := newOpenAPIDrift(p), newOpenAPIConfirm(p)
	addNodeFlags(drift, confirm)
	cmd.AddCommand(drift, confirm)
	return cmd
}

// mendDocument is how a warder without a document gets one.
const mendDocument = "give it one by --openapi FILE, or by openapi_documents of its configuration"

func newOpenAPIDrift(p *process) *cobra.Command {
	return &cobra.Command{
		Use:   "drift",
		Short: "List what is declared and never called, called and not declared, and refused by a document",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withNode(cmd, p, func(n node, form format) error {
				all, err := n.Drift(cmd.Context())
				if err != nil {
					return err
				}
				if len(all.Documents) == 0 {
					return fail(exitNotFound, mendDocument, "the warder that answers on %s has no OpenAPI document", n.Place())
				}
				return printAny(p.stdout, form, all.Documents, func(w io.Writer) error { return printRows(w, driftRows(all.Documents)) })
			})
		},
	}
}

// driftRows are the lines of the report.
func driftRows(all []keyservice.DocumentDrift) [][]string {
	rows := [][]string{{"DOCUMENT", "WHAT", "WHERE", "TIMES"}}
	for i := range all {
		d := &all[i]
		add := func(what, where, times string) { rows = append(rows, []string{d.Name, what, clean(where), times}) }
		if d.Problem != "" {
			add("not usable", d.Problem, "")
		}
		for _, less := range d.Held {
			add("held", less, "")
		}
		for _, c := range d.Changed {
			add(changeWord(c.Less), c.Operation+": "+c.Where+" "+c.What, "")
		}
		for _, one := range d.Invalid {
			add("invalid", one.What, strconv.FormatUint(one.Times, 10))
		}
		for _, one := range d.Undeclared {
			add("undeclared", one.What, strconv.FormatUint(one.Times, 10))
		}
		if d.UndeclaredOther > 0 {
			add("undeclared", "(others)", strconv.FormatUint(d.UndeclaredOther, 10))
		}
		for _, one := range d.NeverSeen {
			add("never seen", one, "0")
		}
	}
	return rows
}

// changeWord tells a change that asks for less from one that does not.
func changeWord(less bool) string {
	if less {
		return "judged less"
	}
	return "changed"
}

func newOpenAPIConfirm(p *process) *cobra.Command {
	return &cobra.Command{
		Use:   "confirm NAME",
		Short: "Serve a changed document that asks for less than before",
		Args:  wants("the name of a document", 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !isNodeName(args[0]) {
				return fail(exitUsage, "warder openapi drift lists them", "%q is not the name of a document", printable(args[0]))
			}
			return withNode(cmd, p, func(n node, form format) error {
				v, err := n.Confirm(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return printAny(p.stdout, form, v, func(w io.Writer) error {
					for _, less := range v.Less {
						if _, err := fmt.Fprintln(w, shown(clean(less))); err != nil {
							return err
						}
					}
					return nil
				})
			})
		},
	}
}
