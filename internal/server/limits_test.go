package server_test

import (
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// hours are limits that give nothing back while a test runs.
const hours = `
rate_limits:
  address: {count: 23, per: 366d, by: [address]}
  key: {count: 4, per: 366d, by: [key], soft: true, plans: [{name: gold, count: 6, owners: [globex]}]}
  tried: {count: 1, per: 366d, by: [key, route], shadow: true}
  model: {count: 100, per: 366d, by: [owner], cost_header: X-Cost}
  pairs: {count: 2, per: 366d, by: ["header:X-Tenant", "cel:principal.owner + '/' + request.method"]}
default_rate_limits: [address]
rate_limit_fields: both
routes:
  - {match: "/{$}", upstream: api, rate_limits: [key, tried]}
  - {match: "/dear", upstream: api, rate_limits: [key], cost: 3}
  - {match: "/model", upstream: api, rate_limits: [model, "off"]}
  - {match: "/pairs", upstream: api, rate_limits: [pairs, "off"]}
  - {match: "/scoped", upstream: api, rate_limits: [key], scopes: ["nobody:has"]}
  - {match: "/free", upstream: api, rate_limits: ["off"]}
  - {match: "/open", upstream: api, public: true}
  - {match: "/small", upstream: api, rate_limits: [key], body_bytes: 1KiB}
`

// statuses asks for path n times.
func (p *program) statuses(t *testing.T, path, key string, n int) (all []int) {
	t.Helper()
	for range n {
		all = append(all, p.get(t, path, key).StatusCode)
	}
	return all
}

func wantStatuses(t *testing.T, what string, got []int, want ...int) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: statuses %v, want %v", what, got, want)
	}
}

func TestLimitsThroughTheGateway(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nRateLimit: \"theirs\";r=1;t=1\r\nX-RateLimit-Remaining: 0\r\n\r\nok"))
	p := start(t, upstream.URL(), settings{yaml: hours})
	attack.Case(t, "LIMIT-06", attack.Gateway, func(t *testing.T) {
		wantStatuses(t, "no credential", p.statuses(t, "/", "", 1), 401)
		wantStatuses(t, "no right", p.statuses(t, "/scoped", p.key, 3), 403, 403, 403)
		wantStatuses(t, "none of these was the key's", p.statuses(t, "/dear", p.key, 2), 200, 429)
	})
	attack.Case(t, "PROXY-20", attack.Gateway, func(t *testing.T) {
		response := p.get(t, "/", p.key)
		for name, want := range map[string]string{
			"RateLimit-Policy":  `"key";q=4;w=31622400|"address";q=23;w=31622400`,
			"X-RateLimit-Limit": "4", "X-RateLimit-Remaining": "0",
		} {
			if got := strings.Join(response.Header.Values(name), "|"); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if got := strings.Join(response.Header.Values("RateLimit"), "|"); strings.Contains(got, "theirs") || !strings.HasPrefix(got, `"key";r=0;t=`) {
			t.Errorf("RateLimit: %q", got)
		}
	})
	if got := upstream.Received(); !strings.Contains(strings.Join(got, ""), "X-Warder-Limit-Near: key\r\n") {
		t.Errorf("the upstream does not know that the limit is near: %q", got)
	}
	t.Run("a refusal names the limit", func(t *testing.T) {
		response := p.get(t, "/", p.key)
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != 429 || !strings.Contains(string(body), "The limit key is reached.") || strings.Contains(string(body), string(p.record.ID)) {
			t.Errorf("status %d: %s, %v", response.StatusCode, body, err)
		}
		if after := response.Header.Get("Retry-After"); len(after) < 5 || strings.Trim(after, "0123456789") != "" {
			t.Errorf("Retry-After: %q", after)
		}
	})
	t.Run("a plan", func(t *testing.T) {
		record, gold := p.create(t, apikey.Spec{Environment: "live", Name: "gold", Owner: "globex", Scopes: []string{"orders:*"}})
		p.awaitNodes(t, record.Revision)
		wantStatuses(t, "gold", p.statuses(t, "/dear", gold, 3), 200, 200, 429)
	})
	t.Run("LIMIT-03: the address, whoever asks and whatever for", func(t *testing.T) {
		wantStatuses(t, "the last but one", p.statuses(t, "/open", "", 1), 200)
		wantStatuses(t, "the last, which no route matches", p.statuses(t, "/nowhere", "", 1), 404)
		wantStatuses(t, "one too many", p.statuses(t, "/open", "", 1), 429)
		wantStatuses(t, "one too many, which no route matches", p.statuses(t, "/nowhere/2", "", 1), 429)
		wantStatuses(t, "a route without it", p.statuses(t, "/free", p.key, 3), 200, 200, 200)
	})
	response, err := http.DefaultTransport.RoundTrip(newGet(t, "http://"+p.admin+"/metrics"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil || response.Body.Close() != nil {
		t.Fatal(err)
	}
	wantLines(t, string(text),
		`warder_rate_limit_decisions_total{limit="address",outcome="passed"} 13`, `warder_rate_limit_decisions_total{limit="key",outcome="refused"} 3`,
		`warder_rate_limit_decisions_total{limit="tried",outcome="shadowed"} 0`, `warder_refusals_total{reason="limit:key",stage="principallimit"} 3`)
}

func newGet(t *testing.T, address string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// An upstream that tells what a request came to.
func TestCostsThatAnUpstreamTells(t *testing.T) {
	for _, c := range []struct {
		name, cost string
		want       []int // statuses until one is refused
	}{
		{"nothing: the request counted already", "0", []int{200, 200, 200}},
		{"more", "60", []int{200, 200, 429}},
		{"all", "100", []int{200, 429}},
		{"more than the burst is the burst", "101", []int{200, 429}},
		{"below nothing", "-50", []int{200, 200, 200}},
		{"with a sign", "+100", []int{200, 200, 200}},
		{"no number", "NaN", []int{200, 200, 200}},
		{"a part", "99.5", []int{200, 200, 200}},
		{"2^63", "9223372036854775808", []int{200, 200, 200}},
		{"two", "100\r\nX-Cost: 1", []int{200, 200, 200}},
	} {
		attack.Case(t, "LIMIT-09", attack.Gateway, func(t *testing.T) {
			upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Cost: "+c.cost+"\r\n\r\nok"))
			p := start(t, upstream.URL(), settings{yaml: hours})
			var got []int
			for range c.want {
				response := p.get(t, "/model", p.key)
				if told := response.Header.Values("X-Cost"); told != nil {
					t.Errorf("the client reads the cost %q", told)
				}
				got = append(got, response.StatusCode)
			}
			wantStatuses(t, c.name, got, c.want...)
		})
	}
}

func TestSubjectsOfHeadersAndExpressions(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{yaml: hours})
	for n, want := range []int{200, 200, 429} {
		for _, tenant := range []string{"a", "b"} {
			r := newGet(t, "http://"+p.gateway+"/pairs")
			r.Header.Set("X-API-Key", p.key)
			r.Header.Set("X-Tenant", tenant)
			if got := do(t, r).StatusCode; got != want {
				t.Errorf("request %d of %s: status %d, want %d", n, tenant, got, want)
			}
		}
	}
}

func TestBypass(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	for _, bypass := range []string{"addresses: [127.0.0.0/8]", "addresses: [192.0.2.1]"} {
		p := start(t, upstream.URL(), settings{yaml: fmt.Sprintf("rate_limit_bypass: {%s}\n%s", bypass, hours)})
		want := 429
		if strings.Contains(bypass, "127") {
			want = 200
		}
		wantStatuses(t, bypass, p.statuses(t, "/dear", p.key, 2), 200, want)
	}
}

// A body that is refused while it comes was let pass before: it counts, once.
func TestABodyThatIsRefusedWhileItComes(t *testing.T) {
	attack.Case(t, "LIMIT-06", attack.Gateway, func(t *testing.T) {
		upstream := wire.Listen(t, wire.Answer(wire.OK))
		p := start(t, upstream.URL(), settings{yaml: hours})
		client := wire.Dial(t, p.gateway)
		client.Send("POST /small HTTP/1.1\r\nHost: localhost\r\nX-API-Key: " + p.key + "\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n" + strings.Repeat("x", 2048) + "\r\n0\r\n\r\n")
		if response, body := client.Response(http.MethodPost); response == nil || response.StatusCode != http.StatusRequestEntityTooLarge {
			t.Fatalf("response %v: %s", response, body)
		}
		wantStatuses(t, "three of four are left", p.statuses(t, "/", p.key, 4), 200, 200, 200, 429)
		declared := wire.Dial(t, p.gateway)
		declared.Send("POST /small HTTP/1.1\r\nHost: localhost\r\nX-API-Key: " + p.key + "\r\nContent-Length: 2048\r\n\r\n")
		if response, _ := declared.Response(http.MethodPost); response == nil || response.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("one that says so: response %v, want 413 before anybody counts by key", response)
		}
	})
}

// Guessing at one key, from an address that its holder may share, through one
// route or another.
func TestGuessingThroughTheGateway(t *testing.T) {
	attack.Case(t, "LIMIT-13", attack.Gateway, func(t *testing.T) {
		upstream := wire.Listen(t, wire.Answer(wire.OK))
		p := start(t, upstream.URL(), settings{yaml: "brute_force: {failures: 9, key_failures: 3, delay: 1h, longest_delay: 1h}\n" + strings.TrimPrefix(everyPlace, "\nhosts: [localhost, 127.0.0.1]")})
		record, own := p.create(t, apikey.Spec{Environment: "live", Name: "another", Owner: "globex"})
		p.awaitNodes(t, record.Revision)
		wantStatuses(t, "a good key", p.statuses(t, "/header", p.key, 1), 200)
		guess := wrongSecret(t, own)
		wantStatuses(t, "guesses", p.statuses(t, "/header", guess, 2), 401, 401)
		wantStatuses(t, "guesses in other places, of the same key", p.statuses(t, "/query?api_key="+guess, "", 3), 401, 401, 429)
		wantStatuses(t, "the right one does not end it", p.statuses(t, "/header", own, 1), 429)
		wantStatuses(t, "whoever else is there", p.statuses(t, "/header", p.key, 1), 200)
		wantStatuses(t, "without a key", p.statuses(t, "/header", "", 1), 401)
		for n := range 6 {
			_, other := p.create(t, apikey.Spec{Environment: "live", Name: "more", Owner: "globex"})
			wantStatuses(t, fmt.Sprintf("a spray, %d", n), p.statuses(t, "/header", wrongSecret(t, other), 1), 401)
		}
		_, fresh := p.create(t, apikey.Spec{Environment: "live", Name: "never seen", Owner: "globex"})
		wantStatuses(t, "the address waits, and who was known there does not", append(p.statuses(t, "/header", fresh, 1), p.statuses(t, "/header", p.key, 1)...), 429, 200)
		wantStatuses(t, "nor do those who guess at nothing", p.statuses(t, "/header", "", 1), 401)
		response := p.get(t, "/header", guess)
		if got := response.Header.Get("Retry-After"); got != "3600" && got != "3599" {
			t.Errorf("Retry-After %q", got)
		}
	})
}

// TestABurstOfGuessesThroughTheGateway: guesses that come at once are judged no
// oftener than one after another would be, and right keys that come at once, for
// an upstream that takes its time, are all served.
func TestABurstOfGuessesThroughTheGateway(t *testing.T) {
	const each = 100
	attack.Case(t, "LIMIT-13", attack.Gateway, func(t *testing.T) {
		arrived, answer := make(chan struct{}, each), make(chan struct{})
		api := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			arrived <- struct{}{}
			<-answer
		}))
		t.Cleanup(api.Close)
		p := start(t, api.URL, settings{yaml: "brute_force: {failures: 20, key_failures: 3, delay: 1h, longest_delay: 1h}\nroutes:\n  - {match: /, upstream: api}\n"})
		record, own := p.create(t, apikey.Spec{Environment: "live", Name: "another", Owner: "globex"})
		p.awaitNodes(t, record.Revision)
		send := func(key string) map[int]int {
			var all sync.WaitGroup
			var mu sync.Mutex
			got := make(map[int]int)
			for range each {
				all.Go(func() {
					r := newRequest(t, "http://"+p.gateway+"/")
					r.Header.Set("X-API-Key", key)
					status := do(t, r).StatusCode
					mu.Lock()
					defer mu.Unlock()
					got[status]++
				})
			}
			if key == p.key { // all of them are under way before the first is answered
				for range each {
					<-arrived
				}
				close(answer)
			}
			all.Wait()
			return got
		}
		if got := send(p.key); got[http.StatusOK] != each {
			t.Errorf("right keys: %v, want %d times 200", got, each)
		}
		if got := send(wrongSecret(t, own)); got[http.StatusUnauthorized] != 4 || got[http.StatusTooManyRequests] != each-4 {
			t.Errorf("guesses: %v, want 4 times 401 and %d times 429", got, each-4)
		}
	})
}

// wrongSecret returns a key of the same id whose check is right and whose secret
// is not.
func wrongSecret(t *testing.T, key string) string {
	t.Helper()
	const digits, check, secret = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 6, 32
	body := []byte(key[:len(key)-check])
	for i := len(body) - secret; i < len(body); i++ {
		body[i] = 'x'
	}
	var end [check]byte
	sum := crc32.ChecksumIEEE(body)
	for i := check - 1; i >= 0; i-- {
		end[i] = digits[sum%62]
		sum /= 62
	}
	text := string(body) + string(end[:])
	if _, err := apikey.Parse(text); err != nil {
		t.Fatal(err)
	}
	return text
}

// However a request ends, its place among those under way is given back.
func TestPlacesThroughTheGateway(t *testing.T) {
	attack.Case(t, "LIMIT-14", attack.Gateway, func(t *testing.T) {
		inside := make(chan struct{}, 1)
		upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/wait":
				inside <- struct{}{}
				<-r.Context().Done()
			case "/cut":
				panic(http.ErrAbortHandler)
			case "/half": // the gateway's own handler can then only panic
				w.Header().Set("Content-Length", "10")
				_, _ = io.WriteString(w, "half")
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			case "/body":
				_, _ = io.Copy(io.Discard, r.Body)
			case "/upgrade":
				conn, rw, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n")
				_ = rw.Flush()
				_, _ = io.Copy(io.Discard, rw)
				_ = conn.Close()
			}
		}))
		defer upstream.Close()
		const yaml = "rate_limits:\n  busy: {concurrent: 1, by: [key]}\ncredits: {cost: 1}\nroutes:\n  - {match: /, upstream: api, rate_limits: [busy], body_bytes: 1KiB, credits: {free: true}}\n" +
			"  - {match: /dear, upstream: api, rate_limits: [busy]}\n  - {match: /others, upstream: api, rate_limits: [busy], scopes: [\"others:read\"]}\n"
		p := start(t, upstream.URL, settings{yaml: yaml})
		free := func(what string) {
			t.Helper()
			eventually(t, func() (struct{}, bool) { return struct{}{}, p.get(t, "/", p.key).StatusCode == 200 })
			t.Logf("given back after %s", what)
		}
		head := func(path, more string) string {
			return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nX-API-Key: " + p.key + "\r\n" + more + "\r\n"
		}
		client := wire.Dial(t, p.gateway)
		client.Send(head("/wait", ""))
		<-inside
		wantStatuses(t, "meanwhile", p.statuses(t, "/", p.key, 2), 429, 429)
		client.Close()
		free("a client that left")
		wantStatuses(t, "an upstream that cuts", p.statuses(t, "/cut", p.key, 1), 502)
		free("an upstream that cut")
		client = wire.Dial(t, p.gateway)
		client.Send(head("/half", ""))
		if response, body := client.Response(http.MethodGet); response != nil && body != "half" {
			t.Errorf("an answer that is cut: %q", body)
		}
		free("an answer that was cut")
		wantStatuses(t, "a credit that is missing, and a scope", append(p.statuses(t, "/dear", p.key, 2), p.statuses(t, "/others", p.key, 2)...), 429, 429, 403, 403)
		free("refusals further in")
		client = wire.Dial(t, p.gateway)
		client.Send(strings.Replace(head("/body", "Transfer-Encoding: chunked\r\n"), "GET", "POST", 1) + "800\r\n" + strings.Repeat("x", 2048) + "\r\n0\r\n\r\n")
		if response, _ := client.Response(http.MethodPost); response == nil || response.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("a body that is too long: %v", response)
		}
		free("a body that was refused while it came")
		client = wire.Dial(t, p.gateway)
		client.Send(head("/upgrade", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"))
		if response, _ := client.Response(http.MethodGet); response == nil || response.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("upgrade: %v", response)
		}
		wantStatuses(t, "while it is open", p.statuses(t, "/", p.key, 2), 429, 429)
		p.write(t, upstream.URL, strings.Replace(yaml, "concurrent: 1", "concurrent: 2", 1))
		p.reload(t)
		second := wire.Dial(t, p.gateway)
		second.Send(head("/wait", ""))
		<-inside
		wantStatuses(t, "while it is open, by other settings, and beside another", p.statuses(t, "/", p.key, 2), 429, 429)
		p.write(t, upstream.URL, yaml)
		p.reload(t)
		second.Close()
		eventually(t, func() (struct{}, bool) {
			return struct{}{}, p.metric(t, `warder_rate_limit_subjects{limit="busy"}`) == "1"
		})
		wantStatuses(t, "while it is open, by the settings before", p.statuses(t, "/", p.key, 2), 429, 429)
		client.Close()
		free("an upgraded connection")
	})
}
