// Package accounttest is the contract of [account.Store] as tests. Every
// implementation runs [TestStore]; what it does not test, a store may do as it
// likes.
package accounttest

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/secret"
)

// TestStore tests the store that open returns. open is called once per subtest
// and gives an empty store each time; it closes it with t.Cleanup.
func TestStore(t *testing.T, open func(t *testing.T) account.Store) {
	t.Helper()
	for _, g := range []struct {
		name  string
		rules []rule
	}{
		{"Apply", applyRules()},
		{"Find", findRules()},
		{"Keys", keyRules()},
		{"LastOwner", ownerRules()},
		{"Hostile", hostileRules()},
		{"Concurrent", concurrentRules()},
		{"Context", contextRules()},
	} {
		t.Run(g.name, func(t *testing.T) {
			for _, r := range g.rules {
				t.Run(r.name, func(t *testing.T) { r.check(t, open(t)) })
			}
		})
	}
}

// A rule is one sentence of the contract and its test on an empty store.
type rule struct {
	name  string
	check func(t *testing.T, s account.Store)
}

// at is when the changes of the tests happen, with milliseconds.
func at() time.Time { return time.Date(2026, 3, 29, 1, 59, 59, 123_000_000, time.UTC) }

// id returns the nth id; they ascend.
func id(n int) account.ID {
	return account.ID(fmt.Sprintf("aaaaaaaaaaaaa%c%c%c", 'a'+n/676, 'a'+n/26%26, 'a'+n%26))
}

func digest(n byte) (d account.Digest) {
	for i := range d {
		d[i] = byte(i)*11 + n*37 + 1
	}
	return d
}

// full returns the nth account, with every field set.
func full(n int) account.Account {
	return account.Account{
		ID: id(n), Name: fmt.Sprintf("ada.%d", n), Email: "ada@example.com", Role: account.Admin,
		PasswordHash: secret.New("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"),
		Factor:       account.Factor{Sealed: secret.New("c2VhbGVk"), Pepper: "1a2b3c4d", Step: 59_000_001, Since: at().Add(time.Second)},
		Recovery:     []account.Digest{digest(1), digest(2)},
		SetUp:        account.SetUp{Digest: digest(3), Expires: at().Add(time.Hour), Address: netip.MustParseAddr("2001:db8::7"), Password: true, Factor: true},
		Disabled:     true, Settled: at().Add(2 * time.Second), Epoch: 7,
		Created: at(), Updated: at().Add(3 * time.Second), LastLogin: at().Add(4 * time.Second),
	}
}

// plain returns the nth account, with as little as there can be.
func plain(n int) account.Account {
	return account.Account{ID: id(n), Name: fmt.Sprintf("bob%d", n), Role: account.Developer, Created: at(), Updated: at()}
}

// standing returns the nth account as an owner that counts.
func standing(n int) account.Account {
	a := plain(n)
	a.Role, a.Settled = account.Owner, at()
	return a
}

// key returns the nth admin key, with every field set.
func key(n int) account.Key {
	return account.Key{
		ID: fmt.Sprintf("AbcDef%06d", n), Name: "deploy", Role: account.Developer, Owner: "acme", Maker: string(id(1)), Digest: digest(byte(n)), Pepper: "5e6f7a8b",
		Created: at(), Expires: at().Add(time.Hour), Revoked: at().Add(time.Minute), Reason: "superseded",
	}
}

func change(before, after *account.Account) account.Change {
	return account.Change{Actor: "user:ada", Source: "cli", Op: account.OpCreate, At: at(), Before: before, After: after}
}

func keyChange(before, after *account.Key) account.Change {
	return account.Change{Actor: "user:ada", Source: "cli", Op: account.OpKeyCreate, At: at(), KeyBefore: before, KeyAfter: after}
}

func mustApply(t *testing.T, s account.Store, c account.Change) account.Revision {
	t.Helper()
	rev, err := s.Apply(t.Context(), c)
	if err != nil {
		t.Fatalf("Apply(%s) = %v, want no error", c.Op, err)
	}
	return rev
}

// mustCreate returns a as it is stored.
func mustCreate(t *testing.T, s account.Store, a account.Account) account.Account {
	t.Helper()
	a.Revision = mustApply(t, s, change(nil, &a))
	return a
}

func mustLookup(t *testing.T, s account.Store, id account.ID) account.Account {
	t.Helper()
	a, err := s.Lookup(t.Context(), id)
	if err != nil {
		t.Fatalf("Lookup(%q) = %v, want no error", id, err)
	}
	return a
}

// wantAccount reports each field in which got is not what want was stored as.
func wantAccount(t *testing.T, got, want account.Account) {
	t.Helper()
	wantEqual(t, "ID", got.ID, want.ID)
	wantEqual(t, "Name", got.Name, want.Name)
	wantEqual(t, "Email", got.Email, want.Email)
	wantEqual(t, "Role", got.Role, want.Role)
	wantEqual(t, "PasswordHash is the same", got.PasswordHash.Equal(want.PasswordHash), true)
	wantEqual(t, "Factor.Sealed is the same", got.Factor.Sealed.Equal(want.Factor.Sealed), true)
	wantEqual(t, "Factor.Pepper", got.Factor.Pepper, want.Factor.Pepper)
	wantEqual(t, "Factor.Step", got.Factor.Step, want.Factor.Step)
	wantEqual(t, "Factor.Since", got.Factor.Since, want.Factor.Since)
	if !slices.Equal(got.Recovery, want.Recovery) {
		t.Errorf("Recovery holds %d digests, not the %d in their order", len(got.Recovery), len(want.Recovery))
	}
	wantEqual(t, "SetUp", got.SetUp, want.SetUp)
	wantEqual(t, "Disabled", got.Disabled, want.Disabled)
	wantEqual(t, "Settled", got.Settled, want.Settled)
	wantEqual(t, "Epoch", got.Epoch, want.Epoch)
	wantEqual(t, "Created", got.Created, want.Created)
	wantEqual(t, "Updated", got.Updated, want.Updated)
	wantEqual(t, "LastLogin", got.LastLogin, want.LastLogin)
}

func wantEqual[T comparable](t *testing.T, field string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %v, want %v", field, got, want)
	}
}
