package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

// socketMode lets the owner and the group of a Unix socket connect: the proxy in
// front is in the group.
const socketMode = 0o660

// listenUnix opens a Unix socket. A file that a program left behind when it was
// killed is replaced; one that a program answers at is not.
func listenUnix(ctx context.Context, field, path string) (net.Listener, error) {
	if err := removeStale(ctx, path); err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: there is no folder for the socket %s: make it first: %w", field, path, err)
	case err != nil:
		return nil, listenError(field, path, err)
	}
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: cannot say who may connect: %w", field, err), listener.Close())
	}
	return listener, nil
}

// removeStale removes a socket at path that nobody answers at.
func removeStale(ctx context.Context, path string) error {
	found, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case found.Mode()&fs.ModeSocket == 0:
		return fmt.Errorf("%s is there, and is no socket: choose another path, or take it away", path)
	}
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		_ = conn.Close() // an answer was wanted
		return fmt.Errorf("%s is in use by another program: stop that one, or choose another path", path)
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	default:
		return fmt.Errorf("cannot tell whether %s is in use: %w", path, err)
	}
}
