package server

import (
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/decision/ratelimits"
	"github.com/warder-dev/warder/leak"
	"github.com/warder-dev/warder/problem"
)

// Bounds of the series, whatever arrives. Labels come from the configuration
// and from constants of the program; the bounds hold if one ever does not.
const (
	maxRoutes = 512     // routes beyond share the label "other"
	other     = "other" // routes, reasons and stages that are not known
)

// Metrics counts requests and refusals in a Prometheus registry of its own. No
// label holds a host, a path, a method, a key id or anything else that a client
// chooses. It is safe for concurrent use.
type Metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	refusals  *prometheus.CounterVec
	listeners *prometheus.CounterVec
	shadows   *prometheus.CounterVec
	exposed   prometheus.Counter
	credits   prometheus.Counter
	leaked    *prometheus.CounterVec
	honey     prometheus.Counter
	inFlight  prometheus.Gauge

	reasons atomic.Pointer[map[string]struct{}]
	stages  map[string]struct{}
	routes  children[string, *routeSeries]
	refused children[refusal, prometheus.Counter]
}

// refusal is the labels of a refusal.
type refusal struct{ reason, stage string }

// routeSeries is the series of one route.
type routeSeries struct {
	label    string
	requests [outcomes][classes]atomic.Pointer[prometheus.Counter]
	duration prometheus.Observer
}

// NewMetrics returns Metrics of a program of this version. reasons are words
// for refusals besides those of the library: one that is not known is counted as
// "other".
func NewMetrics(version string, reasons ...string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "warder_requests_total",
			Help: "Requests by route, outcome (passed, refused, answered, failed, aborted) and class of the status.",
		}, []string{"route", "outcome", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "warder_request_duration_seconds",
			Help:    "Time from the first stage to the last byte, by route; upgraded connections are left out.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "warder_refusals_total",
			Help: "Requests that did not get the handler's answer, by reason and stage.",
		}, []string{"reason", "stage"}),
		shadows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "warder_shadow_refusals_total",
			Help: "Requests that a stage in shadow would have refused, by reason and stage.",
		}, []string{"reason", "stage"}),
		listeners: newListenerRequests(),
		exposed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "warder_exposed_credentials_total", Help: "Credentials that came over plain HTTP where https is required.",
		}),
		credits: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "warder_credits_spent_total", Help: "Credits that requests cost, less what was given back.",
		}),
		leaked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "warder_leaked_keys_total", Help: "Reports of leaked keys that were true, by sender and by what was done.",
		}, []string{"sender", "action"}),
		honey: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "warder_honeytoken_uses_total", Help: "Requests with a honeytoken.",
		}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "warder_requests_in_flight", Help: "Requests that are being served.",
		}),
		stages: set([]string{
			"requestid", "accesslog", "securityheaders", "forwarded", "tracing", "trustedhost", "sni", "target", "https", "paths",
			"cors", "bodylimit", "addresslimit", "route", "guard", "authn", "csrf", "authz", "validate", "concurrency", "principallimit", "credit", "handler", ratelimits.Stage,
		}),
	}
	for _, sender := range []string{"leak:github", "leak:report"} { // from the start, so that a first report is an increase
		for _, action := range []leak.Action{leak.Alert, leak.Disable, leak.Revoke} {
			m.leaked.WithLabelValues(sender, string(action))
		}
	}
	m.Know(reasons...)
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "warder_build_info", Help: "1, with the version as a label.",
		ConstLabels: prometheus.Labels{"version": strings.ToValidUTF8(version, "?"), "goversion": runtime.Version()},
	}, func() float64 { return 1 })
	m.registry.MustRegister(m.requests, m.listeners, m.duration, m.refusals, m.shadows, m.exposed, m.credits, m.leaked, m.honey, m.inFlight, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Know takes the words for refusals besides those of the library, in place of
// those that were given before.
func (m *Metrics) Know(reasons ...string) {
	known := knownReasons(reasons)
	m.reasons.Store(&known)
}

// knownReasons is the allow-list of words: the problem types, and what stages
// and fronts say.
func knownReasons(more []string) map[string]struct{} {
	words := []string{
		"no-credential", "brute-force", "malformed", "unknown", "wrong-secret", "revoked", "disabled", "expired", "repeated", "unreadable", "honeytoken", "signature",
		"panic", "method", "sni", "malformed-target", "no-target",
		"bad-response", "closed", "connect", "resolve", "tls", "timeout", "no-hijack", "client-gone", "stopped", "body-invalid", "no-scheme", "no-host", "half-a-principal", "dry", "prefix-absent", "prefix-ambiguous", "credits", "credits:no-account",
		"parameters", "body", "media-type", "content-encoding", "body-missing", "body-malformed", "body-unwanted", "too-complex",
	}
	const allAmbiguities = exchange.DotSegments | exchange.EmptySegments | exchange.PathParameters | exchange.EncodedSlash
	for a := exchange.Ambiguity(1); a <= allAmbiguities; a++ {
		words = append(words, a.String())
	}
	words = append(words, apikey.Rules()...)
	for _, t := range problem.All() {
		words = append(words, string(t))
	}
	return set(slices.Concat(words, wordsOfStages(), more))
}

func set(words []string) map[string]struct{} {
	s := make(map[string]struct{}, len(words))
	for _, w := range words {
		s[w] = struct{}{}
	}
	return s
}

// Done counts what came of x. It is an [exchange.Finisher] and allocates nothing
// once a combination of labels is known.
func (m *Metrics) Done(x *exchange.Exchange, o exchange.Outcome) {
	if x.Dry {
		return
	}
	r := m.route(x.Route)
	m.request(r, o)
	if !o.Hijacked {
		r.duration.Observe(o.Duration.Seconds())
	}
	if n := x.Charge.Cost; n > 0 {
		m.credits.Add(float64(n))
	}
	if o.Reason != "" {
		m.refusal(o.Reason, o.Trace.Stage).Inc()
	}
}

func (m *Metrics) route(pattern string) *routeSeries {
	if r, ok := m.routes.get(pattern); ok {
		return r
	}
	return m.routes.add(pattern, maxRoutes, func(fits bool) *routeSeries {
		label := routeLabel(pattern, fits)
		return &routeSeries{label: label, duration: m.duration.WithLabelValues(label)}
	})
}

// routeLabel is never empty: Prometheus takes an empty label for none.
func routeLabel(pattern string, fits bool) string {
	switch {
	case !fits:
		return other
	case pattern == "":
		return "none"
	default:
		return strings.ToValidUTF8(pattern, "?")
	}
}

func (m *Metrics) request(r *routeSeries, o exchange.Outcome) {
	outcome, class := outcomeOf(o), classOf(o.Status)
	series := &r.requests[outcome][class]
	c := series.Load()
	if c == nil {
		made := m.requests.WithLabelValues(r.label, outcomeName(outcome), className(class))
		c = &made
		series.Store(c) // another goroutine's is the same counter
	}
	(*c).Inc()
}

// labels bounds what a refusal is counted under.
func (m *Metrics) labels(reason, stage string) (string, string) {
	if stage == "" {
		stage = "handler" // refused after every stage had passed it
	}
	if _, ok := m.stages[stage]; !ok {
		stage = other
	}
	if _, ok := (*m.reasons.Load())[reason]; !ok {
		reason = other
	}
	return reason, stage
}

// Shadowed counts a request that a stage in shadow would have refused.
func (m *Metrics) Shadowed(stage, reason string) {
	reason, stage = m.labels(reason, stage)
	m.shadows.WithLabelValues(reason, stage).Inc()
}

// Exposed counts a credential that came over plain HTTP.
func (m *Metrics) Exposed() { m.exposed.Inc() }

// Honeytoken counts a request with a honeytoken.
func (m *Metrics) Honeytoken() { m.honey.Inc() }

// Leaked counts a true report of a leaked key.
func (m *Metrics) Leaked(r leak.Report) { m.leaked.WithLabelValues(r.Sender, string(r.Done)).Inc() }

func (m *Metrics) refusal(reason, stage string) prometheus.Counter {
	reason, stage = m.labels(reason, stage)
	key := refusal{reason, stage}
	if c, ok := m.refused.get(key); ok {
		return c
	}
	limit := (len(*m.reasons.Load()) + 1) * (len(m.stages) + 1)
	return m.refused.add(key, limit, func(bool) prometheus.Counter { return m.refusals.WithLabelValues(reason, stage) })
}

// InFlight is next with its requests counted while they last.
func (m *Metrics) InFlight(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.inFlight.Inc()
		defer m.inFlight.Dec()
		next.ServeHTTP(w, r)
	})
}

// Watch adds a value that f returns whenever metrics are read: a counter when
// name ends with "_total", else a gauge. f must be safe for concurrent use. The
// error is about the name: one that is taken or not valid.
func (m *Metrics) Watch(name, help string, f func() float64) error {
	if !validName(name) {
		return fmt.Errorf("server: metric %q: want letters, digits and _, not a digit first", name)
	}
	var c prometheus.Collector
	if strings.HasSuffix(name, "_total") {
		c = prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, f)
	} else {
		c = prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
	}
	if err := m.registry.Register(c); err != nil {
		return fmt.Errorf("server: metric %q: %w", name, err)
	}
	return nil
}

// validName reports whether every tool that reads metrics takes name unquoted.
func validName(name string) bool {
	for i := range len(name) {
		b := name[i]
		if letter := (b|0x20)-'a' < 26 || b == '_'; !letter && (i == 0 || b-'0' >= 10) {
			return false
		}
	}
	return name != ""
}

// Handler answers with all metrics in the form that the request's Accept asks
// for. It belongs on the admin listener only.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError, MaxRequestsInFlight: 8})
}

// The numbers of outcomes and of status classes.
const (
	outcomes = 5
	classes  = 6
)

func outcomeOf(o exchange.Outcome) int {
	if o.Aborted {
		return outcomes - 1
	}
	switch o.Trace.Verdict.Kind() {
	case exchange.Passed:
		return 0
	case exchange.Refused:
		return 1
	case exchange.Answered:
		return 2
	case exchange.Failed:
		return 3
	default:
		return 3
	}
}

func outcomeName(i int) string {
	return [outcomes]string{"passed", "refused", "answered", "failed", "aborted"}[i]
}

func classOf(status int) int {
	if status < 100 || status > 599 {
		return 0
	}
	return status / 100
}

func className(i int) string { return [classes]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}[i] }

// children is a bounded map that is read without a lock and hardly ever
// written. What is beyond the bound gets one value that all share.
type children[K comparable, V any] struct {
	known atomic.Pointer[map[K]V]
	rest  atomic.Pointer[V]
	mu    sync.Mutex
}

func (c *children[K, V]) get(key K) (V, bool) {
	if known := c.known.Load(); known != nil {
		v, ok := (*known)[key]
		return v, ok
	}
	var none V
	return none, false
}

// add returns the value of key, made by create when there is none yet. fits
// tells create whether the value is key's own.
func (c *children[K, V]) add(key K, limit int, create func(fits bool) V) V {
	if rest := c.rest.Load(); rest != nil {
		return *rest // the map is full and stays so
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok := c.get(key); ok {
		return v
	}
	next := map[K]V{}
	if known := c.known.Load(); known != nil {
		next = maps.Clone(*known)
	}
	if len(next) >= limit {
		if c.rest.Load() == nil {
			v := create(false)
			c.rest.Store(&v)
		}
		return *c.rest.Load()
	}
	v := create(true)
	next[key] = v
	c.known.Store(&next)
	return v
}
