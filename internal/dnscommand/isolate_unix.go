//go:build unix

package dnscommand

import (
	"os/exec"
	"syscall"
)

// isolate gives the program a process group: a signal from the terminal that stops
// the gateway does not reach it, and what it started ends with it.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
