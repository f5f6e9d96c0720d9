package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"

	"github.com/warder-dev/warder/internal/config"
)

// Listeners are the open sockets of one program. They are opened before
// anything is written, so that a port in use leaves nothing half done.
type Listeners struct {
	Public   net.Listener
	Packets  net.PacketConn // of HTTP/3, at Public's address; nil when there is none
	Redirect net.Listener   // of plain HTTP beside TLS; nil when there is none
	Admin    net.Listener   // nil when it is off
	Health   net.Listener   // nil when there is none
	Decision net.Listener   // where proxies ask; nil when there is none
	Portal   net.Listener   // of holders; nil when there is none
	More     []Named        // beside Public, by name
}

// Named is an open socket of a listener that the configuration gives a name.
type Named struct {
	net.Listener

	Name string
}

// off is the address that switches a listener off.
const off = "off"

// Listen opens the configured listeners, or none: it reports every address that
// cannot be had at once.
func Listen(ctx context.Context, cfg *config.Config) (*Listeners, error) {
	return ListenOn(ctx, cfg, nil)
}

// listenError says in one line what is wrong with an address and how to mend it.
func listenError(field, address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s: %s is in use by another program: stop that one, or choose another port", field, address)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s: %s needs a right that this user lacks: choose a port from 1024 on: %w", field, address, fs.ErrPermission)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s: %s is not an address of this machine", field, address)
	default:
		return fmt.Errorf("%s: cannot listen on %s: %w", field, address, err)
	}
}

// Close closes what is open.
func (l *Listeners) Close() {
	if l.Packets != nil {
		_ = l.Packets.Close() // as below
	}
	all := []net.Listener{l.Public, l.Redirect, l.Admin, l.Health, l.Decision, l.Portal}
	for _, more := range l.More {
		all = append(all, more.Listener)
	}
	for _, listener := range all {
		if listener != nil {
			_ = listener.Close() // a socket that nobody reads any more
		}
	}
}
