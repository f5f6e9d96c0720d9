package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
)

func newOwners(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "owners",
		Short: "Say who is behind the owners that keys bear: a name, and notes of your own",
		Long: `Say who is behind the owners that keys bear: a name, and notes of your own.

A key's --owner is your own id of whom it belongs to, and wants no record. With one,
people and scripts find a name and notes beside the id. The record may be there before
the first key, and keys stay as they are when it is deleted.`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	addRemoteFlags(cmd)
	all := []*cobra.Command{newOwnersList(p), newOwnersShow(p), newOwnersSet(p), newOwnersDelete(p)}
	for _, one := range all {
		completeOutput(one, asTable, asJSON, asYAML, asID)
	}
	cmd.AddCommand(all...)
	return cmd
}

// anOwner is what commands about one record want.
const anOwner = "an owner: the id that keys bear"

// withOwners calls use with the records of the database, or of the server.
func withOwners(cmd *cobra.Command, p *process, use func(book ownerBook) error) error {
	if isRemote(cmd) {
		r, err := openRemote(cmd, p, "")
		if err != nil {
			return err
		}
		defer r.Close()
		return use(&remoteOwners{r: r, doing: strings.TrimPrefix(cmd.CommandPath(), "warder ")})
	}
	return withDatabase(cmd, p, func(_ *config.Config, db *database) error {
		return use(&localOwners{store: db.Owners(), by: by(p)})
	})
}

// noOwner says that there is no record.
func noOwner(id string) error {
	return fail(exitNotFound, "warder owners set makes one, and warder owners list shows those that there are", "there is no record of the owner %q", printable(id))
}

// An ownerView is what a person or a script sees of a record.
type ownerView struct {
	ID       string            `json:"id" yaml:"id"`
	Name     string            `json:"name" yaml:"name"`
	Metadata map[string]string `json:"metadata,omitempty" yaml:"metadata,omitempty"`
	Created  time.Time         `json:"created" yaml:"created"`
	Updated  *time.Time        `json:"updated,omitempty" yaml:"updated,omitempty"`
	Revision apikey.Revision   `json:"revision" yaml:"revision"`
}

func ownerViewOf(o *apikey.Owner) ownerView {
	v := ownerView{ID: o.ID, Name: o.Name, Metadata: o.Metadata, Created: o.Created.UTC().Truncate(time.Second), Revision: o.Revision}
	if !o.Updated.IsZero() {
		v.Updated = new(o.Updated.UTC().Truncate(time.Second))
	}
	return v
}

func (v *ownerView) print(p *process, form format) error {
	return form.print(p.stdout, v, []apikey.ID{apikey.ID(v.ID)}, func(w io.Writer) error {
		rows := [][]string{{"owner", v.ID}, {"name", dash(v.Name)}}
		for _, name := range slices.Sorted(maps.Keys(v.Metadata)) {
			rows = append(rows, []string{"meta " + name, dash(v.Metadata[name])})
		}
		return printRows(w, append(rows,
			[]string{"created", v.Created.Format(time.RFC3339)}, []string{"updated", moment(v.Updated, "never")}, []string{"revision", fmt.Sprint(v.Revision)}))
	})
}

// addOwnerFlags gives a command those that all of owners have.
func addOwnerFlags(cmd *cobra.Command, output *string) {
	addConfigFlags(cmd, "db")
	cmd.Flags().StringVarP(output, "output", "o", string(asTable), "table, json, yaml or id")
}

func newOwnersShow(p *process) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "show OWNER",
		Short: "Show the record of an owner",
		Args:  wants(anOwner, 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			form, err := parseFormat(output, asTable, asJSON, asYAML, asID)
			if err != nil {
				return err
			}
			return withOwners(cmd, p, func(book ownerBook) error {
				o, found, err := book.get(cmd.Context(), args[0])
				if err == nil && !found {
					err = noOwner(args[0])
				}
				if err != nil {
					return err
				}
				v := ownerViewOf(&o)
				return v.print(p, form)
			})
		},
	}
	addOwnerFlags(cmd, &output)
	return cmd
}

func newOwnersList(p *process) *cobra.Command {
	var output string
	var f apikey.OwnerFilter
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the records of owners by their ids",
		Example: `  warder owners list --text acme`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			form, err := parseFormat(output, asTable, asJSON, asYAML, asID)
			if err != nil {
				return err
			}
			if f.Limit < 0 {
				return fail(exitUsage, "", "--limit %d: want 0 or more", f.Limit)
			}
			return withOwners(cmd, p, func(book ownerBook) error {
				all, err := book.list(cmd.Context(), f.Text, f.Limit)
				if err != nil {
					return err
				}
				return printOwners(p, form, all)
			})
		},
	}
	addOwnerFlags(cmd, &output)
	cmd.Flags().StringVar(&f.Text, "text", "", "only those with this part of the id or the name")
	cmd.Flags().IntVar(&f.Limit, "limit", 0, "how many at most (default: all)")
	return cmd
}

func printOwners(p *process, form format, all []apikey.Owner) error {
	views, ids := make([]ownerView, len(all)), make([]apikey.ID, len(all))
	rows := [][]string{{"OWNER", "NAME", "CREATED", "UPDATED"}}
	for i := range all {
		views[i], ids[i] = ownerViewOf(&all[i]), apikey.ID(all[i].ID)
		rows = append(rows, []string{views[i].ID, dash(views[i].Name), views[i].Created.Format(time.RFC3339), moment(views[i].Updated, "never")})
	}
	return form.print(p.stdout, views, ids, func(w io.Writer) error { return printRows(w, rows) })
}
