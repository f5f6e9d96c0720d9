//go:build unix && !solaris && !aix

package password

import (
	"io/fs"
	"os"
	"syscall"
)

// FilePrivate reports whether nobody but root and the user of this process may read
// the file of users that info describes: its mode is 0600 or less, or it is root's,
// of mode 0640 or less, and its group is one of the process.
func FilePrivate(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return info.Mode().Perm()&0o077 == 0
	}
	groups, err := os.Getgroups()
	if err != nil {
		groups = nil // nothing is given away that is not known
	}
	return private(uint32(info.Mode().Perm()), int(stat.Uid), int(stat.Gid), os.Geteuid(), append(groups, os.Getegid()))
}
