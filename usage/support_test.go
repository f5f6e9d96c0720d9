package usage_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/usage"
)

// A probe is a store that counts, waits and fails as a test tells it to.
type probe struct {
	usage.Store
	reserves atomic.Int64
	asks     atomic.Int64
	mu       sync.Mutex
	before   func(ctx context.Context, asks []usage.Ask) error // may be nil
	after    func(asks []usage.Ask) error
}

func (p *probe) set(before func(context.Context, []usage.Ask) error, after func([]usage.Ask) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.before, p.after = before, after
}

func (p *probe) Reserve(ctx context.Context, at time.Time, asks []usage.Ask) ([]usage.Grant, error) {
	p.reserves.Add(1)
	p.asks.Add(int64(len(asks)))
	p.mu.Lock()
	before, after := p.before, p.after
	p.mu.Unlock()
	if before != nil {
		if err := before(ctx, asks); err != nil {
			return nil, err
		}
	}
	grants, err := p.Store.Reserve(ctx, at, asks)
	if err == nil && after != nil {
		if err := after(asks); err != nil {
			return nil, err
		}
	}
	return grants, err
}

var errAway = errors.New("the store is away")

func newLedger(tb testing.TB, store usage.Store, change ...func(*usage.LedgerConfig)) *usage.Ledger {
	tb.Helper()
	cfg := usage.LedgerConfig{Store: store, Log: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&cfg)
	}
	l, err := usage.NewLedger(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

func closeLedger(tb testing.TB, l *usage.Ledger) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), 30*time.Second)
	defer cancel()
	if err := l.Close(ctx); err != nil {
		tb.Errorf("Close = %v", err)
	}
}

func newStage(tb testing.TB, l *usage.Ledger, change ...func(*usage.Config)) *usage.Stage {
	tb.Helper()
	cfg := usage.Config{Ledger: l}
	for _, f := range change {
		f(&cfg)
	}
	s, err := usage.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func key(id string) usage.Subject { return usage.Subject{Kind: usage.Key, ID: id} }

// give makes an account.
func give(tb testing.TB, s usage.Store, who usage.Subject, n int64, refills ...usage.Refill) {
	tb.Helper()
	changes := []usage.Change{{Op: usage.OpSet, Amount: n}}
	for _, r := range refills {
		changes = append(changes, usage.Change{Op: usage.OpRefill, Refill: r})
	}
	for _, c := range changes {
		c.Actor, c.Source, c.At, c.Subject = "user:ada", "cli", time.Now(), who
		if _, err := s.Apply(tb.Context(), c); err != nil {
			tb.Fatal(err)
		}
	}
}

func account(tb testing.TB, s usage.Store, who usage.Subject) usage.Account {
	tb.Helper()
	a, err := s.Account(tb.Context(), who, time.Now())
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

func wants(tb testing.TB, a usage.Account, balance, held, spent, lost int64) {
	tb.Helper()
	if a.Balance != balance || a.Held != held || a.Spent != spent || a.Lost != lost {
		tb.Errorf("balance %d, held %d, spent %d, lost %d; want %d, %d, %d, %d", a.Balance, a.Held, a.Spent, a.Lost, balance, held, spent, lost)
	}
}

// request is one of the key k1 of the owner acme.
func request(change ...func(*exchange.Exchange)) *exchange.Exchange {
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
	x.Route = "GET /orders/"
	x.Principal = exchange.Principal{Issuer: "warder", Subject: "k1", KeyID: "k1", Owner: "acme"}
	for _, f := range change {
		f(x)
	}
	return x
}

func method(m string) func(*exchange.Exchange) {
	return func(x *exchange.Exchange) { x.Request.Method = m }
}

// status is what comes of a request that ends with the handler's status.
func status(s *usage.Stage, x *exchange.Exchange, handler int) int {
	v := s.Check(x)
	o := exchange.Outcome{Trace: exchange.Trace{Verdict: v}, Status: handler}
	if p := v.Problem(); p != nil {
		o.Status = p.Type.Status()
	}
	s.Done(x, o)
	return o.Status
}

// spend sends requests until one is refused, and returns how many were not.
func spend(tb testing.TB, s *usage.Stage, most int) (n int) {
	tb.Helper()
	for range most {
		switch got := status(s, request(), http.StatusOK); got {
		case http.StatusOK:
			n++
		case http.StatusTooManyRequests:
			return n
		default:
			tb.Fatalf("status %d", got)
		}
	}
	return n
}

func textLog(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
