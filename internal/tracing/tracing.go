// Package tracing gives requests their place in a distributed trace, and posts what
// is recorded of them to a collector: OpenTelemetry's protocol (OTLP 1.x) over HTTP,
// in protobuf.
//
// A parent (W3C Trace Context) is believed when the peer that holds the connection
// is listed; what anybody else sends is replaced, so that a stranger neither writes
// into the traces of others nor decides what is recorded. What a span says of a
// request is what the access log says: see [accesslog.FactsOf].
//
// No request ever waits for the collector. What does not fit while it is slow or
// away is dropped, and counted.
package tracing

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/warder-dev/warder/accesslog"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/secret"
)

// Config configures a [Tracer].
type Config struct {
	_ [0]func()

	// Endpoint is where spans are posted to, such as
	// https://collector.example.com/v1/traces. Required.
	Endpoint string

	// Headers are sent with each post: what the collector knows its clients by.
	Headers map[string]secret.Text

	// Client posts. It bounds the time of one post and of the stop. Required.
	Client *http.Client

	// Timeout is how long one post may take, and how long Close may. Required.
	Timeout time.Duration

	// Ratio is the share of traces that begin here and are recorded, 0 to 1.
	Ratio float64

	// IgnoreParent records the share of Ratio also of those requests whose believed
	// parent says whether it is recorded. Which one a trace belongs to is decided by its
	// id, so that nodes with the same ratio agree.
	IgnoreParent bool

	// Trusted are the peers whose traceparent is believed. Empty: nobody's.
	Trusted []netip.Prefix

	// TrustUnixSocket believes those who come over a Unix socket, too.
	TrustUnixSocket bool

	// Path is what of a request's path is told: as for the access log.
	Path accesslog.PathMode

	Service string       // service.name of the resource. Required.
	Version string       // service.version; may be empty
	Log     *slog.Logger // Required.
}

// A Tracer makes and posts spans. It is safe for concurrent use.
type Tracer struct {
	cfg       Config
	ids       ids
	threshold uint64 // of the last 56 bits of a trace's id: those below are recorded
	exporter  *exporter
}

// randomBits is how many bits at the end of a trace's id are random by the standard
// (W3C Trace Context Level 2, section 3.2.2.3.1).
const randomBits = 56

// New returns a Tracer that posts until it is closed, or everything that is wrong
// with cfg at once.
func New(cfg Config) (*Tracer, error) {
	var errs []error
	for name, missing := range map[string]bool{
		"Endpoint": cfg.Endpoint == "", "Client": cfg.Client == nil, "Service": cfg.Service == "", "Log": cfg.Log == nil, "Timeout": cfg.Timeout <= 0,
	} {
		if missing {
			errs = append(errs, fmt.Errorf("tracing: %s is missing", name))
		}
	}
	if cfg.Ratio < 0 || cfg.Ratio > 1 || math.IsNaN(cfg.Ratio) {
		errs = append(errs, errors.New("tracing: Ratio: want 0 to 1"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	cfg.Headers, cfg.Trusted = maps.Clone(cfg.Headers), slices.Clone(cfg.Trusted)
	t := &Tracer{cfg: cfg, threshold: uint64(cfg.Ratio * (1 << randomBits))}
	t.exporter = newExporter(&t.cfg)
	return t, nil
}

// Close posts what is left, for as long as [Config].Timeout, and ends the Tracer.
// What comes later is dropped. The error tells how many spans could not be posted.
func (t *Tracer) Close() error { return t.exporter.close() }

// Counts are how many spans there were since the start.
type Counts struct {
	Sent    uint64 // taken by the collector
	Dropped uint64 // lost: there was no room, or the collector did not take them
	Failed  uint64 // posts that failed, those that were repeated included
}

// Counts returns them.
func (t *Tracer) Counts() Counts { return t.exporter.counts() }

// trusts reports whether who holds the connection at remote, as net/http has it, is
// believed.
func (t *Tracer) trusts(remote netip.AddrPort) bool {
	if !remote.IsValid() {
		return t.cfg.TrustUnixSocket
	}
	address := remote.Addr().Unmap().WithZone("")
	return slices.ContainsFunc(t.cfg.Trusted, func(p netip.Prefix) bool { return p.Contains(address) })
}

// sampled reports whether a trace is recorded that begins here.
func (t *Tracer) sampled(id *[16]byte) bool {
	var n uint64
	for _, b := range id[9:] {
		n = n<<8 | uint64(b)
	}
	return n < t.threshold
}

// A Stage traces the requests of one front. It is a stage for [warder.Edge]'s
// Tracing, behind forwarded, and passes every request.
type Stage struct {
	tracer *Tracer
	front  string
	asked  bool                            // the judged request is not the peer's own
	only   func(x *exchange.Exchange) bool // nil: every request
}

// Stage returns the stage of a front at which clients come themselves.
func (t *Tracer) Stage(front string) *Stage { return &Stage{tracer: t, front: front} }

// Asked returns the stage of a front that is asked about requests which somebody
// else holds: their parent is the one that [Tracer.Hear] found with the question,
// whatever stands in the request.
func (t *Tracer) Asked(front string) *Stage { return &Stage{tracer: t, front: front, asked: true} }

// Only returns a stage as s that leaves requests alone for which only is false.
func (s *Stage) Only(only func(x *exchange.Exchange) bool) *Stage {
	return &Stage{tracer: s.tracer, front: s.front, asked: s.asked, only: only}
}

// Check gives x its place.
func (s *Stage) Check(x *exchange.Exchange) exchange.Verdict {
	s.begin(x)
	return exchange.Pass()
}

// Done records x, if it is one that is recorded.
func (s *Stage) Done(x *exchange.Exchange, o exchange.Outcome) {
	s.begin(x) // when an earlier stage had the last word
	if x.Span.Timeline != nil {
		s.tracer.record(s, x, o)
	}
}

// Wrap is the Stage as net/http middleware, for use without a Stack.
func (s *Stage) Wrap(next http.Handler) http.Handler { return exchange.Wrap(s, next) }

// begin sets x.Span, unless it is there.
func (s *Stage) begin(x *exchange.Exchange) {
	if x.Dry || x.Span.Parent != "" || s.only != nil && !s.only(x) {
		return
	}
	t := s.tracer
	p := s.parent(x)
	if p == nil {
		t.beginRoot(x)
		return
	}
	record := p.flags&flagSampled != 0
	if t.cfg.IgnoreParent && !p.local {
		record = t.sampled(&p.trace)
	}
	span := t.ids.span()
	x.Span = exchange.Span{Parent: formatParent(&p.trace, &span, record), State: p.state}
	if record {
		s.tracer.follow(x, &p.trace)
		x.Span.Timeline.Above, x.Span.Timeline.Remote = p.spanText(), !p.local
	}
}

// beginRoot begins a trace.
func (t *Tracer) beginRoot(x *exchange.Exchange) {
	text, trace := t.ids.root(x.Start)
	x.Span = exchange.Span{Parent: text}
	if t.sampled(&trace) {
		x.Span.Parent = text[:len(text)-1] + "1"
		t.follow(x, &trace)
	}
}

// follow lets the steps of x be taken down.
func (t *Tracer) follow(x *exchange.Exchange, trace *[16]byte) {
	x.Span.Timeline = exchange.NewTimeline(x.Start)
	next := t.ids.span()
	x.Span.Timeline.Forward = formatParent(trace, &next, true)
}

// parent returns who asked for x, if that is somebody who is believed.
func (s *Stage) parent(x *exchange.Exchange) *parent {
	if p := heard(x.Request.Context()); p != nil {
		return p
	}
	if s.asked || x.Request.Header["Traceparent"] == nil || !s.tracer.trusts(x.Peer) {
		return nil
	}
	return parseParent(x.Request.Header)
}
