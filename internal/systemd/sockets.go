// Package systemd speaks with the service manager that started the program:
// sockets that it opened already, and words on how the program is. Both are
// environment variables and sockets, so that it needs no library and any manager
// that does the same.
package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

const (
	firstSocket = 3 // descriptors 0 to 2 are standard input, output and error
	maxSockets  = 64
)

// Sockets returns the listening sockets that were passed to the process pid, by
// the names of LISTEN_FDNAMES (sd_listen_fds(3)); nil when there are none. environ
// is as [os.Environ] has it. Call it once: it takes the descriptors. When it
// fails, all are closed.
func Sockets(environ []string, pid int) (map[string]net.Listener, error) {
	if value(environ, "LISTEN_PID") != strconv.Itoa(pid) {
		return nil, nil //nolint:nilnil // they are for another process, or there are none
	}
	n, err := strconv.Atoi(value(environ, "LISTEN_FDS"))
	if err != nil || n < 0 || n > maxSockets {
		return nil, fmt.Errorf("systemd: LISTEN_FDS is no number from 0 to %d", maxSockets)
	}
	names := strings.Split(value(environ, "LISTEN_FDNAMES"), ":")
	sockets := map[string]net.Listener{}
	var errs []error
	for i := range n {
		name := ""
		if i < len(names) {
			name = names[i]
		}
		file := os.NewFile(uintptr(firstSocket+i), name)
		l, err := net.FileListener(file)
		_ = file.Close() // the listener has a copy, which no child gets
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("systemd: descriptor %d, called %q, is no listening socket: %w", firstSocket+i, name, err))
		case sockets[name] != nil:
			errs = append(errs, fmt.Errorf("systemd: two sockets are called %q; give each a FileDescriptorName of its own", name), l.Close())
		default:
			sockets[name] = l
		}
	}
	if err := errors.Join(errs...); err != nil {
		for _, l := range sockets {
			_ = l.Close() // nobody will use it
		}
		return nil, err
	}
	return sockets, nil
}

// value is that of a variable; the last one wins, as in a process's own
// environment.
func value(environ []string, name string) (v string) {
	for _, entry := range environ {
		if text, ok := strings.CutPrefix(entry, name+"="); ok {
			v = text
		}
	}
	return v
}
