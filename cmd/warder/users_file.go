package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/session/password"
)

// maxUsersFile is how much of a file of people is read, in bytes: one more than
// the gateway takes, so that it is refused as too long.
const maxUsersFile = 16<<20 + 1

// errNoUsers means that there is no file yet.
var errNoUsers = errors.New("there is no such file")

// readUsers returns the file's text, or errNoUsers. info is nil then.
func readUsers(at config.Users) (text string, info fs.FileInfo, err error) {
	f, err := os.OpenFile(at.File, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist) && isSymlink(at.File):
		return "", nil, fail(exitNotFound, "mend the link, or take it away", "users: %s is a symbolic link to nothing", at.File)
	case errors.Is(err, fs.ErrNotExist):
		return "", nil, errNoUsers
	case err != nil:
		return "", nil, fail(causeOf(err), "run warder as the user that owns the file", "users: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if info, err = f.Stat(); err != nil {
		return "", nil, fail(exitServer, "", "users: %w", err)
	}
	switch {
	case !info.Mode().IsRegular():
		return "", nil, fail(exitUsage, "", "users: %s is not a file", at.File)
	case runtime.GOOS != "windows" && !at.InsecureMode && !password.FilePrivate(info):
		return "", nil, fail(exitDenied, "chmod 600 "+at.File, "users: %s may be read by others (mode %04o), who can then try passwords at leisure", at.File, info.Mode().Perm())
	}
	all, err := io.ReadAll(io.LimitReader(f, maxUsersFile))
	if err != nil {
		return "", nil, fail(exitServer, "", "users: %w", err)
	}
	return string(all), info, nil
}

// changeUsers has the list of a file edited, and puts what came of it in the
// file's place at once: whoever reads it finds the old text or the new one, whole.
// Another warder users waits meanwhile. It reports whether the file is a new one.
func changeUsers(at config.Users, edit func(*password.List) error) (made bool, err error) {
	if target, err := filepath.EvalSymlinks(at.File); err == nil {
		at.File = target // the link stays one
	}
	next, err := openAlone(unfinished(at.File))
	if err != nil {
		return false, fail(causeOf(err), "run warder as the user that owns the folder", "users: %w", err)
	}
	done := false
	defer func() {
		if !done {
			err = errors.Join(err, os.Remove(unfinished(at.File)))
		}
		err = errors.Join(err, next.Close()) // the lock ends last
	}()
	text, before, err := readUsers(at)
	made = errors.Is(err, errNoUsers)
	if err != nil && !made {
		return false, err
	}
	if made {
		text = usersHeader
	}
	return made, editUsers(at, text, edit, func(text string) error {
		if err := replaceUsers(at, next, text, before); err != nil {
			return fail(causeOf(err), "the file is as it was", "users: cannot write %s: %w", at.File, err)
		}
		done = true
		return nil
	})
}

// usersHeader begins a new file.
const usersHeader = "# warder: people, one a line: name, argon2id hash, scopes. Keep this file secret.\n"

// replaceUsers writes text into next, and gives that the file's name. The file
// keeps its owner: the gateway has to read it.
func replaceUsers(at config.Users, next *os.File, text string, before fs.FileInfo) error {
	mode := fs.FileMode(0o600)
	if before != nil {
		if at.InsecureMode {
			mode = before.Mode().Perm()
		}
		if err := keepOwner(next, before); err != nil {
			return fmt.Errorf("it belongs to another user: %w", err)
		}
	}
	if err := next.Chmod(mode); err != nil {
		return err
	}
	if _, err := next.WriteString(text); err != nil {
		return err
	}
	if err := next.Sync(); err != nil {
		return err
	}
	if err := os.Rename(next.Name(), at.File); err != nil {
		return err
	}
	return syncDir(filepath.Dir(at.File))
}
