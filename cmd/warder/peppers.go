package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/fleet"
)

// maxPepperFile is how much of a pepper file is read, in bytes: far more than
// anybody has peppers.
const maxPepperFile = 64 << 10

// loadPeppers reads the configured peppers. A missing file is made when no
// stored key depends on it; used are the ids of peppers that stored keys use.
func loadPeppers(cfg config.Peppers, used []string, log *slog.Logger) (*apikey.Peppers, error) {
	peppers, err := readPeppers(cfg, used, log)
	if err != nil {
		return nil, err
	}
	if missing := peppers.Missing(used); len(missing) > 0 {
		return nil, fail(exitUsage, "add the lines with these ids again, after the current one: from a backup, or from the pepper file beside the database, where a command that ran without --config has made one",
			"peppers: stored keys use %s, which %s not hold", plural("pepper", missing), pepperSource(cfg)+" does")
	}
	return peppers, nil
}

// wantNoOtherPeppers refuses to make a pepper file while a gateway runs that has its
// peppers from elsewhere, as from peppers.value of a configuration that was not named:
// it could not verify what is made under new ones, and not start again beside that.
func wantNoOtherPeppers(ctx context.Context, nodes fleet.Registry, cfg config.Peppers) error {
	if !cfg.Value.IsZero() {
		return nil
	}
	if _, err := os.Lstat(cfg.File); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	running, err := nodes.Nodes(ctx, fleet.Slack)
	if err != nil {
		return fail(exitServer, "", "db: %w", err)
	}
	for _, n := range running {
		if n.Peppers != "" {
			return fail(exitUsage, "name its configuration by --config, or its pepper file by --peppers-file",
				"peppers: there is no file %s, and a gateway that runs on this database has its peppers from elsewhere: under new ones it could not verify what is made here", cfg.File)
		}
	}
	return nil
}

func readPeppers(cfg config.Peppers, used []string, log *slog.Logger) (*apikey.Peppers, error) {
	if !cfg.Value.IsZero() {
		return parsePeppers(cfg, cfg.Value.Reveal())
	}
	text, err := readPepperFile(cfg)
	if !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return nil, err
		}
		removeUnfinished(cfg.File, log)
		return parsePeppers(cfg, text)
	}
	if len(used) > 0 {
		return nil, fail(exitNotFound, "restore the file from your backup: without it no stored key can be verified",
			"peppers: %s is missing, and stored keys use %s", cfg.File, plural("pepper", used))
	}
	if err := createPepperFile(cfg.File); err != nil {
		return nil, err
	}
	if text, err = readPepperFile(cfg); err != nil {
		return nil, err
	}
	return parsePeppers(cfg, text)
}

func parsePeppers(cfg config.Peppers, text string) (*apikey.Peppers, error) {
	peppers, err := apikey.ParsePeppers(text)
	if err != nil {
		return nil, fail(exitUsage, "", "peppers: %s: %w", pepperSource(cfg), err)
	}
	return peppers, nil
}

func pepperSource(cfg config.Peppers) string {
	if !cfg.Value.IsZero() {
		return "the configured value"
	}
	return cfg.File
}

func plural(noun string, ids []string) string {
	if len(ids) == 1 {
		return noun + " " + ids[0]
	}
	return noun + "s " + strings.Join(ids, ", ")
}

// readPepperFile returns the file's text, or an error that wraps fs.ErrNotExist.
// What is checked is what is read: the file is opened once, without waiting for
// the other end of a pipe.
func readPepperFile(cfg config.Peppers) (_ string, err error) {
	f, err := os.OpenFile(cfg.File, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist) && isSymlink(cfg.File):
		return "", fail(exitNotFound, "mend the link, or take it away", "peppers: %s is a symbolic link to nothing", cfg.File)
	case errors.Is(err, fs.ErrNotExist):
		return "", err
	case err != nil:
		return "", fail(exitDenied, "run warder as the user that owns the file", "peppers: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return "", fail(exitServer, "", "peppers: %w", err)
	}
	if err := checkPepperFile(cfg, info); err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxPepperFile+1))
	if err != nil {
		return "", fail(exitServer, "", "peppers: %w", err)
	}
	if len(text) > maxPepperFile {
		return "", fail(exitUsage, "", "peppers: %s is larger than %d bytes", cfg.File, maxPepperFile)
	}
	return string(text), nil
}

func checkPepperFile(cfg config.Peppers, info fs.FileInfo) error {
	switch {
	case !info.Mode().IsRegular():
		return fail(exitUsage, "", "peppers: %s is not a file", cfg.File)
	case cfg.InsecureMode:
		return nil
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return fail(exitDenied, "chmod 600 "+cfg.File, "peppers: %s may be read by others (mode %04o)", cfg.File, info.Mode().Perm())
	case !trustedOwner(info, os.Geteuid()):
		return fail(exitDenied, "chown it to the user that runs warder", "peppers: %s belongs to another user, who can read and change it", cfg.File)
	}
	return nil
}

// isSymlink reports whether name itself is a symbolic link, wherever it leads.
func isSymlink(name string) bool {
	info, err := os.Lstat(name)
	return err == nil && info.Mode().Type() == fs.ModeSymlink
}

// unfinished is the name under which the pepper file name is written at first.
func unfinished(name string) string { return name + ".new" }

// removeUnfinished takes away what a start left that was killed while it made
// the pepper file: it holds a pepper, perhaps the one in use.
func removeUnfinished(name string, log *slog.Logger) {
	if err := os.Remove(unfinished(name)); err == nil {
		log.Warn("removed what an interrupted start left", slog.String("file", unfinished(name)))
	}
}

// createPepperFile makes a file with one new pepper, whole or not at all: it is
// written under another name, and linked, so that a second process that does the
// same finds the first one's. The other name is always the same, so that a
// process that is killed leaves no pepper that nobody knows of.
func createPepperFile(name string) (err error) {
	defer func() {
		if _, missing := os.Stat(name); err != nil && missing == nil {
			err = nil // another process was faster
		}
		if err != nil {
			err = fail(exitServer, "", "peppers: cannot create %s: %w", name, err)
		}
	}()
	line, err := apikey.NewPepper(rand.Reader)
	if err != nil {
		return err
	}
	f, err := openAlone(unfinished(name))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(unfinished(name)), f.Close()) }() // the lock ends last
	_, err = fmt.Fprintf(f, "# warder: peppers, current first. Keep this file secret, and in a backup of its own:\n# without it no stored key can be verified.\n%s\n", line)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return err
	}
	if err := os.Link(unfinished(name), name); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(name))
}

// syncDir makes the new name survive a power cut.
func syncDir(name string) error {
	dir, err := os.Open(name) //nolint:gosec // the operator's own folder
	if err != nil {
		return err
	}
	defer dir.Close() //nolint:errcheck // read only
	return dir.Sync()
}
