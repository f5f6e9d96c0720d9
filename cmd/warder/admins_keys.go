package main

import (
	"errors"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/account/login"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
)

func newAdminsKeys(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, list and revoke admin keys: of machines that administer",
		Long: `Make, list and revoke admin keys: of machines that administer.

An admin key begins with wadm and its role. It is no key of the API, and none of the
API's keys is one. It manages no people and no admin keys, whatever its role.

One that is made with --owner is bound to this owner of the API's keys. It makes and
sees keys of no other, and neither credits, the audit nor administrators.`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	cmd.AddCommand(newAdminKeysCreate(p), newAdminKeysList(p), newAdminKeysRevoke(p))
	return cmd
}

// An adminKeyView is what a person or a script sees of an admin key.
type adminKeyView struct {
	ID      string       `json:"id" yaml:"id"`
	Key     string       `json:"key,omitempty" yaml:"key,omitempty"` // the text: in the answer to create only
	Masked  string       `json:"masked" yaml:"masked"`
	Name    string       `json:"name" yaml:"name"`
	Role    account.Role `json:"role" yaml:"role"`
	Owner   string       `json:"owner,omitempty" yaml:"owner,omitempty"` // that it is bound to
	State   string       `json:"state" yaml:"state"`
	Maker   string       `json:"maker,omitempty" yaml:"maker,omitempty"` // id of an account; none for the command line
	Created time.Time    `json:"created" yaml:"created"`
	Expires *time.Time   `json:"expires,omitempty" yaml:"expires,omitempty"`
	Revoked *time.Time   `json:"revoked,omitempty" yaml:"revoked,omitempty"`
	Reason  string       `json:"reason,omitempty" yaml:"reason,omitempty"`
}

func viewAdminKey(k *account.Key, now time.Time) adminKeyView {
	return adminKeyView{
		ID: k.ID, Masked: login.Prefix + "_" + string(k.Role) + "_" + k.ID + "...", Name: k.Name, Role: k.Role, Owner: k.Owner, State: k.State(now), Maker: k.Maker,
		Created: k.Created.UTC().Truncate(time.Second), Expires: second(k.Expires), Revoked: second(k.Revoked), Reason: k.Reason,
	}
}

func (v adminKeyView) rows() [][]string {
	shown := v.Key
	if shown == "" {
		shown = v.Masked
	}
	rows := [][]string{
		{"id", v.ID},
		{"key", shown},
		{"name", dash(v.Name)},
		{"role", string(v.Role)},
		{"owner", dash(v.Owner)},
		{"state", v.State},
		{"created", v.Created.Format(time.RFC3339)},
		{"expires", moment(v.Expires, "never")},
	}
	if v.Revoked != nil {
		rows = append(rows, []string{"revoked", moment(v.Revoked, "")}, []string{"reason", dash(v.Reason)})
	}
	return rows
}

func newAdminKeysCreate(p *process) *cobra.Command {
	var name, role, owner, expiresIn, output string
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make an admin key; its text is shown this once",
		Example: `  KEY=$(warder admins keys create --name deploy --role developer --expires-in 90d --output secret)
  warder admins keys create --name portal --role admin --owner acme`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			form, err := parseFormat(output, asTable, asJSON, asYAML, asID, asSecret)
			if err != nil {
				return err
			}
			spec := login.KeySpec{Name: name, Owner: owner}
			if spec.Role, err = parseRole(role); err != nil {
				return err
			}
			if cmd.Flags().Changed("owner") && owner == "" { // a name that was lost binds to nobody
				return fail(exitUsage, "leave it out for a key that is bound to none", "--owner is empty: want the owner to bind it to")
			}
			if expiresIn != "" {
				lifetime, err := config.ParseDuration(expiresIn)
				if err != nil || lifetime <= 0 {
					return fail(exitUsage, "write it like 90d", "--expires-in %q: want a time to come", printable(expiresIn))
				}
				spec.Expires = time.Now().Add(lifetime)
			}
			if isRemote(cmd) {
				return createAdminKeyRemote(cmd, p, form, &spec)
			}
			return withAdmins(cmd, p, false, func(a *admins) error {
				key, text, err := a.keys.Issue(cmd.Context(), operator(p), spec)
				if err != nil {
					return adminFailure(err)
				}
				return showAdminKey(p, form, viewAdminKey(&key, time.Now()), text)
			})
		},
	}
	addConfigFlags(cmd, "db", "peppers-file")
	addRemoteFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&name, "name", "", "for people to read")
	f.StringVar(&role, "role", "", "owner, admin, developer or auditor")
	f.StringVar(&owner, "owner", "", "bind it to this owner of keys: for it there are no others")
	f.StringVar(&expiresIn, "expires-in", "", "lifetime, such as 90d (default: never)")
	f.StringVarP(&output, "output", "o", string(asTable), "table, json, yaml, id or secret (the text alone)")
	completeOutput(cmd, asTable, asJSON, asYAML, asID, asSecret)
	completeRoles(cmd)
	return cmd
}

func newAdminKeysList(p *process) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List all admin keys, the oldest first",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			form, err := parseFormat(output, asTable, asJSON, asYAML, asID)
			if err != nil {
				return err
			}
			if isRemote(cmd) {
				return listAdminKeysRemote(cmd, p, form)
			}
			return withAdmins(cmd, p, false, func(a *admins) error {
				all, err := a.keys.List(cmd.Context())
				if err != nil {
					return err
				}
				slices.SortStableFunc(all, func(a, b account.Key) int { return a.Created.Compare(b.Created) })
				now, views := time.Now(), []adminKeyView{}
				for i := range all {
					views = append(views, viewAdminKey(&all[i], now))
				}
				return printAdminKeys(p.stdout, form, views)
			})
		},
	}
	addConfigFlags(cmd, "db", "peppers-file")
	addRemoteFlags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", string(asTable), "table, json, yaml or id")
	completeOutput(cmd, asTable, asJSON, asYAML, asID)
	return cmd
}

func printAdminKeys(w io.Writer, form format, views []adminKeyView) error {
	ids := []apikey.ID{}
	for i := range views {
		ids = append(ids, apikey.ID(views[i].ID))
	}
	return form.print(w, views, ids, func(w io.Writer) error {
		rows := [][]string{{"ID", "KEY", "NAME", "ROLE", "OWNER", "STATE", "CREATED", "EXPIRES"}}
		for _, v := range views {
			rows = append(rows, []string{v.ID, v.Masked, dash(v.Name), string(v.Role), dash(v.Owner), v.State, v.Created.Format(time.RFC3339), moment(v.Expires, "never")})
		}
		return printRows(w, rows)
	})
}

// printAdminKey writes one admin key.
func printAdminKey(w io.Writer, form format, v adminKeyView) error {
	return form.print(w, v, []apikey.ID{apikey.ID(v.ID)}, func(w io.Writer) error { return printRows(w, v.rows()) })
}

func noAdminKey(id string) error {
	return fail(exitNotFound, "warder admins keys list shows the ids", "no admin key has the id %s", id)
}

func newAdminKeysRevoke(p *process) *cobra.Command {
	var reason, output string
	cmd := &cobra.Command{
		Use:   "revoke ID|-",
		Short: "End an admin key for good: it is refused from the next request on",
		Long: `End an admin key for good: it is refused from the next request on.

"-" reads the key's text from standard input: echo "$KEY" | warder admins keys revoke -`,
		Args: wants(aKey, 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			form, err := parseFormat(output, asTable, asJSON, asYAML, asID)
			if err != nil {
				return err
			}
			id, err := adminKeyID(args[0], p.stdin)
			if err != nil {
				return err
			}
			if isRemote(cmd) {
				return revokeAdminKeyRemote(cmd, p, form, args[0], string(id), reason)
			}
			return withAdmins(cmd, p, false, func(a *admins) error {
				key, err := a.keys.Revoke(cmd.Context(), operator(p), string(id), reason)
				if errors.Is(err, account.ErrNotFound) {
					return noAdminKey(string(id))
				}
				if err != nil {
					return adminFailure(err)
				}
				return printAdminKey(p.stdout, form, viewAdminKey(&key, time.Now()))
			})
		},
	}
	addConfigFlags(cmd, "db", "peppers-file")
	addRemoteFlags(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "a word for the record, such as leaked")
	cmd.Flags().StringVarP(&output, "output", "o", string(asTable), "table, json, yaml or id")
	completeOutput(cmd, asTable, asJSON, asYAML, asID)
	return cmd
}
