package ratelimit_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/ratelimit"
)

func newLimit(tb testing.TB, cfg ratelimit.LimitConfig) *ratelimit.Limit {
	tb.Helper()
	l, err := ratelimit.NewLimit(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

func newStage(tb testing.TB, limits ...*ratelimit.Limit) *ratelimit.Stage {
	tb.Helper()
	s, err := ratelimit.New(ratelimit.Config{Limits: limits})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func request(change ...func(*exchange.Exchange)) *exchange.Exchange {
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
	x.Client = netip.MustParseAddr("192.0.2.1")
	x.Route = "GET /orders/"
	x.Principal = exchange.Principal{Issuer: "warder", Subject: "k1", KeyID: "k1", Owner: "acme"}
	for _, f := range change {
		f(x)
	}
	return x
}

func from(address string) func(*exchange.Exchange) {
	return func(x *exchange.Exchange) { x.Client = netip.MustParseAddr(address) }
}

func key(id string) func(*exchange.Exchange) {
	return func(x *exchange.Exchange) { x.Principal.KeyID, x.Principal.Subject = id, id }
}

// passes reports whether s lets x pass, and fails for anything but 429 else.
func passes(tb testing.TB, s *ratelimit.Stage, x *exchange.Exchange) bool {
	tb.Helper()
	v := s.Check(x)
	if p := v.Problem(); p != nil && p.Type.Status() != http.StatusTooManyRequests {
		tb.Fatalf("refused with %+v", p)
	}
	return v.Passed()
}

// retryAfter is what the refusal of x says.
func retryAfter(tb testing.TB, s *ratelimit.Stage, x *exchange.Exchange) time.Duration {
	tb.Helper()
	p := s.Check(x).Problem()
	if p == nil {
		tb.Fatal("passed")
	}
	n, err := strconv.Atoi(p.Header.Get("Retry-After"))
	if err != nil {
		tb.Fatal(err)
	}
	return time.Duration(n) * time.Second
}
