//go:build unix && !solaris && !aix

package main

import (
	"io/fs"
	"os"
	"syscall"
)

// keepOwner gives next the owner that the file before it had.
func keepOwner(next *os.File, before fs.FileInfo) error {
	now, err := next.Stat()
	if err != nil {
		return err
	}
	had, ok1 := before.Sys().(*syscall.Stat_t)
	has, ok2 := now.Sys().(*syscall.Stat_t)
	if !ok1 || !ok2 || had.Uid == has.Uid && had.Gid == has.Gid {
		return nil
	}
	return next.Chown(int(had.Uid), int(had.Gid))
}
