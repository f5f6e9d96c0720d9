// Package usagetest is the contract of usage.Store: what every store of credits
// must hold, whatever it is made of.
package usagetest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/warder-dev/warder/usage"
)

// A rule is one sentence of the contract.
type rule struct {
	name string
	test func(t *testing.T, s usage.Store)
}

// TestStore runs the contract. open returns an empty store of its own at each
// call; two of them share nothing.
func TestStore(t *testing.T, open func(t *testing.T) usage.Store) {
	t.Helper()
	for _, r := range slices.Concat(accountRules(), refillRules(), reserveRules(), crashRules(), togetherRules()) {
		t.Run(r.name, func(t *testing.T) { r.test(t, open(t)) })
	}
}

// term is that of all reservations here.
const term = time.Minute

// noon is when the tests take place, unless they say otherwise.
func noon() time.Time { return time.Date(2026, time.January, 31, 12, 0, 0, 0, time.UTC) }

func key(id string) usage.Subject { return usage.Subject{Kind: usage.Key, ID: id} }

func id(n byte) usage.ReservationID { return usage.ReservationID{15: n} }

func change(s usage.Subject, op usage.Op, n int64) usage.Change {
	return usage.Change{Actor: "user:ada", Source: "cli", At: noon(), Subject: s, Op: op, Amount: n}
}

func refill(s usage.Subject, r usage.Refill) usage.Change {
	c := change(s, usage.OpRefill, 0)
	c.Refill = r
	return c
}

func apply(t *testing.T, s usage.Store, c usage.Change) usage.Account {
	t.Helper()
	a, err := s.Apply(t.Context(), c)
	if err != nil {
		t.Fatalf("Apply(%s %d) = %v", c.Op, c.Amount, err)
	}
	return a
}

func account(t *testing.T, s usage.Store, who usage.Subject, at time.Time) usage.Account {
	t.Helper()
	a, err := s.Account(t.Context(), who, at)
	if err != nil {
		t.Fatalf("Account = %v", err)
	}
	return a
}

// reserve asks for n, no more and no less than what there is.
func reserve(t *testing.T, s usage.Store, a usage.Ask, at time.Time) usage.Grant {
	t.Helper()
	a.Term = term
	if a.ID == (usage.ReservationID{}) {
		a.ID = id(1)
	}
	grants, err := s.Reserve(t.Context(), at, []usage.Ask{a})
	if err != nil || len(grants) != 1 {
		t.Fatalf("Reserve = %v, %v, want one grant", grants, err)
	}
	return grants[0]
}

// wants reports numbers that are not as they should be.
func wants(t *testing.T, a usage.Account, balance, held, spent, lost int64) {
	t.Helper()
	if a.Balance != balance || a.Held != held || a.Spent != spent || a.Lost != lost {
		t.Errorf("balance %d, held %d, spent %d, lost %d; want %d, %d, %d, %d", a.Balance, a.Held, a.Spent, a.Lost, balance, held, spent, lost)
	}
}

func accountRules() []rule {
	return []rule{
		{"who has no account has none", func(t *testing.T, s usage.Store) {
			if _, err := s.Account(t.Context(), key("a"), noon()); !errors.Is(err, usage.ErrNoAccount) {
				t.Errorf("Account = %v, want ErrNoAccount", err)
			}
			if g := reserve(t, s, usage.Ask{Subject: key("a"), Need: 1, Want: 1}, noon()); g.Found || g.Granted != 0 {
				t.Errorf("grant = %+v, want none found", g)
			}
			if _, err := s.Apply(t.Context(), change(key("a"), usage.OpAdd, 1)); !errors.Is(err, usage.ErrNoAccount) {
				t.Errorf("Apply(add) = %v, want ErrNoAccount", err)
			}
			if _, err := s.Apply(t.Context(), refill(key("a"), usage.Refill{})); !errors.Is(err, usage.ErrNoAccount) {
				t.Errorf("Apply(no refill) = %v, want ErrNoAccount", err)
			}
		}},
		{"set makes an account, add adds, set sets", func(t *testing.T, s usage.Store) {
			wants(t, apply(t, s, change(key("a"), usage.OpSet, 10)), 10, 0, 0, 0)
			wants(t, apply(t, s, change(key("a"), usage.OpAdd, 5)), 15, 0, 0, 0)
			wants(t, apply(t, s, change(key("a"), usage.OpSet, 3)), 3, 0, 0, 0)
			wants(t, account(t, s, key("a"), noon()), 3, 0, 0, 0)
		}},
		{"a key and an owner of one name are two, and so is another spelling", func(t *testing.T, s usage.Store) {
			subjects := []usage.Subject{key("a"), {Kind: usage.Owner, ID: "a"}, key("A"), key("a "), key("ä")}
			for i, who := range subjects {
				apply(t, s, change(who, usage.OpSet, int64(i)))
			}
			for i, who := range subjects {
				if a := account(t, s, who, noon()); a.Balance != int64(i) || a.Subject != who {
					t.Errorf("account of %v = %+v, want %d", who, a, i)
				}
			}
		}},
		{"no account holds more than it may", func(t *testing.T, s usage.Store) {
			apply(t, s, change(key("a"), usage.OpSet, usage.MaxCredits-1))
			if _, err := s.Apply(t.Context(), change(key("a"), usage.OpAdd, 2)); !errors.Is(err, usage.ErrTooMany) {
				t.Errorf("Apply = %v, want ErrTooMany", err)
			}
			wants(t, account(t, s, key("a"), noon()), usage.MaxCredits-1, 0, 0, 0)
		}},
		{"changes that are none are refused", func(t *testing.T, s usage.Store) {
			nobody, nowhere, never := change(key("a"), usage.OpSet, 1), change(key("a"), usage.OpSet, 1), change(key("a"), usage.OpSet, 1)
			nobody.Actor, nowhere.Source, never.At = "", "", time.Time{}
			for name, c := range map[string]usage.Change{
				"nobody": nobody, "nowhere": nowhere, "never": never,
				"less than nothing": change(key("a"), usage.OpSet, -1), "nothing added": change(key("a"), usage.OpAdd, 0), "added below nothing": change(key("a"), usage.OpAdd, -1),
				"too much": change(key("a"), usage.OpSet, usage.MaxCredits+1), "no operation": change(key("a"), "burn", 1),
				"no subject": change(key(""), usage.OpSet, 1), "no kind": change(usage.Subject{ID: "a"}, usage.OpSet, 1),
				"NUL": change(key("a\x00"), usage.OpSet, 1), "not UTF-8": change(key("a\xff"), usage.OpSet, 1),
				"no period": refill(key("a"), usage.Refill{Every: "year", Amount: 1}), "no amount": refill(key("a"), usage.Refill{Every: usage.Day}),
				"cap below amount": refill(key("a"), usage.Refill{Every: usage.Day, Amount: 5, Cap: 4}),
			} {
				if _, err := s.Apply(t.Context(), c); err == nil || errors.Is(err, usage.ErrNoAccount) {
					t.Errorf("%s: Apply = %v, want an error of its own", name, err)
				}
			}
		}},
		{"after ctx ended nothing is answered", func(t *testing.T, s usage.Store) {
			apply(t, s, change(key("a"), usage.OpSet, 10))
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err := s.Reserve(ctx, noon(), []usage.Ask{{Subject: key("a"), ID: id(1), Need: 1, Want: 1, Term: term}})
			_, lookErr := s.Account(ctx, key("a"), noon())
			_, changeErr := s.Apply(ctx, change(key("a"), usage.OpAdd, 1))
			for _, err := range []error{err, lookErr, changeErr} {
				if !errors.Is(err, context.Canceled) {
					t.Errorf("error = %v, want that of the context", err)
				}
			}
			wants(t, account(t, s, key("a"), noon()), 10, 0, 0, 0)
		}},
	}
}
