package account_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/internal/attack"
)

// TestWhoMayDoWhat is the whole matrix of roles: what a role may do with accounts
// and admin keys of each role.
func TestWhoMayDoWhat(t *testing.T) {
	manages := map[account.Role]string{account.Owner: "owner admin developer auditor", account.Admin: "developer auditor", account.Developer: "", account.Auditor: ""}
	for by, others := range manages {
		for _, other := range account.Roles() {
			allowed := contains(others, string(other))
			t.Run(fmt.Sprintf("%s with %s", by, other), func(t *testing.T) { operations(t, by, other, allowed) })
		}
	}
	may := map[account.Role]string{
		account.Owner:     "keys:read keys:write keys:roll keys:import keys:delete keys:verify keys:reasons requests:explain keys:revoke-bulk credits:write owners:write usage:read audit:read settings:read settings:write accounts:read accounts:manage",
		account.Admin:     "keys:read keys:write keys:roll keys:import keys:delete keys:verify keys:reasons requests:explain keys:revoke-bulk credits:write owners:write usage:read audit:read settings:read settings:write accounts:read accounts:manage",
		account.Developer: "keys:read keys:write keys:roll keys:verify owners:write usage:read",
		account.Auditor:   "keys:read usage:read audit:read settings:read accounts:read",
		"root":            "",
	}
	for role, actions := range may {
		for _, a := range account.Actions() {
			if got, want := role.May(a), contains(actions, string(a)); got != want {
				t.Errorf("%s may %s: %v, want %v", role, a, got, want)
			}
			if got := role.Scopes(); got.Allow(string(a)) != role.May(a) {
				t.Errorf("the scopes of %s allow %s: %v", role, a, !role.May(a))
			}
		}
	}
}

func contains(words, word string) bool { return slices.Contains(strings.Fields(words), word) }

// operations tries everything that by may do to an account of role other.
func operations(t *testing.T, by, other account.Role, allowed bool) {
	t.Helper()
	h := newHouse(t)
	h.settle(t, "boss", account.Owner)
	me, target := actor(h.settle(t, "me", by).Account), h.settle(t, "target", other)
	link, ctx := account.Link{Address: home()}, t.Context()
	for _, op := range []struct {
		name string
		run  func(a account.Actor) error
	}{
		{"create", func(a account.Actor) error {
			_, _, err := h.Create(ctx, a, account.Spec{Name: "new", Role: other}, link)
			return err
		}},
		{"disable", func(a account.Actor) error { _, err := h.Disable(ctx, a, target.ID, 0); return err }},
		{"enable", func(a account.Actor) error { _, err := h.Enable(ctx, a, target.ID, 0); return err }},
		{"describe", func(a account.Actor) error { _, err := h.Describe(ctx, a, target.ID, 0, "x@example.com"); return err }},
		{"reset", func(a account.Actor) error {
			_, _, err := h.Reset(ctx, a, target.ID, account.Reset{Password: true}, link)
			return err
		}},
		{"invite", func(a account.Actor) error { _, _, err := h.Invite(ctx, a, target.ID, link); return err }},
		{"change role", func(a account.Actor) error { _, err := h.SetRole(ctx, a, target.ID, 0, account.Auditor); return err }},
		{"remove", func(a account.Actor) error { _, err := h.Remove(ctx, a, target.ID, 0); return err }},
	} {
		if op.name == "remove" { // by now the target may be an auditor
			target = h.settle(t, "target2", other)
		}
		stale := me
		stale.Fresh = false
		key := me
		key.ID = ""
		if err := op.run(account.Actor{By: "x", Source: "x"}); !errors.Is(err, account.ErrForbidden) {
			t.Errorf("%s by nobody: %v, want ErrForbidden", op.name, err)
		}
		if err := op.run(key); !errors.Is(err, account.ErrForbidden) {
			t.Errorf("%s by an admin key: %v, want ErrForbidden", op.name, err)
		}
		if err := op.run(stale); allowed && op.name != "disable" && !errors.Is(err, account.ErrStale) || !allowed && !errors.Is(err, account.ErrForbidden) {
			t.Errorf("%s without a fresh login: %v", op.name, err)
		}
		switch err := op.run(me); {
		case allowed && err != nil:
			t.Errorf("%s: %v, want no error", op.name, err)
		case !allowed && !errors.Is(err, account.ErrForbidden):
			t.Errorf("%s: %v, want ErrForbidden", op.name, err)
		}
	}
}

func TestRightsAndOwners(t *testing.T) {
	attack.Case(t, "ADMIN-08", attack.Library, func(t *testing.T) {
		t.Run("a developer makes no admin", func(t *testing.T) {
			h := newHouse(t)
			dev := actor(h.settle(t, "dev", account.Developer).Account)
			for _, role := range account.Roles() {
				if _, _, err := h.Create(t.Context(), dev, account.Spec{Name: "new", Role: role}, account.Link{Anywhere: true}); !errors.Is(err, account.ErrForbidden) {
					t.Errorf("makes %s: %v, want ErrForbidden", role, err)
				}
				if err := dev.Manages(false, role); !errors.Is(err, account.ErrForbidden) {
					t.Errorf("manages keys of %s: %v, want ErrForbidden", role, err)
				}
			}
		})
		t.Run("nobody raises its own role", nobodyRaisesItself)
		t.Run("the last owner stays", theLastOwnerStays)
		t.Run("two owners remove each other", ownersRemoveEachOther)
	})
}

func nobodyRaisesItself(t *testing.T) {
	h := newHouse(t)
	h.settle(t, "boss", account.Owner)
	for i, role := range account.Roles() {
		me := h.settle(t, "me"+string(role), role)
		for _, higher := range account.Roles()[:i] {
			if _, err := h.SetRole(t.Context(), actor(me.Account), me.ID, 0, higher); !errors.Is(err, account.ErrOwnRole) {
				t.Errorf("%s to %s: %v, want ErrOwnRole", role, higher, err)
			}
		}
		if a, err := h.store.Lookup(t.Context(), me.ID); err != nil || a.Role != role {
			t.Errorf("is %s, %v, want %s", a.Role, err, role)
		}
	}
}

func theLastOwnerStays(t *testing.T) {
	h := newHouse(t)
	last := h.settle(t, "last", account.Owner)
	h.settle(t, "admin", account.Admin)
	if _, _, err := h.Create(t.Context(), operator(), account.Spec{Name: "invited", Role: account.Owner}, account.Link{Anywhere: true}); err != nil {
		t.Fatal(err)
	}
	for _, by := range []account.Actor{actor(last.Account), operator()} {
		for name, run := range map[string]func() error{
			"remove":  func() error { _, err := h.Remove(t.Context(), by, last.ID, 0); return err },
			"disable": func() error { _, err := h.Disable(t.Context(), by, last.ID, 0); return err },
			"lower":   func() error { _, err := h.SetRole(t.Context(), by, last.ID, 0, account.Admin); return err },
		} {
			if err := run(); !errors.Is(err, account.ErrLastOwner) {
				t.Errorf("%s by %s: %v, want ErrLastOwner", name, by.By, err)
			}
		}
	}
	// Who lost password and authenticator is helped by the operator, and still counts.
	if _, link, err := h.Reset(t.Context(), operator(), last.ID, account.Reset{Password: true, Factor: true}, account.Link{Address: home()}); err != nil {
		t.Errorf("reset: %v", err)
	} else if _, err := h.finish(t, link); err != nil {
		t.Errorf("finish: %v", err)
	}
	second := h.settle(t, "second", account.Owner)
	if _, err := h.SetRole(t.Context(), actor(second.Account), last.ID, 0, account.Admin); err != nil {
		t.Errorf("lower one of two: %v", err)
	}
}

func ownersRemoveEachOther(t *testing.T) {
	for round := range 50 {
		h := newHouse(t)
		ada, bob := h.settle(t, "ada", account.Owner), h.settle(t, "bob", account.Owner)
		var wait sync.WaitGroup
		errs := make([]error, 2)
		wait.Go(func() { _, errs[0] = h.Remove(t.Context(), actor(ada.Account), bob.ID, 0) })
		wait.Go(func() {
			if round%2 == 0 {
				_, errs[1] = h.Remove(t.Context(), actor(bob.Account), ada.ID, 0)
			} else {
				_, errs[1] = h.Disable(t.Context(), actor(bob.Account), ada.ID, 0)
			}
		})
		wait.Wait()
		if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), account.ErrLastOwner) {
			t.Fatalf("at once: %v, %v, want one to be ErrLastOwner", errs[0], errs[1])
		}
		if owner, err := h.HasOwner(t.Context()); err != nil || !owner {
			t.Fatalf("HasOwner = %v, %v", owner, err)
		}
	}
}

// A role that requires a second factor is given to nobody without one.
func TestRaisedRolesNeedAFactor(t *testing.T) {
	h := newHouse(t)
	boss, dev := h.settle(t, "boss", account.Owner), h.settle(t, "dev", account.Developer)
	if _, err := h.SetRole(t.Context(), actor(boss.Account), dev.ID, 0, account.Admin); !errors.Is(err, account.ErrFactor) {
		t.Fatalf("SetRole = %v, want ErrFactor", err)
	}
	offer, err := h.OfferFactor(t.Context(), actor(dev.Account))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.Enrol(t.Context(), actor(boss.Account), offer.Sealed, code(t, offer.Secret, now())); err == nil {
		t.Error("somebody else enrolled what was offered to dev")
	}
	if _, codes, err := h.Enrol(t.Context(), actor(dev.Account), offer.Sealed, code(t, offer.Secret, now())); err != nil || len(codes) != 10 {
		t.Fatalf("Enrol = %d codes, %v", len(codes), err)
	}
	if _, _, err := h.Enrol(t.Context(), actor(dev.Account), offer.Sealed, code(t, offer.Secret, now())); err == nil {
		t.Error("an offer was enrolled twice")
	}
	raised, err := h.SetRole(t.Context(), actor(boss.Account), dev.ID, 0, account.Admin)
	if err != nil || raised.Role != account.Admin || raised.State() != account.Active {
		t.Fatalf("SetRole = %s, %v", raised.Role, err)
	}
	// An invitation grows with its role; the link of before, which somebody else may
	// have kept, does not.
	invited, link, err := h.Create(t.Context(), actor(boss.Account), account.Spec{Name: "new", Role: account.Developer}, account.Link{Address: home()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.SetRole(t.Context(), actor(boss.Account), invited.ID, invited.Revision, account.Admin); err != nil {
		t.Fatal(err)
	}
	if _, err := h.finish(t, link); !errors.Is(err, account.ErrGone) {
		t.Errorf("the link to a developer makes an admin: %v, want ErrGone", err)
	}
	if _, link, err = h.Invite(t.Context(), actor(boss.Account), invited.ID, account.Link{Address: home()}); err != nil {
		t.Fatal(err)
	}
	p, err := h.finish(t, link)
	if err != nil || !p.Factor.Enrolled() {
		t.Errorf("finish = factor %v, %v, want one", p != nil && p.Factor.Enrolled(), err)
	}
}

func TestAStaleRevisionChangesNothing(t *testing.T) {
	h := newHouse(t)
	boss, dev := h.settle(t, "boss", account.Owner), h.settle(t, "dev", account.Developer)
	old := dev.Revision
	if _, err := h.Describe(t.Context(), actor(boss.Account), dev.ID, old, "a@example.com"); err != nil {
		t.Fatal(err)
	}
	for name, run := range map[string]func() error{
		"role": func() error {
			_, err := h.SetRole(t.Context(), actor(boss.Account), dev.ID, old, account.Auditor)
			return err
		},
		"disable": func() error { _, err := h.Disable(t.Context(), actor(boss.Account), dev.ID, old); return err },
		"remove":  func() error { _, err := h.Remove(t.Context(), actor(boss.Account), dev.ID, old); return err },
	} {
		if err := run(); !errors.Is(err, account.ErrConflict) {
			t.Errorf("%s: %v, want ErrConflict", name, err)
		}
	}
}

func TestSpecsThatAreRefused(t *testing.T) {
	h := newHouse(t)
	for name, spec := range map[string]account.Spec{
		"name: none":        {Role: account.Auditor},
		"name: a blank":     {Name: "a b", Role: account.Auditor},
		"name: look-alike":  {Name: "аda", Role: account.Auditor}, // a Cyrillic letter
		"name: a flag":      {Name: "-ada", Role: account.Auditor},
		"name: NUL":         {Name: "a\x00", Role: account.Auditor},
		"name: 1 MiB":       {Name: string(make([]byte, 1<<20)), Role: account.Auditor},
		"name: SQL":         {Name: "'; --", Role: account.Auditor},
		"email: no address": {Name: "ada", Email: "ada", Role: account.Auditor},
		"email: with name":  {Name: "ada", Email: "Ada <ada@example.com>", Role: account.Auditor},
		"email: a line":     {Name: "ada", Email: "ada@example.com\nBcc: x@example.com", Role: account.Auditor},
		"role: none":        {Name: "ada"},
		"role: unknown":     {Name: "ada", Role: "root"},
		"role: in capitals": {Name: "ada", Role: "OWNER"},
	} {
		_, _, err := h.Create(t.Context(), operator(), spec, account.Link{Anywhere: true})
		field, ok := errors.AsType[*account.FieldError](err)
		if !ok || !strings.HasPrefix(name, field.Field+":") {
			t.Errorf("%s: %v, want an error of that field", name, err)
		}
	}
	for name, l := range map[string]account.Link{"neither": {}, "both": {Anywhere: true, Address: home()}} {
		if _, _, err := h.Create(t.Context(), operator(), account.Spec{Name: "ada", Role: account.Auditor}, l); err == nil {
			t.Errorf("a link for %s: no error", name)
		}
	}
	if all, err := h.All(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%d accounts, %v, want none", len(all), err)
	}
	if a, _, err := h.Create(t.Context(), operator(), account.Spec{Name: " Ada@Example.com ", Role: account.Auditor}, account.Link{Anywhere: true}); err != nil || a.Name != "ada@example.com" {
		t.Errorf("Create = %q, %v, want the name in lower case", a.Name, err)
	}
}
