package exchange

import "time"

// A Span is the place of a request in a distributed trace (W3C Trace Context). The
// zero Span is none. The stage that traces sets it; whoever asks somebody else on
// behalf of the request sends Forward and State on.
type Span struct {
	// Parent is the request's own place as the value of traceparent (W3C Trace
	// Context, section 3.2), of version 00; "" when the request is not traced.
	Parent string

	// State is the value of tracestate that came with a parent who is believed; "" for
	// none.
	State string

	// Timeline takes what the request spends its time on; nil when nobody records it.
	Timeline *Timeline
}

// Places in a traceparent of version 00.
const (
	traceIDBegin, traceIDEnd = 3, 35
	traceParentLength        = 55
)

// TraceID returns the 32 hexadecimal digits of the trace, "" for none. It
// allocates nothing.
func (s *Span) TraceID() string {
	if len(s.Parent) != traceParentLength {
		return ""
	}
	return s.Parent[traceIDBegin:traceIDEnd]
}

// Forward is the traceparent for whom the request is forwarded to; "" when the
// request is not traced.
func (s *Span) Forward() string {
	if s.Timeline != nil && s.Timeline.Forward != "" {
		return s.Timeline.Forward
	}
	return s.Parent
}

// maxSteps is how many steps a Timeline has room for: every stage that is worth one,
// and the upstream.
const maxSteps = 12

// A Timeline is what a request that is recorded spent its time on. Like the exchange
// it belongs to the goroutine of the request. The methods of a nil Timeline do nothing.
type Timeline struct {
	// Forward is the traceparent for the upstream, whose parent is the step that asks it.
	Forward string

	// Above is the 16 hexadecimal digits of the parent's id; "" for none. Remote says
	// that the parent is elsewhere.
	Above  string
	Remote bool

	begin time.Time
	steps [maxSteps]TimeStep
	n     int
}

// A TimeStep is one part of a [Timeline].
type TimeStep struct {
	Name       string        // of the stage, as in logs, or "upstream"
	Detail     string        // of the upstream its name in the configuration, of others what came of it; may be empty
	Begin, End time.Duration // from the request's start; End is 0 while the step lasts
}

// NewTimeline returns an empty Timeline of a request that began then.
func NewTimeline(begin time.Time) *Timeline { return &Timeline{begin: begin} }

// Start begins a step, and returns its number for Stop. Beyond some, steps are not
// taken down.
func (t *Timeline) Start(name, detail string) int {
	if t == nil || t.n == maxSteps {
		return maxSteps
	}
	t.steps[t.n] = TimeStep{Name: name, Detail: detail, Begin: time.Since(t.begin)}
	t.n++
	return t.n - 1
}

// Stop ends the step with this number.
func (t *Timeline) Stop(number int) {
	if t != nil && number < t.n {
		t.steps[number].End = max(time.Since(t.begin), 1)
	}
}

// Note says more of the step with this number: a constant word, never request data.
func (t *Timeline) Note(number int, detail string) {
	if t != nil && number < t.n {
		t.steps[number].Detail = detail
	}
}

// Steps returns what was taken down, in the order in which it began. The caller must
// not keep it.
func (t *Timeline) Steps() []TimeStep {
	if t == nil {
		return nil
	}
	return t.steps[:t.n]
}
