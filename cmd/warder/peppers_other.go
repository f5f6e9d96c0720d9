//go:build !unix

package main

import "io/fs"

// trustedOwner knows no owners here: the folder's access list is the operator's.
func trustedOwner(fs.FileInfo, int) bool { return true }
