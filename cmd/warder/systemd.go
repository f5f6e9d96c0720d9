package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"

	"github.com/warder-dev/warder/internal/server"
	"github.com/warder-dev/warder/internal/systemd"
)

// supervised is what the service manager that started the program gave it. The
// zero value is for a program that a person started.
type supervised struct {
	manager *systemd.Manager
	sockets map[string]net.Listener // by the name of the setting
}

func supervise(environ []string) (supervised, error) {
	manager, err := systemd.Find(environ, os.Getpid())
	if err != nil {
		return supervised{}, fail(exitUsage, "", "%w", err)
	}
	sockets, err := systemd.Sockets(environ, os.Getpid())
	if err != nil {
		return supervised{}, fail(exitUsage, "", "%w", err)
	}
	return supervised{manager, sockets}, nil
}

// follow tells the manager that requests are answered, that the stop began when
// ctx ends, and the watchdog that the program lives, until the returned func is
// called.
func (s supervised) follow(ctx context.Context, listeners *server.Listeners, log *slog.Logger) (stop func()) {
	if s.manager == nil {
		return func() {}
	}
	tellTrouble(log, s.manager.Ready("serving on "+listeners.Public.Addr().String()))
	stopping := context.AfterFunc(ctx, func() { tellTrouble(log, s.manager.Stopping()) })
	watched, end := context.WithCancel(context.WithoutCancel(ctx)) // a long drain is watched as well
	go s.manager.Watch(watched, func(ctx context.Context) error { return alive(ctx, listeners) })
	return func() { stopping(); end() }
}

// reloaded runs reload and tells the manager before and after.
func (s supervised) reloaded(log *slog.Logger, reload func()) {
	tellTrouble(log, s.manager.Reloading())
	reload()
	tellTrouble(log, s.manager.Ready("serving"))
}

func tellTrouble(log *slog.Logger, err error) {
	if err != nil {
		log.Warn("the service manager could not be told", slog.String("error", err.Error()))
	}
}

// alive asks the program for its health over a listener of its own, if it has
// one.
func alive(ctx context.Context, listeners *server.Listeners) error {
	own := listeners.Admin
	if own == nil {
		own = listeners.Health
	}
	if own == nil {
		return nil
	}
	at := own.Addr()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, at.Network(), at.String())
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/healthz", http.NoBody)
	if err != nil {
		return err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // its status was wanted
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("health is %d", response.StatusCode)
	}
	return nil
}
