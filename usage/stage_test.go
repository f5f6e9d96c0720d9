package usage_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/usage"
)

func TestWhoPays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(usage.MemoryStore)
		give(t, store, key("k1"), 100)
		give(t, store, usage.Subject{Kind: usage.Owner, ID: "acme"}, 100)
		l := newLedger(t, store)
		defer closeLedger(t, l)
		byKey, byOwner := newStage(t, l), newStage(t, l, func(c *usage.Config) { c.By = usage.Owner })
		free := newStage(t, l, func(c *usage.Config) { c.Unmetered = true })
		stranger := func(x *exchange.Exchange) { x.Principal = exchange.Principal{Subject: "k2", KeyID: "k2"} }
		nobody := func(x *exchange.Exchange) { x.Principal = exchange.Principal{} }
		for _, tt := range []struct {
			name  string
			stage *usage.Stage
			x     *exchange.Exchange
			want  int
		}{
			{"the key", byKey, request(), 200},
			{"the owner", byOwner, request(), 200},
			{"a key without an account", byKey, request(stranger), 429},
			{"a key without an owner", byOwner, request(stranger), 429},
			{"nobody", byKey, request(nobody), 429},
			{"a key without an account, for nothing", free, request(stranger), 200},
			{"nobody, for nothing", free, request(nobody), 200},
			{"HEAD", byKey, request(method(http.MethodHead), stranger), 200},
			{"OPTIONS", byKey, request(method(http.MethodOptions), nobody), 200},
			{"a method of lower case is another one", byKey, request(method("head"), stranger), 429},
			{"any other", byKey, request(method("PURGE")), 200},
		} {
			if got := status(tt.stage, tt.x, http.StatusOK); got != tt.want {
				t.Errorf("%s: status %d, want %d", tt.name, got, tt.want)
			}
		}
		closeLedger(t, l)
		wants(t, account(t, store, key("k1")), 98, 0, 2, 0)
		wants(t, account(t, store, usage.Subject{Kind: usage.Owner, ID: "acme"}), 99, 0, 1, 0)
	})
}

func TestRefusal(t *testing.T) {
	for _, tt := range []struct {
		name   string
		refill usage.Refill
		cost   int64
		retry  string
	}{
		{"nothing comes", usage.Refill{}, 1, ""},
		{"at midnight", usage.Refill{Every: usage.Day, Amount: 5}, 5, "86399"},
		{"on Monday", usage.Refill{Every: usage.Week, Amount: 5}, 1, "172799"},
		{"next month", usage.Refill{Every: usage.Month, Amount: 5}, 1, "2678399"},
		{"what comes is not enough", usage.Refill{Every: usage.Day, Amount: 4}, 5, ""},
		{"what comes is enough with what is there", usage.Refill{Every: usage.Day, Amount: 4, Cap: 10}, 5, "86399"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(1500 * time.Millisecond) //nolint:forbidigo // by the bubble's clock: from midnight of Saturday, 2000-01-01, UTC
				store := new(usage.MemoryStore)
				balance := int64(0)
				if tt.cost == 5 {
					balance = 3
				}
				give(t, store, key("k1"), balance)
				if tt.refill.Every != usage.Never {
					give(t, store, key("k1"), balance, tt.refill)
				}
				l := newLedger(t, store)
				defer closeLedger(t, l)
				s := newStage(t, l, func(c *usage.Config) { c.Cost = tt.cost })
				for _, dry := range []bool{true, false, false} {
					x := request()
					x.Dry = dry
					v := s.Check(x)
					p := v.Problem()
					if p == nil || p.Type != problem.CreditsExhausted || p.Type.Status() != http.StatusTooManyRequests || v.Reason() != "credits" {
						t.Fatalf("dry %v: verdict %v %q, problem %+v", dry, v.Kind(), v.Reason(), p)
					}
					if got := p.Header.Get("Retry-After"); got != tt.retry {
						t.Errorf("dry %v: Retry-After = %q, want %q", dry, got, tt.retry)
					}
				}
			})
		})
	}
}

func TestDrySpendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &probe{Store: new(usage.MemoryStore)}
		give(t, store, key("k1"), 1)
		l := newLedger(t, store)
		defer closeLedger(t, l)
		s := newStage(t, l)
		dry := func(x *exchange.Exchange) { x.Dry = true }
		for range 5 {
			if got := status(s, request(dry), http.StatusOK); got != http.StatusOK {
				t.Errorf("status %d with a credit left", got)
			}
		}
		if n := store.reserves.Load(); n != 0 {
			t.Errorf("dry requests reserved %d times", n)
		}
		if got := spend(t, s, 3); got != 1 {
			t.Errorf("%d passed on one credit", got)
		}
		if got := status(s, request(dry), http.StatusOK); got != http.StatusTooManyRequests {
			t.Errorf("status %d with no credit left", got)
		}
		if got := status(s, request(dry, func(x *exchange.Exchange) { x.Principal.KeyID = "k2" }), http.StatusOK); got != http.StatusTooManyRequests {
			t.Errorf("status %d without an account", got)
		}
		closeLedger(t, l)
		wants(t, account(t, store, key("k1")), 0, 0, 1, 0)
	})
}

func TestRefundAndCost(t *testing.T) {
	for _, tt := range []struct {
		name   string
		refund bool
		told   []string
		o      exchange.Outcome
		cost   int64
	}{
		{"passes", true, nil, exchange.Outcome{Status: 200}, 10},
		{"is refused by the handler", true, nil, exchange.Outcome{Status: 404}, 10},
		{"the upstream fails", true, nil, exchange.Outcome{Status: 502}, 0},
		{"the upstream is late", true, nil, exchange.Outcome{Status: 504}, 0},
		{"the handler panics", true, nil, exchange.Outcome{Status: 500, Aborted: true}, 0},
		{"the upstream fails, and that counts", false, nil, exchange.Outcome{Status: 502}, 10},
		{"the client leaves before there is an answer", true, nil, exchange.Outcome{Aborted: true, Reason: "client-gone"}, 10},
		{"the client leaves while it comes", true, nil, exchange.Outcome{Status: 200, Aborted: true}, 10},
		{"an upgrade", true, nil, exchange.Outcome{Status: 101, Hijacked: true}, 10},
		{"costs less", false, []string{"3"}, exchange.Outcome{Status: 200}, 3},
		{"costs nothing", false, []string{"0"}, exchange.Outcome{Status: 200}, 0},
		{"costs all", false, []string{"10"}, exchange.Outcome{Status: 200}, 10},
		{"costs more than it may", false, []string{"11"}, exchange.Outcome{Status: 200}, 10},
		{"costs less than nothing", false, []string{"-5"}, exchange.Outcome{Status: 200}, 10},
		{"costs a sign", false, []string{"+5"}, exchange.Outcome{Status: 200}, 10},
		{"costs no number", false, []string{"NaN"}, exchange.Outcome{Status: 200}, 10},
		{"costs a part", false, []string{"2.5"}, exchange.Outcome{Status: 200}, 10},
		{"costs 2^63", false, []string{"9223372036854775808"}, exchange.Outcome{Status: 200}, 10},
		{"costs 2^64 and one", false, []string{"18446744073709551617"}, exchange.Outcome{Status: 200}, 10},
		{"costs nothing said", false, []string{""}, exchange.Outcome{Status: 200}, 10},
		{"costs two things", false, []string{"1", "1"}, exchange.Outcome{Status: 200}, 10},
		{"costs a list", false, []string{"1, 1"}, exchange.Outcome{Status: 200}, 10},
		{"costs less and fails", true, []string{"3"}, exchange.Outcome{Status: 500}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := new(usage.MemoryStore)
				give(t, store, key("k1"), 100)
				var said strings.Builder
				l := newLedger(t, store, func(c *usage.LedgerConfig) { c.Log = textLog(&said) })
				s := newStage(t, l, func(c *usage.Config) { c.Cost, c.CostHeader, c.RefundFailed = 10, "X-Request-Cost", tt.refund })
				x := request()
				if !s.Check(x).Passed() {
					t.Fatal("refused")
				}
				h := http.Header{}
				if tt.told != nil {
					h["X-Request-Cost"] = tt.told
				}
				s.Headers(x, h)
				s.Done(x, tt.o)
				s.Done(x, tt.o) // a second time is a front's mistake, and no gain
				closeLedger(t, l)
				wants(t, account(t, store, key("k1")), 100-tt.cost, 0, tt.cost, 0)
				if _, left := h["X-Request-Cost"]; left {
					t.Error("the client is told of the cost's field")
				}
				if odd := tt.told != nil && tt.cost == 10 && tt.told[0] != "10"; odd != strings.Contains(said.String(), "X-Request-Cost") {
					t.Errorf("the log says %q", said.String())
				}
			})
		})
	}
}

func TestTheFieldOfTheRemainingCredits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(usage.MemoryStore)
		give(t, store, key("k1"), 3)
		l := newLedger(t, store)
		defer closeLedger(t, l)
		s := newStage(t, l)
		h := s.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		for _, want := range []string{"2", "1", "0", "0"} {
			x := request()
			w := httptest.NewRecorder()
			h.ServeHTTP(w, x.Request)
			if got := w.Header()[usage.Remaining]; len(got) != 1 || got[0] != want {
				t.Errorf("%s = %q, want %q", usage.Remaining, got, want)
			}
		}
		for name, silent := range map[string]*usage.Stage{"quiet": newStage(t, l, func(c *usage.Config) { c.Quiet = true })} {
			header := http.Header{}
			silent.Headers(request(), header)
			if len(header) != 0 {
				t.Errorf("%s: %v", name, header)
			}
		}
		header := http.Header{}
		s.Headers(request(func(x *exchange.Exchange) { x.Principal = exchange.Principal{} }), header)
		s.Headers(request(func(x *exchange.Exchange) { x.Principal.KeyID = "other" }), header)
		if len(header) != 0 {
			t.Errorf("who has no account is told %v", header)
		}
	})
}

func TestTwoStagesDoNotChargeOneRequest(t *testing.T) {
	store := new(usage.MemoryStore)
	give(t, store, key("k1"), 3)
	l := newLedger(t, store)
	defer closeLedger(t, l)
	x := request()
	if v := newStage(t, l).Check(x); !v.Passed() {
		t.Fatal("refused")
	}
	if v := newStage(t, l).Check(x); v.Kind() != exchange.Failed {
		t.Errorf("the second stage says %v, want a failure", v.Kind())
	}
}

func TestConfigIsChecked(t *testing.T) {
	_, err := usage.New(usage.Config{By: "house", Cost: -1, CostHeader: "x-cost"})
	for _, word := range []string{"Ledger", "By", "Cost is", "CostHeader"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("error = %v, want it to name %s", err, word)
		}
	}
	for _, cfg := range []usage.Config{{Cost: usage.MaxCost + 1}, {CostHeader: usage.Remaining}} {
		cfg.Ledger = new(usage.Ledger)
		if _, err := usage.New(cfg); err == nil {
			t.Errorf("New(%+v) = no error", cfg.CostHeader)
		}
	}
}
