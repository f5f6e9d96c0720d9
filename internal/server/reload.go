package server

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/gateway"
)

// A Reload asks a running program to load its configuration again.
type Reload struct {
	Load func() (*config.Config, error) // from where it was loaded at the start

	// LoadShadow loads the shadow configuration again. nil where there is none.
	LoadShadow func() (*config.Config, error)

	Done func() // called once the new one is in force, or refused
}

// reloads is what came of them.
type reloads struct {
	loaded  atomic.Int64 // when what is in force was loaded, in Unix seconds
	failed  atomic.Uint64
	stale   atomic.Bool // the last one failed
	weakens []string    // what weakens the configuration in force
}

// restartError names settings that a running program cannot take over.
type restartError struct{ settings []string }

func (e *restartError) Error() string {
	return "these settings have changed and need a restart: " + strings.Join(e.settings, ", ")
}

// newGateway makes what judges and forwards by cfg; it takes over what before has
// counted and holds open.
func (p *program) newGateway(cfg *config.Config, before *gateway.Gateway) (*gateway.Gateway, error) {
	o := p.options
	tap := p.shadow.tap()
	g, err := gateway.New(gateway.Config{
		Config: cfg, Verifier: p.verifier, Sessions: p.people.sessions, People: p.people.checker, Signer: p.signer, LimitStore: o.LimitStore, Credits: o.Credits,
		AccessLog: o.AccessLog, Tail: p.tail, Log: o.Log, Metrics: p.finisher(tap), MetricsAt: p.finisherAt(tap), Shadowed: p.shadowed, Near: p.announcer.near(), Exposed: p.exposed, Disable: p.disable, Previous: before,
		KeyStore: o.Store, Leaked: p.leaked, Changed: p.lineage.settled(p.verifier.Invalidate), Holder: p.holding, TokenKeys: p.tokens.keySet(), StillOpen: p.stillOpen, Tracing: p.traceGateway(), SameHandshake: p.sameHandshake(),
	})
	if err == nil && tap != nil {
		tap.live.Store(g)
	}
	return g, err
}

// current lets do answer with the gateway that judges when the request comes, to
// its end.
func (p *program) current(do func(*gateway.Gateway, http.ResponseWriter, *http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { do(p.gateway.Load(), w, r) })
}

// reload loads the configuration again and puts it into force whole, or not at
// all: one half of two configurations was tried by nobody.
func (p *program) reload(asked Reload) {
	if asked.Done != nil {
		defer asked.Done()
	}
	defer p.reloadShadow(asked)
	cfg, err := asked.Load()
	if err == nil {
		err = p.enforce(cfg)
	}
	p.reloads.stale.Store(err != nil)
	if err == nil {
		return
	}
	p.reloads.failed.Add(1)
	for place := range strings.SplitSeq(err.Error(), "\n") {
		p.options.Log.Error("the configuration cannot be used: the one before stays in force, all of it", slog.String("error", place))
	}
}

// enforce lets cfg take the place of the configuration in force.
func (p *program) enforce(cfg *config.Config) error {
	before := p.gateway.Load()
	changed, restart := before.Settings().Changes(cfg)
	if len(restart) > 0 {
		return &restartError{restart}
	}
	if err := p.options.Listeners.believe(cfg); err != nil {
		return err
	}
	limits, err := p.newDescriptors(cfg)
	if err != nil {
		return err
	}
	applyCertificates, err := p.otherCertificates(cfg)
	if err != nil {
		return err
	}
	next, err := p.newGateway(cfg, before)
	if err != nil {
		return err
	}
	if err := p.renewPortal(cfg); err != nil {
		return errors.Join(err, next.Replaced(before))
	}
	if err := p.replaceDescriptors(cfg, limits); err != nil {
		return errors.Join(err, next.Replaced(before))
	}
	p.metrics.Know(slices.Concat(limitReasons(before.Settings()), limitReasons(cfg))...) // what is under way is refused by the old ones
	applyCertificates()                                                                  // before the routes that may need them
	p.gateway.Store(next)
	if p.front != nil {
		p.front.Replace(p.decides(next))
	}
	p.member.Configured(cfg.Digest())
	p.reloads.loaded.Store(time.Now().Unix())
	p.options.Log.Info("the configuration is loaded again", slog.String("changed", strings.Join(changed, ", ")))
	p.tellWeaknesses(cfg)
	p.logFailure("give back what the configuration before had", before.Replaced(next))
	return nil
}

// tellWeaknesses warns of what `warder config validate` warns of in cfg, but for what
// the configuration before had too. They are told apart without their places: lines move.
func (p *program) tellWeaknesses(cfg *config.Config) {
	var now []string
	for _, f := range cfg.Findings() {
		text := strings.TrimPrefix(f.Field+": "+f.Costs, ": ")
		if now = append(now, text); slices.Contains(p.reloads.weakens, text) {
			continue
		}
		told := []any{slog.String("place", f.Place), slog.String("weakness", text)}
		if f.Mend != "" {
			told = append(told, slog.String("mend", f.Mend))
		}
		p.options.Log.Warn("the configuration has a weakness", told...)
	}
	p.reloads.weakens = now
}

// watchReloads adds the figures of reloads.
func (p *program) watchReloads() error {
	p.reloads.loaded.Store(time.Now().Unix())
	return errors.Join(
		p.metrics.Watch("warder_config_loaded_seconds", "When the configuration in force was loaded, in Unix seconds.",
			func() float64 { return float64(p.reloads.loaded.Load()) }),
		p.metrics.Watch("warder_config_reload_failures_total", "How often a configuration was loaded again and could not be used.",
			func() float64 { return float64(p.reloads.failed.Load()) }),
		p.metrics.Watch("warder_config_stale", "1 while the configuration that was loaded last could not be used, so that the one before is in force, else 0.", func() float64 {
			if p.reloads.stale.Load() {
				return 1
			}
			return 0
		}),
	)
}
