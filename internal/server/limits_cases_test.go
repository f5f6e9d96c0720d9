package server_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

const limitCases = `
forwarded: {from: x-forwarded-for, trusted_proxies: [127.0.0.1]}
rate_limits:
  steady: {count: 4, per: 20ms, burst: 1, by: [key]}
  whole: {count: 100, per: 366d, by: [key]}
  edge: {count: 50, per: 500ms, by: [key]}
  told: {count: 1, per: 1s, by: [key]}
  address: {count: 3, per: 366d, by: [address]}
  owner: {count: 3, per: 366d, by: [owner]}
  tried: {count: 2, per: 366d, by: [key], shadow: true}
  pair: {count: 1, per: 366d, by: ["header:X-One", "header:X-Two"]}
  flood: {count: 2, per: 366d, by: [address], capacity: 200}
routes:
  - {match: "/steady", upstream: api, rate_limits: [steady]}
  - {match: "/whole", upstream: api, rate_limits: [whole]}
  - {match: "/edge", upstream: api, rate_limits: [edge]}
  - {match: "/told", upstream: api, rate_limits: [told]}
  - {match: "/address", upstream: api, rate_limits: [address]}
  - {match: "/owner", upstream: api, rate_limits: [owner]}
  - {match: "/tried", upstream: api, rate_limits: [tried]}
  - {match: "/pair", upstream: api, rate_limits: [pair]}
  - {match: "/flood", upstream: api, rate_limits: [flood]}
`

// asker asks a gateway over one connection.
type asker struct {
	p         *program
	transport http.Transport
}

// ask returns the answer to a request with fields, each "Name: value".
func (a *asker) ask(t *testing.T, path, key string, fields ...string) *http.Response {
	t.Helper()
	r := newRequest(t, "http://"+a.p.gateway+path)
	r.Header.Set("X-API-Key", key)
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		r.Header.Set(name, value)
	}
	response, err := a.transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return response
}

// The cases of limits as they are at the library, from a configuration and by requests.
// Times are those that passed by this test's clock: a machine that is late proves less,
// and is never wrong.
func TestLimitCasesThroughTheGateway(t *testing.T) {
	p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{yaml: limitCases})
	others := []string{p.key}
	for range 3 {
		record, key := p.create(t, apikey.Spec{Environment: "live", Name: "another", Owner: p.record.Owner})
		others = append(others, key)
		p.awaitNodes(t, record.Revision)
	}
	told := whenToldTo(t, p)
	for _, c := range []struct {
		id  string
		run func(t *testing.T, a *asker)
	}{
		{"LIMIT-01", atItsRate},
		{"LIMIT-02", atAnEdge},
		{"LIMIT-03", func(t *testing.T, a *asker) { t.Helper(); rotating(t, a, others) }},
		{"LIMIT-07", flooded},
		{"LIMIT-15", onlyTried},
		{"LIMIT-16", readAlike},
		{"LIMIT-10", told},
	} {
		attack.Case(t, c.id, attack.Gateway, func(t *testing.T) {
			a := &asker{p: p}
			t.Cleanup(a.transport.CloseIdleConnections)
			c.run(t, a)
		})
	}
}

// Who keeps to the rate is never refused, and who sends one more than the burst is.
func atItsRate(t *testing.T, a *asker) {
	t.Helper()
	const each = 5 * time.Millisecond
	for n := range 10 * 4 { // ten windows
		if got := a.ask(t, "/steady", a.p.key).StatusCode; got != 200 {
			t.Fatalf("request %d, at the rate: status %d", n, got)
		}
		<-time.After(each)
	}
	for n := range 101 {
		want := 200
		if n == 100 {
			want = 429
		}
		if got := a.ask(t, "/whole", a.p.key).StatusCode; got != want {
			t.Errorf("request %d of the burst: status %d, want %d", n, got, want)
		}
	}
}

// A burst before the end of what a window would be, and one after it.
func atAnEdge(t *testing.T, a *asker) {
	t.Helper()
	const count, per = 50, 500 * time.Millisecond
	burst := func() (passed int) {
		for range count {
			if a.ask(t, "/edge", a.p.key).StatusCode == 200 {
				passed++
			}
		}
		return passed
	}
	first := time.Now()
	if a.ask(t, "/edge", a.p.key).StatusCode != 200 {
		t.Fatal("the first was refused")
	}
	<-time.After(time.Until(first.Add(per - per/8)))
	began := time.Now()
	passed := burst()
	<-time.After(time.Until(first.Add(per)))
	passed += burst()
	took := time.Since(began)
	if most := count + int(took*count/per) + 1; passed > most {
		t.Errorf("%d passed in %v, want %d at most", passed, took, most)
	}
	if passed < count {
		t.Errorf("%d passed, want the burst, %d, at least", passed, count)
	}
}

// Whoever comes again when it was told to passes; the fields say what is left. What
// is returned does so: meanwhile other cases run.
func whenToldTo(t *testing.T, p *program) func(t *testing.T, a *asker) {
	t.Helper()
	a := &asker{p: p}
	first, second := a.ask(t, "/told", p.key), a.ask(t, "/told", p.key)
	for n := 0; n < 3 && second.StatusCode == 200; n++ { // this machine took a second
		second = a.ask(t, "/told", p.key)
	}
	heard := time.Now()
	a.transport.CloseIdleConnections()
	return func(t *testing.T, a *asker) {
		t.Helper()
		if got := first.Header.Get("RateLimit-Policy"); first.StatusCode != 200 || got != `"told";q=1;w=1` {
			t.Errorf("status %d, RateLimit-Policy %q", first.StatusCode, got)
		}
		if got := second.Header.Get("RateLimit"); second.StatusCode != 429 || got != `"told";r=0;t=1` {
			t.Errorf("status %d, RateLimit %q", second.StatusCode, got)
		}
		wait, err := strconv.Atoi(second.Header.Get("Retry-After"))
		if err != nil || wait != 1 {
			t.Fatalf("Retry-After %q", second.Header.Get("Retry-After"))
		}
		<-time.After(time.Until(heard.Add(time.Duration(wait) * time.Second)))
		if got := a.ask(t, "/told", a.p.key).StatusCode; got != 200 {
			t.Errorf("at the time that it was told: status %d", got)
		}
	}
}

// Other addresses that a client makes up, others of its network, other keys of its
// owner: one subject each.
func rotating(t *testing.T, a *asker, keys []string) {
	t.Helper()
	for _, tt := range []struct {
		name, path string
		field      func(n int) string
		key        func(n int) string
		want       int // that pass
	}{
		{"made up before what the proxy wrote", "/address", func(n int) string { return fmt.Sprintf("X-Forwarded-For: 192.0.2.%d, 198.51.100.1", n) }, nil, 3},
		{"of one network", "/address", func(n int) string { return fmt.Sprintf("X-Forwarded-For: 2001:db8:1:2:%x::%x", n, n+1) }, nil, 3},
		{"of many networks", "/address", func(n int) string { return fmt.Sprintf("X-Forwarded-For: 2001:db8:2:%x::1", n) }, nil, 12},
		{"one address in two spellings", "/address", func(n int) string {
			return "X-Forwarded-For: " + []string{"203.0.113.9", "::ffff:203.0.113.9"}[n%2]
		}, nil, 3},
		{"fields that nobody believes", "/address", func(n int) string { return fmt.Sprintf("X-Real-IP: 192.0.2.%d", n) }, nil, 3},
		{"keys of one owner", "/owner", func(int) string { return "X-Other: x" }, func(n int) string { return keys[n%len(keys)] }, 3},
	} {
		passed := 0
		for n := range 12 {
			key := a.p.key
			if tt.key != nil {
				key = tt.key(n)
			}
			if a.ask(t, tt.path, key, tt.field(n)).StatusCode == 200 {
				passed++
			}
		}
		if passed != tt.want {
			t.Errorf("%s: %d of 12 passed, want %d", tt.name, passed, tt.want)
		}
	}
}

// Many more addresses than are remembered, while one is over its limit.
func flooded(t *testing.T, a *asker) {
	t.Helper()
	over := func() int { return a.ask(t, "/flood", a.p.key, "X-Forwarded-For: 198.51.100.77").StatusCode }
	wantStatuses(t, "the limit", []int{over(), over(), over()}, 200, 200, 429)
	for n := range 1000 {
		r := rand.Uint64()
		address := netip.AddrFrom4([4]byte{10, byte(r), byte(r >> 8), byte(r >> 16)})
		if got := a.ask(t, "/flood", a.p.key, "X-Forwarded-For: "+address.String()).StatusCode; got != 200 {
			t.Fatalf("stranger %d: status %d, while others had spent as little", n, got)
		}
		if n%100 == 0 && over() != 429 {
			t.Fatalf("after %d strangers, who was over the limit passes", n)
		}
	}
	wantStatuses(t, "after all of them", []int{over()}, 429)
	if got := a.p.metric(t, `warder_rate_limit_subjects{limit="flood"}`); got != "200" {
		t.Errorf("%s are remembered, want 200", got)
	}
}

// What a limit that is only tried would refuse passes as if it were not there, and is
// counted.
func onlyTried(t *testing.T, a *asker) {
	t.Helper()
	for n := range 5 {
		response := a.ask(t, "/tried", a.p.key)
		if response.StatusCode != 200 || response.Header.Get("RateLimit")+response.Header.Get("RateLimit-Policy")+response.Header.Get("Retry-After") != "" {
			t.Errorf("request %d: status %d, %v", n, response.StatusCode, response.Header)
		}
	}
	for outcome, want := range map[string]string{"passed": "2", "shadowed": "3", "refused": "0"} {
		if got := a.p.metric(t, `warder_rate_limit_decisions_total{limit="tried",outcome="`+outcome+`"}`); got != want {
			t.Errorf("%s: %s, want %s", outcome, got, want)
		}
	}
}

// Values that are the same once they are written one after the other.
func readAlike(t *testing.T, a *asker) {
	t.Helper()
	for _, pair := range [][2]string{{"a", "bc"}, {"ab", "c"}, {"abc", ""}, {"", "abc"}, {"a\tb", "c"}, {"a", "\tbc"}} {
		for _, want := range []int{200, 429} {
			fields := []string{"X-One: " + pair[0], "X-Two: " + pair[1]}
			if pair == [2]string{"a", "\tbc"} {
				want = 429 // space before a value is none of it: this is the first pair
			}
			if got := a.ask(t, "/pair", a.p.key, fields...).StatusCode; got != want {
				t.Errorf("%q: status %d, want %d", pair, got, want)
			}
		}
	}
}
