package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	commonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/internal/testredis"
	"github.com/warder-dev/warder/internal/wire"
)

const (
	isOK   = rlsv3.RateLimitResponse_OK
	isOver = rlsv3.RateLimitResponse_OVER_LIMIT
)

// someDescriptors are limits of all kinds, of which nothing comes back during a
// test.
const someDescriptors = `
rate_limit_fields: both
rate_limit_domains:
  - domain: api
    descriptors:
      - key: remote_address
        limit: {name: per-address, count: 3, per: 365d}
      - key: remote_address
        value: 192.0.2.99
        limit: {name: known, count: 5, per: 365d}
      - key: generic_key
        value: search
        limit: {name: search, count: 100, per: 1m, override: true}
        descriptors:
          - key: plan
            limit: {name: any-plan, count: 2, per: 365d}
          - {key: plan, value: gold, limit: {name: gold, count: 4, per: 365d}}
      - key: tried
        limit: {name: tried, count: 1, per: 365d, shadow: true}
      - key: tokens
        limit: {name: tokens, count: 1000, per: 30d, burst: 500}
      - {key: answered, limit: {name: answered, count: 100, per: 365d, debt: true}}
  - domain: other
    descriptors:
      - {key: remote_address, limit: {name: other-address, count: 1, per: 365d}}
`

// descriptor is one of Envoy's: keys and values by turns.
func descriptor(entries ...string) *commonv3.RateLimitDescriptor {
	d := &commonv3.RateLimitDescriptor{}
	for i := 0; i < len(entries); i += 2 {
		d.Entries = append(d.Entries, &commonv3.RateLimitDescriptor_Entry{Key: entries[i], Value: entries[i+1]})
	}
	return d
}

func hits(n uint64, d *commonv3.RateLimitDescriptor) *commonv3.RateLimitDescriptor {
	d.HitsAddend = wrapperspb.UInt64(n)
	return d
}

func inDomain(domain string, all ...*commonv3.RateLimitDescriptor) *rlsv3.RateLimitRequest {
	return &rlsv3.RateLimitRequest{Domain: domain, Descriptors: all}
}

// limits asks by the official protocol.
func limits(t *testing.T, conn *grpc.ClientConn, q *rlsv3.RateLimitRequest) (*rlsv3.RateLimitResponse, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return rlsv3.NewRateLimitServiceClient(conn).ShouldRateLimit(ctx, q)
}

// counts asks, and compares the codes and what is left: of all first.
func (e envoy) counts(t *testing.T, what string, q *rlsv3.RateLimitRequest, want string) *rlsv3.RateLimitResponse {
	t.Helper()
	w, err := limits(t, e.conn, q)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	text := codeWord(w.GetOverallCode())
	for _, s := range w.GetStatuses() {
		text += " " + codeWord(s.GetCode())
		if s.GetCurrentLimit() != nil {
			text += fmt.Sprintf(":%s=%d", s.GetCurrentLimit().GetName(), s.GetLimitRemaining())
		}
	}
	if text != want || len(w.GetStatuses()) != len(q.GetDescriptors()) {
		t.Errorf("%s: %s, want %s", what, text, want)
	}
	return w
}

func codeWord(c rlsv3.RateLimitResponse_Code) string {
	return map[rlsv3.RateLimitResponse_Code]string{isOK: "ok", isOver: "over"}[c]
}

// added are the fields for the client, by lower-case name.
func added(w *rlsv3.RateLimitResponse) map[string]string {
	h := map[string]string{}
	for _, f := range w.GetResponseHeadersToAdd() {
		h[strings.ToLower(f.GetKey())] += f.GetValue()
	}
	return h
}

func startEnvoyWithLimits(t *testing.T, s settings) envoy {
	t.Helper()
	s.yaml = askedYAML("envoy") + someDescriptors + s.yaml
	e := envoy{program: start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), s)}
	e.conn = e.dial(t, insecure.NewCredentials())
	return e
}

func TestEnvoyAsksAboutLimits(t *testing.T) {
	e := startEnvoyWithLimits(t, settings{})
	address := func(a string) *commonv3.RateLimitDescriptor { return descriptor("remote_address", a) }
	search := func(plan string) *commonv3.RateLimitDescriptor {
		return descriptor("generic_key", "search", "plan", plan)
	}
	e.counts(t, "an address", inDomain("api", address("192.0.2.1")), "ok ok:per-address=2")
	e.counts(t, "another one", inDomain("api", address("192.0.2.2")), "ok ok:per-address=2")
	e.counts(t, "a value of its own", inDomain("api", address("192.0.2.99")), "ok ok:known=4")
	e.counts(t, "in another domain", inDomain("other", address("192.0.2.1")), "ok ok:other-address=0")
	e.counts(t, "nested", inDomain("api", search("free")), "ok ok:any-plan=1")
	e.counts(t, "nested, another value", inDomain("api", search("trial")), "ok ok:any-plan=1")
	e.counts(t, "nested, with a value", inDomain("api", search("gold")), "ok ok:gold=3")
	e.counts(t, "one that ends above", inDomain("api", descriptor("generic_key", "search")), "ok ok:search=99")
	e.counts(t, "all or none", inDomain("api", address("192.0.2.1"), search("free"), hits(9, search("gold"))), "over ok:per-address=2 ok:any-plan=1 over:gold=3")
	e.counts(t, "all", inDomain("api", address("192.0.2.1"), search("free"), search("gold")), "ok ok:per-address=1 ok:any-plan=0 ok:gold=2")
	e.counts(t, "none", inDomain("api", address("192.0.2.1"), search("free"), search("gold")), "over ok:per-address=1 over:any-plan=0 ok:gold=2")
	e.counts(t, "alike twice", inDomain("api", address("192.0.2.9"), address("192.0.2.9")), "ok ok:per-address=1 ok:per-address=1")
	many := inDomain("api", address("192.0.2.3"), hits(1, descriptor("tokens", "a")))
	many.HitsAddend = 2
	e.counts(t, "hits", many, "ok ok:per-address=1 ok:tokens=499")
	e.counts(t, "hits beyond the burst", inDomain("api", hits(501, descriptor("tokens", "a"))), "over over:tokens=499")
	e.counts(t, "hits beyond all", inDomain("api", hits(1<<63, descriptor("tokens", "a")), hits(1<<63, descriptor("tokens", "a"))), "over over:tokens=499 over:tokens=499")
	e.counts(t, "no hits", inDomain("api", hits(0, descriptor("tokens", "a"))), "ok ok:tokens=499")
	e.counts(t, "all hits", inDomain("api", hits(499, descriptor("tokens", "a"))), "ok ok:tokens=0")
	e.counts(t, "no hits, of nothing", inDomain("api", hits(0, descriptor("tokens", "a"))), "over over:tokens=0")
	e.counts(t, "spent", inDomain("api", hits(90, descriptor("answered", "a"))), "ok ok:answered=10")
	e.counts(t, "may there be more", inDomain("api", hits(0, descriptor("answered", "a")), address("192.0.2.4")), "ok ok:answered=10 ok:per-address=2")
	e.counts(t, "spent beyond", inDomain("api", hits(50, descriptor("answered", "a"))), "over over:answered=0")
	e.counts(t, "no more", inDomain("api", hits(0, descriptor("answered", "a")), address("192.0.2.4")), "over over:answered=0 ok:per-address=2")
	e.counts(t, "tried", inDomain("api", descriptor("tried", "x")), "ok ok:tried=0")
	e.counts(t, "tried again", inDomain("api", descriptor("tried", "x")), "ok ok:tried=0")
	for name, want := range map[string]string{
		`warder_rate_limit_decisions_total{limit="per-address",outcome="passed"}`: "6", `warder_rate_limit_decisions_total{limit="any-plan",outcome="refused"}`: "1",
		`warder_rate_limit_decisions_total{limit="tried",outcome="shadowed"}`: "1", `warder_rate_limit_subjects{limit="any-plan"}`: "2",
		`warder_refusals_total{reason="limit:any-plan",stage="ratelimits"}`: "1", `warder_requests_total{outcome="passed",route="ratelimit:other",status="2xx"}`: "1",
		`warder_shadow_refusals_total{reason="limit:tried",stage="ratelimits"}`: "1",
	} {
		if got := e.metric(t, name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	e.attackOnLimits(t)
	e.logged(t, "limit:tried", 1)
	e.logged(t, "that the configuration does not have", 1)
	if text := e.log(t); strings.Contains(text, "198.51.100.1") || strings.Contains(text, "192.0.2.99") {
		t.Errorf("a value is in the log:\n%s", text)
	}
}

// attackOnLimits asks for what no limit has, and in forms that name none.
func (e envoy) attackOnLimits(t *testing.T) {
	t.Helper()
	address := descriptor("remote_address", "198.51.100.1")
	for what, q := range map[string]*rlsv3.RateLimitRequest{
		"an unknown domain":     inDomain("nowhere", address),
		"an unknown key":        inDomain("api", descriptor("header", "x")),
		"more entries":          inDomain("api", descriptor("remote_address", "192.0.2.1", "plan", "x")),
		"fewer":                 inDomain("api", descriptor("plan", "gold")),
		"a value without limit": inDomain("api", descriptor("generic_key", "upload")),
	} {
		e.counts(t, what, q, "ok ok")
	}
	e.counts(t, "an unknown one beside", inDomain("api", descriptor("header", "x"), address), "ok ok ok:per-address=2")
	if got := e.metric(t, "warder_descriptors_unmatched_total"); got != "6" {
		t.Errorf("%s are unmatched, want 6", got)
	}
	negative := descriptor("remote_address", "198.51.100.2")
	negative.IsNegativeHits = true
	for what, q := range map[string]*rlsv3.RateLimitRequest{
		"nothing":            {},
		"no domain":          inDomain("", address),
		"no descriptor":      inDomain("api"),
		"no entry":           inDomain("api", descriptor()),
		"no key":             inDomain("api", descriptor("", "x")),
		"many entries":       inDomain("api", descriptor(make([]string, 34)...)),
		"many descriptors":   inDomain("api", make([]*commonv3.RateLimitDescriptor, 65)...),
		"two of one limit":   inDomain("api", address, descriptor("remote_address", "198.51.100.3")),
		"hits that are less": inDomain("api", negative),
		"a quota of nothing": inDomain("api", override(0, typev3.RateLimitUnit_HOUR)),
		"a quota of no time": inDomain("api", override(1, typev3.RateLimitUnit_UNKNOWN)),
	} {
		if w, err := limits(t, e.conn, q); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v, %v", what, w, err)
		}
	}
	if got := e.metric(t, `warder_refusals_total{reason="malformed-descriptors",stage="ratelimits"}`); got != "11" {
		t.Errorf("%s are malformed, want 11", got)
	}
	long := strings.Repeat("x", 60<<10)
	e.counts(t, "a long value", inDomain("api", descriptor("tokens", long)), "ok ok:tokens=499")
	e.counts(t, "the same", inDomain("api", descriptor("tokens", long)), "ok ok:tokens=498")
	e.counts(t, "another long one", inDomain("api", descriptor("tokens", long+"y")), "ok ok:tokens=499")
	if w, err := limits(t, e.conn, inDomain("api", descriptor("tokens", strings.Repeat(long, 40)))); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("beyond the bound of a message: %v, %v", w.GetOverallCode(), err)
	}
	e.counts(t, "values that read alike", inDomain("api", descriptor("generic_key", "search", "plan", "go"), descriptor("tokens", "")), "ok ok:any-plan=1 ok:tokens=499")
}

func override(n uint32, unit typev3.RateLimitUnit) *commonv3.RateLimitDescriptor {
	d := descriptor("generic_key", "search")
	d.Limit = &commonv3.RateLimitDescriptor_RateLimitOverride{RequestsPerUnit: n, Unit: unit}
	return d
}

// What a descriptor brings along counts where the rule says so.
func TestEnvoyBringsALimitAlong(t *testing.T) {
	e := startEnvoyWithLimits(t, settings{})
	w := e.counts(t, "a rule that takes it", inDomain("api", override(3, typev3.RateLimitUnit_DAY)), "ok ok:search=2")
	if l := w.GetStatuses()[0].GetCurrentLimit(); l.GetRequestsPerUnit() != 3 || l.GetUnit() != rlsv3.RateLimitResponse_RateLimit_DAY || l.GetUnitMultiplier() != nil {
		t.Errorf("the current limit: %v", l)
	}
	twoDays := override(10, typev3.RateLimitUnit_DAY)
	twoDays.Limit.UnitMultiplier = wrapperspb.UInt32(2)
	if l := e.counts(t, "two days", inDomain("api", twoDays), "ok ok:search=9").GetStatuses()[0].GetCurrentLimit(); l.GetUnitMultiplier().GetValue() != 2 {
		t.Errorf("the current limit: %v", l)
	}
	e.counts(t, "its own", inDomain("api", descriptor("generic_key", "search")), "ok ok:search=99")
	d := override(1000, typev3.RateLimitUnit_SECOND)
	d.Entries = descriptor("remote_address", "192.0.2.1").GetEntries()
	e.counts(t, "a rule that does not take it", inDomain("api", d), "ok ok:per-address=2")
}

// What the client and Envoy's log are told.
func TestWhatEnvoyTellsOfLimits(t *testing.T) {
	e := startEnvoyWithLimits(t, settings{})
	q := func() *rlsv3.RateLimitRequest {
		return inDomain("api", descriptor("remote_address", "192.0.2.1"), descriptor("tokens", "a"))
	}
	w := e.counts(t, "one that passes", q(), "ok ok:per-address=2 ok:tokens=499")
	h := added(w)
	if h["ratelimit-policy"] != `"per-address";q=3;w=31536000, "tokens";q=1000;w=2592000` || !strings.HasPrefix(h["ratelimit"], `"per-address";r=2;t=`) || h["x-ratelimit-remaining"] != "2" || h["retry-after"] != "" || len(w.GetRawBody()) > 0 {
		t.Errorf("a pass: %v %q", h, w.GetRawBody())
	}
	first, second := w.GetStatuses()[0], w.GetStatuses()[1]
	if l := first.GetCurrentLimit(); l.GetRequestsPerUnit() != 3 || l.GetUnit() != rlsv3.RateLimitResponse_RateLimit_YEAR {
		t.Errorf("the current limit: %v", l)
	}
	if l := second.GetCurrentLimit(); l.GetRequestsPerUnit() != 1000 || l.GetUnit() != rlsv3.RateLimitResponse_RateLimit_MONTH {
		t.Errorf("the current limit: %v", l)
	}
	if got, whole := first.GetDurationUntilReset().AsDuration(), 365*24*time.Hour/3; got <= whole-time.Hour || got > whole {
		t.Errorf("the reset is in %v, want about %v", got, whole)
	}
	e.counts(t, "a second one", q(), "ok ok:per-address=1 ok:tokens=498")
	e.counts(t, "a third one", q(), "ok ok:per-address=0 ok:tokens=497")
	w = e.counts(t, "one over the limit", q(), "over over:per-address=0 ok:tokens=497")
	h = added(w)
	var problem struct {
		Status int    `json:"status"`
		Type   string `json:"type"`
	}
	if err := json.Unmarshal(w.GetRawBody(), &problem); err != nil || problem.Status != 429 || !strings.HasSuffix(problem.Type, "#rate-limited") {
		t.Errorf("the problem: %q, %v", w.GetRawBody(), err)
	}
	if h["content-type"] != "application/problem+json" || len(h["retry-after"]) < 7 || !strings.HasPrefix(h["ratelimit"], `"per-address";r=0;t=`) {
		t.Errorf("over the limit: %v", h)
	}
	for _, want := range []string{`"status":429`, `"stage":"ratelimits","reason":"limit:per-address"`, `"route":"ratelimit:api"`, `"proto":"HTTP/2.0"`, `"client":"127.0.0.1"`} {
		if text := e.log(t); !strings.Contains(text, want) {
			t.Errorf("the log has no %s:\n%s", want, text)
		}
	}
}

// Limits that are as they were count on after a reload; new ones hold.
func TestEnvoysLimitsAreReloaded(t *testing.T) {
	e := startEnvoyWithLimits(t, settings{})
	e.counts(t, "before", inDomain("api", descriptor("remote_address", "192.0.2.1")), "ok ok:per-address=2")
	e.counts(t, "before", inDomain("api", descriptor("tokens", "a")), "ok ok:tokens=499")
	text, err := os.ReadFile(e.source.File)
	if err != nil {
		t.Fatal(err)
	}
	change := strings.NewReplacer("burst: 500", "burst: 400", "- key: tried\n", "- {key: fresh, limit: {name: fresh, count: 7, per: 1d}}\n      - key: tried\n")
	if err := os.WriteFile(e.source.File, []byte(change.Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	e.reload(t)
	e.counts(t, "one as it was", inDomain("api", descriptor("remote_address", "192.0.2.1")), "ok ok:per-address=1")
	e.counts(t, "one that changed", inDomain("api", descriptor("tokens", "a")), "ok ok:tokens=399")
	e.counts(t, "a new one", inDomain("api", descriptor("fresh", "a")), "ok ok:fresh=6")
}

func TestEnvoysLimitsOverTLS(t *testing.T) {
	root, folder := testcert.NewCA(t, "root"), t.TempDir()
	cert, key := root.Issue(t, testcert.Leaf{Names: []string{"api.test"}}).Write(t, folder, "tls")
	testcert.Replace(t, filepath.Join(folder, "ca.pem"), root.PEM)
	yaml := strings.Replace(askedYAML("envoy"), `"127.0.0.1:0"`, `"0.0.0.0:0"`, 1) + someDescriptors +
		fmt.Sprintf("tls: {certificates: [{cert_file: %s, key_file: %s}], client_ca_file: %s, client_auth: require}\n", cert, key, filepath.Join(folder, "ca.pem"))
	p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{yaml: yaml})
	attack.CaseVia(t, "FWD-01", attack.ViaEnvoy, func(t *testing.T) {
		envoys := root.Issue(t, testcert.Leaf{Subject: "envoy", Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}).TLS
		for name, certificates := range map[string][]tls.Certificate{"none": nil, "Envoy's own": {envoys}} {
			conn := p.dial(t, credentials.NewTLS(&tls.Config{RootCAs: root.Pool(), ServerName: "api.test", MinVersion: tls.VersionTLS12, Certificates: certificates}))
			w, err := limits(t, conn, inDomain("api", descriptor("remote_address", "192.0.2.1")))
			if passed := err == nil && w.GetOverallCode() == isOK; passed != (certificates != nil) {
				t.Errorf("%s: %v, %v", name, w, err)
			}
		}
	})
}

func TestStrangersLearnNothingOfLimits(t *testing.T) {
	attack.CaseVia(t, "FWD-01", attack.ViaEnvoy, func(t *testing.T) {
		e := envoy{program: start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{yaml: askedYAML(`envoy, proxies: ["192.0.2.0/24"]`) + someDescriptors})}
		e.conn = e.dial(t, insecure.NewCredentials())
		if w, err := limits(t, e.conn, inDomain("api", descriptor("remote_address", "192.0.2.1"))); status.Code(err) != codes.PermissionDenied {
			t.Errorf("%v, %v", w, err)
		}
	})
}

const sharedDescriptors = `
redis: {addresses: ["127.0.0.1:1"], budget: 10s}
rate_limit_domains:
  - domain: exact
    descriptors:
      - {key: user, limit: {name: exact, count: 10, per: 365d, store: redis}}
      - {key: strict, limit: {name: strict, count: 10, per: 365d, store: redis, on_store_failure: closed}}
      - {key: open, limit: {name: open, count: 1, per: 365d, store: redis, on_store_failure: insecure_open}}
  - domain: near
    descriptors:
      - {key: user, limit: {name: near, count: 100, per: 365d, store: leased, lease: 5}}
`

// Two warders that Envoys ask count as one; while their store is away, each limit
// keeps to its rule.
func TestEnvoysLimitsInRedis(t *testing.T) {
	store := testredis.Start(t)
	var nodes [2]envoy
	for i := range nodes {
		nodes[i] = envoy{program: start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{yaml: askedYAML("envoy") + sharedDescriptors, limit: openRedis(t, store.Address)})}
		nodes[i].conn = nodes[i].dial(t, insecure.NewCredentials())
	}
	for _, tt := range []struct{ domain, key string }{{"exact", "user"}, {"near", "user"}} {
		var passed atomic.Int64
		var wg sync.WaitGroup
		for n := range 60 {
			wg.Go(func() {
				q := inDomain(tt.domain, hits(2, descriptor(tt.key, "a")))
				if w, err := limits(t, nodes[n%2].conn, q); err == nil && w.GetOverallCode() == isOK {
					passed.Add(2)
				}
			})
		}
		wg.Wait()
		if least, most := map[string]int64{"exact": 10, "near": 90}[tt.domain], map[string]int64{"exact": 10, "near": 110}[tt.domain]; passed.Load() < least || passed.Load() > most {
			t.Errorf("%s: %d passed", tt.domain, passed.Load())
		}
	}
	nodes[0].counts(t, "both, all or none", inDomain("exact", descriptor("user", "a"), descriptor("strict", "a")), "over over:exact=0 ok:strict=10")
	nodes[0].counts(t, "one", inDomain("exact", descriptor("strict", "a")), "ok ok:strict=9")
	store.Kill()
	attack.Case(t, "LIMIT-08", attack.ExtAuthz, func(t *testing.T) {
		for _, e := range nodes {
			w := e.counts(t, "closed", inDomain("exact", descriptor("strict", "b")), "over over")
			if h := added(w); h["retry-after"] != "1" || !bytes.Contains(w.GetRawBody(), []byte("cannot be counted")) {
				t.Errorf("closed: %v %s", h, w.GetRawBody())
			}
			e.counts(t, "share: what was spent stays so", inDomain("exact", descriptor("user", "a")), "over over:exact=0")
			for range 3 {
				if w, err := limits(t, e.conn, inDomain("exact", descriptor("open", "a"))); err != nil || w.GetOverallCode() != isOK {
					t.Errorf("open: %v, %v", w, err)
				}
			}
		}
	})
}
