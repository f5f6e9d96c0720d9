package server

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/housekeeping"
	"github.com/warder-dev/warder/usage/tally"
	"github.com/warder-dev/warder/webhook"
)

// announcer has events delivered. Whoever announces on the way of a request never
// waits: what does not fit is dropped and counted.
type announcer struct {
	sender *webhook.Sender
	log    *slog.Logger
	queue  chan webhook.Event
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	recent  map[string]time.Time // what was announced lately, by the id of the event
	spent   int                  // of nearBurst
	since   time.Time            // when the last of it came back
	dropped uint64
}

const (
	announceQueue  = 256
	announceRecent = 4096
	announceEvery  = time.Hour // the same again
	announceTime   = 5 * time.Second

	// Who is near a limit may be whoever clients make up, such as by a header: of all
	// that, so many are announced, and then one in each nearPause. The rest is offered
	// again by its next request.
	nearBurst = 100
	nearPause = 5 * time.Second
)

// NewWebhooks returns the endpoints of a configuration, ready to be told.
func NewWebhooks(cfg *config.Config) (all []webhook.Endpoint, err error) {
	var errs []error
	for name := range cfg.Webhooks {
		w := cfg.Webhooks[name]
		end := webhook.Endpoint{
			Name: name, URL: w.URL, Secret: w.Secret, FormerSecret: w.FormerSecret, Events: w.Events,
			InsecurePrivate: w.InsecurePrivate, InsecureHTTP: w.InsecureHTTP,
		}
		if w.CAFile != "" {
			text, err := os.ReadFile(w.CAFile)
			end.RootCAs = x509.NewCertPool()
			if err == nil && !end.RootCAs.AppendCertsFromPEM(text) {
				err = errors.New("it holds no certificate in PEM form")
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("webhooks.%s.ca_file: %w", name, err))
			}
		}
		all = append(all, end)
	}
	return all, errors.Join(errs...)
}

// startWebhooks begins to deliver, when anybody is to be told.
func (p *program) startWebhooks() error {
	if len(p.options.Config.Webhooks) == 0 {
		return nil
	}
	endpoints, err := NewWebhooks(p.options.Config)
	if err != nil {
		return err
	}
	sender, err := webhook.New(webhook.Config{Endpoints: endpoints, Outbox: p.options.Outbox, Log: p.options.Log, Version: p.options.Version})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.announcer = &announcer{
		sender: sender, log: p.options.Log, cancel: cancel, done: make(chan struct{}),
		queue: make(chan webhook.Event, announceQueue), recent: make(map[string]time.Time),
	}
	go p.announcer.run(ctx)
	return nil
}

// run hands events to the outbox.
func (a *announcer) run(ctx context.Context) {
	defer close(a.done)
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-a.queue:
			within, cancel := context.WithTimeout(ctx, announceTime)
			if err := a.sender.Send(within, e); err != nil && ctx.Err() == nil {
				a.lose(e.Type, err)
			}
			cancel()
		}
	}
}

// lose notes that not all whom an event concerns will hear of it.
func (a *announcer) lose(kind string, err error) {
	a.mu.Lock()
	a.dropped++
	a.mu.Unlock()
	a.log.Warn("an event could not be announced", slog.String("event", kind), slog.String("error", err.Error()))
}

// send is what keeps house: an endpoint that has no room left keeps it from telling
// nobody else. Whatever else fails is tried again by the next round.
func (a *announcer) send(ctx context.Context, e webhook.Event) error {
	err := a.sender.Send(ctx, e)
	if errors.Is(err, webhook.ErrFull) {
		a.lose(e.Type, err)
		return nil
	}
	return err
}

// close stops. What was announced and is not in the outbox yet is lost.
func (a *announcer) close() {
	a.cancel()
	<-a.done
	a.sender.Close()
}

// offer announces an event unless it was announced lately.
func (a *announcer) offer(id, kind string, at time.Time, data any) {
	if !a.first(id, at) || kind == webhook.LimitNear && !a.affordable(id, at) {
		return
	}
	e, err := webhook.NewEvent(id, kind, at, data)
	if err != nil {
		a.log.Warn("an event could not be announced", slog.String("event", kind), slog.String("error", err.Error()))
		return
	}
	select {
	case a.queue <- e:
	default:
		a.mu.Lock()
		a.dropped++
		delete(a.recent, id)
		a.mu.Unlock()
	}
}

// first reports whether the event was not announced within the hour, as far as
// memory goes: the outbox knows the rest.
func (a *announcer) first(id string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if at, ok := a.recent[id]; ok && now.Sub(at) < announceEvery {
		return false
	}
	if len(a.recent) >= announceRecent {
		for old, at := range a.recent {
			if now.Sub(at) >= announceEvery {
				delete(a.recent, old)
			}
		}
		if len(a.recent) >= announceRecent {
			clear(a.recent)
		}
	}
	a.recent[id] = now
	return true
}

// affordable reports whether one more event may be announced of what clients cause as
// they like: alarms keep their room in the queue, and the outbox does not grow by what
// is made up. What is not counts as dropped, and is not remembered.
func (a *announcer) affordable(id string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if back := int(now.Sub(a.since) / nearPause); back > 0 {
		a.spent = max(0, a.spent-back)
		a.since = now
	}
	if a.spent >= nearBurst || len(a.queue) >= announceQueue/2 {
		a.dropped++
		delete(a.recent, id)
		return false
	}
	a.spent++
	return true
}

// lost returns how many events did not fit.
func (a *announcer) lost() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.dropped
}

// keepHouse begins what is done each hour.
func (p *program) keepHouse() (err error) {
	keys, ok := p.options.Store.(housekeeping.Keys)
	if !ok {
		return nil // a store that cannot be searched
	}
	cfg := housekeeping.Config{Keys: keys, Changed: p.verifier.Invalidate, Log: p.options.Log}
	if p.announcer != nil {
		cfg.Announce = p.announcer.send
	}
	if cover, ok := p.options.Usage.(tally.CoverStore); ok {
		cfg.Cover = cover
	}
	if p.tally != nil {
		cfg.Uses, cfg.Kept = p.options.Usage, p.options.Config.Usage.KeepDays
	}
	p.keeper, err = housekeeping.Start(cfg)
	return err
}

// finishers tells several.
type finishers []exchange.Finisher

func (all finishers) Done(x *exchange.Exchange, o exchange.Outcome) {
	for _, f := range all {
		f.Done(x, o)
	}
}

// finisher is who is told of every outcome. tap may be nil.
func (p *program) finisher(tap *shadowTap) exchange.Finisher {
	all := finishers{p.metrics}
	if tap != nil {
		all = append(all, tap)
	}
	if p.tally != nil {
		all = append(all, p.tally)
	}
	if len(all) == 1 {
		return p.metrics
	}
	return all
}

// finisherAt is who is told of the outcomes at a place, of which a shadow configuration
// has to know, and metrics where there are several. nil for the same everywhere.
func (p *program) finisherAt(tap *shadowTap) func(place string) exchange.Finisher {
	several := len(p.options.Config.Listeners) > 0
	if tap == nil && !several {
		return nil
	}
	return func(place string) exchange.Finisher {
		at := tap
		if name, ok := strings.CutPrefix(place, config.ListenersField); ok && tap != nil {
			at = &shadowTap{to: tap.to, live: tap.live, at: name, asked: tap.asked}
		}
		if !several {
			return p.finisher(at)
		}
		return finishers{p.finisher(at), p.metrics.At(place)}
	}
}

// watchWebhooks adds the figures of webhooks.
func (p *program) watchWebhooks() error {
	if p.announcer == nil {
		return nil
	}
	a := p.announcer
	return errors.Join(
		p.metrics.Watch("warder_webhooks_delivered_total", "Events that an endpoint took.", func() float64 { return float64(a.sender.Counts().Delivered) }),
		p.metrics.Watch("warder_webhooks_failed_total", "Deliveries of events that failed and are made again.", func() float64 { return float64(a.sender.Counts().Failed) }),
		p.metrics.Watch("warder_webhooks_given_up_total", "Events that an endpoint never took.", func() float64 { return float64(a.sender.Counts().GivenUp) }),
		p.metrics.Watch("warder_webhooks_dropped_total", "Events that not everybody whom they concern will hear of: too many came at once or wait already, or the database did not take them.", func() float64 { return float64(a.lost()) }),
	)
}
