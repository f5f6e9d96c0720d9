//go:build !linux

package systemd

// monotonic is for a manager that exists on Linux only.
func monotonic() (usec int64, ok bool) { return 0, false }
