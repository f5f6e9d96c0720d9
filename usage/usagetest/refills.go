package usagetest

import (
	"testing"
	"time"

	"github.com/warder-dev/warder/usage"
)

func refillRules() []rule {
	monthly := usage.Refill{Every: usage.Month, Amount: 100}
	february := time.Date(2026, time.February, 1, 0, 0, 0, 0, time.UTC)
	return []rule{
		{"an account that a refill makes begins with one", func(t *testing.T, s usage.Store) {
			a := apply(t, s, refill(key("a"), monthly))
			if wants(t, a, 100, 0, 0, 0); !a.Next.Equal(february) || a.Refill != monthly {
				t.Errorf("account = %+v, want the next refill at %s", a, february)
			}
		}},
		{"a refill comes at its boundary, to the instant, and once", func(t *testing.T, s usage.Store) {
			apply(t, s, change(key("a"), usage.OpSet, 0))
			apply(t, s, refill(key("a"), monthly))
			for _, step := range []struct {
				at   time.Time
				want int64
			}{{february.Add(-time.Nanosecond), 0}, {february, 100}, {february, 100}} {
				if g := reserve(t, s, usage.Ask{Subject: key("a")}, step.at); g.Balance != step.want {
					t.Errorf("balance at %s = %d, want %d", step.at, g.Balance, step.want)
				}
			}
		}},
		{"to read an account shows what is due and gives nothing", func(t *testing.T, s usage.Store) {
			apply(t, s, change(key("a"), usage.OpSet, 0))
			apply(t, s, refill(key("a"), monthly))
			wants(t, account(t, s, key("a"), february), 100, 0, 0, 0)
			wants(t, account(t, s, key("a"), february.Add(-1)), 0, 0, 0, 0)
		}},
		{"a refill to an amount tops up and takes nothing away", func(t *testing.T, s usage.Store) {
			apply(t, s, change(key("a"), usage.OpSet, 250))
			apply(t, s, refill(key("a"), monthly))
			wants(t, account(t, s, key("a"), february.AddDate(0, 5, 0)), 250, 0, 0, 0)
		}},
		{"a refill up to a cap is made up for, and stops there", func(t *testing.T, s usage.Store) {
			apply(t, s, change(key("a"), usage.OpSet, 7))
			apply(t, s, refill(key("a"), usage.Refill{Every: usage.Month, Amount: 100, Cap: 350}))
			for i, want := range []int64{7, 107, 207, 307, 350, 350} {
				wants(t, account(t, s, key("a"), february.AddDate(0, i, 0).Add(-time.Second)), want, 0, 0, 0)
			}
			g := reserve(t, s, usage.Ask{Subject: key("a"), Need: 50, Want: 50}, february.AddDate(50, 0, 0))
			if g.Balance != 300 || g.Granted != 50 {
				t.Errorf("grant = %+v, want 50 of 350", g)
			}
			// What a node holds counts: the cap is of all that there is.
			wants(t, account(t, s, key("a"), february.AddDate(50, 0, 0)), 300, 50, 0, 0)
			g = reserve(t, s, usage.Ask{Subject: key("a"), Granted: 50}, february.AddDate(50, 1, 0))
			if g.Balance != 300 {
				t.Errorf("balance = %d, want 300 beside 50 that are held", g.Balance)
			}
		}},
		{"a clock that goes back gives nothing twice", func(t *testing.T, s usage.Store) {
			apply(t, s, refill(key("a"), monthly))
			for i, at := range []time.Time{february, february.Add(-time.Hour), february, february.Add(-48 * time.Hour), february.Add(time.Second)} {
				a := usage.Ask{Subject: key("a"), ID: id(byte(i + 1)), Need: 30, Want: 30}
				if g := reserve(t, s, a, at); i < 3 && g.Granted != 30 || i == 3 && g.Granted != 10 || i == 4 && g.Granted != 0 {
					t.Errorf("grant %d = %+v", i, g)
				}
			}
		}},
		{"what lay with a node over a refill to an amount is not given twice", func(t *testing.T, s usage.Store) {
			apply(t, s, refill(key("a"), monthly))
			before := february.Add(-time.Second)
			reserve(t, s, usage.Ask{Subject: key("a"), ID: id(1), Need: 40, Want: 40}, before)
			reserve(t, s, usage.Ask{Subject: key("a"), ID: id(2), Need: 60, Want: 60}, before)
			// The second node confirms after the first had the account refilled.
			g := reserve(t, s, usage.Ask{Subject: key("a"), ID: id(1), Granted: 40, Spent: 30, Returned: 10, Close: true}, february)
			if g.Balance != 100 {
				t.Errorf("balance = %d, want 100: 10 that came back, and what was missing", g.Balance)
			}
			g = reserve(t, s, usage.Ask{Subject: key("a"), ID: id(2), Granted: 60, Need: 1, Want: 1}, february)
			if !g.Ended || g.Granted != 60 {
				t.Errorf("grant = %+v, want it ended", g)
			}
			g = reserve(t, s, usage.Ask{Subject: key("a"), ID: id(2), Granted: 60, Spent: 50, Returned: 10, Close: true}, february)
			if g.Balance != 100 {
				t.Errorf("balance = %d, want 100", g.Balance)
			}
			wants(t, account(t, s, key("a"), february), 100, 0, 80, 0)
		}},
		{"what lay with a node over a refill, and is more than the amount, comes back", func(t *testing.T, s usage.Store) {
			apply(t, s, change(key("a"), usage.OpSet, 130))
			apply(t, s, refill(key("a"), monthly))
			reserve(t, s, usage.Ask{Subject: key("a"), Need: 50, Want: 50}, february.Add(-time.Second)) // leaves 80
			reserve(t, s, usage.Ask{Subject: key("a"), ID: id(2)}, february)                            // tops up by 20
			reserve(t, s, usage.Ask{Subject: key("a"), Granted: 50, Returned: 50, Close: true}, february)
			wants(t, account(t, s, key("a"), february), 130, 0, 0, 0)
		}},
		{"what comes back two refills later counts for nothing", func(t *testing.T, s usage.Store) {
			apply(t, s, change(key("a"), usage.OpSet, 300))
			apply(t, s, refill(key("a"), monthly))
			reserve(t, s, usage.Ask{Subject: key("a"), Need: 250, Want: 250}, february.Add(-time.Second)) // leaves 50
			for month := range 2 {
				reserve(t, s, usage.Ask{Subject: key("a"), Granted: 250}, february.AddDate(0, month, 0)) // keeps it
			}
			reserve(t, s, usage.Ask{Subject: key("a"), Granted: 250, Spent: 10, Returned: 240, Close: true}, february.AddDate(0, 1, 0))
			wants(t, account(t, s, key("a"), february.AddDate(0, 1, 0)), 100, 0, 10, 0)
		}},
		{"a refill can be changed, and taken away", func(t *testing.T, s usage.Store) {
			apply(t, s, refill(key("a"), monthly))
			apply(t, s, change(key("a"), usage.OpSet, 0))
			a := apply(t, s, refill(key("a"), usage.Refill{Every: usage.Day, Amount: 5}))
			if want := time.Date(2026, time.February, 1, 0, 0, 0, 0, time.UTC); !a.Next.Equal(want) || a.Balance != 0 {
				t.Errorf("account = %+v, want the next refill at %s", a, want)
			}
			if a = apply(t, s, refill(key("a"), usage.Refill{})); !a.Next.IsZero() {
				t.Errorf("next refill = %s, want none", a.Next)
			}
			wants(t, account(t, s, key("a"), february.AddDate(1, 0, 0)), 0, 0, 0, 0)
		}},
		{"an account that is refilled by its own date keeps to it", func(t *testing.T, s usage.Store) {
			from := time.Date(2026, time.January, 31, 15, 30, 0, 0, time.UTC)
			apply(t, s, change(key("a"), usage.OpSet, 0))
			apply(t, s, refill(key("a"), usage.Refill{Every: usage.Month, Amount: 1, Cap: 1000, From: from}))
			for i, at := range []time.Time{
				from, time.Date(2026, time.February, 28, 15, 30, 0, 0, time.UTC), time.Date(2026, time.March, 31, 15, 30, 0, 0, time.UTC),
				time.Date(2026, time.April, 30, 15, 30, 0, 0, time.UTC),
			} {
				wants(t, account(t, s, key("a"), at.Add(-time.Second)), int64(i), 0, 0, 0)
				wants(t, account(t, s, key("a"), at), int64(i+1), 0, 0, 0)
			}
		}},
		{"a grant tells of the next refill and what it brings", func(t *testing.T, s usage.Store) {
			apply(t, s, refill(key("a"), monthly))
			g := reserve(t, s, usage.Ask{Subject: key("a"), Need: 95, Want: 95}, noon())
			if g.Balance != 5 || g.Then != 100 || !g.Next.Equal(february) {
				t.Errorf("grant = %+v, want 5 now and 100 at %s", g, february)
			}
		}},
	}
}
