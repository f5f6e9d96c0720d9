package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/account"
)

// changeAdmin changes one account and shows it.
func changeAdmin(cmd *cobra.Command, p *process, output, name string, change func(ctx context.Context, a *admins, id account.ID) (account.Account, error), there personChange, said string) error {
	form, err := parseFormat(output, asTable, asJSON, asYAML, asID)
	if err != nil {
		return err
	}
	if isRemote(cmd) {
		return changeRemote(cmd, p, form, name, there, said)
	}
	return withAdmins(cmd, p, false, func(a *admins) error {
		found, err := a.find(cmd.Context(), name)
		if err != nil {
			return err
		}
		after, err := change(cmd.Context(), a, found.ID)
		if err != nil {
			return adminFailure(err)
		}
		_, _ = fmt.Fprintf(p.stderr, "%q %s\n", after.Name, said)
		v := viewAdmin(&after)
		noteLink(p, viewAdmin(&found), v)
		return printAdmin(p.stdout, form, v)
	})
}

// noteLink tells of a link that was good before the change and is not any more.
func noteLink(p *process, before, after adminView) {
	now := time.Now()
	if before.LinkExpires == nil || !before.LinkExpires.After(now) || after.LinkExpires == nil || after.LinkExpires.After(now) {
		return
	}
	_, _ = fmt.Fprintf(p.stderr, "The link that %q has is worth nothing any more: `warder admins invite %s` makes another.\n", after.Name, after.Name)
}

func addChangeFlags(cmd *cobra.Command, p *process, output *string) {
	addConfigFlags(cmd, "db", "peppers-file")
	addRemoteFlags(cmd)
	cmd.Flags().StringVarP(output, "output", "o", string(asTable), "table, json, yaml or id")
	completeOutput(cmd, asTable, asJSON, asYAML, asID)
	cmd.ValidArgsFunction = completeAdmins(p)
}

func newAdminsRole(p *process) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "role NAME ROLE",
		Short: "Give an account another role; its sessions end",
		Long: `Give an account another role; its sessions end.

A link that was not used yet stays good, unless the role is raised to admin or owner:
whoever has it could not have made one to such an account. warder admins invite makes
another.`,
		Example: `  warder admins role bob auditor`,
		Args:    wants("a name and a role", 2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := parseRole(args[1])
			if err != nil {
				return err
			}
			return changeAdmin(cmd, p, output, args[0], func(ctx context.Context, a *admins, id account.ID) (account.Account, error) {
				return a.people.SetRole(ctx, operator(p), id, 0, r)
			}, setRoleRemote(r), "is "+string(r)+" now, and has to log in again.")
		},
	}
	addChangeFlags(cmd, p, &output)
	return cmd
}

// newAdminsTurn is disable, enable or remove.
func newAdminsTurn(p *process, name string) *cobra.Command {
	type turn struct {
		short, said string
		change      func(m *account.Manager, ctx context.Context, by account.Actor, id account.ID, revision account.Revision) (account.Account, error)
	}
	t := map[string]turn{
		"disable": {"Keep an account from logging in until it is enabled; its sessions end", "cannot log in until it is enabled, and has no session any more.", (*account.Manager).Disable},
		"enable":  {"Let a disabled account log in again", "can log in again.", (*account.Manager).Enable},
		"remove":  {"Take an account away for good; its sessions end, the admin keys that it made stay", "is gone, and has no session any more.", (*account.Manager).Remove},
	}[name]
	var output string
	cmd := &cobra.Command{
		Use:   name + " NAME",
		Short: t.short,
		Args:  oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeAdmin(cmd, p, output, args[0], func(ctx context.Context, a *admins, id account.ID) (account.Account, error) {
				return t.change(a.people, ctx, operator(p), id, 0)
			}, turnPersonRemote(name), t.said)
		},
	}
	addChangeFlags(cmd, p, &output)
	return cmd
}
