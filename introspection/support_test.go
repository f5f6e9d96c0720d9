package introspection_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/introspection"
	"github.com/warder-dev/warder/secret"
)

const (
	issuer   = "https://login.example.com"
	audience = "https://api.example.com"
)

// members are those of an answer; nil values are left out.
type members map[string]any

func (m members) with(more members) members {
	m = maps.Clone(m)
	maps.Copy(m, more)
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	return m
}

// active is a good answer.
func active(more members) members {
	return members{
		"active": true, "sub": "alice", "aud": audience, "iss": issuer, "scope": "a b", "token_type": "Bearer", "exp": time.Now().Add(time.Hour).Unix(),
	}.with(more)
}

func text(tb testing.TB, m members) []byte {
	tb.Helper()
	body, err := json.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	return body
}

func config() introspection.Config {
	return introspection.Config{
		URL: "https://login.example.com/introspect", ClientID: "warder", ClientSecret: secret.New("hunter2"), Issuer: issuer, Audience: []string{audience},
	}
}

// An oracle answers without a connection, and counts.
type oracle struct {
	mu      sync.Mutex
	answers map[string]members // of tokens; others are inactive
	err     error
	delay   time.Duration
	asked   int
}

func (o *oracle) ask(ctx context.Context, token string) ([]byte, error) {
	o.mu.Lock()
	o.asked++
	answer, ok := o.answers[token]
	delay, err := o.delay, o.err
	o.mu.Unlock()
	if !ok {
		answer = members{"active": false}
	}
	select {
	case <-time.After(delay):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}

func (o *oracle) set(change func(*oracle)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change(o)
}

func (o *oracle) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked
}

func (o *oracle) scheme(tb testing.TB, cfg introspection.Config) *introspection.Scheme {
	tb.Helper()
	s, err := introspection.NewWithAsk(cfg, o.ask)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

type result struct {
	status    int
	reason    string
	principal exchange.Principal
}

func request(token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func present(tb testing.TB, s authn.Scheme, token string) result {
	tb.Helper()
	return ask(tb, s, exchange.New(request(token)))
}

func ask(tb testing.TB, s authn.Scheme, x *exchange.Exchange) result {
	tb.Helper()
	stage, err := authn.New(authn.Config{Requirement: authn.Require(s)})
	if err != nil {
		tb.Fatal(err)
	}
	v := stage.Check(x)
	got := result{status: http.StatusOK, reason: v.Reason(), principal: x.Principal}
	if p := v.Problem(); p != nil {
		got.status = p.Type.Status()
	}
	return got
}

func want(tb testing.TB, s authn.Scheme, what, token string, status int, reason string) {
	tb.Helper()
	got := present(tb, s, token)
	if got.status != status || reason != "" && got.reason != reason {
		tb.Errorf("%s: got %d %q, want %d %q", what, got.status, got.reason, status, reason)
	}
}

// pass lets the clock of a bubble go on.
func pass(d time.Duration) { <-time.After(d) }
