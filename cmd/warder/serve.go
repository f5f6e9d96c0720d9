package main

import (
	"context"
	"fmt"
	"io"
	"log" //nolint:depguard // only to take the standard log over, see tameStandardLog
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/server"
	"github.com/warder-dev/warder/secret"
)

func newServe(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Protect an API: every request needs a key",
		Example: `  warder serve --upstream http://127.0.0.1:8000
  warder serve --config warder.yaml`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(source(cmd.Flags(), p.environ))
			if err != nil {
				return err
			}
			return serve(cmd.Context(), p.stderr, cfg, nil)
		},
	}
	addConfigFlags(cmd, serveFlags()...)
	return cmd
}

// running tells where a server answers.
type running struct {
	public string // address of the gateway
	admin  string // "" when off
	store  *keyStore
}

// serve runs the gateway until ctx ends. The listeners come first: a port in use
// leaves no file behind. ready is called when requests are answered; nil prints
// the greeting.
func serve(ctx context.Context, stderr io.Writer, cfg *config.Config, ready func(running)) error {
	listeners, err := server.Listen(ctx, cfg)
	if err != nil {
		return fail(causeOf(err), "", "%w", err)
	}
	defer listeners.Close()
	logs, err := server.OpenJournal(cfg.Log, stderr)
	if err != nil {
		return fail(causeOf(err), "name another file by --log-file", "%w", err)
	}
	defer logs.Close() //nolint:errcheck // the last place to tell it is the log itself
	defer reopenOnHangup(logs)()
	defer tameStandardLog(logs.Main)()
	store, err := openStore(ctx, cfg, logs.Main)
	if err != nil {
		return err
	}
	defer store.db.Close() //nolint:errcheck // the verifier and the node have stopped
	var token secret.Text
	if listeners.Admin != nil {
		if token, err = openAdminToken(cfg); err != nil {
			return err
		}
	}
	limits, err := openLimitStore(&cfg.Redis, logs.Main) //nolint:contextcheck // it connects in the background until it is closed
	if err != nil {
		return err
	}
	defer limits.close() //nolint:errcheck // what it counted is on its server
	at := running{public: listeners.Public.Addr().String(), store: store}
	if listeners.Admin != nil {
		at.admin = listeners.Admin.Addr().String()
	}
	if ready == nil {
		ready = func(at running) { greet(ctx, stderr, cfg, at) }
		defer context.AfterFunc(ctx, func() {
			_, _ = fmt.Fprintf(stderr, "warder: stopping; what runs gets at most %s. A second signal stops at once.\n", cfg.Timeouts.Drain)
		})()
	}
	err = server.Run(ctx, server.Options{
		Config: cfg, Listeners: listeners, Store: store.keys, Registry: store.db.Nodes(), Sessions: store.db.Sessions(), Peppers: store.peppers,
		AccessLog: logs.Access, Log: logs.Main, Dropped: logs.Dropped, Version: programVersion(), AdminToken: token, LimitStore: limits.store, LimitStoreUp: limits.up,
		Ready: func() { ready(at) },
	})
	if err != nil {
		return fail(exitServer, "", "%w", err)
	}
	return nil
}

// reopenOnHangup opens the log file anew at each SIGHUP, for rotation, until the
// returned func is called.
func reopenOnHangup(logs *server.Journal) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-hangups:
				logs.Reopen()
			}
		}
	}()
	return func() { signal.Stop(hangups); close(done) }
}

// A countingWriter stands where the standard library logs by itself: net/http's
// client prints what an upstream sent there ("Unsolicited response ... starting
// with"), which may be anything. Only the fact is kept.
type countingWriter struct{ log *slog.Logger }

func (w countingWriter) Write(line []byte) (int, error) {
	w.log.Warn("the standard library reported a failure", slog.Int("bytes", len(line)))
	return len(line), nil
}

// tameStandardLog takes the standard log over until the returned func is called.
func tameStandardLog(to *slog.Logger) (restore func()) {
	before := log.Writer()
	log.SetOutput(countingWriter{to})
	return func() { log.SetOutput(before) }
}

// greet tells a person what runs, what to beware of, and how to make a key while
// there is none.
func greet(ctx context.Context, stderr io.Writer, cfg *config.Config, at running) {
	_, _ = fmt.Fprintf(stderr, "warder: gateway on http://%s\n", at.public)
	if at.admin != "" {
		_, _ = fmt.Fprintf(stderr, "warder: metrics and probes on http://%s\n", at.admin)
	}
	if own, err := netip.ParseAddrPort(at.public); err == nil && !own.Addr().IsLoopback() {
		_, _ = fmt.Fprintln(stderr, "warder: the gateway listens beyond this machine without TLS: keys travel in clear text unless a TLS proxy stands in front")
	}
	if first, err := at.store.keys.List(ctx, "", 1); err != nil || len(first) > 0 {
		return
	}
	_, _ = fmt.Fprintf(stderr, `
There is no key yet, so every request that needs one is refused. Make one in another terminal, and send it:

  KEY=$(%s keys create%s --name first --output secret)
  curl -H "%s: $KEY" http://%s/

`, programName(), storeFlags(cfg), cfg.Keys.Header, at.public)
}

// programName is how this program was called, so that a printed line can be pasted.
func programName() string {
	if name := os.Args[0]; strings.ContainsRune(name, filepath.Separator) {
		return absolute(name)
	}
	return "warder"
}

// storeFlags name the store in a line that works in every folder.
func storeFlags(cfg *config.Config) string {
	flags := " --db " + absolute(cfg.DB)
	if cfg.Peppers.File != "" && cfg.Peppers.File != cfg.DB+".peppers" {
		flags += " --peppers-file " + absolute(cfg.Peppers.File)
	}
	return flags
}

// absolute is name as it is found from every folder.
func absolute(name string) string {
	if whole, err := filepath.Abs(name); err == nil {
		return whole
	}
	return name
}
