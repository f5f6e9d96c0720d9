// Package otlp_test reads what package tracing posts by the protocol's own package,
// and what it takes for a parent by OpenTelemetry's.
package otlp_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/tracing"
	"github.com/warder-dev/warder/problem"
)

const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// newTracer returns a Tracer that believes everybody and posts to collector.
func newTracer(t *testing.T, endpoint string) *tracing.Tracer {
	t.Helper()
	tracer, err := tracing.New(tracing.Config{
		Endpoint: endpoint, Client: &http.Client{}, Timeout: time.Minute, Ratio: 1, Trusted: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")},
		Service: "warder", Version: "1.2.3", Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return tracer
}

func exchangeWith(fields http.Header) *exchange.Exchange {
	r := httptest.NewRequest(http.MethodGet, "/orders/7", http.NoBody)
	r.Header = fields
	x := exchange.New(r)
	x.Peer = netip.MustParseAddrPort("192.0.2.7:5")
	return x
}

// TestThePostIsOTLP: every field is known to the protocol, and holds what it says.
func TestThePostIsOTLP(t *testing.T) {
	posts := make(chan []byte, 1)
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("a post of %q: %v", r.Header.Get("Content-Type"), err)
		}
		posts <- body
		answer, err := proto.Marshal(&collectorpb.ExportTraceServiceResponse{PartialSuccess: &collectorpb.ExportTracePartialSuccess{RejectedSpans: 1, ErrorMessage: "one is too old"}})
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(answer)
	}))
	t.Cleanup(collector.Close)
	tracer := newTracer(t, collector.URL)
	stage := tracer.Stage("gateway")
	x := exchangeWith(http.Header{"Traceparent": {parent}, "Tracestate": {"a=b"}})
	x.Route, x.Host, x.Scheme, x.Path = "GET /orders/{id}", "api.example.com", "https", "/orders/7"
	stage.Check(x)
	step := x.Span.Timeline.Start("upstream", "api")
	x.Span.Timeline.Stop(step)
	stage.Done(x, exchange.Outcome{Status: 502, Problem: problem.UpstreamFailed, Reason: "connect", Duration: time.Since(x.Start), Trace: exchange.Trace{Verdict: exchange.Pass()}})
	if err := tracer.Close(); err == nil {
		t.Error("a span was not taken, and the stop says nothing of it")
	}
	if got := tracer.Counts(); got.Sent != 1 || got.Dropped != 1 {
		t.Errorf("counts %+v, want one sent and one not taken", got)
	}
	var request collectorpb.ExportTraceServiceRequest
	if err := proto.Unmarshal(<-posts, &request); err != nil {
		t.Fatal(err)
	}
	wantKnown(t, &request)
	resources := request.GetResourceSpans()
	if len(resources) != 1 || len(resources[0].GetScopeSpans()) != 1 {
		t.Fatalf("%v", &request)
	}
	scope := resources[0].GetScopeSpans()[0]
	if scope.GetScope().GetName() == "" || scope.GetScope().GetVersion() != "1.2.3" || len(scope.GetSpans()) != 2 {
		t.Fatalf("%v", scope)
	}
	root, up := scope.GetSpans()[0], scope.GetSpans()[1]
	if root.GetKind() != tracepb.Span_SPAN_KIND_SERVER || up.GetKind() != tracepb.Span_SPAN_KIND_CLIENT || root.GetStatus().GetCode() != tracepb.Status_STATUS_CODE_ERROR ||
		root.GetTraceState() != "a=b" || string(up.GetParentSpanId()) != string(root.GetSpanId()) || string(up.GetTraceId()) != string(root.GetTraceId()) {
		t.Errorf("%v", scope)
	}
	const remote = uint32(tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK | tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK)
	if root.GetFlags() != remote|1 {
		t.Errorf("flags %x", root.GetFlags())
	}
	if at := time.Unix(0, int64(root.GetStartTimeUnixNano())); time.Since(at) > time.Hour || root.GetEndTimeUnixNano() < up.GetEndTimeUnixNano() {
		t.Errorf("times %v", root)
	}
	for _, a := range root.GetAttributes() {
		if a.GetKey() == "http.response.status_code" && a.GetValue().GetIntValue() == 502 {
			return
		}
	}
	t.Errorf("no status in %v", root.GetAttributes())
}

// wantKnown looks for fields that the protocol does not have.
func wantKnown(t *testing.T, m proto.Message) {
	t.Helper()
	err := protorange.Range(m.ProtoReflect(), func(at protopath.Values) error {
		if message, ok := at.Index(-1).Value.Interface().(protoreflect.Message); ok && len(message.GetUnknown()) > 0 {
			t.Errorf("%s has unknown fields", at.Path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestParentsAsOpenTelemetryReadsThem: what it takes for a parent is taken, what it
// does not is replaced, and it reads what the upstream gets.
func TestParentsAsOpenTelemetryReadsThem(t *testing.T) {
	tracer := newTracer(t, "http://127.0.0.1:9/v1/traces")
	t.Cleanup(func() { _ = tracer.Close() })
	stage, peer := tracer.Stage("gateway"), propagation.TraceContext{}
	texts := []string{
		parent, parent[:53] + "00", parent[:53] + "03", "cc" + parent[2:], "cc" + parent[2:] + "-more", "ff" + parent[2:], parent + "-more", parent + "x", strings.ToUpper(parent), "", "x",
		parent[:54], strings.Replace(parent, "-", "_", 1), "00-" + strings.Repeat("0", 32) + parent[35:], parent[:36] + strings.Repeat("0", 16) + parent[52:], parent[:40] + "g" + parent[41:], " " + parent, parent[:53] + "0g",
	}
	followed := 0
	for _, text := range texts {
		theirs := trace.SpanContextFromContext(peer.Extract(context.WithoutCancel(t.Context()), propagation.HeaderCarrier{"Traceparent": {text}}))
		x := exchangeWith(http.Header{"Traceparent": {text}})
		stage.Check(x)
		ours := x.Span.TraceID() == parent[3:35]
		if ours != theirs.IsValid() {
			t.Errorf("%q: followed %v, OpenTelemetry says %v", text, ours, theirs.IsValid())
		}
		if ours {
			followed++
			if recorded := x.Span.Timeline != nil; recorded != theirs.IsSampled() {
				t.Errorf("%q: recorded %v, OpenTelemetry says %v", text, recorded, theirs.IsSampled())
			}
		}
		next := trace.SpanContextFromContext(peer.Extract(context.WithoutCancel(t.Context()), propagation.HeaderCarrier{"Traceparent": {x.Span.Forward()}}))
		if !next.IsValid() || next.IsSampled() != (x.Span.Timeline != nil) {
			t.Errorf("%q: the upstream gets %q, which OpenTelemetry does not read", text, x.Span.Forward())
		}
	}
	if followed < 3 {
		t.Errorf("%d parents are followed: nothing is shown", followed)
	}
}
