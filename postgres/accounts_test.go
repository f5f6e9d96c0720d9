package postgres_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/postgres"
	"github.com/warder-dev/warder/secret"
)

// newOwner returns a standing owner, and the change that makes it.
func newOwner(id, name string) account.Change {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return account.Change{Actor: "a", Source: "s", Op: account.OpCreate, At: at, After: &account.Account{
		ID: account.ID(id), Name: name, Role: account.Owner, Settled: at, Created: at,
		PasswordHash: secret.New("$argon2id$canary"), Factor: account.Factor{Sealed: secret.New("sealed-canary"), Pepper: "p", Since: at},
		Recovery: []account.Digest{{1, 2, 3}}, SetUp: account.SetUp{Digest: account.Digest{4, 5, 6}, Expires: at, Anywhere: true},
	}}
}

// mustMake applies c and returns the account as it is stored.
func mustMake(t *testing.T, s *postgres.Accounts, c account.Change) account.Account {
	t.Helper()
	rev, err := s.Apply(t.Context(), c)
	if err != nil {
		t.Fatalf("Apply = %v, want no error", err)
	}
	a := *c.After
	a.Revision = rev
	return a
}

// Nodes change accounts at once, and keys, which write to the same log: the last owner
// stays, and the log is one chain with an entry for each revision.
func TestTheLastOwnerOfTwoNodes(t *testing.T) {
	url := newURL(t)
	nodes := [2]*postgres.DB{open(t, url), open(t, url)}
	const rounds = 20
	for round := range rounds {
		owners := [2]account.Account{}
		for i := range owners {
			owners[i] = mustMake(t, nodes[0].Accounts(), newOwner(fmt.Sprintf("id%d-%d", round, i), fmt.Sprintf("ada%d-%d", round, i)))
		}
		if round > 0 { // the one that was left
			left, err := nodes[1].Accounts().List(t.Context(), "", 10)
			if err != nil || len(left) != 3 {
				t.Fatalf("List = %d accounts, %v, want the last one and two more", len(left), err)
			}
			for _, a := range left {
				if a.ID == owners[0].ID || a.ID == owners[1].ID {
					continue
				}
				if _, err := nodes[1].Accounts().Apply(t.Context(), account.Change{Actor: "a", Source: "s", Op: account.OpRemove, At: a.Created, Before: &a}); err != nil {
					t.Fatal(err)
				}
			}
		}
		errs := make(chan error, 4)
		for i, node := range nodes {
			go func() {
				_, err := node.Accounts().Apply(t.Context(), account.Change{Actor: "a", Source: "s", Op: account.OpRemove, At: owners[i].Created, Before: &owners[i]})
				errs <- err
			}()
			go func() {
				_, err := node.APIKeys().Apply(t.Context(), newKey(2*round+i))
				errs <- err
			}()
		}
		refused := 0
		for range 4 {
			if err := <-errs; errors.Is(err, account.ErrLastOwner) {
				refused++
			} else if err != nil {
				t.Errorf("Apply = %v, want no error", err)
			}
		}
		if refused != 1 {
			t.Errorf("%d of two owners at once were refused, want one", refused)
		}
	}
	head, err := nodes[0].Audit().Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Of two owners that go one is refused: it leaves nothing.
	const want = rounds*2 + rounds - 1 + rounds + rounds*2
	if head.Seq != want {
		t.Errorf("the audit has %d entries, want %d", head.Seq, want)
	}
	const counts = `SELECT count(*) || ' ' || max(revision) FROM warder.account_changes`
	if got, want := pool.Server(t).Query(t, database(url), counts), fmt.Sprintf("%d %[1]d", rounds*4-1); got != want {
		t.Errorf("changes and the last revision: %s, want %s", got, want)
	}
}

// Whoever reads the log finds no secret, and nothing that stands for one.
func TestAccountsInTheAudit(t *testing.T) {
	db := open(t, newURL(t))
	c := newOwner("a", "ada")
	a := mustMake(t, db.Accounts(), c)
	renamed := a
	renamed.Name = "ada2"
	if _, err := db.Accounts().Apply(t.Context(), account.Change{Actor: "b", Source: "t", Op: account.OpDescribe, At: c.At, Before: &a, After: &renamed}); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Accounts().Apply(t.Context(), account.Change{Actor: "b", Source: "t", Op: account.OpDescribe, At: c.At, Before: &a, After: &a}); !errors.Is(err, account.ErrConflict) {
		t.Errorf("a stale change: %v, want ErrConflict", err)
	}
	entries, err := db.Audit().List(t.Context(), audit.Query{Kind: "account", Limit: 10})
	if err != nil || len(entries) != 2 {
		t.Fatalf("the audit has %d entries of accounts, %v, want 2: what is refused leaves none", len(entries), err)
	}
	last := entries[1]
	if last.Actor != "b" || last.Source != "t" || last.Op != string(account.OpDescribe) || last.Subject != "a" ||
		!strings.Contains(string(last.Before), `"name":"ada"`) || !strings.Contains(string(last.After), `"name":"ada2"`) {
		t.Errorf("the last entry is %+v", last)
	}
	for _, e := range entries {
		for _, secret := range []string{"canary", base64.StdEncoding.EncodeToString(a.Recovery[0][:]), base64.StdEncoding.EncodeToString(a.SetUp.Digest[:]), "argon2id"} {
			if strings.Contains(string(e.Before)+string(e.After), secret) {
				t.Errorf("the audit holds %q: %s", secret, e.After)
			}
		}
		if !strings.Contains(string(e.After), `"factor":true`) || !strings.Contains(string(e.After), `"password":true`) {
			t.Errorf("the audit does not tell what is set: %s", e.After)
		}
	}
}

// A damaged row is an error that tells nothing, and never an account with less.
func TestDamagedAccounts(t *testing.T) {
	url := newURL(t)
	s := open(t, url).Accounts()
	set := func(path, value string) string {
		return `UPDATE warder.accounts SET detail = jsonb_set(detail::jsonb, '` + path + `', '` + value + `')::json`
	}
	n := 0
	for name, damage := range map[string]string{
		"no object":             `UPDATE warder.accounts SET detail = '"canary"'`,
		"another role":          set("{role}", `"canary"`),
		"the factor is gone":    `UPDATE warder.accounts SET detail = (detail::jsonb - 'factor')::json`,
		"the pepper is gone":    `UPDATE warder.accounts SET pepper = NULL`,
		"a short recovery code": set("{recovery,0}", `"AAAA"`),
		"a link without end":    `UPDATE warder.accounts SET detail = (detail::jsonb #- '{set_up,expires}')::json`,
	} {
		n++
		id := fmt.Sprint("a", n)
		mustMake(t, s, newOwner(id, id))
		pool.Server(t).Exec(t, database(url), damage+` WHERE id = '`+id+`'`)
		if _, err := s.Lookup(t.Context(), account.ID(id)); err == nil || strings.Contains(err.Error(), "canary") || errors.Is(err, account.ErrNotFound) {
			t.Errorf("%s: Lookup = %v, want an error that tells nothing", name, err)
		}
	}
}
