//go:build unix

package config_test

import (
	"syscall"
	"time"
)

// spent is the processor time of this process: what others do on the machine
// does not count.
func spent() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
