package tracing

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/warder-dev/warder/internal/outgoing"
)

// Bounds of what waits for the collector.
const (
	maxPending = 1 << 20          // bytes of spans; what comes on top is dropped
	enough     = 256 << 10        // bytes of spans that are posted at once, without waiting for more
	interval   = 2 * time.Second  // for which a span waits for others
	retries    = 4                // of one post
	firstPause = time.Second      // before the first of them; each later one is twice as long
	maxPause   = 30 * time.Second // whatever Retry-After asks for
	maxAnswer  = 64 << 10         // bytes of the collector's answer that are read
)

// An exporter posts spans. There is one goroutine for all of them.
type exporter struct {
	cfg     *Config
	head    []byte     // of every post: its resource
	scratch *sync.Pool // *scratch

	mu      sync.Mutex
	pending []byte // guarded by mu, as the next two
	waiting int    // spans in pending
	closed  bool

	wake    chan struct{} // has room for one
	closing chan struct{}
	done    chan struct{}
	ctx     context.Context //nolint:containedctx // of posts, until the stop has taken too long
	cancel  context.CancelFunc

	sent, dropped, failed atomic.Uint64
	away                  bool // the last post failed: it was told once; of the goroutine alone
}

func newExporter(cfg *Config) *exporter {
	e := &exporter{
		cfg: cfg, head: head(cfg), scratch: newScratch(),
		wake: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}),
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	go e.run()
	return e
}

// head is the resource, as a field of ResourceSpans.
func head(cfg *Config) []byte {
	var instance [16]byte
	_, _ = rand.Read(instance[:]) // never fails
	var s scratch
	for _, a := range [][2]string{
		{"service.name", cfg.Service},
		{"service.version", cfg.Version},
		{"service.instance.id", hex.EncodeToString(instance[:])},
		{"telemetry.sdk.name", "warder"},
		{"telemetry.sdk.language", "go"},
	} {
		s.textOf(attributesOf, a[0], a[1])
	}
	return protowire.AppendBytes(protowire.AppendTag(nil, resourceOf, protowire.BytesType), s.span)
}

// scope is the InstrumentationScope, as a field of ScopeSpans.
func scope(cfg *Config) []byte {
	var b []byte
	for _, part := range []struct {
		field protowire.Number
		text  string
	}{{scopeName, "github.com/warder-dev/warder"}, {scopeVersion, cfg.Version}} {
		b = protowire.AppendString(protowire.AppendTag(b, part.field, protowire.BytesType), part.text)
	}
	return protowire.AppendBytes(protowire.AppendTag(nil, scopeOf, protowire.BytesType), b)
}

// add queues spans, count of them, that are fields of ScopeSpans. It never waits for
// the collector.
func (e *exporter) add(spans []byte, count int) {
	e.mu.Lock()
	if e.closed || len(e.pending)+len(spans) > maxPending {
		e.mu.Unlock()
		e.dropped.Add(uint64(count)) //nolint:gosec // a few
		return
	}
	full := len(e.pending) < enough && len(e.pending)+len(spans) >= enough
	e.pending = append(e.pending, spans...)
	e.waiting += count
	e.mu.Unlock()
	if full {
		select {
		case e.wake <- struct{}{}:
		default: // it is awake
		}
	}
}

// take empties the queue, and gives it spare to fill.
func (e *exporter) take(spare []byte) (spans []byte, count int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	spans, count = e.pending, e.waiting
	if cap(spare) > enough {
		spare = nil // after a rush nothing of it is kept
	}
	e.pending, e.waiting = spare[:0], 0
	return spans, count
}

// run posts until the exporter is closed and the queue is empty.
func (e *exporter) run() {
	defer close(e.done)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	var spare []byte
	for {
		last := false
		select {
		case <-tick.C:
		case <-e.wake:
		case <-e.closing:
			last = true
		}
		spans, count := e.take(spare)
		if count > 0 {
			e.post(spans, count)
		}
		spare = spans
		if last {
			return
		}
	}
}

// close ends the exporter after a last post.
func (e *exporter) close() error {
	e.mu.Lock()
	again := e.closed
	e.closed = true
	e.mu.Unlock()
	if again {
		return nil
	}
	before := e.dropped.Load()
	close(e.closing)
	stop := time.AfterFunc(e.cfg.Timeout, e.cancel)
	defer stop.Stop()
	<-e.done
	e.cancel()
	e.cfg.Client.CloseIdleConnections()
	if lost := e.dropped.Load() - before; lost > 0 {
		return fmt.Errorf("tracing: %d spans could not be posted", lost)
	}
	return nil
}

func (e *exporter) counts() Counts {
	return Counts{Sent: e.sent.Load(), Dropped: e.dropped.Load(), Failed: e.failed.Load()}
}

// post sends count spans, again for some time if the collector is away.
func (e *exporter) post(spans []byte, count int) {
	body := e.body(spans)
	pause := firstPause
	for attempt := 0; ; attempt++ {
		rejected, failure := e.try(body)
		if failure == nil {
			rejected = min(max(rejected, 0), int64(count))
			e.sent.Add(uint64(int64(count) - rejected)) //nolint:gosec // not below 0
			e.dropped.Add(uint64(rejected))             //nolint:gosec // the same
			e.told(rejected)
			return
		}
		e.failed.Add(1)
		e.tell(failure)
		if attempt == retries || !failure.again || !e.wait(max(pause, failure.after)) {
			e.dropped.Add(uint64(count)) //nolint:gosec // a few thousand
			return
		}
		pause *= 2
	}
}

// wait pauses before the next attempt; false when there is no time for one. The stop
// cuts a pause short, once.
func (e *exporter) wait(pause time.Duration) bool {
	select {
	case <-e.closing: // nobody waits for a collector at the stop
		return false
	default:
	}
	timer := time.NewTimer(min(pause, maxPause))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-e.closing:
	}
	return e.ctx.Err() == nil
}

// body is an ExportTraceServiceRequest of one resource and one scope.
func (e *exporter) body(spans []byte) []byte {
	inner := scope(e.cfg)
	size := len(inner) + len(spans)
	outer := len(e.head) + protowire.SizeTag(scopeSpansOf) + protowire.SizeBytes(size)
	b := make([]byte, 0, outer+16)
	b = protowire.AppendTag(b, requestSpans, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(outer)) //nolint:gosec // a length
	b = append(b, e.head...)
	b = protowire.AppendTag(b, scopeSpansOf, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	b = append(b, inner...)
	return append(b, spans...)
}

// A failure is why a post failed: without anything of the address, the fields or the
// collector's answer.
type failure struct {
	what  string
	again bool          // it may be tried again (OTLP, section Failures)
	after time.Duration // the collector wants to be left alone so long
}

// try posts body once. rejected are spans that the collector did not want.
func (e *exporter) try(body []byte) (rejected int64, _ *failure) {
	ctx, cancel := context.WithTimeout(e.ctx, e.cfg.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.cfg.Endpoint, bytes.NewReader(body))
	if err != nil {
		return 0, &failure{what: "the endpoint is no address"}
	}
	for name, value := range e.cfg.Headers {
		r.Header.Set(name, value.Reveal())
	}
	r.Header.Set("Content-Type", "application/x-protobuf")
	r.Header.Set("User-Agent", "warder/"+e.cfg.Version)
	w, err := e.cfg.Client.Do(r)
	if err != nil {
		return 0, &failure{what: causeOf(err), again: true}
	}
	defer w.Body.Close() //nolint:errcheck // read only
	answer, err := io.ReadAll(io.LimitReader(w.Body, maxAnswer))
	if w.StatusCode/100 != 2 {
		f := &failure{what: "the collector answered " + strconv.Itoa(w.StatusCode)}
		switch w.StatusCode {
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			f.again, f.after = true, retryAfter(w.Header.Get("Retry-After"))
		}
		return 0, f
	}
	if err != nil {
		return 0, nil // it has the spans
	}
	return rejectedOf(answer), nil
}

// causeOf is what err says without the address, in which there may be a secret, and
// without what was answered, which may be the credential that was sent: net/http quotes
// an answer that it cannot read.
func causeOf(err error) string {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	var network net.Error
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &network), errors.As(err, &certificate), errors.Is(err, outgoing.ErrAddress), errors.Is(err, outgoing.ErrPlain), errors.Is(err, outgoing.ErrRedirect):
		return err.Error()
	default:
		return "the connection broke, or what answers there is no HTTP"
	}
}

func retryAfter(text string) time.Duration {
	seconds, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// rejectedOf reads ExportTraceServiceResponse.partial_success.rejected_spans; 0 for
// none, and for an answer that is none.
func rejectedOf(answer []byte) (rejected int64) {
	const partialSuccess, rejectedSpans = 1, 1
	partial := field(answer, partialSuccess, protowire.BytesType)
	inner, n := protowire.ConsumeBytes(partial)
	if n < 0 {
		return 0
	}
	count, n := protowire.ConsumeVarint(field(inner, rejectedSpans, protowire.VarintType))
	if n < 0 {
		return 0
	}
	return int64(count) //nolint:gosec // protobuf's form of int64
}

// field returns message from the value of its first field with this number and type;
// nil for none.
func field(message []byte, number protowire.Number, kind protowire.Type) []byte {
	for len(message) > 0 {
		found, is, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil
		}
		message = message[n:]
		if found == number && is == kind {
			return message
		}
		if n = protowire.ConsumeFieldValue(found, is, message); n < 0 {
			return nil
		}
		message = message[n:]
	}
	return nil
}

// tell logs that the collector is away, once until it is back.
func (e *exporter) tell(f *failure) {
	if !e.away {
		e.cfg.Log.Warn("spans cannot be posted: they are kept for a while, then dropped", slog.String("error", f.what))
	}
	e.away = true
}

// told logs that it is back, and what it did not want.
func (e *exporter) told(rejected int64) {
	if e.away {
		e.cfg.Log.Info("spans are posted again", slog.Uint64("dropped", e.dropped.Load()))
	}
	if rejected > 0 {
		e.cfg.Log.Warn("the collector did not take some spans", slog.Int64("rejected", rejected))
	}
	e.away = false
}
