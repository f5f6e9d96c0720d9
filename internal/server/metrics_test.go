package server_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/server"
	"github.com/warder-dev/warder/problem"
)

// scrape returns what a Prometheus server reads.
func scrape(t *testing.T, m *server.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status = %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func wantLines(t *testing.T, got string, lines ...string) {
	t.Helper()
	for _, want := range lines {
		if !strings.Contains("\n"+got, "\n"+want+"\n") {
			t.Errorf("metrics lack %q", want)
		}
	}
}

func request(route string) *exchange.Exchange {
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/orders/1", nil))
	x.Route = route
	return x
}

func passed(status int) exchange.Outcome {
	return exchange.Outcome{Trace: exchange.Trace{Verdict: exchange.Pass()}, Status: status, Duration: 3 * time.Millisecond}
}

func refused(status int, stage, reason string) exchange.Outcome {
	v := exchange.Refuse(problem.New(problem.Unauthorized, ""), reason)
	return exchange.Outcome{Trace: exchange.Trace{Verdict: v, Stage: stage}, Status: status, Reason: reason}
}

func TestDone(t *testing.T) {
	m := server.NewMetrics("v1.2.3", "quota")
	for _, o := range []exchange.Outcome{
		passed(200), passed(204), passed(0), passed(999), refused(401, "authn", "revoked"), refused(429, "authn", "quota"),
		refused(401, "authn", "word of nobody"), refused(401, "stage of nobody", "revoked"), refused(400, "target", "dot-segments,encoded-slash"),
		{Trace: exchange.Trace{Verdict: exchange.Fail(errors.New("away")), Stage: "authn"}, Status: 503, Reason: "unavailable"},
		{Trace: exchange.Trace{Verdict: exchange.Pass()}, Status: 502, Reason: "upstream-failed"},
		{Trace: exchange.Trace{Verdict: exchange.Pass()}, Status: 200, Aborted: true},
		{Trace: exchange.Trace{Verdict: exchange.Pass()}, Status: 101, Hijacked: true, Duration: time.Hour},
		{Trace: exchange.Trace{Verdict: exchange.Answer(http.NotFoundHandler(), "")}, Status: 302},
	} {
		m.Done(request("GET /orders/{id}"), o)
	}
	m.Done(request(""), refused(404, "route", "not-found"))
	dry := request("GET /orders/{id}")
	dry.Dry = true
	m.Done(dry, passed(200))
	wantLines(t, scrape(t, m),
		`warder_requests_total{outcome="passed",route="GET /orders/{id}",status="2xx"} 2`,
		`warder_requests_total{outcome="passed",route="GET /orders/{id}",status="none"} 2`,
		`warder_requests_total{outcome="refused",route="GET /orders/{id}",status="4xx"} 5`,
		`warder_requests_total{outcome="failed",route="GET /orders/{id}",status="5xx"} 1`,
		`warder_requests_total{outcome="passed",route="GET /orders/{id}",status="5xx"} 1`,
		`warder_requests_total{outcome="aborted",route="GET /orders/{id}",status="2xx"} 1`,
		`warder_requests_total{outcome="passed",route="GET /orders/{id}",status="1xx"} 1`,
		`warder_requests_total{outcome="answered",route="GET /orders/{id}",status="3xx"} 1`,
		`warder_requests_total{outcome="refused",route="none",status="4xx"} 1`,
		`warder_refusals_total{reason="revoked",stage="authn"} 1`,
		`warder_refusals_total{reason="quota",stage="authn"} 1`,
		`warder_refusals_total{reason="other",stage="authn"} 1`,
		`warder_refusals_total{reason="revoked",stage="other"} 1`,
		`warder_refusals_total{reason="dot-segments,encoded-slash",stage="target"} 1`,
		`warder_refusals_total{reason="unavailable",stage="authn"} 1`,
		`warder_refusals_total{reason="upstream-failed",stage="handler"} 1`,
		`warder_request_duration_seconds_count{route="GET /orders/{id}"} 13`,
		`warder_request_duration_seconds_bucket{route="GET /orders/{id}",le="0.0025"} 9`,
	)
}

func TestInFlightWatchAndBuild(t *testing.T) {
	m := server.NewMetrics("v1.2.3")
	if err := m.Watch("warder_log_dropped_total", "Log records that were lost.", func() float64 { return 7 }); err != nil {
		t.Fatal(err)
	}
	if err := m.Watch("warder_key_cache_entries", "Keys in the cache.", func() float64 { return 3 }); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"warder_key_cache_entries", "no name", ""} {
		if err := m.Watch(name, "", func() float64 { return 0 }); err == nil {
			t.Errorf("Watch(%q) gave no error", name)
		}
	}
	var during string
	m.InFlight(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { during = scrape(t, m) })).
		ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	wantLines(t, during, "warder_requests_in_flight 1", "warder_log_dropped_total 7", "# TYPE warder_log_dropped_total counter",
		"warder_key_cache_entries 3", "# TYPE warder_key_cache_entries gauge")
	after := scrape(t, m)
	wantLines(t, after, "warder_requests_in_flight 0")
	for _, want := range []string{`version="v1.2.3"`, "go_goroutines ", "process_resident_memory_bytes "} {
		if !strings.Contains(after, want) {
			t.Errorf("metrics lack %q", want)
		}
	}
}

func TestLOG07(t *testing.T) {
	attack.Case(t, "LOG-07", attack.Library, func(t *testing.T) {
		const n = 1_000_000
		m := server.NewMetrics("v1")
		x := request("GET /orders/{id}")
		for i := range n {
			id := fmt.Sprintf("c%07d", i)
			x.Path, x.UpstreamPath, x.Host, x.Claim, x.ID, x.RawQuery = "/"+id, "/"+id, id, id, id, id
			x.Request.Method, x.Request.URL.Path, x.Request.Host = id, "/"+id, id
			x.Principal = exchange.Principal{Issuer: id, Subject: id, KeyID: id, Owner: id, Environment: id}
			m.Done(x, refused(i%1000, "authn", id))
		}
		lines := scrape(t, m)
		if strings.Contains(lines, "c0000001") {
			t.Error("a label holds what a client sent")
		}
		if got := strings.Count(lines, "\nwarder_"); got > 40 {
			t.Errorf("%d series after %d requests, want at most 40", got, n)
		}
		wantLines(t, lines, `warder_refusals_total{reason="other",stage="authn"} 1e+06`)

		// Should routes, stages or problems ever come from a client, it is bounded still.
		for i := range 20_000 {
			x := request(fmt.Sprintf("r%07d\xff", i))
			m.Done(x, refused(i%1000, fmt.Sprint("s", i), fmt.Sprint("r", i)))
		}
		if got := strings.Count(scrape(t, m), "\nwarder_"); got > 600*20 {
			t.Errorf("%d series after 20,000 routes, want at most 600 routes' worth", got)
		}
	})
}

func TestMetricsLOG12(t *testing.T) {
	attack.Case(t, "LOG-12", attack.Library, func(t *testing.T) {
		m := server.NewMetrics("v1")
		for range 1000 {
			m.Done(request("GET /orders/{id}"), refused(401, "authn", "revoked"))
		}
		wantLines(t, scrape(t, m), `warder_refusals_total{reason="revoked",stage="authn"} 1000`,
			`warder_requests_total{outcome="refused",route="GET /orders/{id}",status="4xx"} 1000`)
	})
}

func TestDoneAllocatesNothing(t *testing.T) {
	m, x := server.NewMetrics("v1"), request("GET /orders/{id}")
	for _, o := range []exchange.Outcome{passed(200), refused(401, "authn", "revoked"), refused(401, "a", "b")} {
		if got := testing.AllocsPerRun(500, func() { m.Done(x, o) }); got != 0 {
			t.Errorf("status %d: %v allocations, want 0", o.Status, got)
		}
	}
}

func TestDoneIsConcurrent(t *testing.T) {
	m := server.NewMetrics("v1")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 1000 {
				m.Done(request(fmt.Sprint("r", i%50)), refused(401, "authn", "revoked"))
			}
		})
	}
	scrape(t, m) // while they count
	wg.Wait()
	wantLines(t, scrape(t, m), `warder_refusals_total{reason="revoked",stage="authn"} 8000`,
		`warder_requests_total{outcome="refused",route="r49",status="4xx"} 160`)
}

func BenchmarkMetricsDone(b *testing.B) {
	m, x, o := server.NewMetrics("v1"), request("GET /orders/{id}"), passed(200)
	b.ReportAllocs()
	for b.Loop() {
		m.Done(x, o)
	}
}
