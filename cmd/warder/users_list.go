package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/session/password"
)

// A userView is what a person or a script sees of a user: nothing of the hash.
type userView struct {
	Name   string   `json:"name" yaml:"name"`
	Scopes []string `json:"scopes" yaml:"scopes"`
}

func newUsersList(p *process) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List all people, in the order of the file",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			form, err := parseFormat(output, asTable, asJSON, asYAML, asID)
			if err != nil {
				return err
			}
			users, err := readUserViews(cmd, p)
			if err != nil {
				return err
			}
			return printUsers(p.stdout, form, users)
		},
	}
	addConfigFlags(cmd, "users-file")
	cmd.Flags().StringVarP(&output, "output", "o", string(asTable), "table, json, yaml or id (the names alone)")
	return cmd
}

// readUserViews reads the file that the flags of cmd name.
func readUserViews(cmd *cobra.Command, p *process) ([]userView, error) {
	at, err := usersFile(cmd, p)
	if err != nil {
		return nil, err
	}
	text, _, err := readUsers(at)
	if errors.Is(err, errNoUsers) {
		return nil, fail(exitNotFound, "warder users add makes it", "there is no file %s", at.File)
	}
	if err != nil {
		return nil, err
	}
	views := []userView{}
	return views, editUsers(at, text, func(l *password.List) error {
		for _, u := range l.Users() {
			views = append(views, userView{Name: u.Name, Scopes: append([]string{}, u.Scopes.Names()...)})
		}
		return nil
	}, nil)
}

func printUsers(w io.Writer, form format, users []userView) error {
	if form == asID {
		for _, u := range users {
			if _, err := fmt.Fprintln(w, u.Name); err != nil {
				return err
			}
		}
		return nil
	}
	return form.print(w, users, []apikey.ID{}, func(w io.Writer) error {
		rows := [][]string{{"NAME", "SCOPES"}}
		for _, u := range users {
			rows = append(rows, []string{u.Name, dash(strings.Join(u.Scopes, " "))})
		}
		return printRows(w, rows)
	})
}

// completeUsers offers the names of the file. Without one, or a right to read it,
// it offers nothing: a shell shows no errors.
func completeUsers(p *process) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) (words []cobra.Completion, _ cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		users, err := readUserViews(cmd, p)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		for _, u := range users {
			if len(words) < maxCompleted && strings.HasPrefix(u.Name, begun) {
				words = append(words, cobra.CompletionWithDesc(u.Name, strings.Join(u.Scopes, " ")))
			}
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}
