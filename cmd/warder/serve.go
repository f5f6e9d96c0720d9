package main

import (
	"context"
	"fmt"
	"io"
	"log" //nolint:depguard // only to take the standard log over, see tameStandardLog
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/server"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session"
)

func newServe(p *process) *cobra.Command {
	var shadowFile, accepted string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Protect an API: every request needs a key",
		Example: `  warder serve --upstream http://127.0.0.1:8000
  warder serve --upstream http://127.0.0.1:8000 --openapi http://127.0.0.1:8000/openapi.json
  warder serve --config warder.yaml
  warder serve --config warder.yaml --shadow-config new.yaml`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			load := func() (*config.Config, error) { return loadConfig(source(cmd.Flags(), p.environ)) }
			cfg, err := load()
			if err != nil {
				return err
			}
			other, err := loadShadow(shadowFile, p.environ)
			if err != nil {
				return err
			}
			manager, err := supervise(p.environ)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), p.stderr, cfg, other, manager, load, accepted, nil)
		},
	}
	addConfigFlags(cmd, serveFlags()...)
	cmd.Flags().StringVar(&shadowFile, "shadow-config", "", "configuration that judges the same requests, and whose answers nobody gets; warder shadow report shows where both differ")
	cmd.Flags().StringVar(&accepted, "accept-restored", "", "start although the database lacks changes that this node has seen: the entry that an earlier start named")
	cmd.Flags().Lookup("shadow-config").Annotations = map[string][]string{cobra.BashCompFilenameExt: {"yaml", "yml"}}
	return cmd
}

// running tells where a server answers.
type running struct {
	public   string // address of the gateway
	redirect string // address of what only leads to https; "" when there is none
	admin    string // "" when off
	decision string // where proxies ask; "" when off
	portal   string // of holders; "" when off
	store    *keyStore
}

// serve runs the gateway until ctx ends. The listeners come first: a port in use
// leaves no file behind. manager is who started the program. other is what
// judges beside cfg. load makes cfg anew at each SIGHUP; nil for never. accepted names an entry
// of the audit log that the database may lack, see openSeen. ready is called when
// requests are answered; nil prints the greeting.
func serve(ctx context.Context, stderr io.Writer, cfg *config.Config, other shadowConfig, manager supervised, load func() (*config.Config, error), accepted string, ready func(running)) error {
	if err := wantFiles(cfg); err != nil {
		return err
	}
	listeners, err := server.ListenOn(ctx, cfg, manager.sockets)
	if err != nil {
		return fail(causeOf(err), listenHint(err), "%w", err)
	}
	defer listeners.Close()
	learnPort(cfg, listeners)
	if other.cfg != nil {
		learnPort(other.cfg, listeners)
	}
	logs, err := server.OpenJournal(cfg.Log, stderr)
	if err != nil {
		return fail(causeOf(err), "name another file by --log-file", "%w", err)
	}
	defer logs.Close() //nolint:errcheck // the last place to tell it is the log itself
	reloads := make(chan server.Reload)
	defer onHangup(logs, manager, reloads, reloader(load, listeners), other.reloader(listeners))()
	defer tameStandardLog(logs.Main)()
	if cfg.TLS.HTTP3 {
		// quic-go would log by itself that the system's buffers for UDP are small.
		if err := os.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true"); err != nil {
			return fail(exitServer, "", "%w", err)
		}
	}
	store, err := openServed(ctx, cfg, logs.Main)
	if err != nil {
		return err
	}
	defer store.db.Close() //nolint:errcheck // the verifier and the node have stopped
	seen, err := openSeen(ctx, cfg, store.db.Audit(), accepted, logs.Main)
	if err != nil {
		return err
	}
	signer, err := openSigner(cfg)
	if err != nil {
		return err
	}
	tokenKeys, err := openTokenKeys(cfg)
	if err != nil {
		return err
	}
	var token secret.Text
	if listeners.Admin != nil {
		if token, err = openAdminToken(cfg); err != nil {
			return err
		}
	}
	shared, err := openSharedStore(&cfg.Redis, logs.Main) //nolint:contextcheck // it connects in the background until it is closed
	if err != nil {
		return err
	}
	defer shared.close() //nolint:errcheck // what it keeps is on its server
	var sessions session.Store = store.db.Sessions()
	if cfg.Session.Store == config.StoreRedis {
		sessions = shared.sessions
	}
	at := running{public: listeners.Public.Addr().String(), store: store}
	if listeners.Redirect != nil {
		at.redirect = listeners.Redirect.Addr().String()
	}
	if listeners.Admin != nil {
		at.admin = listeners.Admin.Addr().String()
	}
	if listeners.Decision != nil {
		at.decision = listeners.Decision.Addr().String()
	}
	if listeners.Portal != nil {
		at.portal = listeners.Portal.Addr().String()
	}
	if ready == nil {
		ready = func(at running) { greet(ctx, stderr, cfg, at) }
		defer context.AfterFunc(ctx, func() {
			_, _ = fmt.Fprintf(stderr, "warder: stopping; what runs gets at most %s. A second signal stops at once.\n", cfg.Timeouts.ShutdownDelay+cfg.Timeouts.Drain)
		})()
	}
	unfollow := func() {}
	defer func() { unfollow() }()
	err = server.Run(ctx, server.Options{
		Config: cfg, Listeners: listeners, Store: store.keys, Registry: store.db.Nodes(), Sessions: sessions, Peppers: store.peppers,
		Credits:   store.db.Credits(),
		Accounts:  store.db.Accounts(),
		Outbox:    store.db.Outbox(),
		Usage:     store.db.Usage(),
		Attempts:  store.db.Attempts(0),
		Portal:    store.db.Portal(),
		Owners:    store.db.Owners(),
		Audit:     &server.AuditOptions{Store: store.db.Audit(), Signer: signer, Keep: func(c audit.Checkpoint) error { return keepCheckpoint(cfg.Audit.CheckpointFile, c) }},
		AccessLog: logs.Access, Log: logs.Main, Dropped: logs.Dropped, Version: programVersion(), AdminToken: token, TokenKeys: tokenKeys, LimitStore: shared.limits, LimitStoreUp: shared.up,
		Environ: os.Environ(), Reloads: reloads, Shadow: other.cfg,
		Seen:  seen,
		Ready: func() { unfollow = manager.follow(ctx, listeners, logs.Main); trimStart(); ready(at) },
	})
	if err != nil {
		return fail(documentCause(err, exitServer), "", "%w", err)
	}
	return nil
}

// listenHint names the flags of the addresses that cannot be had.
func listenHint(err error) string {
	var flags []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		field, _, _ := strings.Cut(line, ": ")
		switch field {
		case "listen", "admin_listen", "health_listen":
			flags = append(flags, "--"+strings.ReplaceAll(field, "_", "-"))
		}
	}
	if len(flags) == 0 {
		return ""
	}
	return "name another address by " + strings.Join(flags, " and ") + ", such as " + flags[0] + " 127.0.0.1:9080, or in the configuration"
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
	if cfg.IsPostgres() {
		flags = " --db '" + cfg.DB + "'" // it holds no password
	}
	if cfg.Peppers.File != "" && cfg.Peppers.File != cfg.Beside(".peppers") {
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
