package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/session/password"
)

func newUsers(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "users",
		Short: "Add, list and remove people who log in by name and password; end sessions",
		Long: `Add, list and remove people who log in by name and password; end sessions.

The commands but sessions change the file that users.file of the configuration names, or
--users-file. A running warder serve reads it within seconds; whoever is taken out
of it, or gets another password, has no session any more.

Passwords are never arguments. They are asked for on a terminal, or read from
standard input, one line: echo "$PASSWORD" | warder users add ada`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	add, list, remove, change := newUsersAdd(p), newUsersList(p), newUsersRemove(p), newUsersPassword(p)
	completeOutput(list, asTable, asJSON, asYAML, asID)
	remove.ValidArgsFunction, change.ValidArgsFunction = completeUsers(p), completeUsers(p)
	cmd.AddCommand(add, list, remove, change, newUsersSessions(p))
	return cmd
}

// usersFile returns where the file is, and whether others may read it.
func usersFile(cmd *cobra.Command, p *process) (config.Users, error) {
	cfg, err := keysConfig(cmd, p)
	if err != nil {
		return config.Users{}, err
	}
	if cfg.Users.File == "" {
		return cfg.Users, fail(exitUsage, "warder users "+cmd.Name()+" --users-file ./users, and users: {file: ./users} in the configuration", "no file of people is named")
	}
	return cfg.Users, nil
}

// oneName wants the name of a user, and nothing behind it: that might be a
// password.
func oneName(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return fail(exitUsage, cmd.CommandPath()+" ada", "%s needs a name", cmd.CommandPath())
	case len(args) > 1:
		return fail(exitUsage, "a password is asked for, or read from standard input; one that was an argument is exposed: others on this machine see it, and the shell keeps it",
			"%s takes one name, and nothing else", cmd.CommandPath())
	default:
		return nil
	}
}

func newUsersAdd(p *process) *cobra.Command {
	var scopes []string
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Add somebody; the password is asked for, or read from standard input",
		Example: `  warder users add ada --scopes orders:read,orders:write
  echo "$PASSWORD" | warder users add ada --users-file ./users`,
		Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			at, err := usersFile(cmd, p)
			if err != nil {
				return err
			}
			granted, err := grantedScopes(scopes)
			if err != nil {
				return err
			}
			refuse := func(l *password.List) error {
				if _, taken := l.Lookup(args[0]); taken {
					return fail(exitUsage, "warder users password changes the password; to change scopes, remove the user and add it again", "there is a user %q already", args[0])
				}
				return l.Set(password.User{Name: args[0], Hash: placeholder, Scopes: granted})
			}
			if err := tryUsers(at, refuse); err != nil { // before a password is typed in vain
				return err
			}
			list, err := knownToAll(cmd, p)
			if err != nil {
				return err
			}
			hash, err := askPassword(cmd.Context(), p, list, args[0])
			if err != nil {
				return err
			}
			made, err := changeUsers(at, func(l *password.List) error {
				if err := refuse(l); err != nil {
					return err
				}
				return l.Set(password.User{Name: args[0], Hash: hash, Scopes: granted})
			})
			if err != nil {
				return err
			}
			if made {
				_, _ = fmt.Fprintf(p.stderr, "Made %s, a new file. A gateway needs it as users.file.\n", absolute(at.File))
			}
			_, _ = fmt.Fprintf(p.stderr, "%q can log in.\n", args[0])
			return nil
		},
	}
	addConfigFlags(cmd, "users-file")
	cmd.Flags().StringSliceVar(&scopes, "scopes", nil, "what the user may do, such as orders:read or orders:*")
	return cmd
}

// placeholder is a hash that nobody's password has, to look whether a user could
// be written at all.
const placeholder = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// grantedScopes checks the value of --scopes.
func grantedScopes(scopes []string) (exchange.Scopes, error) {
	scopes = slices.Compact(slices.Sorted(slices.Values(scopes)))
	for _, scope := range scopes {
		if !exchange.ValidScope(scope) {
			return exchange.Scopes{}, fail(exitUsage, "write it like orders:read, or orders:* for whatever begins so", "--scopes: %q is not a scope", printable(scope))
		}
	}
	return exchange.PatternScopes(scopes...), nil
}

func newUsersPassword(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "password NAME",
		Short: "Give somebody another password; sessions of before end",
		Args:  oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			at, err := usersFile(cmd, p)
			if err != nil {
				return err
			}
			known := func(l *password.List) error { return knownUser(l, args[0]) }
			if err := tryUsers(at, known); err != nil {
				return err
			}
			list, err := knownToAll(cmd, p)
			if err != nil {
				return err
			}
			hash, err := askPassword(cmd.Context(), p, list, args[0])
			if err != nil {
				return err
			}
			_, err = changeUsers(at, func(l *password.List) error {
				if err := known(l); err != nil {
					return err
				}
				u, _ := l.Lookup(args[0])
				u.Hash = hash
				return l.Set(u)
			})
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(p.stderr, "%q has another password. Sessions that were begun with the old one end within seconds.\n", args[0])
			return nil
		},
	}
	addConfigFlags(cmd, "users-file")
	return cmd
}

func newUsersRemove(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "Take somebody out; sessions end",
		Args:  oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			at, err := usersFile(cmd, p)
			if err != nil {
				return err
			}
			_, err = changeUsers(at, func(l *password.List) error {
				if err := knownUser(l, args[0]); err != nil {
					return err
				}
				l.Remove(args[0])
				return nil
			})
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(p.stderr, "%q cannot log in any more. Sessions end within seconds.\n", args[0])
			return nil
		},
	}
	addConfigFlags(cmd, "users-file")
	return cmd
}

// knownUser fails unless the list has the name.
func knownUser(l *password.List, name string) error {
	if _, ok := l.Lookup(name); !ok {
		return fail(exitNotFound, "warder users list shows the names", "there is no user %q", printable(name))
	}
	return nil
}

// tryUsers calls edit with the list of a file, and writes nothing.
func tryUsers(at config.Users, edit func(*password.List) error) error {
	text, _, err := readUsers(at)
	if err != nil && !errors.Is(err, errNoUsers) {
		return err
	}
	return editUsers(at, text, edit, nil)
}

// editUsers parses text, has it edited, and gives what came of it to write, which
// may be nil.
func editUsers(at config.Users, text string, edit func(*password.List) error, write func(text string) error) error {
	l, err := password.ParseList(text)
	if err != nil {
		return fail(exitUsage, "mend these lines", "%s: %s", at.File, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	if err := edit(l); err != nil {
		if _, told := errors.AsType[*failure](err); told {
			return err
		}
		return fail(exitUsage, "", "%w", err)
	}
	if write == nil {
		return nil
	}
	return write(l.String())
}
