package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"

	"github.com/warder-dev/warder/internal/config"
)

// socket is one listener: its setting, which is its name for whoever passes it
// opened already, its address, and where it goes.
type socket struct {
	field, address string
	to             *net.Listener
}

func (l *Listeners) sockets(cfg *config.Config) []socket {
	all := []socket{
		{"listen", cfg.Listen, &l.Public},
		{"tls.redirect_listen", cfg.TLS.RedirectListen, &l.Redirect},
		{"admin_listen", cfg.AdminListen, &l.Admin},
		{"health_listen", cfg.HealthListen, &l.Health},
		{"decision.listen", cfg.Decision.Listen, &l.Decision},
		{"portal.listen", cfg.Portal.Listen, &l.Portal},
	}
	l.More = make([]Named, 0, len(cfg.Listeners))
	for _, name := range slices.Sorted(maps.Keys(cfg.Listeners)) {
		l.More = append(l.More, Named{Name: name}) // its place does not move any more
		all = append(all, socket{config.ListenerField(name), cfg.Listeners[name].Listen, &l.More[len(l.More)-1].Listener})
	}
	return all
}

// ListenOn is [Listen], with sockets that were opened for the program already, by
// the name of their setting: each takes the place of the setting's address. When
// it fails, they are closed too.
func ListenOn(ctx context.Context, cfg *config.Config, passed map[string]net.Listener) (*Listeners, error) {
	var l Listeners
	var errs []error
	left := maps.Clone(passed)
	for _, s := range l.sockets(cfg) {
		if given := left[s.field]; given != nil {
			*s.to = given
			delete(left, s.field)
			errs = append(errs, s.fits(cfg))
			continue
		}
		errs = append(errs, s.open(ctx))
	}
	if cfg.TLS.HTTP3 && l.Public != nil {
		var err error
		l.Packets, err = listenPackets(ctx, l.Public)
		errs = append(errs, err)
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		errs = append(errs, fmt.Errorf("the socket called %q is for nothing: name it listen, admin_listen, health_listen, decision.listen, portal.listen, tls.redirect_listen or listeners.NAME.listen (FileDescriptorName in its unit)", name),
			left[name].Close())
	}
	errs = append(errs, l.believe(cfg))
	if err := errors.Join(errs...); err != nil {
		l.Close()
		return nil, err
	}
	return &l, nil
}

// open opens the address, unless there is none.
func (s socket) open(ctx context.Context) error {
	if s.address == "" || s.address == off {
		return nil
	}
	if path, ok := config.UnixSocket(s.address); ok {
		listener, err := listenUnix(ctx, s.field, path)
		if err == nil {
			*s.to = listener
		}
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.address)
	if err != nil {
		return listenError(s.field, s.address, err)
	}
	*s.to = listener
	return nil
}

// fits checks a passed socket against the settings, as the address in its place
// would have been.
func (s socket) fits(cfg *config.Config) error {
	at := (*s.to).Addr()
	tcp, isTCP := at.(*net.TCPAddr)
	switch {
	case s.address == off:
		return fmt.Errorf("%s: it is off, and a socket is passed for it (%s): take one of both away", s.field, at)
	case at.Network() != "tcp" && at.Network() != "unix":
		return fmt.Errorf("%s: the passed socket (%s) is neither TCP nor a stream of Unix", s.field, at.Network())
	case s.field == "tls.redirect_listen" && !cfg.TLS.Enabled():
		return fmt.Errorf("%s: a socket is passed for it (%s), and has no effect without certificates or acme", s.field, at)
	case s.field == "admin_listen" && isTCP && !tcp.IP.IsLoopback() && !cfg.InsecureAdminListen:
		return fmt.Errorf("%s: the passed socket (%s) is not on loopback: bind it to 127.0.0.1, or set insecure_admin_listen", s.field, at)
	case s.field == "decision.listen" && !isTCP:
		return fmt.Errorf("%s: the passed socket (%s) is not TCP, and proxies are known by their addresses", s.field, at)
	case s.field == "decision.listen" && !cfg.Decision.On():
		return fmt.Errorf("%s: a socket is passed for it (%s), but the configuration says nothing of proxies that ask: set decision.listen and decision.dialect", s.field, at)
	case s.field == "decision.listen" && isTCP && !tcp.IP.IsLoopback() && !cfg.TLS.Enabled() && !cfg.Decision.InsecureListen:
		return fmt.Errorf("%s: the passed socket (%s) is plain HTTP and not on loopback: set tls, or decision.insecure_listen", s.field, at)
	case s.field == "portal.listen" && !cfg.Portal.On():
		return fmt.Errorf("portal.listen: a socket is passed for it (%s), but the configuration says nothing of a portal: set portal.listen and portal.url", at)
	case s.field == "portal.listen" && isTCP && !tcp.IP.IsLoopback() && !cfg.TLS.Enabled() && !cfg.Portal.InsecureListen:
		return fmt.Errorf("portal.listen: the passed socket (%s) is plain HTTP and not on loopback: set tls, or portal.insecure_listen", at)
	}
	return nil
}

// believe checks who is believed at the listeners that have names: what cfg lets be at
// its own address may be elsewhere, when the socket was passed.
func (l *Listeners) believe(cfg *config.Config) error {
	var errs []error
	for _, more := range l.More {
		if more.Listener != nil {
			errs = append(errs, cfg.CheckPassed(more.Name, more.Addr()))
		}
	}
	return errors.Join(errs...)
}
