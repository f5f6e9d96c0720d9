package usagetest

import (
	"errors"
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

func reserveRules() []rule {
	return []rule{
		{"what is reserved is spent, given back, and counted once", func(t *testing.T, s usage.Store) {
			apply(t, s, change(key("a"), usage.OpSet, 100))
			if g := reserve(t, s, usage.Ask{Subject: key("a"), Need: 10, Want: 10}, noon()); g.Granted != 10 || g.Balance != 90 || !g.Found {
				t.Errorf("grant = %+v, want 10 of 100", g)
			}
			wants(t, account(t, s, key("a"), noon()), 90, 10, 0, 0)
			for range 3 { // as often as it is said
				if g := reserve(t, s, usage.Ask{Subject: key("a"), Granted: 10, Spent: 4, Returned: 2}, noon()); g.Granted != 10 || g.Balance != 92 {
					t.Errorf("grant = %+v, want 10 and 92 left", g)
				}
				wants(t, account(t, s, key("a"), noon()), 92, 4, 4, 0)
			}
			for range 3 {
				if g := reserve(t, s, usage.Ask{Subject: key("a"), Granted: 10, Spent: 5, Returned: 2, Close: true}, noon()); g.Gone || g.Balance != 95 {
					t.Errorf("grant = %+v, want 95 left", g)
				}
				wants(t, account(t, s, key("a"), noon()), 95, 0, 5, 0)
			}
		}},
		{"an answer that was lost is given again", func(t *testing.T, s usage.Store) {
			apply(t, s, change(key("a"), usage.OpSet, 100))
			for range 3 { // the node never learns that it got ten
				if g := reserve(t, s, usage.Ask{Subject: key("a"), Need: 10, Want: 10}, noon()); g.Granted != 10 {
					t.Errorf("grant = %+v, want the same 10", g)
				}
			}
			if g := reserve(t, s, usage.Ask{Subject: key("a"), Close: true}, noon()); g.Balance != 100 {
				t.Errorf("balance = %d, want all 100 back", g.Balance)
			}
		}},
		{"of plenty more is reserved than is needed, of little only what is needed", func(t *testing.T, s usage.Store) {
			for _, tt := range []struct {
				balance, step, need, want int64
				got                       int64
			}{
				{1000, 10, 1, 100, 100},
				{100, 10, 1, 100, 50},
				{20, 10, 1, 100, 10},
				{19, 10, 1, 100, 1},
				{5, 10, 3, 100, 3},
				{2, 10, 3, 100, 0},
				{50, 10, 40, 100, 40},
				{19, 1, 0, 5, 5},
				{1, 1, 0, 5, 0},
				{0, 10, 1, 1, 0},
			} {
				apply(t, s, change(key("a"), usage.OpSet, tt.balance))
				a := usage.Ask{Subject: key("a"), Least: tt.need, Need: tt.need, Want: tt.want, Step: tt.step}
				g := reserve(t, s, a, noon())
				if g.Granted != tt.got || g.Balance != tt.balance-tt.got {
					t.Errorf("%+v: grant = %+v", tt, g)
				}
				reserve(t, s, usage.Ask{Subject: key("a"), Granted: g.Granted, Returned: g.Granted, Close: true}, noon())
			}
		}},
		{"each holder more makes the share less", func(t *testing.T, s usage.Store) {
			apply(t, s, change(key("a"), usage.OpSet, 160))
			for n, want := range []int64{80, 20, 1, 1} { // a half, a quarter of 80, a sixth of 60 is less than a step... never below it
				g := reserve(t, s, usage.Ask{Subject: key("a"), ID: id(byte(n + 1)), Least: 1, Need: 1, Want: 1000, Step: 15}, noon())
				if g.Granted != want {
					t.Errorf("grant %d = %+v, want %d", n, g, want)
				}
			}
		}},
		{"less than is of use is not reserved, between that and the need what there is", func(t *testing.T, s usage.Store) {
			apply(t, s, change(key("a"), usage.OpSet, 4))
			if g := reserve(t, s, usage.Ask{Subject: key("a"), Least: 5, Need: 20, Want: 20}, noon()); g.Granted != 0 || g.Balance != 4 {
				t.Errorf("grant = %+v, want nothing", g)
			}
			wants(t, account(t, s, key("a"), noon()), 4, 0, 0, 0)
			if g := reserve(t, s, usage.Ask{Subject: key("a"), Least: 4, Need: 20, Want: 20}, noon()); g.Granted != 4 || g.Balance != 0 {
				t.Errorf("grant = %+v, want 4", g)
			}
		}},
		{"one transaction answers several asks, in their order", func(t *testing.T, s usage.Store) {
			apply(t, s, change(key("a"), usage.OpSet, 10))
			apply(t, s, change(key("b"), usage.OpSet, 10))
			grants, err := s.Reserve(t.Context(), noon(), []usage.Ask{
				{Subject: key("a"), ID: id(1), Need: 7, Want: 7, Term: term},
				{Subject: key("b"), ID: id(2), Need: 2, Want: 2, Term: term},
				{Subject: key("none"), ID: id(3), Need: 2, Want: 2, Term: term},
				{Subject: key("a"), ID: id(4), Need: 7, Want: 7, Term: term},
			})
			if err != nil || len(grants) != 4 {
				t.Fatalf("Reserve = %v, %v", grants, err)
			}
			if grants[0].Granted != 7 || grants[1].Granted != 2 || grants[2].Found || grants[3].Granted != 3 || grants[3].Balance != 0 {
				t.Errorf("grants = %+v", grants)
			}
		}},
		{"one ask that is none refuses all", func(t *testing.T, s usage.Store) {
			apply(t, s, change(key("a"), usage.OpSet, 10))
			good := usage.Ask{Subject: key("a"), ID: id(1), Need: 7, Want: 7, Term: term}
			for name, spoil := range map[string]func(a *usage.Ask){
				"no subject": func(a *usage.Ask) { a.Subject.ID = "" }, "no id": func(a *usage.Ask) { a.ID = usage.ReservationID{} },
				"needs more than it wants": func(a *usage.Ask) { a.Need = 8 }, "less than nothing": func(a *usage.Ask) { a.Need, a.Want, a.Least = -1, -1, -1 },
				"spent more than it had": func(a *usage.Ask) { a.Spent = 1 }, "spent less than nothing": func(a *usage.Ask) { a.Granted, a.Spent = 5, -1 },
				"gives back what it spent": func(a *usage.Ask) { a.Granted, a.Spent, a.Returned = 5, 3, 3 }, "no term": func(a *usage.Ask) { a.Term = 0 },
				"closes and wants": func(a *usage.Ask) { a.Close = true }, "wants without end": func(a *usage.Ask) { a.Want = usage.MaxCredits + 1 },
				"steps back": func(a *usage.Ask) { a.Step = -1 },
			} {
				bad := good
				spoil(&bad)
				if _, err := s.Reserve(t.Context(), noon(), []usage.Ask{good, bad}); err == nil {
					t.Errorf("%s: no error", name)
				}
			}
			wants(t, account(t, s, key("a"), noon()), 10, 0, 0, 0)
		}},
		{"an amount that is set ends reservations, which give nothing back", func(t *testing.T, s usage.Store) {
			apply(t, s, change(key("a"), usage.OpSet, 100))
			reserve(t, s, usage.Ask{Subject: key("a"), Need: 30, Want: 30}, noon())
			wants(t, apply(t, s, change(key("a"), usage.OpSet, 20)), 20, 30, 0, 0)
			if g := reserve(t, s, usage.Ask{Subject: key("a"), Granted: 30, Spent: 5, Need: 1, Want: 1}, noon()); !g.Ended || g.Granted != 30 {
				t.Errorf("grant = %+v, want it ended", g)
			}
			reserve(t, s, usage.Ask{Subject: key("a"), Granted: 30, Spent: 6, Returned: 24, Close: true}, noon())
			wants(t, account(t, s, key("a"), noon()), 20, 0, 6, 0)
		}},
	}
}

func crashRules() []rule {
	later := noon().Add(term)
	return []rule{
		{"a node that goes without a word loses its reservation, for the customer or against", func(t *testing.T, s usage.Store) {
			for _, favour := range []bool{false, true} {
				who := map[bool]usage.Subject{false: key("against"), true: key("for")}[favour]
				apply(t, s, change(who, usage.OpSet, 100))
				mine, other := id(1), id(2)
				if favour {
					mine, other = id(3), id(4)
				}
				reserve(t, s, usage.Ask{Subject: who, ID: mine, Need: 10, Want: 10, Favour: favour}, noon().Add(-time.Second))
				reserve(t, s, usage.Ask{Subject: who, ID: mine, Granted: 10, Spent: 3, Favour: favour}, noon()) // renews it
				if g := reserve(t, s, usage.Ask{Subject: who, ID: other}, later.Add(-time.Nanosecond)); g.Balance != 90 {
					t.Errorf("balance within the term = %d, want 90", g.Balance)
				}
				reserve(t, s, usage.Ask{Subject: who, ID: other}, later)
				if favour {
					wants(t, account(t, s, who, later), 97, 0, 3, 0)
				} else {
					wants(t, account(t, s, who, later), 90, 0, 3, 7)
				}
				// It was not gone after all: nothing of that is counted once more.
				for _, last := range []bool{false, true} {
					g := reserve(t, s, usage.Ask{Subject: who, ID: mine, Granted: 10, Spent: 8, Returned: 2, Close: last, Favour: favour}, later)
					if g.Gone == last || g.Granted != 0 {
						t.Errorf("grant = %+v, want it gone", g)
					}
				}
				if a := account(t, s, who, later); a.Balance+a.Spent+a.Lost != 100 || a.Held != 0 {
					t.Errorf("account = %+v, want a sum of 100", a)
				}
			}
		}},
		{"to read an account shows what is gone, and ends nothing", func(t *testing.T, s usage.Store) {
			apply(t, s, change(key("a"), usage.OpSet, 100))
			reserve(t, s, usage.Ask{Subject: key("a"), Need: 10, Want: 10}, noon())
			wants(t, account(t, s, key("a"), later), 90, 0, 0, 10)
			wants(t, account(t, s, key("a"), noon()), 90, 10, 0, 0)
		}},
		{"a node is late with its own reservation, and nobody has missed it", func(t *testing.T, s usage.Store) {
			apply(t, s, change(key("a"), usage.OpSet, 100))
			reserve(t, s, usage.Ask{Subject: key("a"), Need: 10, Want: 10}, noon())
			if g := reserve(t, s, usage.Ask{Subject: key("a"), Granted: 10, Spent: 6, Returned: 4, Close: true}, later.Add(time.Hour)); g.Gone || g.Balance != 94 {
				t.Errorf("grant = %+v, want 94 left", g)
			}
			wants(t, account(t, s, key("a"), later), 94, 0, 6, 0)
		}},
		{"what nobody came back for is lost to a change too", func(t *testing.T, s usage.Store) {
			apply(t, s, change(key("a"), usage.OpSet, 100))
			reserve(t, s, usage.Ask{Subject: key("a"), Need: 10, Want: 10}, noon())
			c := change(key("a"), usage.OpAdd, 10)
			c.At = later
			wants(t, apply(t, s, c), 100, 0, 0, 10)
		}},
	}
}

// spendAll sends requests until one is refused, and returns how many were not.
func spendAll(t *testing.T, l *usage.Ledger, who usage.Subject) (passed int64) {
	stage, err := usage.New(usage.Config{Ledger: l})
	if err != nil {
		t.Error(err)
		return 0
	}
	for {
		x := exchange.New(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		x.Principal.KeyID = who.ID
		switch v := stage.Check(x); v.Kind() {
		case exchange.Passed:
			passed++
		case exchange.Refused:
			return passed
		default:
			t.Errorf("a node says %v: %v", v.Kind(), v.Err())
			return passed
		}
	}
}

func togetherRules() []rule {
	return []rule{
		{"a hundred at once on ten credits get ten", func(t *testing.T, s usage.Store) {
			apply(t, s, change(key("a"), usage.OpSet, 10))
			var got atomic.Int64
			var wait sync.WaitGroup
			for n := range 100 {
				wait.Go(func() {
					grants, err := s.Reserve(t.Context(), noon(), []usage.Ask{{Subject: key("a"), ID: id(byte(n + 1)), Least: 1, Need: 1, Want: 1, Step: 10, Term: term}})
					if err != nil {
						t.Error(err)
						return
					}
					got.Add(grants[0].Granted)
				})
			}
			wait.Wait()
			if got.Load() != 10 {
				t.Errorf("%d credits were reserved, want 10", got.Load())
			}
			wants(t, account(t, s, key("a"), noon()), 0, 10, 0, 0)
		}},
		{"nodes that spend together spend all that there is, and no more", func(t *testing.T, s usage.Store) {
			const credits, nodes = 120, 3
			apply(t, s, change(key("a"), usage.OpSet, credits))
			var passed atomic.Int64
			var wait sync.WaitGroup
			var ledgers []*usage.Ledger
			for range nodes {
				l, err := usage.NewLedger(usage.LedgerConfig{Store: s, Log: slog.New(slog.DiscardHandler), Timeout: time.Minute})
				if err != nil {
					t.Fatal(err)
				}
				ledgers = append(ledgers, l)
				for range 4 {
					wait.Go(func() { passed.Add(spendAll(t, l, key("a"))) })
				}
			}
			wait.Wait()
			for _, l := range ledgers {
				if err := l.Close(t.Context()); err != nil {
					t.Errorf("Close = %v", err)
				}
			}
			if passed.Load() != credits {
				t.Errorf("%d requests passed, want %d", passed.Load(), credits)
			}
			wants(t, account(t, s, key("a"), time.Now()), 0, 0, credits, 0)
		}},
		{"credits that are added at once are all there", func(t *testing.T, s usage.Store) {
			apply(t, s, change(key("a"), usage.OpSet, 0))
			var wait sync.WaitGroup
			for range 20 {
				wait.Go(func() {
					if _, err := s.Apply(t.Context(), change(key("a"), usage.OpAdd, 3)); err != nil {
						t.Error(err)
					}
				})
			}
			wait.Wait()
			wants(t, account(t, s, key("a"), noon()), 60, 0, 0, 0)
		}},
		{"accounts are made once", func(t *testing.T, s usage.Store) {
			var wait sync.WaitGroup
			for range 10 {
				wait.Go(func() {
					if _, err := s.Apply(t.Context(), change(key("a"), usage.OpSet, 5)); err != nil && !errors.Is(err, usage.ErrNoAccount) {
						t.Error(err)
					}
				})
			}
			wait.Wait()
			wants(t, account(t, s, key("a"), noon()), 5, 0, 0, 0)
		}},
	}
}
