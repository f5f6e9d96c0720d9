package main

import (
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/server"
)

// learnPort sets the port of https to that of a listener on any free one: nobody
// could have named it before.
func learnPort(cfg *config.Config, listeners *server.Listeners) {
	if own, err := netip.ParseAddrPort(listeners.Public.Addr().String()); err == nil && cfg.TLS.Enabled() && strings.HasSuffix(cfg.Listen, ":0") {
		cfg.HTTPS.Port = int(own.Port())
	}
}

// reloader makes of load what a running server asks: the same checks of files as
// at the start. nil for a nil load.
func reloader(load func() (*config.Config, error), listeners *server.Listeners) func() (*config.Config, error) {
	if load == nil {
		return nil
	}
	return func() (*config.Config, error) {
		cfg, err := load()
		if err != nil {
			return nil, err
		}
		if err := wantFiles(cfg); err != nil {
			return nil, err
		}
		learnPort(cfg, listeners)
		return cfg, nil
	}
}

// onHangup opens the log file anew at each SIGHUP, for rotation, and then asks the
// server to load the configuration again, and the one in its shadow, unless load is
// nil: until the returned func is called.
func onHangup(logs *server.Journal, manager supervised, reloads chan<- server.Reload, load, loadShadow func() (*config.Config, error)) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	done := make(chan struct{})
	ask := func() {
		logs.Reopen()
		if load == nil {
			return
		}
		decided := make(chan struct{})
		select {
		case reloads <- server.Reload{Load: load, LoadShadow: loadShadow, Done: func() { close(decided) }}:
			<-decided
		case <-done: // it is about to stop, or never began
		}
	}
	go func() {
		for {
			select {
			case <-done:
				return
			case <-hangups:
				manager.reloaded(logs.Main, ask)
			}
		}
	}()
	return func() { signal.Stop(hangups); close(done) }
}
