package password

import "slices"

// private reports whether nobody but root and the process that asks may read a file of
// this mode and owner. One that is root's may give its group the right to read, when
// that is a group of the process, which could not read it otherwise: so an
// orchestrator hands out what it keeps.
func private(mode uint32, uid, gid, euid int, groups []int) bool {
	const group, others = 0o070, 0o007
	switch {
	case mode&others != 0:
		return false
	case mode&group == 0:
		return true
	default:
		return mode&group == 0o040 && uid == 0 && euid != 0 && slices.Contains(groups, gid)
	}
}
