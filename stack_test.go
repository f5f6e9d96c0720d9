package warder_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/accesslog"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/authz"
	"github.com/warder-dev/warder/bodylimit"
	"github.com/warder-dev/warder/bruteforce"
	"github.com/warder-dev/warder/cors"
	"github.com/warder-dev/warder/csrf"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/requestid"
	"github.com/warder-dev/warder/securityheaders"
	"github.com/warder-dev/warder/target"
	"github.com/warder-dev/warder/trustedhost"
	"github.com/warder-dev/warder/usage"
)

// recoverer is the house's own Recover.
func recoverer() *httpserver.Recover { return httpserver.NewRecover(slog.New(slog.DiscardHandler)) }

// scheme finds keys in X-API-Key: "good" proves somebody, "away" is a store that
// gives no answer, "panic" panics.
type scheme struct{}

func (scheme) Name() string            { return "apiKey" }
func (scheme) Challenge(string) string { return "ApiKey" }
func (scheme) Authenticate(x *exchange.Exchange) (exchange.Principal, error) {
	switch x.Request.Header.Get("X-Api-Key") {
	case "":
		return exchange.Principal{}, authn.ErrNoCredential
	case "good":
		return exchange.Principal{Issuer: "warder", Subject: "k1"}, nil
	case "away":
		return exchange.Principal{}, errors.New("connection refused")
	case "panic":
		panic("scheme")
	}
	return exchange.Principal{}, authn.Wrong("unknown")
}

func guard(tb testing.TB) *authn.Stage {
	tb.Helper()
	s, err := authn.New(authn.Config{Requirement: authn.Require(scheme{})})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func limit(tb testing.TB, n int64) *bodylimit.Stage {
	tb.Helper()
	s, err := bodylimit.New(bodylimit.Config{Max: n})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// probe is a stage that notes when it was asked, wrote headers and was told.
type probe struct {
	name    string
	verdict exchange.Verdict
	seen    *[]string
	set     func(*exchange.Exchange)
}

func (p probe) note(what string) { *p.seen = append(*p.seen, p.name+" "+what) }

func (p probe) Check(x *exchange.Exchange) exchange.Verdict {
	p.note("check")
	if p.set != nil {
		p.set(x)
	}
	return p.verdict
}

func (p probe) Headers(_ *exchange.Exchange, h http.Header) {
	p.note("headers")
	h.Set("X-Owner", p.name)
}
func (p probe) Done(*exchange.Exchange, exchange.Outcome) { p.note("done") }

// outcomes collects what the Stack told its metrics.
type outcomes []exchange.Outcome

func (o *outcomes) Done(_ *exchange.Exchange, out exchange.Outcome) { *o = append(*o, out) }

func send(h http.Handler, key, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	if key != "" {
		r.Header.Set("X-API-Key", key)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// handler counts its calls.
type handler int

func (h *handler) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	*h++
	w.WriteHeader(http.StatusOK)
}

// fields returns the names of the stages of the struct that v points to in lower case, in the order in
// which they are declared.
func fields(v any) []string {
	var names []string
	for f := range reflect.TypeOf(v).Elem().Fields() {
		names = append(names, strings.ToLower(f.Name))
	}
	return names
}

func TestStagesJudgeInTheOrderOfTheFields(t *testing.T) {
	edge := warder.Edge{
		Metrics: new(outcomes), Target: new(target.Stage), Forwarded: new(forwarded.Stage), Recover: recoverer(), SNI: new(httpserver.SNI),
		HTTPS: new(httpserver.HTTPS), TrustedHost: new(trustedhost.Stage), SecurityHeaders: new(securityheaders.Stage),
		AccessLog: new(accesslog.Stage), RequestID: new(requestid.Stage), Tracing: new(requestid.Stage),
	}
	want := slices.DeleteFunc(fields(&edge), func(f string) bool { return f == "recover" || f == "metrics" }) // they judge nothing
	if got := warder.EdgeOrder(&edge); !slices.Equal(got, want) {
		t.Errorf("edge: %v, want the order of the fields %v", got, want)
	}
	policy := &warder.Policy{AddressLimit: new(ratelimit.Stage), PrincipalLimit: new(ratelimit.Stage), Credit: new(usage.Stage), Concurrency: new(ratelimit.Concurrency), SecurityHeaders: new(securityheaders.Stage), CORS: new(cors.Stage), Authz: new(authz.Stage), Validate: new(requestid.Stage), CSRF: new(csrf.Stage), Authn: guard(t), Guard: new(bruteforce.Guard), Deny: problem.New(problem.NotFound, ""), BodyLimit: limit(t, 1)}
	want = nil
	for _, f := range fields(policy) {
		switch f {
		case "deny":
			want = append(want, "route")
		case "once", "links":
		default:
			want = append(want, f)
		}
	}
	if got := warder.PolicyOrder(policy); !slices.Equal(got, want) {
		t.Errorf("policy: %v, want the order of the fields %v", got, want)
	}
	for _, name := range append(warder.EdgeOrder(&edge), want...) {
		if name != "route" && !warder.Described(name) {
			t.Errorf("an API does not say how %q refuses: refusalsOf in api_document.go", name)
		}
	}
}

func TestNilStagesAreAbsent(t *testing.T) {
	if got := warder.EdgeOrder(new(warder.Edge)); len(got) != 0 {
		t.Errorf("an empty Edge asks %v", got)
	}
	if got := warder.PolicyOrder(new(warder.Policy)); !slices.Equal(got, []string{"paths"}) {
		t.Errorf("an empty Policy asks %v, want only its own judgement of the path", got)
	}
}

func TestWrap(t *testing.T) {
	tests := []struct {
		name, key, body string
		policy          func(testing.TB) *warder.Policy
		status          int
		stage, reason   string
	}{
		{"every stage passes", "good", "", guarded4, 200, "", ""},
		{"no credential", "", "", guarded4, 401, "authn", "no-credential"},
		{"wrong credential", "bad", "", guarded4, 401, "authn", "unknown"},
		{"store away is no pass", "away", "", guarded4, 503, "authn", "unavailable"},
		{"body is judged before the credential", "", "12345", guarded4, 413, "bodylimit", "body-too-large"},
		{"a denied route asks for no credential", "", "", denied, 404, "route", "not-found"},
		{"a denied route still limits the body", "good", "12345", denied, 413, "bodylimit", "body-too-large"},
		{"a policy without stages is public", "", "", public, 200, "", ""},
		{"neither Route nor Policy", "good", "", func(testing.TB) *warder.Policy { return nil }, 503, "route", "unavailable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var told outcomes
			var h handler
			s := &warder.Stack{Edge: warder.Edge{Metrics: &told}, Policy: tt.policy(t)}
			w := send(s.Wrap(&h), tt.key, tt.body)
			if w.Code != tt.status {
				t.Errorf("status = %d, want %d", w.Code, tt.status)
			}
			if called, want := h == 1, tt.status == 200; called != want {
				t.Errorf("handler called = %v, want %v", called, want)
			}
			if len(told) != 1 {
				t.Fatalf("metrics were told %d times, want once", len(told))
			}
			if o := told[0]; o.Status != tt.status || o.Trace.Stage != tt.stage || o.Reason != tt.reason {
				t.Errorf("outcome = %d %q %q, want %d %q %q", o.Status, o.Trace.Stage, o.Reason, tt.status, tt.stage, tt.reason)
			}
		})
	}
}

func guarded4(tb testing.TB) *warder.Policy {
	tb.Helper()
	return &warder.Policy{Authn: guard(tb), BodyLimit: limit(tb, 4)}
}

func denied(tb testing.TB) *warder.Policy {
	tb.Helper()
	return &warder.Policy{Authn: guard(tb), BodyLimit: limit(tb, 4), Deny: problem.New(problem.NotFound, "")}
}

func public(testing.TB) *warder.Policy { return new(warder.Policy) }

// route always chooses the same policy.
type route struct{ policy *warder.Policy }

func (r route) Match(*exchange.Exchange) *warder.Policy { return r.policy }

func TestARouteWithoutPolicyFails(t *testing.T) {
	s := &warder.Stack{Route: route{}, Policy: new(warder.Policy)} // the Stack's own Policy is no way around the Route
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
	if trace := s.Decide(x); trace.Allowed() || trace.Verdict.Problem().Type != problem.Unavailable {
		t.Errorf("verdict = %v, want 503", trace.Verdict.Kind())
	}
}

func TestPathsJudgeWhatTheEdgeLetThrough(t *testing.T) {
	tests := []struct {
		name           string
		found, allowed exchange.Ambiguity
		pass           bool
		reason         string
	}{
		{"plain", 0, 0, true, ""},
		{"nothing is allowed by default", exchange.DotSegments, 0, false, "dot-segments"},
		{"allowed", exchange.EncodedSlash, exchange.EncodedSlash, true, ""},
		{"another is allowed", exchange.EncodedSlash, exchange.DotSegments, false, "encoded-slash"},
		{"one of two is allowed", exchange.EncodedSlash | exchange.EmptySegments, exchange.EncodedSlash, false, "empty-segments"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &warder.Stack{Route: route{&warder.Policy{Paths: tt.allowed}}}
			x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
			x.Ambiguity = tt.found
			trace := s.Decide(x)
			if trace.Allowed() != tt.pass || trace.Verdict.Reason() != tt.reason {
				t.Errorf("got %v %q, want pass = %v, %q", trace.Verdict.Kind(), trace.Verdict.Reason(), tt.pass, tt.reason)
			}
			if p := trace.Verdict.Problem(); !tt.pass && (p.Type != problem.InvalidTarget || trace.Stage != "paths") {
				t.Errorf("refused by %q with %v, want paths, %s", trace.Stage, p, problem.InvalidTarget)
			}
		})
	}
}

func TestHooksRunInnerFirst(t *testing.T) {
	for _, tt := range []struct {
		name    string
		verdict exchange.Verdict
		want    string
	}{
		{"passed", exchange.Pass(), "edge check, policy check, policy headers, edge headers, policy done, edge done"},
		{"refused", exchange.Refuse(problem.New(problem.NotFound, ""), ""), "edge check, policy check, policy headers, edge headers, policy done, edge done"},
		{"failed", exchange.Verdict{}, "edge check, policy check, policy headers, edge headers, policy done, edge done"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var seen []string
			policy := new(warder.Policy)
			s := &warder.Stack{Policy: policy}
			warder.AddToEdge(s, "edge", probe{"edge", exchange.Pass(), &seen, nil})
			warder.AddToPolicy(policy, "policy", probe{"policy", tt.verdict, &seen, nil})
			w := send(s.Wrap(new(handler)), "", "")
			if got := strings.Join(seen, ", "); got != tt.want {
				t.Errorf("order: %s\nwant:  %s", got, tt.want)
			}
			if got := w.Header().Get("X-Owner"); got != "edge" {
				t.Errorf("X-Owner = %q: the outer stage has not the last word", got)
			}
		})
	}
}

// A policy's own fields hold as if the edge had none: one that it omits is not
// sent, and one that the edge removes stays. The edge's hold everywhere else.
func TestAPolicysSecurityHeadersReplaceTheEdges(t *testing.T) {
	header := func(cfg securityheaders.Config) *securityheaders.Stage {
		s, err := securityheaders.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	edge := header(securityheaders.Config{
		ContentSecurityPolicy: securityheaders.Field{Value: "default-src 'none'", Override: true}, Remove: []string{"Server"},
	})
	pages := header(securityheaders.Config{
		ContentSecurityPolicy: securityheaders.Field{Value: "default-src 'self'"}, FrameOptions: securityheaders.Field{InsecureOmit: true}, Remove: []string{"Via"},
	})
	own := map[string]string{"Content-Security-Policy": "default-src 'self'", "X-Frame-Options": "", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}
	edges := map[string]string{"Content-Security-Policy": "default-src 'none'", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}
	for name, tt := range map[string]struct {
		policy *warder.Policy
		want   map[string]string
		server string
		via    string
	}{
		"its own":        {&warder.Policy{SecurityHeaders: pages}, own, "s", ""},
		"its refusal":    {&warder.Policy{SecurityHeaders: pages, Deny: problem.New(problem.NotFound, "")}, own, "", ""},
		"none":           {new(warder.Policy), edges, "", "v"},
		"none, refusing": {&warder.Policy{Deny: problem.New(problem.NotFound, "")}, edges, "", ""},
		"no policy":      {nil, edges, "", ""},
	} {
		s := &warder.Stack{Edge: warder.Edge{SecurityHeaders: edge}, Route: route{tt.policy}}
		w := send(s.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Server", "s")
			w.Header().Set("Via", "v")
		})), "", "")
		for field, want := range tt.want {
			if got := strings.Join(w.Header()[field], ", "); got != want {
				t.Errorf("%s: %s = %q, want %q", name, field, got, want)
			}
		}
		if server, via := w.Header().Get("Server"), w.Header().Get("Via"); server != tt.server || via != tt.via {
			t.Errorf("%s: Server = %q and Via = %q, want %q and %q", name, server, via, tt.server, tt.via)
		}
	}
}

func TestADenyPolicyStillTellsEveryStage(t *testing.T) {
	var seen []string
	var told outcomes
	s := &warder.Stack{Edge: warder.Edge{Metrics: &told}, Route: new(warder.Routes)}
	warder.AddToEdge(s, "log", probe{"log", exchange.Pass(), &seen, func(x *exchange.Exchange) { x.Path = "/" }})
	w := send(s.Wrap(new(handler)), "good", "")
	if w.Code != http.StatusNotFound || !slices.Contains(seen, "log done") || len(told) != 1 {
		t.Errorf("status = %d, seen %v, metrics told %d times; want 404, the log told, once", w.Code, seen, len(told))
	}
}

func TestAnEdgeRefusalReachesNoRoute(t *testing.T) {
	var seen []string
	policy := new(warder.Policy)
	s := &warder.Stack{Route: route{policy}}
	warder.AddToEdge(s, "edge", probe{"edge", exchange.Refuse(problem.New(problem.InvalidHost, ""), ""), &seen, nil})
	warder.AddToPolicy(policy, "policy", probe{"policy", exchange.Pass(), &seen, nil})
	if w := send(s.Wrap(new(handler)), "good", ""); w.Code != http.StatusBadRequest {
		t.Errorf("status = %d, want 400", w.Code)
	}
	if want := []string{"edge check", "edge headers", "edge done"}; !slices.Equal(seen, want) {
		t.Errorf("seen %v, want %v", seen, want)
	}
}

func TestDryReachesTheStages(t *testing.T) {
	for _, dry := range []bool{false, true} {
		var seen []string
		var got []bool
		policy := new(warder.Policy)
		s := &warder.Stack{Policy: policy}
		note := func(x *exchange.Exchange) { got = append(got, x.Dry) }
		warder.AddToEdge(s, "edge", probe{"edge", exchange.Pass(), &seen, note})
		warder.AddToPolicy(policy, "policy", probe{"policy", exchange.Pass(), &seen, note})
		x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
		x.Dry = dry
		if !s.Decide(x).Allowed() || !slices.Equal(got, []bool{dry, dry}) {
			t.Errorf("stages saw Dry = %v, want %v twice", got, dry)
		}
		if slices.Contains(seen, "edge done") || slices.Contains(seen, "edge headers") {
			t.Errorf("Decide alone called hooks: %v", seen)
		}
	}
}

func TestAPanicIsNoPass(t *testing.T) {
	var told outcomes
	var h handler
	s := &warder.Stack{Edge: warder.Edge{Recover: recoverer(), Metrics: &told}, Policy: guarded4(t)}
	w := send(s.Wrap(&h), "panic", "")
	if w.Code != http.StatusInternalServerError || h != 0 {
		t.Errorf("status = %d, handler called %d times; want 500 and never", w.Code, h)
	}
	if len(told) != 1 || told[0].Status != http.StatusInternalServerError || !told[0].Aborted {
		t.Errorf("outcomes = %+v, want one aborted 500", told)
	}
}

func TestWithoutRecoverAPanicGoesOn(t *testing.T) {
	var told outcomes
	s := &warder.Stack{Edge: warder.Edge{Metrics: &told}, Policy: guarded4(t)}
	defer func() {
		if got := recover(); got != "scheme" {
			t.Errorf("recovered %v, want the stage's own panic", got)
		}
		if len(told) != 1 {
			t.Errorf("metrics were told %d times, want once", len(told))
		}
	}()
	send(s.Wrap(new(handler)), "panic", "")
}

func TestStackAllocates(t *testing.T) {
	s := &warder.Stack{Policy: guarded4(t)}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-API-Key", "good")
	x := exchange.New(r)
	s.Decide(x)
	if got := testing.AllocsPerRun(1000, func() { s.Decide(x) }); got != 0 {
		t.Errorf("Decide: %v allocations, want 0", got)
	}
}
