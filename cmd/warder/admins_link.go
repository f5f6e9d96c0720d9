package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/secret"
)

// A maker makes a link.
type maker func(ctx context.Context, a *admins, l account.Link) (account.Account, secret.Text, error)

// linkFlags are what the commands that make a link have in common.
type linkFlags struct {
	where  whereFrom
	output string
}

// addTo gives cmd the flags.
func (f *linkFlags) addTo(cmd *cobra.Command) {
	addConfigFlags(cmd, "db", "peppers-file")
	if cmd.Name() != "setup" { // nobody administers yet, whom a server could ask for a token
		addRemoteFlags(cmd)
	}
	f.where.addFlags(cmd)
	cmd.Flags().StringVarP(&f.output, "output", "o", string(asTable), "table, json, yaml, id or secret (the link alone)")
	completeOutput(cmd, asTable, asJSON, asYAML, asID, asSecret)
}

// run makes a link and shows it.
func (f *linkFlags) run(cmd *cobra.Command, p *process, fresh bool, makes maker, there remoteMaker) error {
	form, err := parseFormat(f.output, asTable, asJSON, asYAML, asID, asSecret)
	if err != nil {
		return err
	}
	if isRemote(cmd) {
		return f.runRemote(cmd, p, form, there)
	}
	l, err := f.where.link()
	if err != nil {
		return err
	}
	return withAdmins(cmd, p, fresh, func(a *admins) error {
		made, link, err := makes(cmd.Context(), a, l)
		if err != nil {
			return adminFailure(err)
		}
		where := "from " + f.where.from + " alone"
		if f.where.anywhere {
			where = "from everywhere"
		}
		return f.tell(p, form, viewAdmin(&made), link, where, "echo \"$LINK\" | warder admins accept")
	})
}

// tell tells the link, the only time that anybody can, from where it is good, and how
// it is used.
func (f *linkFlags) tell(p *process, form format, v adminView, link secret.Text, where, how string) error {
	v.Link = link.Reveal()
	if form == asSecret {
		return writeSecret(p.stdout, "", v.Link)
	}
	if form == asID {
		if err := writeSecret(p.stderr, "link: ", v.Link); err != nil {
			return errors.Join(err, printAdmin(p.stdout, form, v))
		}
	}
	_, _ = fmt.Fprintf(p.stderr, "The link is shown this once. It is good once, for an hour, %s: %s\n", where, how)
	return printAdmin(p.stdout, form, v)
}

func newAdminsSetup(p *process) *cobra.Command {
	var (
		flags linkFlags
		name  string
	)
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Make the first owner, and the link that sets it up",
		Long: `Make the first owner, and the link that sets it up.

Once an owner has set itself up, owners make the others: the command is refused then.
Until then it may be repeated; the link of before is worth nothing afterwards.

It works where the database is, and asks no server: until there is an owner, whoever may
write the database is the one to make it.`,
		Example: `  warder admins setup
  warder admins setup --name ada --output secret | warder admins accept`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.run(cmd, p, true, func(ctx context.Context, a *admins, l account.Link) (account.Account, secret.Text, error) {
				return a.people.FirstOwner(ctx, operator(p), cmp.Or(name, userName(p.environ)), l)
			}, nil)
		},
	}
	flags.addTo(cmd)
	cmd.Flags().StringVar(&name, "name", "", "to log in by (default: your name on this machine)")
	return cmd
}

func newAdminsAdd(p *process) *cobra.Command {
	var (
		flags       linkFlags
		role, email string
	)
	cmd := &cobra.Command{
		Use:     "add NAME",
		Short:   "Make an account, and the link by which its person sets it up",
		Example: `  warder admins add bob --role developer --email bob@example.com --anywhere`,
		Args:    oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := parseRole(role)
			if err != nil {
				return err
			}
			spec := account.Spec{Name: args[0], Email: email, Role: r}
			return flags.run(cmd, p, false, func(ctx context.Context, a *admins, l account.Link) (account.Account, secret.Text, error) {
				return a.people.Create(ctx, operator(p), spec, l)
			}, addRemote(spec))
		},
	}
	flags.addTo(cmd)
	cmd.Flags().StringVar(&role, "role", string(account.Developer), "owner, admin, developer or auditor")
	cmd.Flags().StringVar(&email, "email", "", "for people to read")
	completeRoles(cmd)
	return cmd
}

func newAdminsInvite(p *process) *cobra.Command {
	var flags linkFlags
	cmd := &cobra.Command{
		Use:   "invite NAME",
		Short: "Make another link for an account whose link was not used",
		Args:  oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.run(cmd, p, false, func(ctx context.Context, a *admins, l account.Link) (account.Account, secret.Text, error) {
				found, err := a.find(ctx, args[0])
				if err != nil {
					return found, secret.Text{}, err
				}
				return a.people.Invite(ctx, operator(p), found.ID, l)
			}, inviteRemote(args[0]))
		},
	}
	flags.addTo(cmd)
	cmd.ValidArgsFunction = completeAdmins(p)
	return cmd
}

// newAdminsReset is reset-password or reset-factor.
func newAdminsReset(p *process, what string) *cobra.Command {
	var flags linkFlags
	cmd := &cobra.Command{
		Use:   "reset-" + what + " NAME",
		Short: map[string]string{"password": "Take a password away, and make a link by which it is set anew", "factor": "Take a second factor away, and make a link by which one is enrolled"}[what],
		Long: `Take the ` + what + ` of an account away, and make a link by which its person sets it anew.

It holds at once: nobody logs in to the account until the link was used, and its
sessions have ended.`,
		Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			taken := account.Reset{Password: what == "password", Factor: what == "factor"}
			return flags.run(cmd, p, false, func(ctx context.Context, a *admins, l account.Link) (account.Account, secret.Text, error) {
				found, err := a.find(ctx, args[0])
				if err != nil {
					return found, secret.Text{}, err
				}
				return a.people.Reset(ctx, operator(p), found.ID, taken, l)
			}, resetRemote(args[0], taken))
		},
	}
	flags.addTo(cmd)
	cmd.ValidArgsFunction = completeAdmins(p)
	return cmd
}
