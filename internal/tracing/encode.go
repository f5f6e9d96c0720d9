package tracing

import (
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/warder-dev/warder/accesslog"
	"github.com/warder-dev/warder/exchange"
)

// Numbers of fields in opentelemetry/proto/trace/v1/trace.proto, and in those of
// common and resource.
const (
	requestSpans = 1 // ExportTraceServiceRequest.resource_spans

	resourceOf   = 1 // ResourceSpans.resource
	scopeSpansOf = 2 // ResourceSpans.scope_spans
	attributesOf = 1 // Resource.attributes
	scopeOf      = 1 // ScopeSpans.scope
	spansOf      = 2 // ScopeSpans.spans
	scopeName    = 1 // InstrumentationScope.name
	scopeVersion = 2 // InstrumentationScope.version

	spanTrace      = 1  // Span.trace_id
	spanID         = 2  // Span.span_id
	spanState      = 3  // Span.trace_state
	spanParent     = 4  // Span.parent_span_id
	spanName       = 5  // Span.name
	spanKind       = 6  // Span.kind
	spanStart      = 7  // Span.start_time_unix_nano
	spanEnd        = 8  // Span.end_time_unix_nano
	spanAttributes = 9  // Span.attributes
	spanStatus     = 15 // Span.status
	spanFlags      = 16 // Span.flags

	statusCode  = 3 // Status.code
	statusError = 2 // Status.STATUS_CODE_ERROR

	keyOf   = 1 // KeyValue.key
	valueOf = 2 // KeyValue.value
	textIn  = 1 // AnyValue.string_value
	intIn   = 3 // AnyValue.int_value
)

// Kinds of spans.
const (
	kindInternal = 1
	kindServer   = 2
	kindClient   = 3
)

// Bits of Span.flags beside those of W3C: whether it is known that the parent is
// elsewhere, and whether it is.
const (
	flagKnowsRemote = 1 << 8
	flagRemote      = 1 << 9
)

// A scratch is what spans are written into before they are queued.
type scratch struct{ span, value, all []byte }

func newScratch() *sync.Pool { return &sync.Pool{New: func() any { return new(scratch) }} }

// text adds an attribute of the span, unless it is empty.
func (s *scratch) text(key, value string) { s.textOf(spanAttributes, key, value) }

// textOf adds an attribute as the field with this number.
func (s *scratch) textOf(field protowire.Number, key, value string) {
	if value == "" {
		return
	}
	if !utf8.ValidString(value) {
		value = strings.ToValidUTF8(value, "?")
	}
	s.value = protowire.AppendTag(s.value[:0], textIn, protowire.BytesType)
	s.value = protowire.AppendString(s.value, value)
	s.attribute(field, key)
}

func (s *scratch) int(key string, value int64) {
	s.value = protowire.AppendTag(s.value[:0], intIn, protowire.VarintType)
	s.value = protowire.AppendVarint(s.value, uint64(value)) //nolint:gosec // protobuf's form of int64
	s.attribute(spanAttributes, key)
}

// attribute adds key with the AnyValue in s.value.
func (s *scratch) attribute(field protowire.Number, key string) {
	size := protowire.SizeTag(keyOf) + protowire.SizeBytes(len(key)) + protowire.SizeTag(valueOf) + protowire.SizeBytes(len(s.value))
	s.span = protowire.AppendTag(s.span, field, protowire.BytesType)
	s.span = protowire.AppendVarint(s.span, uint64(size)) //nolint:gosec // a length
	s.span = protowire.AppendTag(s.span, keyOf, protowire.BytesType)
	s.span = protowire.AppendString(s.span, key)
	s.span = protowire.AppendTag(s.span, valueOf, protowire.BytesType)
	s.span = protowire.AppendBytes(s.span, s.value)
}

// identity begins a span.
func (s *scratch) identity(trace, id, parent []byte, name string, kind uint64, begin, end int64) {
	s.span = s.span[:0]
	s.bytes(spanTrace, trace)
	s.bytes(spanID, id)
	s.bytes(spanParent, parent)
	s.span = protowire.AppendTag(s.span, spanName, protowire.BytesType)
	s.span = protowire.AppendString(s.span, name)
	s.span = protowire.AppendTag(s.span, spanKind, protowire.VarintType)
	s.span = protowire.AppendVarint(s.span, kind)
	s.span = protowire.AppendTag(s.span, spanStart, protowire.Fixed64Type)
	s.span = protowire.AppendFixed64(s.span, uint64(begin)) //nolint:gosec // nanoseconds since 1970
	s.span = protowire.AppendTag(s.span, spanEnd, protowire.Fixed64Type)
	s.span = protowire.AppendFixed64(s.span, uint64(end)) //nolint:gosec // the same
}

func (s *scratch) bytes(field protowire.Number, b []byte) {
	if len(b) > 0 {
		s.span = protowire.AppendTag(s.span, field, protowire.BytesType)
		s.span = protowire.AppendBytes(s.span, b)
	}
}

func (s *scratch) error() {
	s.span = protowire.AppendTag(s.span, spanStatus, protowire.BytesType)
	s.span = protowire.AppendBytes(s.span, protowire.AppendVarint(protowire.AppendTag(nil, statusCode, protowire.VarintType), statusError))
}

func (s *scratch) flags(remote, known bool) {
	flags := uint32(flagSampled)
	if known {
		flags |= flagKnowsRemote
	}
	if remote {
		flags |= flagRemote
	}
	s.span = protowire.AppendTag(s.span, spanFlags, protowire.Fixed32Type)
	s.span = protowire.AppendFixed32(s.span, flags)
}

// finish adds the span to all.
func (s *scratch) finish() {
	s.all = protowire.AppendTag(s.all, spansOf, protowire.BytesType)
	s.all = protowire.AppendBytes(s.all, s.span)
}

// A told is one request that is written.
type told struct {
	*scratch

	tracer *Tracer
	front  string
	own    *parent
	x      *exchange.Exchange
	o      *exchange.Outcome
	facts  accesslog.Facts
	method string
	failed string // what went wrong on this side; "" for nothing
}

// record queues the spans of x: its own, and one for each of its steps.
func (t *Tracer) record(stage *Stage, x *exchange.Exchange, o exchange.Outcome) {
	own := readParent(x.Span.Parent)
	if own == nil { // only what begin wrote is there
		return
	}
	s, _ := t.exporter.scratch.Get().(*scratch)
	s.all = s.all[:0]
	w := told{scratch: s, tracer: t, front: stage.front, own: own, x: x, o: &o, facts: accesslog.FactsOf(x, &o, t.cfg.Path), failed: failureOf(&o)}
	w.method = w.facts.Method
	if w.method == "other" || w.method == "invalid" {
		w.method = "_OTHER"
	}
	w.request()
	steps := x.Span.Timeline.Steps()
	for i := range steps {
		w.step(&steps[i])
	}
	t.exporter.add(s.all, 1+len(steps))
	t.exporter.scratch.Put(s)
}

// request writes the span of the request itself, by OpenTelemetry's semantic
// conventions for HTTP servers.
func (w *told) request() {
	x, o, f := w.x, w.o, &w.facts
	route := routeOf(f.Route)
	name := w.method
	if name == "_OTHER" {
		name = "HTTP"
	}
	if route != "" {
		name += " " + route
	}
	above, _ := hex.DecodeString(x.Span.Timeline.Above) // which is empty, or what begin wrote
	kind := uint64(kindServer)
	if len(above) > 0 && !x.Span.Timeline.Remote {
		kind = kindInternal
	}
	begin := x.Start.UnixNano()
	w.identity(w.own.trace[:], w.own.span[:], above, name, kind, begin, begin+o.Duration.Nanoseconds())
	w.bytes(spanState, []byte(x.Span.State))
	w.text("http.request.method", w.method)
	w.text("url.scheme", x.Scheme)
	w.text("url.path", f.Path)
	w.text("http.route", route)
	if o.Status > 0 {
		w.int("http.response.status_code", int64(o.Status))
	}
	w.text("server.address", f.Host)
	if port, err := strconv.ParseUint(x.Port, 10, 16); err == nil {
		w.int("server.port", int64(port))
	}
	w.text("client.address", f.Client)
	w.text("network.protocol.version", versionOf(f.Proto))
	w.text("warder.front", w.front)
	w.text("warder.request_id", f.ID)
	w.text("warder.outcome", o.Trace.Verdict.Kind().String())
	w.text("warder.stage", f.Stage)
	w.text("warder.key_id", f.KeyID)
	if n := x.Charge.Cost; n > 0 {
		w.int("warder.credits", n)
	}
	w.why()
	w.flags(x.Span.Timeline.Remote, len(above) > 0)
	w.finish()
}

// step writes the span of one step.
func (w *told) step(step *exchange.TimeStep) {
	begin, end := w.x.Start.UnixNano(), step.End
	if end == 0 { // a panic left it open
		end = w.o.Duration
	}
	kind, id, last := uint64(kindInternal), w.tracer.ids.span(), w.o.Trace.Stage == step.Name
	if step.Name == "upstream" {
		kind, last = kindClient, w.o.Trace.Stage == ""
		if next := readParent(w.x.Span.Timeline.Forward); next != nil {
			id = next.span
		}
	}
	w.identity(w.own.trace[:], id[:], w.own.span[:], stepName(step.Name), kind, begin+step.Begin.Nanoseconds(), begin+end.Nanoseconds())
	if kind == kindClient {
		w.text("http.request.method", w.method)
		w.text("warder.upstream", step.Detail)
	} else {
		w.text("warder.stage", step.Name)
		w.text("warder.code", step.Detail)
	}
	if last {
		w.why()
	}
	w.flags(false, true)
	w.finish()
}

// why writes why the client did not get the upstream's answer, on the request's span
// and on that of the step that had the last word.
func (w *told) why() {
	w.text("warder.reason", w.facts.Reason)
	w.text("warder.problem", string(w.o.Problem))
	if w.failed != "" {
		w.text("error.type", w.failed)
		w.error()
	}
}

// failureOf names what went wrong on this side; "" for nothing, such as a refusal.
func failureOf(o *exchange.Outcome) string {
	switch {
	case o.Status >= http.StatusInternalServerError && o.Problem != "":
		return string(o.Problem)
	case o.Status >= http.StatusInternalServerError:
		return strconv.Itoa(o.Status)
	case o.Aborted:
		return "aborted"
	default:
		return ""
	}
}

// routeOf is the path of a pattern: "[METHOD ][HOST]/PATH".
func routeOf(pattern string) string {
	if i := strings.IndexByte(pattern, '/'); i >= 0 {
		return pattern[i:]
	}
	return ""
}

// versionOf is the version of a protocol as the conventions write it.
func versionOf(proto string) string {
	switch proto {
	case "HTTP/2.0":
		return "2"
	case "HTTP/3.0":
		return "3"
	default:
		return strings.TrimPrefix(proto, "HTTP/")
	}
}

// stepName is what the span of a stage is called.
func stepName(stage string) string {
	switch stage {
	case "authn":
		return "authenticate"
	case "authz":
		return "authorize"
	case "addresslimit", "concurrency", "principallimit", "credit":
		return "limit"
	default:
		return stage // upstream, validate
	}
}
