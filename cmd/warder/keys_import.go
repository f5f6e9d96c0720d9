package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/keyimport"
)

// importOptions are the flags of keys import.
type importOptions struct {
	from, environment, output string
	dryRun, resume            bool
}

func newKeysImport(p *process) *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Take the keys of another system over: of Kong, Tyk, APISIX, AWS, Unkey, or a CSV file",
		Long: `Take the keys of another system over: of Kong, Tyk, APISIX, AWS, Unkey, or a CSV file.

The file is checked as a whole before anything is written. Keys that it has in the
clear are stored as digests under the pepper, and of those it has digests of these
are stored; --dry-run tells what would be, which keys the database has already, and
what has no place in warder.

An import that was interrupted goes on with --resume, and makes no key twice.

The gateway takes such keys when keys.legacy_formats lists their forms.`,
		Args: wants("the file that the other system has exported", 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			form, err := parseFormat(o.output, asTable, asJSON, asYAML)
			if err != nil {
				return err
			}
			if o.from == "" {
				return fail(exitUsage, "--from "+formatNames(), "--from is missing: which system is the file of?")
			}
			if !slices.Contains(keyimport.Formats(), keyimport.Format(o.from)) {
				return fail(exitUsage, "--from "+formatNames(), "--from %q: no system that is known", printable(o.from))
			}
			return importKeys(cmd, p, &o, args[0], form)
		},
	}
	addConfigFlags(cmd, "db", "peppers-file")
	f := cmd.Flags()
	f.StringVar(&o.from, "from", "", "kong, tyk, apisix, aws, unkey or csv")
	f.StringVar(&o.environment, "env", "live", "environment of keys for which the file names none")
	f.BoolVar(&o.dryRun, "dry-run", false, "read the file, tell what would be, and write nothing")
	f.BoolVar(&o.resume, "resume", false, "pass over keys that are there already")
	f.StringVarP(&o.output, "output", "o", string(asTable), "table, json or yaml")
	return cmd
}

func formatNames() string {
	all := make([]string, 0, len(keyimport.Formats()))
	for _, f := range keyimport.Formats() {
		all = append(all, string(f))
	}
	return strings.Join(all, "|")
}

// importKeys checks the file, and imports it.
func importKeys(cmd *cobra.Command, p *process, o *importOptions, file string, form format) error {
	cfg, err := keysConfig(cmd, p)
	if err != nil {
		return err
	}
	done := new(atomic.Int64)
	into := keyimport.Config{
		Format: keyimport.Format(o.from), Open: func() (io.ReadCloser, error) { return openImport(file) },
		By: by(p), Prefix: cfg.Keys.Prefix, Environment: apikey.Environment(o.environment), Resume: o.resume, Done: done,
	}
	checked, err := checkImport(cmd.Context(), p, into)
	if err != nil {
		return err
	}
	into.Look = o.dryRun
	switch {
	case isRemote(cmd):
		return importRemote(cmd, p, into, checked, form)
	case o.dryRun && noDatabase(cfg): // there is nothing to look into, and a look makes none
		return printImport(p, form, checked, true)
	}
	store, err := openStore(cmd.Context(), cfg, stderrLog(p))
	if err != nil {
		return err
	}
	defer func() { _ = store.db.Close() }() // what was written is committed
	into.Store, into.Peppers = store.keys, store.peppers
	importer, err := keyimport.New(into)
	if err != nil {
		return fail(exitUsage, "", "%w", err)
	}
	done.Store(0)
	bar := newProgress(p, func() string { return importBar(done.Load(), int64(checked.Read)) })
	if o.dryRun {
		report, err := importer.Check(cmd.Context())
		bar.end()
		if err != nil {
			return fail(exitServer, "nothing was imported", "%w", err)
		}
		return lookedUp(p, report, report.Errors, form)
	}
	report, err := importer.Import(cmd.Context())
	bar.end()
	if err != nil {
		return importFailure(report, err)
	}
	if err := printImport(p, form, report, false); err != nil {
		return err
	}
	hintFormats(p, cfg.Keys.LegacyFormats, report)
	return nil
}

// openImport opens the file, which must be one: it is read twice.
func openImport(file string) (io.ReadCloser, error) {
	f, err := os.Open(file) //nolint:gosec // the caller's own choice
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fail(exitNotFound, "", "there is no file %s", printable(file))
	}
	if err != nil {
		return nil, fail(causeOf(err), "", "%w", err)
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		_ = f.Close() // only opened
		return nil, fail(exitUsage, "", "%s is no file: it is read twice, first to check it", file)
	}
	return f, nil
}

// checkImport reads the whole file, and fails with all that is wrong with it.
func checkImport(ctx context.Context, p *process, cfg keyimport.Config) (*keyimport.Report, error) {
	importer, err := checkingImporter(cfg)
	if err != nil {
		return nil, err
	}
	bar := newProgress(p, func() string { return fmt.Sprintf("checking: %d keys", cfg.Done.Load()) })
	report, err := importer.Check(ctx)
	bar.end()
	if err != nil {
		if _, ok := errors.AsType[*failure](err); ok || ctx.Err() != nil {
			return nil, err
		}
		return nil, fail(exitUsage, "nothing was imported", "%w", err)
	}
	if report.Wrong > 0 {
		return nil, wrongImport(report.Errors, report.Wrong)
	}
	return report, nil
}

// wrongImport tells what is wrong with that many keys of a file.
func wrongImport(errs []error, wrong int) error {
	all := slices.Clone(errs[:min(len(errs), keyimport.MaxErrors)])
	if wrong > len(all) {
		all = append(all, fmt.Errorf("and more: %d keys cannot be taken over", wrong))
	}
	return fail(exitUsage, "nothing was imported", "%w", errors.Join(all...))
}

// lookedUp tells what an import would do, and fails with what it would fail with:
// there are the keys that would end it.
func lookedUp(p *process, r *keyimport.Report, there []error, form format) error {
	if len(there) > 0 {
		return wrongImport(there, max(len(there), r.Wrong))
	}
	return printImport(p, form, r, true)
}

// checkingImporter reads a file, and writes nothing.
func checkingImporter(cfg keyimport.Config) (*keyimport.Importer, error) {
	line, err := apikey.NewPepper(nil) // no key is made with it
	if err != nil {
		return nil, err
	}
	if cfg.Peppers, err = apikey.ParsePeppers(line); err != nil {
		return nil, err
	}
	cfg.Store = new(apikey.MemoryStore)
	importer, err := keyimport.New(cfg)
	if err != nil {
		return nil, fail(exitUsage, "", "%w", err)
	}
	return importer, nil
}

const barLength = 30

// importBar is the line on a terminal.
func importBar(done, all int64) string {
	all = max(all, 1)
	full := int(done * barLength / all)
	return fmt.Sprintf("[%s%s] %3d%%  %d of %d keys", strings.Repeat("#", full), strings.Repeat(".", barLength-full), done*100/all, done, all)
}

// importFailure tells what was written before.
func importFailure(r *keyimport.Report, err error) error {
	code, hint := exitServer, "mend what is wrong, and go on by --resume: it is safe"
	if errors.Is(err, keyimport.ErrPresent) {
		code, hint = exitUsage, ""
	}
	return fail(code, hint, "import stopped, %s written: %w", count(r.Imported, "key"), err)
}

// An importView is what a person or a script sees of an import.
type importView struct {
	DryRun   bool           `json:"dry_run" yaml:"dry_run"`
	Read     int            `json:"read" yaml:"read"`
	Imported int            `json:"imported" yaml:"imported"`
	Present  int            `json:"present" yaml:"present"`
	Expired  int            `json:"expired" yaml:"expired"`
	Texts    int            `json:"texts" yaml:"texts"`
	Digests  map[string]int `json:"digests" yaml:"digests"`
	Left     map[string]int `json:"left" yaml:"left"`
}

func printImport(p *process, form format, r *keyimport.Report, dry bool) error {
	v := importView{dry, r.Read, r.Imported, r.Present, r.Expired, r.Texts, r.Digests, r.Left}
	return form.print(p.stdout, v, nil, func(w io.Writer) error {
		done := "imported"
		if dry {
			done = "to be imported"
		}
		rows := [][]string{{"keys in the file", itoa(v.Read)}, {done, itoa(v.Imported)}, {"there already", itoa(v.Present)}}
		rows = append(rows, []string{"expired, left out", itoa(v.Expired)}, []string{"with their text", itoa(v.Texts)})
		for _, format := range slices.Sorted(maps.Keys(v.Digests)) {
			rows = append(rows, []string{"as " + format, itoa(v.Digests[format])})
		}
		for _, field := range slices.Sorted(maps.Keys(v.Left)) {
			rows = append(rows, []string{"not taken over: " + field, itoa(v.Left[field])})
		}
		return printRows(w, rows)
	})
}

// hintFormats says which formats the gateway has to take, when it does not.
func hintFormats(p *process, taken []string, r *keyimport.Report) {
	var missing []string
	if r.Texts > 0 || len(r.Digests) > 0 { // what is upgraded becomes text
		missing = append(missing, apikey.FormatText)
	}
	missing = append(missing, slices.Sorted(maps.Keys(r.Digests))...)
	missing = slices.DeleteFunc(missing, func(f string) bool { return slices.Contains(taken, f) })
	if len(missing) > 0 {
		_, _ = fmt.Fprintf(p.stderr, "The gateway takes these keys when its configuration says keys: {legacy_formats: [%s]}.\n", strings.Join(missing, ", "))
	}
}
