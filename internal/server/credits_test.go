package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/usage"
)

// giveCredits makes an account.
func (p *program) giveCredits(t *testing.T, who usage.Subject, n int64, refill usage.Refill) {
	t.Helper()
	for _, c := range []usage.Change{{Op: usage.OpSet, Amount: n}, {Op: usage.OpRefill, Refill: refill}} {
		c.Actor, c.Source, c.At, c.Subject = "user:ada", "cli", time.Now(), who
		if _, err := p.credits.Apply(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
}

// spent is how much of an account was spent and is left, after the program stopped.
func (p *program) spent(t *testing.T, who usage.Subject) (spent, balance int64) {
	t.Helper()
	a, err := p.credits.Account(t.Context(), who, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if a.Held != 0 || a.Lost != 0 {
		t.Errorf("account = %+v, want nothing held and nothing lost after a stop in good order", a)
	}
	return a.Spent, a.Balance
}

func TestTheLastCreditsThroughTwoGateways(t *testing.T) {
	attack.Case(t, "LIMIT-12", attack.Gateway, func(t *testing.T) {
		upstream := wire.Listen(t, wire.Answer(wire.OK))
		const yaml = "credits: {cost: 1, by: owner}\nroutes:\n  - {match: /, upstream: api}\n"
		first := start(t, upstream.URL(), settings{yaml: yaml})
		second := start(t, upstream.URL(), settings{yaml: yaml, flags: map[string]string{"db": filepath.Join(first.folder, "warder.db")}})
		acme := usage.Subject{Kind: usage.Owner, ID: "acme"}
		first.giveCredits(t, acme, 10, usage.Refill{})
		var mu sync.Mutex
		statuses := map[int]int{}
		var wait sync.WaitGroup
		for range 50 {
			for _, p := range []*program{first, second} {
				wait.Go(func() {
					got := p.get(t, "/", p.key).StatusCode
					mu.Lock()
					defer mu.Unlock()
					statuses[got]++
				})
			}
		}
		wait.Wait()
		if statuses[200] != 10 || statuses[429] != 90 {
			t.Errorf("statuses %v, want 10 times 200 and 90 times 429", statuses)
		}
		if n := len(requestLines(upstream)); n != 10 {
			t.Errorf("the upstream saw %d requests, want 10", n)
		}
		for _, p := range []*program{first, second} {
			if err := p.stop(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestNoCreditsAreLeft(t *testing.T) {
	attack.Case(t, "LIMIT-12", attack.Gateway, func(t *testing.T) {
		upstream := wire.Listen(t, wire.Answer(wire.OK))
		p := start(t, upstream.URL(), settings{yaml: "credits: {cost: 1}\nroutes:\n  - {match: /, upstream: api}\n"})
		_, poor := p.create(t, apikey.Spec{Environment: "live", Name: "none"})
		record, monthly := p.create(t, apikey.Spec{Environment: "live", Name: "monthly"})
		mine, theirs := usage.Subject{Kind: usage.Key, ID: string(p.record.ID)}, usage.Subject{Kind: usage.Key, ID: string(record.ID)}
		p.giveCredits(t, mine, 1, usage.Refill{})
		p.giveCredits(t, theirs, 0, usage.Refill{Every: usage.Month, Amount: 5})
		for _, tt := range []struct {
			name, key, left string
			status          int
			retry           bool
		}{
			{"the last one", p.key, "0", 200, false},
			{"none left", p.key, "0", 429, false},
			{"no account", poor, "", 429, false},
			{"none until next month", monthly, "0", 429, true},
		} {
			w := p.get(t, "/", tt.key)
			if w.StatusCode != tt.status || w.Header.Get("X-Credits-Remaining") != tt.left {
				t.Errorf("%s: status %d, remaining %q; want %d, %q", tt.name, w.StatusCode, w.Header.Get("X-Credits-Remaining"), tt.status, tt.left)
			}
			seconds, err := strconv.Atoi(w.Header.Get("Retry-After"))
			if known := err == nil && seconds > 0 && seconds <= 31*24*60*60; known != tt.retry {
				t.Errorf("%s: Retry-After = %q", tt.name, w.Header.Get("Retry-After"))
			}
			if tt.status == 200 {
				continue
			}
			var problem struct{ Type string }
			if err := json.NewDecoder(w.Body).Decode(&problem); err != nil || !strings.HasSuffix(problem.Type, "#credits-exhausted") {
				t.Errorf("%s: problem %q, %v", tt.name, problem.Type, err)
			}
		}
		for reason, want := range map[string]string{"credits": "2", "credits:no-account": "1"} {
			eventually(t, func() (struct{}, bool) {
				return struct{}{}, p.metric(t, `warder_refusals_total{reason="`+reason+`",stage="credit"}`) == want
			})
		}
		if err := p.stop(); err != nil {
			t.Fatal(err)
		}
	})
}

// creditsAway is a store without an answer.
type creditsAway struct{ usage.Store }

func (creditsAway) Reserve(context.Context, time.Time, []usage.Ask) ([]usage.Grant, error) {
	return nil, errors.New("away")
}

func TestTheStoreOfCreditsIsAway(t *testing.T) {
	attack.Case(t, "LIMIT-12", attack.Gateway, func(t *testing.T) {
		upstream := wire.Listen(t, wire.Answer(wire.OK))
		p := start(t, upstream.URL(), settings{
			yaml:    "credits: {cost: 1}\nroutes:\n  - {match: /, upstream: api}\n",
			credits: func(s usage.Store) usage.Store { return creditsAway{s} },
		})
		p.giveCredits(t, usage.Subject{Kind: usage.Key, ID: string(p.record.ID)}, 100, usage.Refill{})
		if w := p.get(t, "/", p.key); w.StatusCode != http.StatusServiceUnavailable || w.Header.Get("Retry-After") == "" {
			t.Errorf("status %d, Retry-After %q; want 503", w.StatusCode, w.Header.Get("Retry-After"))
		}
		if n := len(requestLines(upstream)); n != 0 {
			t.Errorf("the upstream saw %d requests", n)
		}
	})
}

// TestWhatCostsCredits sends what is refused, what is free and what fails, and
// looks at the account when the gateway has stopped.
func TestWhatCostsCredits(t *testing.T) {
	const yaml = `
credits: {cost: 3, refund_failed: true, cost_header: X-Request-Cost}
routes:
  - {match: /, upstream: api}
  - {match: /dear/, upstream: api, credits: {cost: 7}}
  - {match: /free/, upstream: api, credits: {free: true}}
  - {match: /public/, upstream: api, public: true}
  - {match: /scope/, upstream: api, scopes: ["other:read"]}
  - {match: /office/, upstream: api, conditions: [{name: office, addresses: [203.0.113.7]}]}
  - {match: "POST /small/", upstream: api, body_bytes: 4}
`
	for _, tt := range []struct {
		id, name, method, path, key, body string
		answer                            string
		status                            int
		cost                              int64
	}{
		{"LIMIT-12", "passes", "GET", "/", "own", "", wire.OK, 200, 3},
		{"LIMIT-12", "a dear route", "POST", "/dear/a", "own", "", wire.OK, 200, 7},
		{"LIMIT-12", "a free route", "GET", "/free/", "own", "", wire.OK, 200, 0},
		{"LIMIT-12", "a public route, with a key", "GET", "/public/", "own", "", wire.OK, 200, 0},
		{"LIMIT-12", "HEAD", "HEAD", "/dear/", "own", "", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", 200, 0},
		{"LIMIT-12", "OPTIONS", "OPTIONS", "/dear/", "own", "", wire.OK, 200, 0},
		{"LIMIT-06", "no key", "GET", "/dear/", "", "", wire.OK, 401, 0},
		{"LIMIT-06", "a wrong key", "GET", "/dear/", "wrong", "", wire.OK, 401, 0},
		{"LIMIT-06", "a scope is missing", "GET", "/scope/", "own", "", wire.OK, 403, 0},
		{"LIMIT-06", "from elsewhere", "GET", "/office/", "own", "", wire.OK, 403, 0},
		{"LIMIT-06", "a body that is too long", "POST", "/small/", "own", "12345", wire.OK, 413, 0},
		{"LIMIT-06", "two readings", "GET", "/dear//a", "own", "", wire.OK, 400, 0},
		{"LIMIT-12", "the upstream refuses", "GET", "/dear/", "own", "", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404, 7},
		{"LIMIT-12", "the upstream fails", "GET", "/dear/", "own", "", "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", 500, 0},
		{"LIMIT-12", "the upstream answers nonsense", "POST", "/dear/", "own", "", "nonsense\r\n\r\n", 502, 0},
		{"LIMIT-09", "the upstream says less", "GET", "/dear/", "own", "", "HTTP/1.1 200 OK\r\nX-Request-Cost: 2\r\nContent-Length: 0\r\n\r\n", 200, 2},
		{"LIMIT-09", "the upstream says more", "GET", "/dear/", "own", "", "HTTP/1.1 200 OK\r\nX-Request-Cost: 8\r\nContent-Length: 0\r\n\r\n", 200, 7},
		{"LIMIT-09", "the upstream says two things", "GET", "/dear/", "own", "", "HTTP/1.1 200 OK\r\nX-Request-Cost: 1\r\nX-Request-Cost: 2\r\nContent-Length: 0\r\n\r\n", 200, 7},
	} {
		attack.Case(t, tt.id, attack.Gateway, func(t *testing.T) {
			upstream := wire.Listen(t, wire.Answer(tt.answer))
			p := start(t, upstream.URL(), settings{yaml: yaml})
			mine := usage.Subject{Kind: usage.Key, ID: string(p.record.ID)}
			p.giveCredits(t, mine, 100, usage.Refill{})
			r, err := http.NewRequestWithContext(t.Context(), tt.method, "http://"+p.gateway+tt.path, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			switch tt.key {
			case "own":
				r.Header.Set("X-API-Key", p.key)
			case "wrong":
				r.Header.Set("X-API-Key", p.key[:len(p.key)-8]+"AAAAAAAA")
			}
			w := do(t, r)
			_, _ = io.Copy(io.Discard, w.Body)
			if w.StatusCode != tt.status || w.Header.Get("X-Request-Cost") != "" {
				t.Errorf("%s: status %d, want %d; cost told to the client: %q", tt.name, w.StatusCode, tt.status, w.Header.Get("X-Request-Cost"))
			}
			eventually(t, func() (struct{}, bool) { // counted once the answer is out
				return struct{}{}, p.metric(t, "warder_credits_spent_total") == strconv.FormatInt(tt.cost, 10)
			})
			logged := p.logged(t, `"msg":"request"`, 1)
			var told string
			if m := regexp.MustCompile(`"credits":(\d+)`).FindStringSubmatch(logged); m != nil {
				told = m[1]
			}
			if want := strings.TrimPrefix(strconv.FormatInt(tt.cost, 10), "0"); told != want {
				t.Errorf("%s: the log tells of %q credits, want %q", tt.name, told, want)
			}
			if err := p.stop(); err != nil {
				t.Fatal(err)
			}
			if spent, balance := p.spent(t, mine); spent != tt.cost || balance != 100-tt.cost {
				t.Errorf("%s: %d spent and %d left, want %d and %d", tt.name, spent, balance, tt.cost, 100-tt.cost)
			}
		})
	}
}
