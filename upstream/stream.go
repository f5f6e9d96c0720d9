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

// An ending is why a stream was cut: a word for the log, and the status that a client
// of gRPC is told.
type ending struct{ reason, status string }

// The statuses of gRPC that endings have.
const (
	grpcDenied          = "7"  // PERMISSION_DENIED
	grpcUnavailable     = "14" // UNAVAILABLE: ask again
	grpcUnauthenticated = "16" // UNAUTHENTICATED
)

func (e *ending) Error() string { return "upstream: stream cut: " + e.reason }

var errTooOld = &ending{"stream-too-old", grpcUnavailable}

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
	status := grpcUnavailable
	switch p := v.Problem(); {
	case v.Kind() == exchange.Failed || p == nil:
	case p.Type.Status() == http.StatusUnauthorized:
		status = grpcUnauthenticated
	case p.Type.Status() == http.StatusForbidden:
		status = grpcDenied
	}
	f.end(&ending{"stream-" + v.Reason(), status})
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

// ended is why the stream was cut from our side; nil when it was not.
func (f *flight) ended() *ending {
	e, _ := errors.AsType[*ending](context.Cause(f.ctx))
	return e
}

// hangUp ends a stream that was cut from our side. A call of gRPC ends with a status,
// which is no OK: in the trailer, or in the head when there was none yet. Any other
// answer is cut, so that nobody takes it for whole.
func (f *flight) hangUp(why *ending, begun bool) {
	if f.x.Request.ProtoMajor < 2 || !isGRPC(f.x.Request.Header) {
		f.x.Cut(why.reason, nil)
	}
	f.x.End(why.reason)
	h, prefix := f.w.Header(), http.TrailerPrefix
	if !begun {
		h["Content-Type"], prefix = []string{"application/grpc"}, ""
	}
	h[prefix+"Grpc-Status"] = []string{why.status}
	h[prefix+"Grpc-Message"] = []string{"warder ended the call: " + why.reason}
	if !begun {
		f.w.WriteHeader(http.StatusOK)
	}
}

// isStream reports whether an answer is made to last.
func isStream(h http.Header) bool {
	return isEventStream(h) || isGRPC(h)
}

// isGRPC reports whether a message is one of gRPC.
func isGRPC(h http.Header) bool {
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(h.Get("Content-Type"))), "application/grpc")
}
