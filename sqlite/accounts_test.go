package sqlite_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/account/accounttest"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/sqlite"
)

func TestAccounts(t *testing.T) {
	accounttest.TestStore(t, func(t *testing.T) account.Store { t.Helper(); return open(t, newPath(t)).Accounts() })
}

// Two processes are two writers: the last owner stays for both.
func TestTheLastOwnerOfTwoProcesses(t *testing.T) {
	path := newPath(t)
	one, other := open(t, path).Accounts(), open(t, path).Accounts()
	owner := func(id, name string) account.Account {
		now := time.Now().UTC().Truncate(time.Millisecond)
		a := account.Account{ID: account.ID(id), Name: name, Role: account.Owner, Settled: now, Created: now}
		rev, err := one.Apply(t.Context(), account.Change{Actor: "a", Source: "s", Op: account.OpCreate, At: now, After: &a})
		if err != nil {
			t.Fatal(err)
		}
		a.Revision = rev
		return a
	}
	for range 20 {
		a, b := owner("a", "ada"), owner("b", "bob")
		errs := make(chan error, 2)
		for store, gone := range map[*sqlite.Accounts]account.Account{one: a, other: b} {
			go func() {
				_, err := store.Apply(t.Context(), account.Change{Actor: "a", Source: "s", Op: account.OpRemove, At: time.Now(), Before: &gone})
				errs <- err
			}()
		}
		if first, second := <-errs, <-errs; (first == nil) == (second == nil) {
			t.Fatalf("removed at once: %v, %v, want one to be refused", first, second)
		}
		left, err := one.List(t.Context(), "", 10)
		if err != nil || len(left) != 1 {
			t.Fatalf("List = %d accounts, %v, want one", len(left), err)
		}
		execRaw(t, path, `DELETE FROM accounts`) // as no program of ours may
	}
}

// Whoever reads the file finds no secret, and the list of changes not even what
// stands for one.
func TestAccountsAtRest(t *testing.T) {
	path := newPath(t)
	db := open(t, path)
	now := time.Now().UTC().Truncate(time.Millisecond)
	a := account.Account{
		ID: "a", Name: "ada", Role: account.Owner, Created: now, PasswordHash: secret.New("$argon2id$canary"),
		Factor:   account.Factor{Sealed: secret.New("sealed-canary"), Pepper: "p", Since: now},
		Recovery: []account.Digest{{1, 2, 3}}, SetUp: account.SetUp{Digest: account.Digest{4, 5, 6}, Expires: now, Anywhere: true},
	}
	if _, err := db.Accounts().Apply(t.Context(), account.Change{Actor: "a", Source: "s", Op: account.OpCreate, At: now, After: &a}); err != nil {
		t.Fatal(err)
	}
	var after string
	if err := openRaw(t, path).QueryRowContext(t.Context(), `SELECT after FROM account_changes`).Scan(&after); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"canary", base64.StdEncoding.EncodeToString(a.Recovery[0][:]), base64.StdEncoding.EncodeToString(a.SetUp.Digest[:]), "argon2id"} {
		if strings.Contains(after, secret) {
			t.Errorf("the list of changes holds %q: %s", secret, after)
		}
	}
	if !strings.Contains(after, `"factor":true`) || !strings.Contains(after, `"password":true`) {
		t.Errorf("the list of changes does not tell what is set: %s", after)
	}
}

// A damaged row is an error that tells nothing, and never an account with less.
func TestDamagedAccounts(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	for name, damage := range map[string]string{
		"no JSON":               `UPDATE accounts SET detail = 'canary'`,
		"another role":          `UPDATE accounts SET detail = json_set(detail, '$.role', 'canary')`,
		"the factor is gone":    `UPDATE accounts SET detail = json_remove(detail, '$.factor')`,
		"the pepper is gone":    `UPDATE accounts SET pepper = NULL`,
		"a short recovery code": `UPDATE accounts SET detail = json_set(detail, '$.recovery[0]', 'AAAA')`,
		"a link without end":    `UPDATE accounts SET detail = json_remove(detail, '$.set_up.expires')`,
	} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			s := open(t, path).Accounts()
			a := account.Account{
				ID: "a", Name: "ada", Role: account.Owner, Created: now, Factor: account.Factor{Sealed: secret.New("x"), Pepper: "p", Since: now},
				Recovery: []account.Digest{{1}}, SetUp: account.SetUp{Digest: account.Digest{1}, Expires: now, Anywhere: true},
			}
			if _, err := s.Apply(t.Context(), account.Change{Actor: "a", Source: "s", Op: account.OpCreate, At: now, After: &a}); err != nil {
				t.Fatal(err)
			}
			execRaw(t, path, damage)
			if _, err := s.Lookup(t.Context(), "a"); err == nil || strings.Contains(err.Error(), "canary") || err == account.ErrNotFound { //nolint:errorlint // exactly that
				t.Errorf("Lookup = %v, want an error that tells nothing", err)
			}
		})
	}
}
