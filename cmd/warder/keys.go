package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
)

func newKeys(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, find, change, roll, verify and revoke API keys, and count their credits",
		Long: `Make, find, change, roll, verify and revoke API keys, and count their credits.

The commands work on the database itself, also while warder serve runs: it sees a
change within a second. With --server they ask the admin API of a warder that runs
elsewhere, and print the same. Results go to standard output, everything said to a person
to standard error, so that KEY=$(warder keys create --output secret) works.`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	create, roll, list, find := newKeysCreate(p), newKeysRoll(p), newKeysList(p), newKeysFind(p)
	for _, one := range []*cobra.Command{create, roll} {
		completeOutput(one, asTable, asJSON, asYAML, asID, asSecret)
	}
	ofOne := []*cobra.Command{
		newKeysShow(p), newKeysUpdate(p), newKeysEndOverlap(p), newKeysRevoke(p), newKeysDisable(p), newKeysEnable(p), newKeysDelete(p),
	}
	for _, one := range append([]*cobra.Command{list, find}, ofOne...) {
		completeOutput(one, asTable, asJSON, asYAML, asID)
	}
	for _, one := range append([]*cobra.Command{roll}, ofOne...) {
		one.ValidArgsFunction = completeIDs(p)
	}
	addRemoteFlags(cmd)
	take := newKeysImport(p)
	completeOutput(take, asTable, asJSON, asYAML)
	cmd.AddCommand(create, list, find, roll, take, newKeysVerify(p), newKeysToken(p), newKeysCredits(p), newKeysHealth(p))
	cmd.AddCommand(ofOne...)
	return cmd
}

// keysConfig loads the part of the configuration that the keys commands need.
func keysConfig(cmd *cobra.Command, p *process) (*config.Config, error) {
	s := source(cmd.Flags(), p.environ)
	s.StoreOnly = true
	return loadConfig(s)
}

// notRemote refuses --server for a command that no server has.
func notRemote(cmd *cobra.Command) error {
	return fail(exitUsage, "run it where the database is, without --server", "%s works on a database alone: it cannot ask a server", cmd.CommandPath())
}

// withDatabase loads the configuration and calls use with the database, which
// must exist.
func withDatabase(cmd *cobra.Command, p *process, use func(cfg *config.Config, db *database) error) (err error) {
	if isRemote(cmd) {
		return notRemote(cmd)
	}
	cfg, err := keysConfig(cmd, p)
	if err != nil {
		return err
	}
	db, err := openExisting(cmd.Context(), cfg, stderrLog(p))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return use(cfg, db)
}

// stderrLog is the log of commands that a person runs: warnings only.
func stderrLog(p *process) *slog.Logger {
	return slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// by names who changes keys from this command line.
func by(p *process) apikey.By { return apikey.By{Actor: "user:" + userName(p.environ), Source: "cli"} }

// maxKeyText is the longest line that is read as a key, or as a token, in bytes: what
// the admin API takes.
const maxKeyText = 8 << 10

// keyID returns the id that arg names: an id, or "-" for a key's text on standard
// input, which may be that of a key of another system.
func keyID(cmd *cobra.Command, p *process, arg string) (apikey.ID, error) {
	if arg != "-" {
		return writtenID(arg, "warder keys list shows the ids")
	}
	line, err := pastedLine(p.stdin)
	if err != nil {
		return "", err
	}
	if info, err := apikey.Parse(line); err == nil {
		return info.ID, nil
	}
	return importedID(cmd, p, line)
}

// adminKeyID is [keyID] of an admin key.
func adminKeyID(arg string, stdin io.Reader) (apikey.ID, error) {
	if arg != "-" {
		return writtenID(arg, "warder admins keys list shows the ids")
	}
	line, err := pastedLine(stdin)
	if err != nil {
		return "", err
	}
	info, err := apikey.Parse(line)
	if err != nil {
		return "", fail(exitUsage, "copy it again, whole", "standard input holds no key: its form or its check digits are wrong")
	}
	return info.ID, nil
}

func writtenID(arg, hint string) (apikey.ID, error) {
	if !apikey.ValidID(arg) {
		return "", fail(exitUsage, hint, "%q is not a key's id: want 12 letters and digits", printable(arg))
	}
	return apikey.ID(arg), nil
}

// pastedLine reads one line from standard input, whatever it is.
func pastedLine(stdin io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(stdin, maxKeyText)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fail(exitUsage, "", "standard input: %w", err)
	}
	line = strings.TrimSpace(line)
	if line == "" {
		return "", fail(exitUsage, "echo \"$KEY\" | warder keys ...", "standard input is empty: want the text of a key")
	}
	return line, nil
}

// findKey looks up one key for a person.
func findKey(ctx context.Context, store apikey.Store, id apikey.ID) (apikey.Record, error) {
	record, err := store.Lookup(ctx, id)
	if errors.Is(err, apikey.ErrNotFound) {
		return record, fail(exitNotFound, "warder keys list shows the ids", "no key has the id %s", id)
	}
	return record, err
}

// specFailure tells a wrong flag from a store that failed.
func specFailure(err error, doing, hint string) error {
	if invalid := specErrors(err); len(invalid) > 0 {
		return fail(exitUsage, "", "%w", errors.Join(invalid...))
	}
	return fail(exitServer, hint, "%s: %w", doing, err)
}

// specErrors returns what is wrong with the flags, by the flags' names.
func specErrors(err error) (named []error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			named = append(named, specErrors(one)...)
		}
		return named
	}
	if item, ok := err.(*apikey.ItemError); ok { //nolint:errorlint // this walks the tree itself
		return specErrors(item.Err)
	}
	invalid, ok := errors.AsType[*apikey.SpecError](err)
	if !ok {
		return nil
	}
	return []error{fmt.Errorf("--%s: %s", flagOf(invalid.Field), invalid.Reason)}
}
