package tracing_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/testotlp"
	"github.com/warder-dev/warder/internal/tracing"
	"github.com/warder-dev/warder/problem"
)

const (
	trace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	caller = "00f067aa0ba902b7"
	parent = "00-" + trace + "-" + caller + "-01"
)

func newTracer(tb testing.TB, cfg tracing.Config) *tracing.Tracer {
	tb.Helper()
	if cfg.Client == nil {
		cfg.Client = &http.Client{}
	}
	if cfg.Endpoint == "" {
		cfg.Endpoint = "http://127.0.0.1:9/v1/traces"
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Minute
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.Service, cfg.Version = "warder", "test"
	t, err := tracing.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// exchangeOf is a request as forwarded leaves it, from a peer.
func exchangeOf(peer string, fields ...string) *exchange.Exchange {
	r := httptest.NewRequest(http.MethodGet, "/orders/7?k=v", http.NoBody)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	x := exchange.New(r)
	if peer != "" {
		x.Peer = netip.MustParseAddrPort(peer)
	}
	return x
}

// wellFormed reports whether text is a traceparent of version 00.
func wellFormed(text string) bool {
	parts := strings.Split(text, "-")
	if len(parts) != 4 || parts[0] != "00" || len(parts[1]) != 32 || len(parts[2]) != 16 || strings.Trim(strings.Join(parts, ""), "0123456789abcdef") != "" {
		return false
	}
	return strings.Trim(parts[1], "0") != "" && strings.Trim(parts[2], "0") != "" && (parts[3] == "00" || parts[3] == "01")
}

func TestWhoIsBelieved(t *testing.T) {
	const listed, stranger = "10.1.2.3:5", "192.0.2.7:5"
	long := strings.Repeat("a", 1024)
	tests := []struct {
		name, peer string
		fields     []string
		followed   bool
		state      string
	}{
		{"a listed peer", listed, []string{"Traceparent", parent}, true, ""},
		{"a listed peer over IPv6", "[::ffff:10.1.2.3]:5", []string{"Traceparent", parent}, true, ""},
		{"a Unix socket", "", []string{"Traceparent", parent}, true, ""},
		{"a stranger", stranger, []string{"Traceparent", parent, "Tracestate", "a=b"}, false, ""},
		{"a listed peer with a state", listed, []string{"Traceparent", parent, "Tracestate", "a=b", "Tracestate", "c=d"}, true, "a=b,c=d"},
		{"a state that is too long", listed, []string{"Traceparent", parent, "Tracestate", "a=" + long}, true, ""},
		{"a state with a control", listed, []string{"Traceparent", parent, "Tracestate", "a=\x1b[m"}, true, ""},
		{"a later version", listed, []string{"Traceparent", "cc" + parent[2:] + "-what-comes"}, true, ""},
		{"version ff", listed, []string{"Traceparent", "ff" + parent[2:]}, false, ""},
		{"more behind version 00", listed, []string{"Traceparent", parent + "-x"}, false, ""},
		{"upper case", listed, []string{"Traceparent", strings.ToUpper(parent)}, false, ""},
		{"no trace", listed, []string{"Traceparent", "00-" + strings.Repeat("0", 32) + "-" + caller + "-01"}, false, ""},
		{"no parent", listed, []string{"Traceparent", "00-" + trace + "-" + strings.Repeat("0", 16) + "-01"}, false, ""},
		{"twice", listed, []string{"Traceparent", parent, "Traceparent", parent}, false, ""},
		{"1 KiB", listed, []string{"Traceparent", long}, false, ""},
		{"1 KiB of a later version", listed, []string{"Traceparent", "cc" + parent[2:] + "-" + long}, false, ""},
		{"a control", listed, []string{"Traceparent", parent[:40] + "\x1b" + parent[41:]}, false, ""},
		{"empty", listed, []string{"Traceparent", ""}, false, ""},
		{"none", listed, nil, false, ""},
	}
	tracer := newTracer(t, tracing.Config{Ratio: 1, Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, TrustUnixSocket: true})
	t.Cleanup(func() { _ = tracer.Close() })
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := exchangeOf(tt.peer, tt.fields...)
			if v := tracer.Stage("test").Check(x); !v.Passed() {
				t.Fatalf("the stage does not pass: %v", v.Kind())
			}
			own, next := x.Span.Parent, x.Span.Forward()
			if !wellFormed(own) || !wellFormed(next) || own == next || own[3:35] != next[3:35] {
				t.Fatalf("traceparent %q, and %q for the upstream", own, next)
			}
			if followed := x.Span.TraceID() == trace; followed != tt.followed {
				t.Errorf("the trace is %s, followed want %v", x.Span.TraceID(), tt.followed)
			}
			if x.Span.State != tt.state {
				t.Errorf("tracestate %q, want %q", x.Span.State, tt.state)
			}
			if strings.Contains(own+next, caller) {
				t.Errorf("the caller's span is passed on: %q, %q", own, next)
			}
		})
	}
}

func TestWhatIsRecorded(t *testing.T) {
	listed := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	notRecorded := parent[:len(parent)-1] + "0"
	low, high := "00-"+trace[:18]+"00000000000001-"+caller+"-", "00-"+trace[:18]+"ffffffffffffff-"+caller+"-"
	tests := []struct {
		name   string
		cfg    tracing.Config
		parent string
		want   bool
	}{
		{"every trace", tracing.Config{Ratio: 1}, "", true},
		{"no trace", tracing.Config{Ratio: 0}, "", false},
		{"the parent is recorded", tracing.Config{Ratio: 0}, parent, true},
		{"the parent is not", tracing.Config{Ratio: 1}, notRecorded, false},
		{"the parent does not matter", tracing.Config{Ratio: 0, IgnoreParent: true}, parent, false},
		{"the parent does not matter, all", tracing.Config{Ratio: 1, IgnoreParent: true}, notRecorded, true},
		{"half of them, by the id", tracing.Config{Ratio: 0.5, IgnoreParent: true}, low + "00", true},
		{"the other half", tracing.Config{Ratio: 0.5, IgnoreParent: true}, high + "01", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.Trusted = listed
			tracer := newTracer(t, tt.cfg)
			t.Cleanup(func() { _ = tracer.Close() })
			x := exchangeOf("10.1.2.3:5")
			if tt.parent != "" {
				x.Request.Header.Set("Traceparent", tt.parent)
			}
			tracer.Stage("test").Check(x)
			if got := x.Span.Timeline != nil; got != tt.want || strings.HasSuffix(x.Span.Forward(), "01") != tt.want {
				t.Errorf("recorded %v, upstream is told %q, want %v", got, x.Span.Forward(), tt.want)
			}
		})
	}
}

// TestTheRatioHolds counts: 10,000 traces of which a tenth is recorded, give or take
// ten standard deviations.
func TestTheRatioHolds(t *testing.T) {
	tracer := newTracer(t, tracing.Config{Ratio: 0.1})
	t.Cleanup(func() { _ = tracer.Close() })
	stage, recorded, seen := tracer.Stage("test"), 0, map[string]bool{}
	for range 10_000 {
		x := exchangeOf("192.0.2.7:5")
		stage.Check(x)
		if x.Span.Timeline != nil {
			recorded++
		}
		if seen[x.Span.TraceID()] {
			t.Fatal("a trace's id came twice")
		}
		seen[x.Span.TraceID()] = true
	}
	if recorded < 700 || recorded > 1300 {
		t.Errorf("%d of 10,000 are recorded, want about 1,000", recorded)
	}
}

func TestDryRunsLeaveNoTrace(t *testing.T) {
	collector := testotlp.Start(t)
	tracer := newTracer(t, tracing.Config{Endpoint: collector.URL, Ratio: 1})
	stage := tracer.Stage("test")
	x := exchangeOf("192.0.2.7:5")
	x.Dry = true
	stage.Check(x)
	stage.Done(x, exchange.Outcome{Status: 200})
	other := exchangeOf("192.0.2.7:5")
	only := stage.Only(func(*exchange.Exchange) bool { return false })
	only.Check(other)
	only.Done(other, exchange.Outcome{Status: 200})
	if err := tracer.Close(); err != nil {
		t.Fatal(err)
	}
	if x.Span.Parent != "" || other.Span.Parent != "" || len(collector.Spans()) > 0 {
		t.Errorf("%q, %q and %d spans, want nothing", x.Span.Parent, other.Span.Parent, len(collector.Spans()))
	}
}

// do sends one request through a stage that refuses with p; nil passes it.
func do(stage *tracing.Stage, x *exchange.Exchange, p *problem.Problem) exchange.Outcome {
	stage.Check(x)
	step := x.Span.Timeline.Start("authn", "")
	x.Span.Timeline.Stop(step)
	o := exchange.Outcome{Status: 200, Duration: time.Since(x.Start), Trace: exchange.Trace{Verdict: exchange.Pass()}}
	if p != nil {
		o.Trace = exchange.Trace{Verdict: exchange.Refuse(p, "revoked"), Stage: "authn"}
		o.Status, o.Reason, o.Problem = p.Type.Status(), "revoked", p.Type
	} else {
		step := x.Span.Timeline.Start("upstream", "api")
		x.Span.Timeline.Stop(step)
	}
	stage.Done(x, o)
	return o
}

func TestSpans(t *testing.T) {
	collector := testotlp.Start(t)
	tracer := newTracer(t, tracing.Config{Endpoint: collector.URL, Ratio: 1, Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	stage := tracer.Stage("gateway")
	passed := exchangeOf("10.1.2.3:5", "Traceparent", parent, "Tracestate", "a=b", "User-Agent", "hunter2", "Authorization", "Bearer hunter2")
	passed.ID, passed.Scheme, passed.Host, passed.Port, passed.Path, passed.Route = "01J", "https", "api.example.com", "8443", "/orders/7", "GET api.example.com/orders/{id}"
	passed.Client, passed.Principal = netip.MustParseAddr("192.0.2.7"), exchange.Principal{Issuer: "warder", Subject: "k", KeyID: "7HqLk2mVxWcP"}
	do(stage, passed, nil)
	refused := exchangeOf("192.0.2.7:5")
	refused.Claim = "7HqLk2mVxWcP"
	do(stage, refused, problem.New(problem.Unauthorized, ""))
	failed := exchangeOf("192.0.2.7:5")
	do(stage, failed, problem.New(problem.Unavailable, ""))
	if err := tracer.Close(); err != nil {
		t.Fatal(err)
	}
	spans := collector.Spans()
	names := make([]string, len(spans))
	for i, s := range spans {
		names[i] = s.Name
	}
	if want := []string{"GET /orders/{id}", "authenticate", "upstream", "GET", "authenticate", "GET", "authenticate"}; !slices.Equal(names, want) {
		t.Fatalf("spans %q, want %q", names, want)
	}
	root, authenticate, up := spans[0], spans[1], spans[2]
	if root.Trace != trace || root.Parent != caller || root.State != "a=b" || root.Kind != 2 || root.Flags != 0x301 || root.Failed {
		t.Errorf("the request's span: %+v", root)
	}
	if authenticate.Parent != root.ID || authenticate.Trace != trace || authenticate.Kind != 1 || up.Parent != root.ID || up.Kind != 3 {
		t.Errorf("its steps: %+v, %+v", authenticate, up)
	}
	if forward := passed.Span.Forward(); forward != "00-"+trace+"-"+up.ID+"-01" {
		t.Errorf("the upstream was told %q, and the span that asks it is %s", forward, up.ID)
	}
	for key, want := range map[string]string{
		"http.request.method": "GET", "url.scheme": "https", "url.path": "/orders/7", "http.route": "/orders/{id}", "server.address": "api.example.com", "client.address": "192.0.2.7",
		"network.protocol.version": "1.1", "warder.front": "gateway", "warder.request_id": "01J", "warder.outcome": "passed", "warder.key_id": "7HqLk2mVxWcP",
	} {
		if got := root.Text[key]; got != want {
			t.Errorf("%s = %q, want %q", key, got, want)
		}
	}
	if root.Int["http.response.status_code"] != 200 || root.Int["server.port"] != 8443 || up.Text["warder.upstream"] != "api" {
		t.Errorf("numbers %v, upstream %v", root.Int, up.Text)
	}
	if s := spans[3]; s.Text["warder.problem"] != "unauthorized" || s.Text["warder.reason"] != "revoked" || s.Text["warder.stage"] != "authn" || s.Failed || s.Parent != "" || s.Text["warder.key_id"] != "7HqLk2mVxWcP" {
		t.Errorf("a refusal: %+v", s)
	}
	if s := spans[4]; s.Text["warder.problem"] != "unauthorized" || s.Failed {
		t.Errorf("the step that refused: %+v", s)
	}
	if s := spans[5]; !s.Failed || s.Text["error.type"] != "unavailable" || s.Int["http.response.status_code"] != 503 || !spans[6].Failed {
		t.Errorf("a failure: %+v, %+v", s, spans[6])
	}
	if got := collector.Resource(); got["service.name"] != "warder" || got["service.version"] != "test" || got["service.instance.id"] == "" {
		t.Errorf("resource %v", got)
	}
	if got := tracer.Counts(); got != (tracing.Counts{Sent: 7}) {
		t.Errorf("counts %+v, want 7 sent", got)
	}
}

func TestQuestionsAreHeard(t *testing.T) {
	tracer := newTracer(t, tracing.Config{Ratio: 1, Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	t.Cleanup(func() { _ = tracer.Close() })
	ask := func(remote string, fields ...string) *exchange.Exchange {
		var x *exchange.Exchange
		h := tracer.Hear(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			judged := httptest.NewRequest(http.MethodGet, "/", http.NoBody).WithContext(r.Context())
			judged.Header.Set("Traceparent", "00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-01") // the client's own
			x = exchange.New(judged)
			x.Peer = netip.MustParseAddrPort("10.9.9.9:1") // the client
			tracer.Asked("decision").Check(x)              //nolint:contextcheck // the exchange has it
		}))
		r := httptest.NewRequest(http.MethodGet, "/authz", http.NoBody)
		r.RemoteAddr = remote
		for i := 0; i < len(fields); i += 2 {
			r.Header.Add(fields[i], fields[i+1])
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
		return x
	}
	if got := ask("10.1.2.3:5", "Traceparent", parent).Span.TraceID(); got != trace {
		t.Errorf("of a listed proxy: %s, want %s", got, trace)
	}
	for name, x := range map[string]*exchange.Exchange{"a stranger": ask("192.0.2.7:5", "Traceparent", parent), "no parent": ask("10.1.2.3:5"), "a wrong one": ask("10.1.2.3:5", "Traceparent", "x")} {
		if got := x.Span.TraceID(); got == trace || strings.HasPrefix(got, "ffff") || len(got) != 32 {
			t.Errorf("%s: the trace is %q, want a new one", name, got)
		}
	}
}

func TestWithin(t *testing.T) {
	collector := testotlp.Start(t)
	tracer := newTracer(t, tracing.Config{Endpoint: collector.URL, Ratio: 1})
	outer, inner := tracer.Stage("verify"), tracer.Asked("verify")
	x := exchangeOf("192.0.2.7:5")
	outer.Check(x)
	judged := httptest.NewRequest(http.MethodGet, "/", http.NoBody).WithContext(tracing.Within(context.WithoutCancel(t.Context()), x))
	y := exchange.New(judged)
	inner.Check(y)
	inner.Done(y, exchange.Outcome{Status: 200})
	outer.Done(x, exchange.Outcome{Status: 200})
	if err := tracer.Close(); err != nil {
		t.Fatal(err)
	}
	spans := collector.Spans()
	if len(spans) != 2 || spans[0].Parent != spans[1].ID || spans[0].Kind != 1 || spans[0].Flags != 0x101 || spans[1].Kind != 2 || spans[0].Trace != spans[1].Trace {
		t.Errorf("spans %+v", spans)
	}
	if ctx := t.Context(); tracing.Within(ctx, nil) != ctx || tracing.Within(ctx, exchangeOf("")) != ctx {
		t.Error("what is not traced has a parent")
	}
}

// TestWhatIsNotRecordedCostsNothing: ids come in batches.
func TestWhatIsNotRecordedCostsNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool drops at random under the race detector")
	}
	tracer := newTracer(t, tracing.Config{Ratio: 0})
	t.Cleanup(func() { _ = tracer.Close() })
	stage, x := tracer.Stage("test"), exchangeOf("192.0.2.7:5", "Traceparent", parent)
	o := exchange.Outcome{Status: 200}
	if got := testing.AllocsPerRun(3000, func() {
		x.Span = exchange.Span{}
		stage.Check(x)
		stage.Done(x, o)
	}); got != 0 {
		t.Errorf("a request that is not recorded allocates %v times, want 0", got)
	}
}

func TestNewReportsEverything(t *testing.T) {
	_, err := tracing.New(tracing.Config{Ratio: 2})
	for _, want := range []string{"Endpoint", "Client", "Service", "Log", "Timeout", "Ratio"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s in it", err, want)
		}
	}
}

func BenchmarkStage(b *testing.B) {
	for name, ratio := range map[string]float64{"left out": 0, "recorded": 1} {
		b.Run(name, func(b *testing.B) {
			tracer := newTracer(b, tracing.Config{Ratio: ratio, Client: &http.Client{Transport: swallow{}}})
			b.Cleanup(func() { _ = tracer.Close() })
			stage, x := tracer.Stage("test"), exchangeOf("192.0.2.7:5")
			x.Path, x.Host, x.Scheme, x.Client = "/orders/7", "api.example.com", "https", netip.MustParseAddr("192.0.2.7")
			b.ReportAllocs()
			for b.Loop() {
				x.Span = exchange.Span{}
				do(stage, x, nil)
			}
		})
	}
}
