package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/redis"
	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/session/password"
)

func newUsersSessions(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sessions",
		Short: "End the sessions of people who have logged in",
		Args:  cobra.ArbitraryArgs,
		RunE:  group,
	}
	cmd.AddCommand(newUsersSessionsRevoke(p))
	return cmd
}

// whoseSessions are the arguments of users sessions revoke: whose end.
type whoseSessions struct {
	issuer, subject string
	all             bool
}

func newUsersSessionsRevoke(p *process) *cobra.Command {
	var who whoseSessions
	cmd := &cobra.Command{
		Use:   "revoke NAME | --subject SUBJECT [--issuer ISSUER] | --all",
		Short: "End all sessions of somebody, or of everybody",
		Long: `End all sessions of somebody, or of everybody.

NAME is a user of the file of people. Whoever logged in at an OpenID provider is
named by --subject, the sub of the ID token, and --issuer, the provider.

The command ends sessions where they are kept: in the database, or in Redis where
session.store of the configuration says so. Every gateway refuses them from then
on. Nobody is kept from logging in again: take them out of the file, or away from
the provider, first.`,
		Example: `  warder users sessions revoke ada
  warder users sessions revoke --issuer https://idp.example.com --subject 248289761001
  warder users sessions revoke --all`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := who.check(cmd, args); err != nil {
				return err
			}
			return withSessions(cmd, p, func(cfg *config.Config, store sessionEnder) error {
				return who.revoke(cmd.Context(), p, cfg, store, args)
			})
		},
	}
	cmd.ValidArgsFunction = completeUsers(p)
	addConfigFlags(cmd, "db")
	f := cmd.Flags()
	f.StringVar(&who.issuer, "issuer", "", "who vouched for the person (default: session.oidc.issuer of the configuration)")
	f.StringVar(&who.subject, "subject", "", "the person's name there")
	f.BoolVar(&who.all, "all", false, "end the sessions of everybody")
	return cmd
}

// check wants one way to say whose sessions end.
func (w *whoseSessions) check(cmd *cobra.Command, args []string) error {
	hint := cmd.CommandPath() + " --help tells how to name somebody"
	ways := 0
	for _, named := range []bool{len(args) > 0, w.subject != "" || w.issuer != "", w.all} {
		if named {
			ways++
		}
	}
	switch {
	case ways == 0:
		return fail(exitUsage, hint, "nobody is named: want a NAME, --subject, or --all")
	case ways > 1 || len(args) > 1:
		return fail(exitUsage, hint, "want one of a single NAME, --subject with --issuer, and --all")
	case w.issuer != "" && w.subject == "":
		return fail(exitUsage, hint, "--issuer needs --subject")
	case len(args) == 1 && args[0] == "":
		return fail(exitUsage, hint, "the NAME is empty")
	default:
		return nil
	}
}

// revoke ends the sessions, and tells how many.
func (w *whoseSessions) revoke(ctx context.Context, p *process, cfg *config.Config, store sessionEnder, args []string) error {
	if w.all {
		n, err := store.RevokeAll(ctx, audit.By(by(p)))
		if err != nil {
			return fail(exitServer, "ask again: that is safe", "%d sessions ended, not all: %w", n, err)
		}
		_, _ = fmt.Fprintf(p.stderr, "Ended: %s. Everybody has to log in again.\n", sessionsOf(n))
		return nil
	}
	issuer, subject := w.issuer, w.subject
	switch {
	case len(args) > 0:
		issuer, subject = password.DefaultIssuer, args[0]
	case issuer == "" && cfg.Session.OIDC != nil:
		issuer = cfg.Session.OIDC.Issuer
	case issuer == "":
		return fail(exitUsage, "give --issuer, or --config with session.oidc", "--subject needs --issuer: the configuration names no provider")
	}
	n, err := store.RevokeUser(ctx, audit.By(by(p)), issuer, subject)
	if err != nil {
		return fail(exitServer, "ask again: that is safe", "the sessions may not have ended: %w", err)
	}
	_, _ = fmt.Fprintf(p.stderr, "Ended: %s of %q at %q.\n", sessionsOf(n), subject, issuer)
	return nil
}

func sessionsOf(n int) string {
	switch n {
	case 0:
		return "no session"
	case 1:
		return "1 session"
	default:
		return fmt.Sprintf("%d sessions", n)
	}
}

const (
	endAtOnce   = 1000 // sessions: a store answers others in between
	lastSession = 100  // years from now: none lasts until then
)

// endAll ends what there is, as it will be ended when all have expired.
func endAll(ctx context.Context, store session.Store) (all int, err error) {
	never := time.Now().AddDate(lastSession, 0, 0)
	for {
		var n int
		err := patiently(ctx, func() (err error) {
			n, err = store.DeleteExpired(ctx, never, endAtOnce)
			return err
		})
		all += n
		if err != nil || n < endAtOnce {
			return all, err
		}
	}
}

// connectPatience is how long a command waits for a store that is not there yet,
// or slow.
const connectPatience = 10 * time.Second

// patiently calls f, which may run twice, again while the store has not been
// reached yet or answers too late.
func patiently(ctx context.Context, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, connectPatience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if !errors.Is(err, redis.ErrAway) && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}
