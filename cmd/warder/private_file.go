package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// createPrivate makes a file that its owner alone may read, whole or not at all.
// Of two processes that do so at once the second finds the first one's.
func createPrivate(name, text string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*") // of mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	if _, err := io.WriteString(f, text); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Link(f.Name(), name); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(name))
}

// readPrivate reads at most the first bytes of a file that its owner alone may
// read. The error wraps fs.ErrNotExist when there is none; what is the thing that
// the file holds.
func readPrivate(name, what string, most int64) (_ []byte, err error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the operator names the file
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, fail(exitDenied, "run warder as the user that owns the file", "%s: %w", what, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fail(exitServer, "", "%s: %w", what, err)
	case !info.Mode().IsRegular():
		return nil, fail(exitUsage, "", "%s: %s is not a file", what, name)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return nil, fail(exitDenied, "chmod 600 "+name, "%s: %s may be read by others (mode %04o)", what, name, info.Mode().Perm())
	case !trustedOwner(info, os.Geteuid()):
		return nil, fail(exitDenied, "chown it to the user that runs warder", "%s: %s belongs to another user", what, name)
	}
	text, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return nil, fail(exitServer, "", "%s: %w", what, err)
	}
	return text, nil
}
