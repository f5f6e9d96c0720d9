//go:build unix && !solaris && !aix

package main

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// trustedOwner reports whether a file belongs to the user with the effective id
// euid, or to root, who can read everything anyway.
func trustedOwner(info fs.FileInfo, euid int) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && (stat.Uid == 0 || int(stat.Uid) == euid)
}

// openAlone opens name empty, for this process alone: another one waits until
// the file is closed, or its process gone. It is made when it is missing.
func openAlone(name string) (*os.File, error) {
	for {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600) //nolint:gosec // the operator names the file
		if err != nil {
			return nil, err
		}
		mine, err := lock(f)
		if mine {
			return f, nil
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
	}
}

// lock waits for f, and empties it. It is not mine when the one that had it took
// its name away meanwhile.
func lock(f *os.File) (mine bool, err error) {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return false, err
	}
	held, err := f.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Lstat(f.Name())
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(held, named) {
		return false, nil
	}
	if err == nil {
		err = errors.Join(f.Chmod(0o600), f.Truncate(0))
	}
	return err == nil, err
}
