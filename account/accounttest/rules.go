package accounttest

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/account"
)

func applyRules() []rule {
	return []rule{
		{"an account is kept as it is", func(t *testing.T, s account.Store) {
			for n, want := range []account.Account{full(0), plain(1), standing(2)} {
				want.Revision = mustApply(t, s, change(nil, &want))
				got := mustLookup(t, s, id(n))
				wantAccount(t, got, want)
				wantEqual(t, "Revision", got.Revision, want.Revision)
			}
			anywhere := plain(3)
			anywhere.SetUp = account.SetUp{Digest: digest(9), Expires: at(), Anywhere: true}
			mustCreate(t, s, anywhere)
			wantAccount(t, mustLookup(t, s, id(3)), anywhere)
			mapped := plain(4)
			mapped.SetUp = account.SetUp{Digest: digest(9), Expires: at(), Address: netip.MustParseAddr("192.0.2.1")}
			mustCreate(t, s, mapped)
			wantAccount(t, mustLookup(t, s, id(4)), mapped)
		}},
		{"a change replaces every field", func(t *testing.T, s account.Store) {
			before := mustCreate(t, s, full(0))
			after := plain(0)
			after.Name = "other"
			rev := mustApply(t, s, change(&before, &after))
			got := mustLookup(t, s, id(0))
			wantAccount(t, got, after)
			wantEqual(t, "Revision", got.Revision, rev)
			if rev <= before.Revision {
				t.Errorf("revision %d after %d, want a later one", rev, before.Revision)
			}
			back := full(0)
			mustApply(t, s, change(&got, &back))
			wantAccount(t, mustLookup(t, s, id(0)), back)
		}},
		{"a name and an id are taken once", func(t *testing.T, s account.Store) {
			first, second := mustCreate(t, s, plain(0)), mustCreate(t, s, plain(1))
			again := plain(0)
			again.Name = "another"
			named := plain(2)
			named.Name = first.Name
			renamed := second
			renamed.Name = first.Name
			for name, c := range map[string]account.Change{"id": change(nil, &again), "name": change(nil, &named), "renamed": change(&second, &renamed)} {
				if _, err := s.Apply(t.Context(), c); !errors.Is(err, account.ErrExists) {
					t.Errorf("%s: Apply = %v, want ErrExists", name, err)
				}
			}
			wantAccount(t, mustLookup(t, s, id(1)), second)
		}},
		{"a stale change is refused", func(t *testing.T, s account.Store) {
			before := mustCreate(t, s, plain(0))
			after := before
			after.Email = "first@example.com"
			mustApply(t, s, change(&before, &after))
			late := before
			late.Email = "late@example.com"
			if _, err := s.Apply(t.Context(), change(&before, &late)); !errors.Is(err, account.ErrConflict) {
				t.Errorf("change: Apply = %v, want ErrConflict", err)
			}
			if _, err := s.Apply(t.Context(), change(&before, nil)); !errors.Is(err, account.ErrConflict) {
				t.Errorf("removal: Apply = %v, want ErrConflict", err)
			}
			wantAccount(t, mustLookup(t, s, id(0)), after)
		}},
		{"what is removed is gone, and its name is free", func(t *testing.T, s account.Store) {
			before := mustCreate(t, s, full(0))
			mustApply(t, s, change(&before, nil))
			if _, err := s.Lookup(t.Context(), id(0)); !errors.Is(err, account.ErrNotFound) {
				t.Errorf("Lookup = %v, want ErrNotFound", err)
			}
			for _, after := range []*account.Account{nil, &before} {
				if _, err := s.Apply(t.Context(), change(&before, after)); !errors.Is(err, account.ErrNotFound) {
					t.Errorf("Apply = %v, want ErrNotFound", err)
				}
			}
			next := plain(1)
			next.Name = before.Name
			mustCreate(t, s, next)
		}},
		{"a change that no audit could use is refused", func(t *testing.T, s account.Store) {
			a, b, k := plain(0), plain(1), key(0)
			whole := change(nil, &a)
			for name, spoil := range map[string]func(*account.Change){
				"no actor":     func(c *account.Change) { c.Actor = "" },
				"no source":    func(c *account.Change) { c.Source = "" },
				"no op":        func(c *account.Change) { c.Op = "" },
				"no time":      func(c *account.Change) { c.At = time.Time{} },
				"nothing":      func(c *account.Change) { c.After = nil },
				"two":          func(c *account.Change) { c.Before = &b },
				"and a key":    func(c *account.Change) { c.KeyAfter = &k },
				"a key's loss": func(c *account.Change) { c.After, c.KeyBefore = nil, &k },
				"no role":      func(c *account.Change) { none := plain(0); none.Role = "root"; c.After = &none },
			} {
				c := whole
				spoil(&c)
				if _, err := s.Apply(t.Context(), c); err == nil {
					t.Errorf("%s: Apply = nil, want an error", name)
				}
			}
			if all, err := s.List(t.Context(), "", 10); err != nil || len(all) != 0 {
				t.Errorf("List = %d accounts, %v, want none", len(all), err)
			}
		}},
	}
}

func findRules() []rule {
	return []rule{
		{"a name finds its account, byte for byte", func(t *testing.T, s account.Store) {
			want := mustCreate(t, s, full(0))
			mustCreate(t, s, plain(1))
			got, err := s.Find(t.Context(), want.Name)
			if err != nil {
				t.Fatal(err)
			}
			wantAccount(t, got, want)
			for _, name := range []string{"", strings.ToUpper(want.Name), want.Name + " ", want.Name[:3], "ada_0", "ada%", "' OR ''='"} {
				if a, err := s.Find(t.Context(), name); !errors.Is(err, account.ErrNotFound) {
					t.Errorf("Find(%q) = %q, %v, want ErrNotFound", name, a.ID, err)
				}
			}
		}},
		{"pages ascend and are whole", func(t *testing.T, s account.Store) {
			for _, n := range []int{3, 0, 4, 1, 2} {
				mustCreate(t, s, plain(n))
			}
			var got []account.ID
			for after := account.ID(""); ; {
				some, err := s.List(t.Context(), after, 2)
				if err != nil {
					t.Fatal(err)
				}
				for _, a := range some {
					got = append(got, a.ID)
				}
				if len(some) < 2 {
					break
				}
				after = some[1].ID
			}
			if want := []account.ID{id(0), id(1), id(2), id(3), id(4)}; !slices.Equal(got, want) {
				t.Errorf("List = %v, want %v", got, want)
			}
			for _, limit := range []int{0, -1, 1001} {
				if _, err := s.List(t.Context(), "", limit); err == nil {
					t.Errorf("List of %d = nil, want an error", limit)
				}
				if _, err := s.ListKeys(t.Context(), "", limit); err == nil {
					t.Errorf("ListKeys of %d = nil, want an error", limit)
				}
			}
		}},
		{"the peppers in use are told", func(t *testing.T, s account.Store) {
			k, other := key(0), key(1)
			other.Pepper = "1a2b3c4d"
			mustCreate(t, s, full(0))
			mustCreate(t, s, plain(1)) // has no factor
			mustApply(t, s, keyChange(nil, &k))
			mustApply(t, s, keyChange(nil, &other))
			got, err := s.PepperIDs(t.Context())
			if want := []string{"1a2b3c4d", "5e6f7a8b"}; err != nil || !slices.Equal(got, want) {
				t.Errorf("PepperIDs = %q, %v, want %q", got, err, want)
			}
		}},
	}
}

func keyRules() []rule {
	return []rule{
		{"a key is kept as it is", func(t *testing.T, s account.Store) {
			bare := account.Key{ID: "AbcDef000009", Role: account.Auditor, Pepper: "1", Created: at()}
			for _, want := range []account.Key{key(0), bare} {
				want.Revision = mustApply(t, s, keyChange(nil, &want))
				got, err := s.LookupKey(t.Context(), want.ID)
				if err != nil || got != want {
					t.Errorf("LookupKey = %+v, %v, want %+v", got, err, want)
				}
			}
			all, err := s.ListKeys(t.Context(), "AbcDef000000", 10)
			if err != nil || len(all) != 1 || all[0].ID != bare.ID {
				t.Errorf("ListKeys = %v, %v, want %s", all, err, bare.ID)
			}
		}},
		{"a key is changed in order, or not", func(t *testing.T, s account.Store) {
			before := key(0)
			before.Revision = mustApply(t, s, keyChange(nil, &before))
			if _, err := s.Apply(t.Context(), keyChange(nil, &before)); !errors.Is(err, account.ErrExists) {
				t.Errorf("again: Apply = %v, want ErrExists", err)
			}
			after := before
			after.Revoked, after.Reason = at().Add(time.Hour), "leaked"
			after.Revision = mustApply(t, s, keyChange(&before, &after))
			if got, err := s.LookupKey(t.Context(), before.ID); err != nil || got != after {
				t.Errorf("LookupKey = %+v, %v, want %+v", got, err, after)
			}
			if _, err := s.Apply(t.Context(), keyChange(&before, &before)); !errors.Is(err, account.ErrConflict) {
				t.Errorf("stale: Apply = %v, want ErrConflict", err)
			}
			none := key(1)
			if _, err := s.Apply(t.Context(), keyChange(&none, &none)); !errors.Is(err, account.ErrNotFound) {
				t.Errorf("unknown: Apply = %v, want ErrNotFound", err)
			}
			if _, err := s.LookupKey(t.Context(), none.ID); !errors.Is(err, account.ErrNotFound) {
				t.Errorf("LookupKey = %v, want ErrNotFound", err)
			}
		}},
	}
}

// fallen are the ways in which an owner stops to count.
func fallen(a account.Account) map[string]*account.Account {
	lowered, disabled, unsettled := a, a, a
	lowered.Role = account.Admin
	disabled.Disabled = true
	unsettled.Settled = time.Time{}
	return map[string]*account.Account{"removed": nil, "lowered": &lowered, "disabled": &disabled, "unsettled": &unsettled}
}

func ownerRules() []rule {
	return []rule{
		{"the last standing owner stays", func(t *testing.T, s account.Store) {
			last := mustCreate(t, s, standing(0))
			invited := standing(1)
			invited.Settled = time.Time{}
			off := standing(2)
			off.Disabled = true
			for _, other := range []account.Account{invited, off, full(3)} {
				mustCreate(t, s, other)
			}
			for name, after := range fallen(last) {
				if _, err := s.Apply(t.Context(), change(&last, after)); !errors.Is(err, account.ErrLastOwner) {
					t.Errorf("%s: Apply = %v, want ErrLastOwner", name, err)
				}
			}
			got := mustLookup(t, s, id(0))
			wantAccount(t, got, last)
			same := got
			same.Email = "new@example.com"
			mustApply(t, s, change(&got, &same))
		}},
		{"one of two owners may go", func(t *testing.T, s account.Store) {
			n := 0
			mustCreate(t, s, standing(n))
			for name := range fallen(standing(0)) {
				n++
				one := mustCreate(t, s, standing(n))
				if _, err := s.Apply(t.Context(), change(&one, fallen(one)[name])); err != nil {
					t.Errorf("%s: Apply = %v, want no error", name, err)
				}
			}
		}},
		{"what is stored counts, not what the caller says", func(t *testing.T, s account.Store) {
			last := mustCreate(t, s, standing(0))
			lie := last
			lie.Role = account.Developer
			if _, err := s.Apply(t.Context(), change(&lie, nil)); !errors.Is(err, account.ErrLastOwner) {
				t.Errorf("Apply = %v, want ErrLastOwner", err)
			}
		}},
		{"owners who remove each other at once leave one", func(t *testing.T, s account.Store) {
			for round, way := range []string{"removed", "lowered", "disabled"} {
				eachOther(t, s, way, 100*round)
			}
		}},
	}
}

// eachOther lets many owners fall at once, new ones from the nth on, and wants one
// to be left.
func eachOther(t *testing.T, s account.Store, way string, n int) {
	t.Helper()
	const owners = 8
	all, err := s.List(t.Context(), "", 100)
	if err != nil {
		t.Fatal(err)
	}
	var standingNow []account.Account
	for _, a := range all {
		if a.Standing() {
			standingNow = append(standingNow, a)
		}
	}
	for ; len(standingNow) < owners; n++ {
		standingNow = append(standingNow, mustCreate(t, s, standing(n)))
	}
	errs, start := make([]error, owners), make(chan struct{})
	var wait sync.WaitGroup
	for i, a := range standingNow {
		wait.Go(func() {
			<-start
			_, errs[i] = s.Apply(t.Context(), change(&a, fallen(a)[way]))
		})
	}
	close(start)
	wait.Wait()
	refused := 0
	for _, err := range errs {
		switch {
		case errors.Is(err, account.ErrLastOwner):
			refused++
		case err != nil:
			t.Errorf("%s: Apply = %v, want no error or ErrLastOwner", way, err)
		}
	}
	if refused != 1 {
		t.Errorf("%s: %d of %d owners at once were refused, want 1", way, refused, owners)
	}
}

func hostileRules() []rule {
	texts := []string{`'`, `"`, `\`, `'; DROP TABLE accounts; --`, `%`, `_`, "?1", "null", " ", "a\nb", "\x01", "é", "e\u0301", "名前", "\u202e", strings.Repeat("x", 10_000)}
	broken := []string{"\x00", "a\x00b", "\xff", "\xed\xa0\x80"}
	return []rule{
		{"text is kept byte for byte", func(t *testing.T, s account.Store) {
			for n, text := range texts {
				want := full(n)
				want.Name, want.Email, want.Factor.Pepper = text, text, text
				c := change(nil, &want)
				c.Actor, c.Source, c.Op = text, text, account.Op(text)
				mustApply(t, s, c)
				wantAccount(t, mustLookup(t, s, id(n)), want)
				if got, err := s.Find(t.Context(), text); err != nil || got.ID != id(n) {
					t.Errorf("Find(%.20q) = %q, %v, want %q", text, got.ID, err, id(n))
				}
				k := key(n)
				k.Name, k.Owner, k.Maker, k.Reason, k.Pepper = text, text, text, text, text
				k.Revision = mustApply(t, s, keyChange(nil, &k))
				if got, err := s.LookupKey(t.Context(), k.ID); err != nil || got != k {
					t.Errorf("LookupKey = %+v, %v, want %+v", got, err, k)
				}
			}
		}},
		{"text that cannot be kept is refused, or kept", func(t *testing.T, s account.Store) {
			for n, text := range broken {
				want := full(n)
				want.Name, want.Email = text, text
				if _, err := s.Apply(t.Context(), change(nil, &want)); err == nil {
					wantAccount(t, mustLookup(t, s, id(n)), want)
				}
			}
		}},
		{"errors do not repeat what was asked", func(t *testing.T, s account.Store) {
			a := full(0)
			a.Name, a.Email = "canary", "canary"
			mustCreate(t, s, a)
			_, lookup := s.Lookup(t.Context(), "canary")
			_, find := s.Find(t.Context(), "canary2")
			_, taken := s.Apply(t.Context(), change(nil, &a))
			_, key := s.LookupKey(t.Context(), "canary")
			for _, err := range []error{lookup, find, taken, key} {
				if err == nil || strings.Contains(err.Error(), "canary") {
					t.Errorf("got %v, want an error that tells nothing", err)
				}
			}
		}},
	}
}

func concurrentRules() []rule {
	return []rule{{"one of many changes to one account wins", func(t *testing.T, s account.Store) {
		before := mustCreate(t, s, plain(0))
		const writers = 16
		errs, start := make([]error, writers), make(chan struct{})
		var wait sync.WaitGroup
		for i := range writers {
			wait.Go(func() {
				after := before
				after.Epoch = int64(i)
				<-start
				_, errs[i] = s.Apply(t.Context(), change(&before, &after))
			})
		}
		close(start)
		wait.Wait()
		won := 0
		for _, err := range errs {
			switch {
			case err == nil:
				won++
			case !errors.Is(err, account.ErrConflict):
				t.Errorf("Apply = %v, want ErrConflict", err)
			}
		}
		wantEqual(t, "changes that won", won, 1)
	}}}
}

func contextRules() []rule {
	return []rule{{"after the end of its context a method gives no answer", func(t *testing.T, s account.Store) {
		before := mustCreate(t, s, plain(0))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		other, k := plain(1), key(0)
		for name, call := range map[string]func() error{
			"Lookup":    func() error { _, err := s.Lookup(ctx, before.ID); return err },
			"Find":      func() error { _, err := s.Find(ctx, before.Name); return err },
			"List":      func() error { _, err := s.List(ctx, "", 10); return err },
			"LookupKey": func() error { _, err := s.LookupKey(ctx, "no"); return err },
			"ListKeys":  func() error { _, err := s.ListKeys(ctx, "", 10); return err },
			"PepperIDs": func() error { _, err := s.PepperIDs(ctx); return err },
			"Apply":     func() error { _, err := s.Apply(ctx, change(nil, &other)); return err },
			"Apply key": func() error { _, err := s.Apply(ctx, keyChange(nil, &k)); return err },
		} {
			if err := call(); !errors.Is(err, context.Canceled) || errors.Is(err, account.ErrNotFound) {
				t.Errorf("%s = %v, want context.Canceled", name, err)
			}
		}
		if _, err := s.Lookup(t.Context(), other.ID); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("Lookup of what was not written = %v, want ErrNotFound", err)
		}
	}}}
}
