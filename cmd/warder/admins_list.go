package main

import (
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
)

// An adminView is what a person or a script sees of an administrator.
type adminView struct {
	ID            account.ID       `json:"id" yaml:"id"`
	Name          string           `json:"name" yaml:"name"`
	Link          string           `json:"link,omitempty" yaml:"link,omitempty"` // in the answer that made it only
	Email         string           `json:"email" yaml:"email"`
	Role          account.Role     `json:"role" yaml:"role"`
	State         account.State    `json:"state" yaml:"state"`
	Factor        bool             `json:"factor" yaml:"factor"` // a second factor is enrolled
	RecoveryCodes int              `json:"recovery_codes" yaml:"recovery_codes"`
	LinkExpires   *time.Time       `json:"link_expires,omitempty" yaml:"link_expires,omitempty"`
	Created       time.Time        `json:"created" yaml:"created"`
	LastLogin     *time.Time       `json:"last_login,omitempty" yaml:"last_login,omitempty"`
	Revision      account.Revision `json:"revision" yaml:"revision"`
}

func viewAdmin(a *account.Account) adminView {
	v := a.View()
	return adminView{
		ID: v.ID, Name: v.Name, Email: v.Email, Role: v.Role, State: v.State, Factor: v.Factor, RecoveryCodes: v.RecoveryCodes,
		LinkExpires: second(v.Link), Created: v.Created.UTC().Truncate(time.Second), LastLogin: second(v.LastLogin), Revision: v.Revision,
	}
}

// second is t as it is shown; nil for the zero time.
func second(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(t.UTC().Truncate(time.Second))
}

func (v adminView) rows() [][]string {
	rows := [][]string{{"id", string(v.ID)}, {"name", v.Name}, {"email", dash(v.Email)}, {"role", string(v.Role)}, {"state", string(v.State)}, {"second factor", yes(v.Factor)}}
	if v.Link != "" {
		rows = append(rows, []string{"link", v.Link})
	}
	if v.LinkExpires != nil {
		rows = append(rows, []string{"link expires", moment(v.LinkExpires, "")})
	}
	return append(rows, []string{"created", v.Created.Format(time.RFC3339)}, []string{"last login", moment(v.LastLogin, "never")})
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func newAdminsList(p *process) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List all people who administer, by name",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			form, err := parseFormat(output, asTable, asJSON, asYAML, asID)
			if err != nil {
				return err
			}
			if isRemote(cmd) {
				return withRemoteAdmins(cmd, p, "", func(r *remote) error {
					views, err := r.everybody(cmd.Context())
					if err != nil {
						return err
					}
					return printAdmins(p.stdout, form, views)
				})
			}
			return withDatabase(cmd, p, func(_ *config.Config, db *database) error {
				all, err := everyAccount(cmd, db)
				if err != nil {
					return err
				}
				views := []adminView{}
				for i := range all {
					views = append(views, viewAdmin(&all[i]))
				}
				return printAdmins(p.stdout, form, views)
			})
		},
	}
	addConfigFlags(cmd, "db")
	addRemoteFlags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", string(asTable), "table, json, yaml or id")
	completeOutput(cmd, asTable, asJSON, asYAML, asID)
	return cmd
}

// everyAccount reads all accounts, by name. It needs no pepper.
func everyAccount(cmd *cobra.Command, db *database) (all []account.Account, err error) {
	for after := account.ID(""); ; after = all[len(all)-1].ID {
		some, err := db.Accounts().List(cmd.Context(), after, pageSize)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if len(some) < pageSize {
			break
		}
	}
	slices.SortFunc(all, func(a, b account.Account) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

func printAdmins(w io.Writer, form format, views []adminView) error {
	ids := []apikey.ID{}
	for i := range views {
		ids = append(ids, apikey.ID(views[i].ID))
	}
	return form.print(w, views, ids, func(w io.Writer) error {
		rows := [][]string{{"ID", "NAME", "EMAIL", "ROLE", "STATE", "FACTOR", "CREATED", "LAST LOGIN"}}
		for _, v := range views {
			rows = append(rows, []string{
				string(v.ID), v.Name, dash(v.Email), string(v.Role), string(v.State), yes(v.Factor), v.Created.Format(time.RFC3339), moment(v.LastLogin, "never"),
			})
		}
		return printRows(w, rows)
	})
}

// printAdmin writes one account.
func printAdmin(w io.Writer, form format, v adminView) error {
	return form.print(w, v, []apikey.ID{apikey.ID(v.ID)}, func(w io.Writer) error { return printRows(w, v.rows()) })
}

// completeAdmins offers the names. Without a database, or a right to read it, it
// offers nothing: a shell shows no errors.
func completeAdmins(p *process) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) (words []cobra.Completion, _ cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		quiet := *p
		quiet.stderr = io.Discard
		_ = withDatabase(cmd, &quiet, func(_ *config.Config, db *database) error {
			all, err := everyAccount(cmd, db)
			for i := range all {
				if len(words) < maxCompleted && strings.HasPrefix(all[i].Name, begun) {
					words = append(words, cobra.CompletionWithDesc(all[i].Name, string(all[i].Role)))
				}
			}
			return err
		})
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}
