package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A process is what the program may touch of its surroundings: tests run it
// whole with their own.
type process struct {
	args    []string
	environ []string
	stdin   io.Reader
	stdout  io.Writer // results only
	stderr  io.Writer // everything said to a person
}

// run runs one command line and returns its exit code.
func run(ctx context.Context, p process) int {
	if err := refuseKeys(p.args); err != nil {
		return report(p.stderr, err)
	}
	root := newRoot(&p) //nolint:contextcheck // commands get theirs from ExecuteContext
	root.SetArgs(p.args)
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	err := root.ExecuteContext(ctx)
	var f *failure
	if err != nil && !errors.As(err, &f) && isUsage(err) {
		err = fail(exitUsage, "warder --help lists the commands, warder COMMAND --help the flags", "%w", err)
	}
	return report(p.stderr, err)
}

// newRoot builds the whole tree of commands.
func newRoot(p *process) *cobra.Command {
	root := &cobra.Command{
		Use:   "warder",
		Short: "API keys, and everything that has to stand around them, in front of any HTTP API",
		Long: `warder puts API keys in front of any HTTP API.

Try it:            warder demo
Protect an API:    warder serve --upstream http://127.0.0.1:8000
Make a key:        warder keys create --name first

Every flag can be set by the environment: --admin-listen is WARDER_ADMIN_LISTEN.
Exit codes: 1 no from warder ping, or a case of warder test does not hold, 2 usage or
configuration, 3 denied, 4 not found, 5 server, 6 a check found something (leaked keys,
a broken audit log), 7 changed meanwhile.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs, // group tells what is wrong with them
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return fromEnvironment(cmd.Flags(), p.environ)
		},
	}
	// Not cobra's own Version: its template makes the linker keep every method of the program.
	version := root.Flags().BoolP("version", "v", false, "print the version")
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if *version && len(args) == 0 {
			_, err := fmt.Fprintln(p.stdout, "warder", programVersion())
			return err
		}
		return group(cmd, args)
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		hint := cmd.CommandPath() + " --help lists the flags"
		if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok && unknown.GetSpecifiedShortnames() == "" {
			hint = nearFlag(cmd, unknown.GetSpecifiedName())
		}
		return fail(exitUsage, hint, "%w", flagError(err))
	})
	root.SetHelpCommand(newHelp())
	addInGroups(root, []commandGroup{
		{"Set it up:", []*cobra.Command{newDemo(p), newServe(p), newConfig(p), newImport(p), newOpenAPI(p)}},
		{"Keys, and those who hold them:", []*cobra.Command{newKeys(p), newOwners(p), newPortal(p), newUsers(p), newLeak(p)}},
		{"Why, and what if:", []*cobra.Command{newExplain(p), newTail(p), newTest(p), newShadow(p)}},
		{"Run it:", []*cobra.Command{newLimits(p), newUsage(p), newWebhooks(p), newPing(p), newMigrate(p)}},
		{"Who administers, and what they did:", []*cobra.Command{newAdmins(p), newWhoami(p), newAudit(p)}},
	})
	root.AddCommand(newVersion(p))
	tameCompletion(root)
	return root
}

// A commandGroup is commands that stand together in the help, under a title.
type commandGroup struct {
	title    string
	commands []*cobra.Command
}

// addInGroups adds the commands of groups to root; its help shows them in this order
// of groups.
func addInGroups(root *cobra.Command, groups []commandGroup) {
	for _, g := range groups {
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title})
		for _, command := range g.commands {
			command.GroupID = g.title
			root.AddCommand(command)
		}
	}
}

// flagError returns err of the flags' parser, which repeats what was given, with
// little of it.
func flagError(err error) error {
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		if letters := unknown.GetSpecifiedShortnames(); letters != "" {
			return fmt.Errorf("unknown shorthand flag: -%s", printable(letters))
		}
		return fmt.Errorf("unknown flag: --%s", printable(unknown.GetSpecifiedName()))
	}
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return fmt.Errorf("--%s: %q cannot be its value", invalid.GetFlag().Name, printable(invalid.GetValue()))
	}
	if syntax, ok := errors.AsType[*pflag.InvalidSyntaxError](err); ok {
		return fmt.Errorf("%q is not a flag", printable(syntax.GetSpecifiedFlag()))
	}
	return err
}

// group is what a command does that only holds others: it explains itself, or
// names the one that was probably meant.
func group(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	cmd.SuggestionsMinimumDistance = 2
	hint := cmd.CommandPath() + " --help lists the commands"
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + cmd.CommandPath() + " " + near[0] + "?"
	}
	return fail(exitUsage, hint, "%s has no command %q", cmd.CommandPath(), printable(args[0]))
}

// newHelp stands in for cobra's, which repeats what it does not know.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, unknown, err := cmd.Root().Find(args)
			if err != nil {
				return err
			}
			if len(unknown) > 0 {
				return fail(exitUsage, about.CommandPath()+" --help lists the commands", "%s has no command %q", about.CommandPath(), printable(unknown[0]))
			}
			return about.Help()
		},
	}
}

// noArgs refuses arguments in words.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := cmd.CommandPath() + " --help lists the flags"
	if cmd.Flags().Lookup("upstream") != nil && strings.Contains(args[0], ":") {
		hint = "did you mean --upstream and the URL? Such as --upstream http://127.0.0.1:8000"
	}
	if cmd.Flags().Lookup("config") != nil && isYAML(args[0]) {
		hint = "did you mean --config " + args[0] + "?"
	}
	return fail(exitUsage, hint, "%s takes no argument, got %q", cmd.CommandPath(), printable(args[0]))
}

// isUsage reports whether err is cobra's own about the command line: it has no
// type for them. Every error of ours is a failure or comes from a stage that ran.
func isUsage(err error) bool {
	for _, begin := range []string{"unknown command", "accepts ", "requires ", "required flag", "if any flags", "invalid argument", "unknown shorthand"} {
		if strings.HasPrefix(err.Error(), begin) {
			return true
		}
	}
	return false
}

// environmentName returns the variable of a flag: --admin-listen is
// WARDER_ADMIN_LISTEN.
func environmentName(flag string) string {
	return "WARDER_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fromEnvironment sets the flags that the command line left alone, but those of
// the configuration: config.Load reads these and names the variable in errors.
func fromEnvironment(flags *pflag.FlagSet, environ []string) error {
	var err error
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed || err != nil || f.Annotations[configFlag] != nil || f.Name == "help" {
			return
		}
		value, ok := lookup(environ, environmentName(f.Name))
		if !ok {
			return
		}
		if setErr := flags.Set(f.Name, value); setErr != nil {
			err = fail(exitUsage, "", "%s: %w", environmentName(f.Name), setErr)
		}
	})
	return err
}

// lookup finds name in the form that os.Environ has; the last one counts.
func lookup(environ []string, name string) (value string, ok bool) {
	for _, entry := range environ {
		if n, v, found := strings.Cut(entry, "="); found && n == name {
			value, ok = v, true
		}
	}
	return value, ok
}

// userName names who runs the command, for the audit.
func userName(environ []string) string {
	for _, variable := range []string{"SUDO_USER", "USER", "LOGNAME"} {
		if name, ok := lookup(environ, variable); ok && name != "" {
			return name
		}
	}
	return "uid-" + itoa(os.Getuid())
}
