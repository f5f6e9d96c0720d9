package webhook

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/warder-dev/warder/internal/outgoing"
	"github.com/warder-dev/warder/secret"
)

// An Endpoint is who is told.
type Endpoint struct {
	Name   string      // for the log and the outbox. Required.
	URL    string      // https, without user and fragment. Required.
	Secret secret.Text // signs: the base64 of 24 to 64 random bytes, "whsec_" before it or not. Required.

	// FormerSecret signs too, while receivers move to Secret. Default none.
	FormerSecret secret.Text

	// Events are the types that it wants; none for all.
	Events []string

	// RootCAs are trusted instead of the system's. Default: the system's.
	RootCAs *x509.CertPool

	// InsecurePrivate allows an address in a private network or on this machine. It
	// costs: whoever chooses the URL chooses what warder talks to behind the firewall.
	InsecurePrivate bool

	// InsecureHTTP allows plain http: whoever is on the way reads the events.
	InsecureHTTP bool
}

// Config configures a [Sender].
type Config struct {
	_         [0]func()
	Endpoints []Endpoint   // with different names. Required.
	Outbox    Outbox       // Required.
	Log       *slog.Logger // told of deliveries that fail. nil: none.
	Version   string       // of the program, for User-Agent
}

// Remembered is for how long an event is not announced twice, after it was delivered
// or given up.
const Remembered = 60 * 24 * time.Hour

const (
	timeout   = 10 * time.Second // of one delivery
	hiddenFor = 2 * time.Minute  // how long nobody else gets what a sender claimed
	pollEvery = time.Second
	batch     = 16
	maxWait   = 24 * time.Hour // that a receiver may ask for
	maxAnswer = 64 << 10
)

// pauses are the times between attempts.
func pauses() []time.Duration {
	return []time.Duration{
		5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
		time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
	}
}

// A Sender delivers events in the background. It is safe for concurrent use. Close
// it to stop.
type Sender struct {
	cfg       Config
	endpoints map[string]*target
	cancel    context.CancelFunc
	done      sync.WaitGroup
	counts    [3]atomic.Uint64
}

// A target is an endpoint, ready.
type target struct {
	Endpoint
	keys   [][]byte
	client *http.Client
	wake   chan struct{} // something new waits
}

// Counts are how many deliveries ended how.
type Counts struct{ Delivered, Failed, GivenUp uint64 }

// New reports everything that is wrong with cfg at once, and begins to deliver what
// waits in the outbox.
func New(cfg Config) (*Sender, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Sender{cfg: cfg, endpoints: make(map[string]*target)}
	var errs []error
	if cfg.Outbox == nil {
		errs = append(errs, errors.New("webhook: Outbox is missing"))
	}
	for i := range cfg.Endpoints {
		t, err := newTarget(cfg.Endpoints[i])
		if s.endpoints[t.Name] != nil {
			err = errors.Join(err, errors.New("the name is taken"))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("webhook: endpoint %q: %w", t.Name, err))
		}
		s.endpoints[t.Name] = t
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	for _, t := range s.endpoints {
		s.done.Go(func() { s.run(ctx, t) })
	}
	s.done.Go(func() { s.forget(ctx) })
	return s, nil
}

// Check reports everything that is wrong with the endpoint.
func (e *Endpoint) Check() error {
	_, err := newTarget(*e)
	return err
}

func newTarget(e Endpoint) (*target, error) {
	t := &target{Endpoint: e, wake: make(chan struct{}, 1)}
	var errs []error
	if e.Name == "" {
		errs = append(errs, errors.New("name: is missing"))
	}
	if _, err := outgoing.ParseURL(e.URL, e.InsecureHTTP); err != nil {
		errs = append(errs, fmt.Errorf("url: %w", err))
	}
	secrets := []secret.Text{e.Secret}
	if !e.FormerSecret.IsZero() {
		secrets = append(secrets, e.FormerSecret)
	}
	for _, s := range secrets {
		key, err := keyOf(s)
		if err != nil {
			errs = append(errs, err)
		}
		t.keys = append(t.keys, key)
	}
	for _, kind := range e.Events {
		if !slices.Contains(Types(), kind) {
			errs = append(errs, fmt.Errorf("events: there is none of type %q", kind))
		}
	}
	var err error
	t.client, err = outgoing.New(outgoing.Config{
		Timeout: timeout, MaxBytes: maxAnswer, PublicOnly: !e.InsecurePrivate, InsecureHTTP: e.InsecureHTTP, RootCAs: e.RootCAs,
	})
	return t, errors.Join(append(errs, err)...)
}

// wants reports whether the endpoint is told of events of this type. A test is for
// whoever it names.
func (t *target) wants(kind string) bool {
	return len(t.Events) == 0 || slices.Contains(t.Events, kind)
}

// Send has the event delivered to every endpoint that wants it. It returns when the
// outbox has it. An error means that it may not have it for all: sending it again
// announces nothing twice.
func (s *Sender) Send(ctx context.Context, e Event) error {
	var errs []error
	for name, t := range s.endpoints {
		if e.Type == Test || !t.wants(e.Type) {
			continue
		}
		if err := s.cfg.Outbox.Add(ctx, e, name); err != nil {
			errs = append(errs, fmt.Errorf("webhook: announce %s to %s: %w", e.Type, name, err))
		}
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
	return errors.Join(errs...)
}

// Try posts the event to one endpoint at once, past the outbox, and returns what
// came of it.
func (s *Sender) Try(ctx context.Context, endpoint string, e Event) error {
	t := s.endpoints[endpoint]
	if t == nil {
		return fmt.Errorf("webhook: there is no endpoint %q", endpoint)
	}
	if err := e.Check(); err != nil {
		return err
	}
	outcome := s.post(ctx, t, e)
	return outcome.err
}

// Counts returns how many deliveries ended how since the start.
func (s *Sender) Counts() Counts {
	return Counts{Delivered: s.counts[0].Load(), Failed: s.counts[1].Load(), GivenUp: s.counts[2].Load()}
}

// Close stops. What is under way is cut and tried again after the next start, when
// the outbox lasts.
func (s *Sender) Close() {
	s.cancel()
	s.done.Wait()
	for _, t := range s.endpoints {
		t.client.CloseIdleConnections()
	}
}

// run delivers to one endpoint until ctx ends: one that is slow holds no other.
func (s *Sender) run(ctx context.Context, t *target) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		for s.round(ctx, t) {
		}
		select {
		case <-ctx.Done():
			return
		case <-t.wake:
		case <-tick.C:
		}
	}
}

// forget drops what is old, each hour.
func (s *Sender) forget(ctx context.Context) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if _, err := s.cfg.Outbox.Forget(ctx, time.Now().Add(-Remembered)); err != nil {
				s.complain(ctx, "webhooks: old deliveries could not be dropped", err)
			}
		}
	}
}

// round delivers what is due, some at a time, and reports whether there may be more.
func (s *Sender) round(ctx context.Context, t *target) (more bool) {
	if ctx.Err() != nil {
		return false
	}
	now := time.Now()
	claimed, err := s.cfg.Outbox.Claim(ctx, t.Name, now, now.Add(hiddenFor), batch)
	if err != nil {
		s.complain(ctx, "webhooks: the outbox gave no answer", err)
		return false
	}
	var all sync.WaitGroup
	for _, d := range claimed {
		all.Go(func() { s.deliver(ctx, t, d) })
	}
	all.Wait()
	return len(claimed) == batch
}

// complain logs a failure, but for that of the stop.
func (s *Sender) complain(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		s.cfg.Log.Warn(what, slog.String("error", err.Error()))
	}
}

// deliver makes one attempt and notes what came of it.
func (s *Sender) deliver(ctx context.Context, t *target, d Delivery) {
	o := s.post(ctx, t, d.Event)
	pause := pauses()
	switch {
	case o.err == nil:
		s.counts[0].Add(1)
		s.note(ctx, d, s.cfg.Outbox.Settle(ctx, d, time.Now()))
	case ctx.Err() != nil: // cut by the stop: nobody's failure
	case o.gone || d.Attempts >= len(pause):
		s.counts[2].Add(1)
		s.cfg.Log.Warn("a webhook was given up", slog.String("endpoint", d.Endpoint), slog.String("event", d.Event.Type),
			slog.String("event_id", d.Event.ID), slog.Int("attempts", d.Attempts+1), slog.String("error", o.err.Error()))
		s.note(ctx, d, s.cfg.Outbox.Settle(ctx, d, time.Now()))
	default:
		s.counts[1].Add(1)
		wait := max(spread(pause[d.Attempts]), o.wait)
		s.cfg.Log.Info("a webhook was not taken and is tried again", slog.String("endpoint", d.Endpoint), slog.String("event", d.Event.Type),
			slog.String("event_id", d.Event.ID), slog.String("in", wait.Round(time.Second).String()), slog.String("error", o.err.Error()))
		s.note(ctx, d, s.cfg.Outbox.Retry(ctx, d, time.Now().Add(wait)))
	}
}

// note tells that the outbox does not know what came of a delivery: it will be made
// once more.
func (s *Sender) note(ctx context.Context, d Delivery, err error) {
	if err != nil {
		s.complain(ctx, "webhooks: what came of a delivery could not be noted; it is made again: "+d.Endpoint, err)
	}
}

// spread makes a pause longer by up to a fifth, so that what failed together does
// not come back together.
func spread(pause time.Duration) time.Duration {
	return pause + rand.N(pause/5) //nolint:gosec // nothing secret
}

// An outcome is what came of one attempt.
type outcome struct {
	err  error
	gone bool          // the receiver wants it never again (RFC 9110, section 15.5.11)
	wait time.Duration // that the receiver asked for (RFC 9110, section 10.2.3)
}

// post makes one attempt. Errors hold neither the URL nor what the receiver said.
func (s *Sender) post(ctx context.Context, t *target, e Event) outcome {
	body, err := e.body()
	if err != nil {
		return outcome{err: errEvent, gone: true}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL, bytes.NewReader(body))
	if err != nil {
		return outcome{err: errors.New("webhook: the URL cannot be asked"), gone: true}
	}
	now := time.Now().Unix()
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "warder/"+s.cfg.Version)
	r.Header.Set(FieldID, e.ID)
	r.Header.Set(FieldTimestamp, strconv.FormatInt(now, 10))
	for i, key := range t.keys {
		if i == 0 {
			r.Header.Set(FieldSignature, signature(key, e.ID, now, body))
			continue
		}
		r.Header.Set(FieldSignature, r.Header.Get(FieldSignature)+" "+signature(key, e.ID, now, body))
	}
	w, err := t.client.Do(r)
	if err != nil {
		return outcome{err: plain(err)}
	}
	defer w.Body.Close() //nolint:errcheck // what it says is not asked for
	_, _ = io.Copy(io.Discard, io.LimitReader(w.Body, maxAnswer))
	return judge(w)
}

// judge reads an answer's status.
func judge(w *http.Response) outcome {
	switch {
	case w.StatusCode >= 200 && w.StatusCode < 300:
		return outcome{}
	case w.StatusCode == http.StatusGone:
		return outcome{err: errors.New("webhook: the receiver answered 410"), gone: true}
	default:
		o := outcome{err: fmt.Errorf("webhook: the receiver answered %d", w.StatusCode)}
		if seconds, err := strconv.ParseUint(w.Header.Get("Retry-After"), 10, 32); err == nil {
			o.wait = min(time.Duration(seconds)*time.Second, maxWait)
		}
		return o
	}
}

// plain says what failed without the URL, which may hold a token of the receiver's.
func plain(err error) error {
	for known, text := range map[error]string{
		outgoing.ErrAddress:      "the address is private or not allowed",
		outgoing.ErrPlain:        "it is not https",
		outgoing.ErrRedirect:     "a redirect is not followed",
		outgoing.ErrTooLarge:     "the answer is too large",
		context.DeadlineExceeded: "the receiver did not answer in time",
		context.Canceled:         "it was cut",
	} {
		if errors.Is(err, known) {
			return errors.New("webhook: " + text)
		}
	}
	return errors.New("webhook: the receiver cannot be reached")
}
