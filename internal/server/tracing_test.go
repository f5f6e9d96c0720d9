package server_test

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/internal/testotlp"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/secret"
)

// A caller that is believed: this machine, where trusted is given.
const (
	callersTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	callersSpan   = "00f067aa0ba902b7"
	callersParent = "00-" + callersTrace + "-" + callersSpan + "-01"
	trusted       = ", trusted_peers: ['127.0.0.1', '::1']"
)

// traced is the part of a configuration that posts to c.
func traced(c *testotlp.Collector, more string) string {
	return "\ntracing: {endpoint: '" + c.URL + "'" + more + "}\n"
}

// traces stops the program, and returns what it posted: requests in the order in which
// they began, and their steps by the request's span.
func (p *program) traces(t *testing.T, c *testotlp.Collector) (requests []testotlp.Span, steps map[string][]testotlp.Span) {
	t.Helper()
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	steps = map[string][]testotlp.Span{}
	for _, s := range c.Spans() {
		if s.Text["warder.front"] != "" {
			requests = append(requests, s)
			continue
		}
		steps[s.Parent] = append(steps[s.Parent], s)
	}
	slices.SortFunc(requests, func(a, b testotlp.Span) int { return cmp.Compare(a.Start, b.Start) }) // each began when the one before was answered
	return requests, steps
}

func namesOf(spans []testotlp.Span) string {
	names := make([]string, len(spans))
	for i, s := range spans {
		names[i] = s.Name
	}
	return strings.Join(names, " ")
}

// wantSpan compares a request's span, and those below it.
func wantSpan(t *testing.T, s testotlp.Span, steps []testotlp.Span, front, name, problem, stepNames string, status int64) {
	t.Helper()
	if s.Text["warder.front"] != front || s.Name != name || s.Text["warder.problem"] != problem || s.Int["http.response.status_code"] != status {
		t.Errorf("span %q of %q, problem %q, status %d; want %q of %q, %q, %d", s.Name, s.Text["warder.front"], s.Text["warder.problem"], s.Int["http.response.status_code"], name, front, problem, status)
	}
	if got := namesOf(steps); got != stepNames {
		t.Errorf("%s: steps %q, want %q", name, got, stepNames)
	}
	for _, step := range steps {
		if step.Trace != s.Trace || step.Start < s.Start || step.End > s.End {
			t.Errorf("%s: the step %+v is not within %+v", name, step, s)
		}
	}
}

func TestTheGatewayIsTraced(t *testing.T) {
	collector, upstream := testotlp.Start(t), wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{yaml: `
rate_limits: {one: {count: 1, per: 24h, by: [key]}}
routes:
  - {match: "GET /orders/{id}", upstream: api, scopes: ["orders:read"], conditions: [{name: here, addresses: [127.0.0.1]}], rate_limits: [one]}
` + traced(collector, trusted+", service_name: orders-gateway")})
	send := func(key, parent string) {
		r := newRequest(t, "http://"+p.gateway+"/orders/7?k=v")
		r.Header.Set("X-API-Key", key)
		if parent != "" {
			r.Header.Set("Traceparent", parent)
			r.Header.Set("Tracestate", "a=b")
		}
		_, _ = io.Copy(io.Discard, do(t, r).Body)
	}
	send(p.key, callersParent)
	send(p.key, "")
	send("nonsense", "")
	log := p.log(t)
	requests, steps := p.traces(t, collector)
	if len(requests) != 3 {
		t.Fatalf("%d requests are traced, want 3", len(requests))
	}
	passed, limited, refused := requests[0], requests[1], requests[2]
	wantSpan(t, passed, steps[passed.ID], "gateway", "GET /orders/{id}", "", "authenticate authorize limit upstream", 200)
	wantSpan(t, limited, steps[limited.ID], "gateway", "GET /orders/{id}", "rate-limited", "authenticate authorize limit", 429)
	wantSpan(t, refused, steps[refused.ID], "gateway", "GET /orders/{id}", "unauthorized", "authenticate", 401)
	if passed.Trace != callersTrace || passed.Parent != callersSpan || limited.Parent != "" || passed.Text["warder.key_id"] != string(p.record.ID) || passed.Text["url.path"] != "/orders/7" {
		t.Errorf("spans %+v, %+v", passed, limited)
	}
	asking := steps[passed.ID][3]
	received := strings.Join(upstream.Received(), "")
	if want := "\r\nTraceparent: 00-" + callersTrace + "-" + asking.ID + "-01\r\n"; !strings.Contains(received, want) || !strings.Contains(received, "\r\nTracestate: a=b\r\n") || strings.Contains(received, callersSpan) {
		t.Errorf("the upstream got %q, want %q in it", received, want)
	}
	if asking.Kind != 3 || asking.Text["warder.upstream"] != "api" {
		t.Errorf("the span of the upstream: %+v", asking)
	}
	if got := collector.Resource()["service.name"]; got != "orders-gateway" {
		t.Errorf("the service is called %q", got)
	}
	lines := accessLines(t, log)
	for _, s := range requests {
		if line := lines[s.Text["warder.request_id"]]; line["trace_id"] != s.Trace || line["reason"] != nil && line["reason"] != s.Text["warder.reason"] {
			t.Errorf("the access log says %v of %+v", line, s)
		}
	}
}

// accessLines are the records of requests in a log, by their ids.
func accessLines(t *testing.T, log string) map[any]map[string]any {
	t.Helper()
	lines := map[any]map[string]any{}
	for text := range strings.Lines(log) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if line["msg"] == "request" {
			lines[line["id"]] = line
		}
	}
	if len(lines) == 0 {
		t.Fatal("nothing is in the access log")
	}
	return lines
}

// TestFrontsThatAreAskedAreTraced: the parent is that of the question, never that in
// the request that it is about.
func TestFrontsThatAreAskedAreTraced(t *testing.T) {
	const clients = "00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-01"
	t.Run("decision", func(t *testing.T) {
		collector := testotlp.Start(t)
		p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{yaml: askedYAML("nginx") + traced(collector, trusted)})
		if w := p.question(t, nginxAsks("GET", "/orders/1"), "X-API-Key", p.key, "Traceparent", callersParent); w.StatusCode != http.StatusOK {
			t.Fatalf("status %d", w.StatusCode)
		}
		p.question(t, nginxAsks("GET", "/admin/1"), "X-API-Key", p.key)
		requests, steps := p.traces(t, collector)
		if len(requests) != 2 {
			t.Fatalf("%d requests, want 2", len(requests))
		}
		wantSpan(t, requests[0], steps[requests[0].ID], "decision", "GET /orders/", "", "authenticate", 200)
		wantSpan(t, requests[1], steps[requests[1].ID], "decision", "GET /admin/", "insufficient-scope", "authenticate", 403)
		if requests[0].Parent != callersSpan || requests[1].Parent != "" || requests[0].Text["client.address"] != "192.0.2.7" {
			t.Errorf("spans %+v", requests)
		}
	})
	t.Run("envoy", func(t *testing.T) {
		collector := testotlp.Start(t)
		p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{yaml: askedYAML("envoy") + traced(collector, trusted)})
		ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", callersParent)
		conn := p.dial(t, insecure.NewCredentials())
		w, err := authv3.NewAuthorizationClient(conn).Check(ctx, envoyAsks("GET", "/orders/1", "x-api-key", p.key, "traceparent", clients))
		if err != nil || w.GetOkResponse() == nil {
			t.Fatalf("%v, %v", w, err)
		}
		asks(t, conn, envoyAsks("GET", "/orders/1", "x-api-key", "nonsense", "traceparent", clients))
		requests, steps := p.traces(t, collector)
		if len(requests) != 2 {
			t.Fatalf("%d requests, want 2", len(requests))
		}
		wantSpan(t, requests[0], steps[requests[0].ID], "decision", "GET /orders/", "", "authenticate", 200)
		wantSpan(t, requests[1], steps[requests[1].ID], "decision", "GET /orders/", "unauthorized", "authenticate", 401)
		if requests[0].Parent != callersSpan || requests[0].Trace != callersTrace || requests[1].Parent != "" || strings.HasPrefix(requests[1].Trace, "ffff") {
			t.Errorf("spans %+v", requests)
		}
	})
	t.Run("verify", func(t *testing.T) {
		collector := testotlp.Start(t)
		p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{yaml: verifiedYAML + traced(collector, ""), token: secret.New(verifyToken)})
		p.verify(t, keyservice.Use{Key: p.key})
		p.verify(t, keyservice.Use{Key: "nonsense"})
		p.verify(t, keyservice.Use{Key: p.key, Method: "GET", Target: "http://api.example.com/admin/", Address: "192.0.2.7", Gateway: true})
		_ = p.adminText(t, "/metrics")
		requests, steps := p.traces(t, collector)
		if got := namesOf(requests); got != "POST /v1/keys:verify POST /v1/keys:verify POST /v1/keys:verify GET /admin/" {
			t.Fatalf("spans %q", got)
		}
		wantSpan(t, requests[0], steps[requests[0].ID], "verify", "POST /v1/keys:verify", "", "authenticate limit", 200)
		wantSpan(t, requests[1], steps[requests[1].ID], "verify", "POST /v1/keys:verify", "", "authenticate", 200)
		wantSpan(t, requests[3], steps[requests[3].ID], "verify", "GET /admin/", "insufficient-scope", "authenticate", 403)
		if good, bad := steps[requests[0].ID][0].Text["warder.code"], steps[requests[1].ID][0].Text["warder.code"]; good != "valid" || bad != "invalid" {
			t.Errorf("the verdicts are %q and %q", good, bad)
		}
		if outer, inner := requests[2], requests[3]; inner.Parent != outer.ID || inner.Trace != outer.Trace || inner.Kind != 1 || outer.Kind != 2 {
			t.Errorf("%+v is not within %+v", inner, outer)
		}
	})
}

// TestAStrangersTraceIsReplaced: nobody is listed.
func TestAStrangersTraceIsReplaced(t *testing.T) {
	collector, upstream := testotlp.Start(t), wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{yaml: "routes: [{match: \"/\", upstream: api}]\n" + traced(collector, "")})
	attack.Case(t, "LOG-08", attack.Gateway, func(t *testing.T) {
		sent := []string{
			callersParent, strings.ToUpper(callersParent), "ff" + callersParent[2:], callersParent + "-x", strings.Repeat("a", 1024), "00-" + callersTrace + "-" + callersSpan + "-00",
			callersParent + "\r\nTraceparent: " + callersParent, callersParent + "\r\nTracestate: evil=1," + strings.Repeat("b", 1024), callersParent + "\r\nTracestate: evil=\x1b[31m",
		}
		for _, text := range sent {
			c := wire.Dial(t, p.gateway)
			c.Send("GET /a HTTP/1.1\r\nHost: localhost\r\nX-API-Key: " + p.key + "\r\nTraceparent: " + text + "\r\n\r\n")
			_, _ = c.Response("GET")
			_ = c.Close()
		}
		received := strings.Join(upstream.Received(), "")
		whole := len(sent) - 1 // one has a control in it, which the server refuses
		if got := strings.Count(received, "\r\nTraceparent: 00-"); got != whole || strings.Contains(received, callersTrace) || strings.Contains(received, callersSpan) || strings.Contains(received, "Tracestate") {
			t.Errorf("%d requests reached the upstream with a trace, want %d with one of ours: %q", got, whole, received)
		}
		requests, _ := p.traces(t, collector)
		if len(requests) != whole {
			t.Errorf("%d requests are traced, want %d", len(requests), whole)
		}
		for _, s := range requests {
			if s.Parent != "" || s.Trace == callersTrace || s.State != "" {
				t.Errorf("a stranger wrote into %+v", s)
			}
		}
	})
}

// TestACanaryIsInNoTrace, wherever a client or an upstream puts it, nor is what proves
// us to the collector.
func TestACanaryIsInNoTrace(t *testing.T) {
	collector, upstream := testotlp.Start(t), wire.Listen(t, leaky)
	p := start(t, upstream.URL(), settings{
		yaml:    "routes: [{match: \"/\", upstream: api}]\n" + traced(collector, ", headers: {Authorization: '${OTLP}'}"),
		environ: []string{"OTLP=Bearer " + token},
	})
	attack.Case(t, "LOG-01", attack.Gateway, func(t *testing.T) {
		for _, text := range canaryRequests() {
			c := wire.Dial(t, p.gateway)
			c.Send(strings.ReplaceAll(text, "{K}", "X-API-Key: "+p.key+"\r\n"))
			method, _, _ := strings.Cut(text, " ")
			_, _ = c.Response(method)
			_ = c.Close()
		}
		requests, _ := p.traces(t, collector)
		bodies, headers := collector.Posts()
		if len(requests) < 20 || len(bodies) == 0 {
			t.Fatalf("%d requests in %d posts: nothing is shown", len(requests), len(bodies))
		}
		for i, body := range bodies {
			wantNone(t, "a post", string(body))
			if strings.Contains(string(body), p.key) {
				t.Error("a post holds the key")
			}
			if got := headers[i].Get("Authorization"); got != "Bearer "+token {
				t.Errorf("the post proves us by %q", got)
			}
		}
		wantNone(t, "log", p.log(t))
	})
	attack.Case(t, "KEY-21", attack.Gateway, func(t *testing.T) {
		for _, s := range collector.Spans() {
			for key, value := range s.Text {
				if strings.ContainsAny(value, "?") || strings.HasPrefix(key, "url.query") || strings.HasPrefix(key, "user_agent") || strings.HasPrefix(key, "http.request.header") {
					t.Errorf("a span says %s = %q", key, value)
				}
			}
		}
	})
}

// TestACollectorThatIsAway costs nothing but the spans.
func TestACollectorThatIsAway(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{yaml: "routes: [{match: \"/\", upstream: api}]\ntracing: {endpoint: 'http://" + wire.FreeAddress(t) + "/v1/traces', sample_ratio: 0.5}\n"})
	for range 50 {
		if got := p.get(t, "/", p.key).StatusCode; got != http.StatusOK {
			t.Fatalf("status %d", got)
		}
	}
	for _, name := range []string{"warder_trace_spans_sent_total", "warder_trace_spans_dropped_total", "warder_trace_posts_failed_total"} {
		if p.metric(t, name) == "" {
			t.Errorf("there is no metric %s", name)
		}
	}
	received := strings.Join(upstream.Received(), "")
	if all, recorded := strings.Count(received, "\r\nTraceparent: 00-"), strings.Count(received, "-01\r\n"); all != 50 || recorded == 0 || recorded == all {
		t.Errorf("of %d requests %d are recorded, want some of 50", all, recorded)
	}
	if log := p.log(t); !strings.Contains(log, "could not post what was traced last") || !strings.Contains(log, "spans cannot be posted") {
		t.Errorf("the log does not tell of it: %s", log)
	}
}
