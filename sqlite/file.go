package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// prepareFile makes sure that the database file exists and is private, and
// returns its absolute path.
//
// An existing file is looked at, never opened: POSIX drops all locks that a
// process has on a file when it closes any descriptor of it, also those of
// another DB in this process.
func prepareFile(ctx context.Context, cfg Config) (string, error) {
	if err := checkPath(cfg.Path); err != nil {
		return "", err
	}
	path, err := filepath.Abs(cfg.Path)
	if err != nil {
		return "", fmt.Errorf("sqlite: database %q: %w", cfg.Path, err)
	}
	// SQLite would create it with the mode that the umask leaves, and gives its
	// log and index the mode of the database.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) //nolint:gosec // the operator's own choice of file
	switch {
	case err == nil:
		return path, f.Close()
	case !errors.Is(err, fs.ErrExist):
		return "", fileError(cfg.Path, err)
	}
	return path, checkFile(ctx, cfg, path)
}

// checkPath refuses what is not the plain name of a file. Parameters may hold a
// password, so they are not repeated.
func checkPath(path string) error {
	switch {
	case path == "":
		return fmt.Errorf("%w: it is empty", ErrPath)
	case strings.HasPrefix(path, "file:"), strings.Contains(path, "://"), strings.Contains(path, "?"):
		return fmt.Errorf("%w: it is an address or has parameters", ErrPath)
	case strings.Contains(path, "\x00"), strings.HasPrefix(path, ":memory:"):
		return fmt.Errorf("%w: it names no file", ErrPath)
	}
	return nil
}

// checkFile looks at a file that exists.
func checkFile(ctx context.Context, cfg Config, path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fileError(cfg.Path, err)
	case info.IsDir():
		return fmt.Errorf("%w: %q is a folder", ErrPath, cfg.Path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: %q is not a regular file", ErrPath, cfg.Path)
	case info.Mode().Perm()&0o077 != 0:
		cfg.Log.LogAttrs(ctx, slog.LevelWarn, "database file is open to other users of this machine; chmod 600 it",
			slog.String("file", cfg.Path), slog.String("mode", info.Mode().Perm().String()))
	}
	return nil
}

// fileError says in one sentence why the file could not be opened or created.
func fileError(path string, err error) error {
	if detail, ok := errors.AsType[*fs.PathError](err); ok {
		err = detail.Err // without the absolute path
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("sqlite: database %q: its folder does not exist: %w", path, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("sqlite: database %q: no permission: %w", path, err)
	default:
		return fmt.Errorf("sqlite: database %q: %w", path, err)
	}
}

// A file is the database file as it was when it was opened. SQLite goes on with
// the file that it has open when the name comes to mean another one, or none:
// somebody who restores a backup under a running program would find that keys
// which the backup does not have, or has as revoked, are still let in.
type file struct {
	path string
	info os.FileInfo
}

func watchFile(path string) (*file, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	return &file{path: path, info: info}, nil
}

// look returns [ErrReplaced] when the name means another file now, or none. It
// costs one stat, next to nothing beside a read.
func (f *file) look() error {
	info, err := os.Stat(f.path)
	if err != nil || !os.SameFile(f.info, info) {
		return ErrReplaced
	}
	return nil
}
