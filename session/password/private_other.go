//go:build !unix || solaris || aix

package password

import "io/fs"

// FilePrivate reports whether nobody but root and the user of this process may read
// the file of users that info describes: its mode is 0600 or less.
func FilePrivate(info fs.FileInfo) bool { return private(uint32(info.Mode().Perm()), -1, -1, 0, nil) }
