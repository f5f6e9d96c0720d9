package main

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/warder-dev/warder/internal/config"
)

// What commands want as arguments, in words.
const (
	aKey        = "a key's id, or - and the key on standard input"
	aKeyAndMore = "a key's id, or - and the key on standard input, and how many credits"
	justMore    = "how many credits; with --owner no key is named"
	onlyOwner   = "no argument with --owner: that names the account"
	aLimit      = "the name of a limit"
	aSubject    = "the name of a limit, and whom it counts, such as address=192.0.2.1 or key=ID"
	oneFile     = "one file at most"
)

// wants accepts least to most arguments, and else says what they are for. A
// negative most is no bound.
func wants(what string, least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && (most < 0 || len(args) <= most) {
			return nil
		}
		got := "nothing"
		if len(args) > 0 {
			shown := make([]string, len(args))
			for i, arg := range args {
				shown[i] = printable(arg)
			}
			got = strings.Join(shown, " ")
		}
		return fail(exitUsage, cmd.UseLine(), "%s wants %s; got %s", cmd.CommandPath(), what, got)
	}
}

// isYAML reports whether arg looks like a configuration file.
func isYAML(arg string) bool {
	ending := strings.ToLower(filepath.Ext(arg))
	return ending == ".yaml" || ending == ".yml"
}

// nearFlag is a hint that names the flag of cmd nearest to name, as commands have
// it; or the way to the list of them.
func nearFlag(cmd *cobra.Command, name string) string {
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			known = append(known, "--"+f.Name)
		}
	})
	near := config.Nearest("--"+name, known)
	if longer := slices.DeleteFunc(slices.Clone(known), func(flag string) bool { return !strings.HasPrefix(flag, "--"+name) }); near == "" && len(longer) == 1 {
		near = longer[0] // it was cut short
	}
	if near != "" && name != "" {
		return "did you mean " + near + "?"
	}
	return cmd.CommandPath() + " --help lists the flags"
}
