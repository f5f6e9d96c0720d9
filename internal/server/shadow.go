package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/decision/ratelimits"
	"github.com/warder-dev/warder/internal/gateway"
)

const (
	shadowQueue   = 256             // requests that wait; each holds on to its header
	shadowWorkers = 2               // requests that are judged at once
	shadowTime    = 5 * time.Second // for one
	shadowLines   = 10              // of the log, each minute
)

// A shadow judges what was answered by another configuration, without a trace,
// and keeps where both differ. No request ever waits for it: what does not fit is
// dropped and counted.
type shadow struct {
	log    *slog.Logger
	queue  chan shadowed
	ctx    context.Context //nolint:containedctx // it lives as long as the workers
	cancel context.CancelFunc
	done   sync.WaitGroup

	differences differences

	mu      sync.Mutex
	current *generation
}

// A generation is the shadow configuration as it was loaded once. It is closed
// when nobody judges by it any more.
type generation struct {
	gateway *gateway.Gateway
	limits  *ratelimits.Service // of rate_limit_domains
	busy    sync.WaitGroup
}

// shadowed is a request that was answered.
type shadowed struct {
	request *http.Request // as it was sent, without the body
	id      string
	live    *gateway.Gateway
	said    gateway.Decision
	at      string // the listener; "" for the gateway's own
	asked   bool   // by a proxy that only asks

	question *ratelimits.Question // an Envoy's, about limits; of a request all else is
	limits   *ratelimits.Service  // which answered it
}

// A shadowTap is told of every outcome of one gateway, and hands the requests on.
type shadowTap struct {
	to    *shadow
	live  *atomic.Pointer[gateway.Gateway] // known once it is made
	at    string                           // the listener; "" for the gateway's own
	asked bool
}

// tap returns what a gateway that is made next has to tell; nil without a shadow.
func (s *shadow) tap() *shadowTap {
	if s == nil {
		return nil
	}
	return &shadowTap{to: s, live: new(atomic.Pointer[gateway.Gateway])}
}

// prepareShadow makes what gateways hand requests to, if there is a shadow
// configuration; startShadow lets it judge.
func (p *program) prepareShadow() {
	if p.options.Shadow == nil {
		return
	}
	p.shadow = &shadow{log: p.options.Log, queue: make(chan shadowed, shadowQueue)}
	p.shadow.ctx, p.shadow.cancel = context.WithCancel(context.Background())
}

// startShadow makes the shadow configuration's policy and begins to judge.
func (p *program) startShadow() error {
	s := p.shadow
	if s == nil {
		return nil
	}
	var err error
	if s.current, err = p.newGeneration(p.options.Shadow); err != nil {
		return fmt.Errorf("shadow configuration: %w", err)
	}
	s.differences.clear(time.Now())
	for range shadowWorkers {
		s.done.Go(s.run)
	}
	return nil
}

// newGeneration makes all that judges by cfg.
func (p *program) newGeneration(cfg *config.Config) (*generation, error) {
	limits, err := newShadowLimits(cfg)
	if err != nil {
		return nil, err
	}
	g, err := p.newShadow(cfg)
	if err != nil {
		return nil, err
	}
	return &generation{gateway: g, limits: limits}, nil
}

// newShadow makes what judges by cfg. Keys, sessions and credits are those of the
// program; limits begin unspent.
func (p *program) newShadow(cfg *config.Config) (*gateway.Gateway, error) {
	o := p.options
	with := &program{options: Options{Config: tokensAs(o.Config, gateway.CountingAlone(cfg)), Sessions: o.Sessions, Log: slog.New(slog.DiscardHandler)}}
	if err := errors.Join(with.makePeople(), with.sign()); err != nil {
		return nil, err
	}
	return gateway.New(gateway.Config{
		Config: with.options.Config, Verifier: p.verifier, Sessions: with.people.sessions, People: with.people.checker, Signer: with.signer, Credits: o.Credits, TokenKeys: http.NotFoundHandler(), Holder: unanswered{},
		AccessLog: with.options.Log, Log: o.Log.With(slog.Bool("shadow_config", true)), KeyStore: o.Store, Beside: p.gateway.Load(),
		SameHandshake: p.sameHandshake(),
	})
}

// reloadShadow loads the shadow configuration again. One that cannot be used
// changes nothing.
func (p *program) reloadShadow(asked Reload) {
	if p.shadow == nil || asked.LoadShadow == nil {
		return
	}
	cfg, err := asked.LoadShadow()
	var g *generation
	if err == nil {
		g, err = p.newGeneration(cfg)
	}
	if err == nil {
		p.shadow.replace(g)
		p.options.Log.Info("the shadow configuration is loaded again, and the report begins anew")
		return
	}
	for place := range strings.SplitSeq(err.Error(), "\n") {
		p.options.Log.Error("the shadow configuration cannot be used: the one before stays", slog.String("error", place))
	}
}

// decider is the Stack of g for a front that only decides.
func (p *program) decider(g *gateway.Gateway) *warder.Stack {
	s := g.Decider()
	if tap := p.shadow.tap(); tap != nil {
		tap.asked = true
		tap.live.Store(g)
		s.Edge.Metrics = p.finisherAt(tap)("decision.listen")
	}
	return s
}

// Done hands x on to be judged again. It is an [exchange.Finisher].
func (t *shadowTap) Done(x *exchange.Exchange, o exchange.Outcome) {
	s, g := t.to, t.live.Load()
	if x.Dry || g == nil || o.Aborted && !o.Trace.Allowed() {
		return
	}
	if len(s.queue) == cap(s.queue) { // before the work of a copy
		s.differences.drop()
		return
	}
	said, ok := g.Decided(x, o)
	if !ok {
		return
	}
	if said.Counts() {
		s.differences.skip()
		return
	}
	ctx := context.WithValue(s.ctx, http.LocalAddrContextKey, x.Request.Context().Value(http.LocalAddrContextKey)) // and nothing else of the connection
	select {
	case s.queue <- shadowed{request: x.Again(ctx).Request, id: x.ID, live: g, said: said, at: t.at, asked: t.asked}:
	default:
		s.differences.drop()
	}
}

// run judges until the shadow is closed.
func (s *shadow) run() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case one := <-s.queue:
			s.judge(&one)
		}
	}
}

// judge compares what both configurations say of a request. A difference counts
// when the live one still says what it said: otherwise its answer rested on the
// body, on the moment, or on a key that has changed since.
func (s *shadow) judge(one *shadowed) {
	current := s.take()
	defer current.busy.Done()
	if one.question != nil {
		s.judgeLimits(one, current)
		return
	}
	ctx, cancel := context.WithTimeout(one.request.Context(), shadowTime)
	defer cancel()
	one.request.Header = one.request.Header.Clone() // the connection's goroutine may still read it, and stages write
	would := current.gateway.Again(ctx, one.request, one.at, one.asked)
	what := one.said.Differs(would)
	switch {
	case s.ctx.Err() != nil:
	case len(what) == 0:
		s.differences.agree()
	case would.Counts() || len(one.said.Differs(one.live.Again(ctx, one.request, one.at, one.asked))) > 0:
		s.differences.skip()
	default:
		s.differ(one, would, what)
	}
}

// differ keeps a difference, and logs it while there are few.
func (s *shadow) differ(one *shadowed, would gateway.Decision, what []string) {
	s.note(one.id, difference{
		route: one.said.Route, shadowRoute: would.Route, live: one.said.String(), shadow: would.String(), what: strings.Join(what, " "),
	})
}

func (s *shadow) note(id string, d difference) {
	silent, tell := s.differences.add(d, id, time.Now())
	if !tell {
		return
	}
	attrs := []slog.Attr{
		slog.String("id", id), slog.String("route", d.route), slog.String("live", d.live), slog.String("shadow", d.shadow),
		slog.String("shadow_route", d.shadowRoute), slog.String("differs", d.what),
	}
	if silent > 0 {
		attrs = append(attrs, slog.Uint64("not_logged", silent))
	}
	s.log.LogAttrs(s.ctx, slog.LevelInfo, "the shadow configuration judges otherwise", attrs...)
}

// take returns the generation that judges now; its busy is released by the caller.
func (s *shadow) take() *generation {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current.busy.Add(1)
	return s.current
}

// replace lets g judge from now on.
func (s *shadow) replace(g *generation) {
	s.mu.Lock()
	before := s.current
	s.current = g
	s.mu.Unlock()
	before.busy.Wait() // at most as long as one judgement
	s.differences.clear(time.Now())
	s.closed(before)
}

func (s *shadow) closed(g *generation) {
	if err := g.gateway.Close(); err != nil {
		s.log.Warn("could not stop the shadow configuration", slog.String("error", err.Error()))
	}
}

// close ends the workers. What waits is not judged any more.
func (s *shadow) close() {
	s.cancel()
	s.done.Wait()
	if s.current != nil {
		s.closed(s.current)
	}
}
