package upstream

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/warder-dev/warder/exchange"
)

// longAnswer is after what time an answer of unknown length is a stream, and a body:
// a page or a file that its client may finish is shorter.
const longAnswer = time.Minute

// An ending is why a stream was cut: a word for the log.
type ending struct{ reason string }

func (e *ending) Error() string { return "upstream: stream cut: " + e.reason }

var errTooOld = &ending{reason: "stream-too-old"}

// guard watches over a stream from now on, or after a while: it is cut when its
// sender loses the right to it, and when it is too old.
func (f *flight) guard(after time.Duration) (stop func()) {
	if f.guarded {
		return func() {}
	}
	f.guarded = after == 0
	var stops []func()
	if f.u.maxAge > 0 {
		timer := time.AfterFunc(max(f.u.maxAge-time.Since(f.x.Start), 0), func() { f.end(errTooOld) })
		stops = append(stops, func() { timer.Stop() })
	}
	if f.u.recheck != nil && !f.x.Principal.IsZero() {
		stops = append(stops, f.watch(after))
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// guardBody watches over a body, whose answer may not begin before its end: that of a
// call is a stream, and so is another one of unknown length that takes long.
func (f *flight) guardBody(r *http.Request) (stop func()) {
	switch {
	case isStream(r.Header):
		return f.guard(0)
	case r.ContentLength < 0 && f.u.recheck != nil && !f.x.Principal.IsZero():
		return f.watch(longAnswer)
	default:
		return func() {}
	}
}

// watch begins to ask after a while. What it started is stopped by the end of the
// flight's context too.
func (f *flight) watch(after time.Duration) (stop func()) {
	start := func() {
		_ = exchange.Watch(f.ctx, func(ctx context.Context) exchange.Verdict { return f.u.recheck(ctx, f.x) }, f.lost)
	}
	if after == 0 {
		start()
		return func() {}
	}
	timer := time.AfterFunc(after, start)
	return func() { timer.Stop() }
}

// lost cuts the stream.
func (f *flight) lost(v exchange.Verdict) {
	f.end(&ending{reason: "stream-" + v.Reason()})
}

// end cuts the stream on both sides: the transport gives no answer before the Read of
// the body that is under way has returned, which a client that sends nothing would have
// wait for as long as a body may pause.
func (f *flight) end(why *ending) {
	f.cancel(why)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.body != nil && !f.over {
		f.body.interrupt(f.rc)
	}
}

// land keeps end from touching the connection, which goes on to another request.
func (f *flight) land() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
}

// ended is why the stream was cut from our side; "" when it was not.
func (f *flight) ended() string {
	if e, ok := errors.AsType[*ending](context.Cause(f.ctx)); ok {
		return e.reason
	}
	return ""
}

// isStream reports whether an answer is made to last.
func isStream(h http.Header) bool {
	return isEventStream(h) || strings.HasPrefix(strings.ToLower(strings.TrimSpace(h.Get("Content-Type"))), "application/grpc")
}
