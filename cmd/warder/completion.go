package main

import (
	"log/slog"
	"strings"

	"github.com/spf13/cobra"
)

// maxCompleted is how many keys a shell is offered at most.
const maxCompleted = 500

// tameCompletion makes cobra's own command now, so that it refuses arguments in
// words of ours.
func tameCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "completion" {
			continue
		}
		cmd.Args, cmd.RunE = cobra.ArbitraryArgs, group
		for _, shell := range cmd.Commands() {
			shell.Args = noArgs
		}
	}
}

// completeOutput offers the formats that cmd prints.
func completeOutput(cmd *cobra.Command, formats ...format) {
	words := make([]string, len(formats))
	for i, f := range formats {
		words[i] = string(f)
	}
	err := cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic("warder: " + cmd.Name() + ": " + err.Error()) // it has no such flag: every test finds it
	}
}

// completeIDs offers the ids of the first keys with their names. Without a
// database, or a right to read it, it offers nothing: a shell shows no errors.
func completeIDs(p *process) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) (words []cobra.Completion, _ cobra.ShellCompDirective) {
		if len(args) > 0 || isRemote(cmd) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		cfg, err := keysConfig(cmd, p)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		db, err := openExisting(cmd.Context(), cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer db.Close() //nolint:errcheck // nothing was written
		return idsOf(cmd, db, begun), cobra.ShellCompDirectiveNoFileComp
	}
}

func idsOf(cmd *cobra.Command, db *database, begun string) (words []cobra.Completion) {
	page, err := db.APIKeys().List(cmd.Context(), "", maxCompleted)
	if err != nil {
		return nil
	}
	for _, r := range page {
		if strings.HasPrefix(string(r.ID), begun) {
			words = append(words, cobra.CompletionWithDesc(string(r.ID), r.Name))
		}
	}
	return words
}
