package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/audit/audittest"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/sqlite"
	"github.com/warder-dev/warder/usage"
)

func TestAudit(t *testing.T) {
	audittest.TestStore(t, func(t *testing.T) audit.Store { t.Helper(); return open(t, newPath(t)).Audit() })
}

// entriesOf returns the whole log in short, and fails the test when it does not
// hold.
func entriesOf(t *testing.T, db *sqlite.DB) (all []string) {
	t.Helper()
	if _, err := audit.Verify(t.Context(), db.Audit(), nil, nil); err != nil {
		t.Fatal(err)
	}
	entries, err := db.Audit().List(t.Context(), audit.Query{Limit: audit.MaxPage})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, strings.Join([]string{e.Actor, e.Source, e.Op, e.Kind, e.Subject}, " "))
	}
	return all
}

// A change is one of each that the stores know.
type change struct {
	name string
	make func(ctx context.Context, db *sqlite.DB) error
	want []string // the entries that it leaves
}

// changes are run one after the other on one database.
func changes() []change {
	by := apikey.By{Actor: "user:ada", Source: "192.0.2.1"}
	id := keyID(1)
	credits := func(op usage.Op, s usage.Subject) func(context.Context, *sqlite.DB) error {
		return func(ctx context.Context, db *sqlite.DB) error {
			_, err := db.Credits().Apply(ctx, usage.Change{Actor: "user:ada", Source: "cli", At: time.Now(), Subject: s, Op: op, Amount: 5})
			return err
		}
	}
	one := func(c func(ctx context.Context, store apikey.Store, by apikey.By, id apikey.ID) (apikey.Record, error)) func(context.Context, *sqlite.DB) error {
		return func(ctx context.Context, db *sqlite.DB) error { _, err := c(ctx, db.APIKeys(), by, id); return err }
	}
	return []change{
		{"create", func(ctx context.Context, db *sqlite.DB) error {
			_, err := db.APIKeys().Apply(ctx, newKey(1))
			return err
		}, []string{"user:ada cli create key " + string(id)}},
		{"disable", one(apikey.Disable), []string{"user:ada 192.0.2.1 disable key " + string(id)}},
		{"enable", one(apikey.Enable), []string{"user:ada 192.0.2.1 enable key " + string(id)}},
		{"rehash", func(ctx context.Context, db *sqlite.DB) error {
			before, err := db.APIKeys().Lookup(ctx, id)
			if err != nil {
				return err
			}
			after := before
			after.Secrets = []apikey.Secret{{Digest: [32]byte{9}, Pepper: "feedf00d", Created: before.Created}}
			_, err = db.APIKeys().Apply(ctx, apikey.Change{Actor: "system", Source: "verifier", Op: apikey.OpRehash, At: before.Created, Before: &before, After: &after})
			return err
		}, []string{"system verifier rehash key " + string(id)}},
		{"batch", func(ctx context.Context, db *sqlite.DB) error {
			_, err := db.APIKeys().ApplyAll(ctx, []apikey.Change{newKey(2), newKey(3)})
			return err
		}, []string{"user:ada cli create key " + string(keyID(2)), "user:ada cli create key " + string(keyID(3))}},
		{"revoke", func(ctx context.Context, db *sqlite.DB) error {
			c, err := revocation(ctx, db.APIKeys(), 1)
			if err != nil {
				return err
			}
			_, err = db.APIKeys().Apply(ctx, c)
			return err
		}, []string{"user:ada cli revoke key " + string(id)}},
		{"delete", func(ctx context.Context, db *sqlite.DB) error {
			before, err := db.APIKeys().Lookup(ctx, id)
			if err != nil {
				return err
			}
			_, err = db.APIKeys().Apply(ctx, apikey.Change{Actor: "user:ada", Source: "cli", Op: apikey.OpDelete, At: before.Created, Before: &before})
			return err
		}, []string{"user:ada cli delete key " + string(id)}},
		{"credits", credits(usage.OpSet, usage.Subject{Kind: usage.Key, ID: string(id)}), []string{"user:ada cli set credits " + string(id)}},
		{"credits of an owner", credits(usage.OpSet, usage.Subject{Kind: usage.Owner, ID: "acme"}), []string{"user:ada cli set credits owner:acme"}},
		{"a record of an owner", func(ctx context.Context, db *sqlite.DB) error {
			_, err := apikey.CreateOwner(ctx, db.Owners(), by, apikey.OwnerSpec{ID: "acme"})
			return err
		}, []string{"user:ada 192.0.2.1 create owner acme"}},
		{"another name of an owner", func(ctx context.Context, db *sqlite.DB) error {
			_, _, err := apikey.PutOwner(ctx, db.Owners(), by, apikey.OwnerSpec{ID: "acme", Name: "Acme"}, 0)
			return err
		}, []string{"user:ada 192.0.2.1 update owner acme"}},
		{"no record of an owner", func(ctx context.Context, db *sqlite.DB) error {
			return apikey.DeleteOwner(ctx, db.Owners(), by, "acme", 0)
		}, []string{"user:ada 192.0.2.1 delete owner acme"}},
		{"sessions", func(ctx context.Context, db *sqlite.DB) error {
			_, err := db.Sessions().RevokeUser(ctx, audit.By{Actor: "user:ada", Source: "cli"}, "https://idp.example", "bob")
			return err
		}, []string{"user:ada cli revoke sessions https://idp.example bob"}},
		{"everybody's sessions", func(ctx context.Context, db *sqlite.DB) error {
			_, err := db.Sessions().RevokeAll(ctx, audit.By{Actor: "user:ada", Source: "cli"})
			return err
		}, []string{"user:ada cli revoke sessions *"}},
	}
}

// contents is all that the stores hold, but for the log.
func contents(t *testing.T, path string) string {
	t.Helper()
	return queryRaw(t, path, `SELECT (SELECT coalesce(group_concat(id || revision || disabled || coalesce(revoked, 0)), '') FROM keys) || ';'
		|| (SELECT coalesce(group_concat(key_id || hex(digest) || pepper), '') FROM secrets) || ';' || (SELECT count(*) FROM changes) || ';'
		|| (SELECT coalesce(group_concat(kind || id || balance), '') FROM credits) || ';' || (SELECT coalesce(group_concat(hex(digest)), '') FROM sessions) || ';'
		|| (SELECT coalesce(group_concat(id || name || revision), '') FROM owners)`)
}

func TestEachChangeLeavesOneEntry(t *testing.T) {
	attack.Case(t, "AUDIT-01", attack.Library, func(t *testing.T) {
		path := newPath(t)
		db := open(t, path)
		for n := range 3 {
			s := newSession(n)
			if n == 2 {
				s.User.Issuer, s.User.Subject = "https://idp.example", "bob"
			}
			if err := db.Sessions().Create(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range changes() {
			before, was := len(entriesOf(t, db)), contents(t, path)
			// First while the database refuses one half, so that both are of one transaction.
			for half, tables := range map[string][]string{
				"the entry": {"INSERT ON audit"}, "the change": {"INSERT ON changes", "INSERT ON credits", "UPDATE ON credits", "DELETE ON sessions", "INSERT ON owners", "UPDATE ON owners", "DELETE ON owners"},
			} {
				for i, on := range tables {
					execRaw(t, path, fmt.Sprintf(`CREATE TRIGGER fault%d BEFORE %s BEGIN SELECT RAISE(ABORT, 'no room'); END`, i, on))
				}
				if err := c.make(t.Context(), db); err == nil {
					t.Errorf("%s: no error, although the database refuses %s", c.name, half)
				}
				if got := contents(t, path); got != was || len(entriesOf(t, db)) != before {
					t.Errorf("%s: half of it is there while the database refuses %s", c.name, half)
				}
				for i := range tables {
					execRaw(t, path, fmt.Sprintf(`DROP TRIGGER fault%d`, i))
				}
			}
			if err := c.make(t.Context(), db); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if got := strings.Join(entriesOf(t, db)[before:], "; "); got != strings.Join(c.want, "; ") {
				t.Errorf("%s: entries %q, want %q", c.name, got, c.want)
			}
			if contents(t, path) == was {
				t.Errorf("%s: nothing was changed: this shows nothing", c.name)
			}
		}
	})
}

// TestWhatChangedIsTheStateBefore: each entry of a key begins where its last one
// ended.
func TestEntriesOfAKeyFollowEachOther(t *testing.T) {
	db := open(t, newPath(t))
	for _, c := range changes()[:7] {
		if err := c.make(t.Context(), db); err != nil {
			t.Fatal(err)
		}
	}
	all, err := db.Audit().List(t.Context(), audit.Query{Subject: string(keyID(1)), Limit: 10})
	if err != nil || len(all) != 6 {
		t.Fatalf("List = %d entries, %v, want 6", len(all), err)
	}
	last := ""
	for _, e := range all {
		if string(e.Before) != last {
			t.Errorf("entry %d: before is %s, want %s", e.Seq, e.Before, last)
		}
		last = string(e.After)
	}
	if last != "" {
		t.Errorf("a key that was deleted is %s", last)
	}
}

// TestTheDatabaseRefusesToRewriteTheLog: not even a connection of its own can, while
// the schema is there.
func TestTheDatabaseRefusesToRewriteTheLog(t *testing.T) {
	path := newPath(t)
	db := open(t, path)
	for n := range 3 {
		apply(t, db.APIKeys(), newKey(n))
	}
	signer, err := audit.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := audit.SignHead(t.Context(), db.Audit(), signer, "n"); err != nil {
		t.Fatal(err)
	}
	raw := openRaw(t, path)
	const columns = `at, actor, source, op, kind, subject, before, after, prev, hash`
	for _, statement := range []string{
		`UPDATE audit SET actor = 'user:eve' WHERE seq = 2`, `UPDATE audit SET actor = actor`, `DELETE FROM audit WHERE seq = 3`, `DELETE FROM audit`,
		`INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE seq = 2`,
		`INSERT INTO audit SELECT 5, ` + columns + ` FROM audit WHERE seq = 3`,
		`INSERT INTO audit SELECT 4, ` + columns + ` FROM audit WHERE seq = 3`,
		`INSERT INTO audit SELECT NULL, ` + columns + ` FROM audit WHERE seq = 3`,
		`INSERT INTO audit SELECT 2, ` + columns + ` FROM audit WHERE seq = 2 ON CONFLICT (seq) DO UPDATE SET actor = 'user:eve'`,
		`UPDATE audit_checkpoints SET seq = 2`, `DELETE FROM audit_checkpoints`,
	} {
		if _, err := raw.ExecContext(t.Context(), statement); err == nil {
			t.Errorf("%s is done", statement)
		}
	}
	// This one does nothing, as saving a checkpoint twice does.
	if _, err := raw.ExecContext(t.Context(), `INSERT OR REPLACE INTO audit_checkpoints SELECT seq, hash, at + 1, node, key, signature FROM audit_checkpoints`); err != nil {
		t.Error(err)
	}
	if head, err := audit.Verify(t.Context(), db.Audit(), audit.Keyring{signer.PublicKey()}, nil); err != nil || head.Seq != 3 {
		t.Errorf("Verify = %d, %v", head.Seq, err)
	}
}

// unlock takes the triggers away, as whoever owns the file can.
func unlock(t *testing.T, path string, queries ...string) {
	t.Helper()
	execRaw(t, path, append([]string{
		`DROP TRIGGER audit_next`, `DROP TRIGGER audit_update`, `DROP TRIGGER audit_delete`, `DROP TRIGGER audit_checkpoints_delete`, `PRAGMA ignore_check_constraints = on`,
	}, queries...)...)
}

// createAll creates n keys from the one at from on, in one transaction.
func createAll(tb testing.TB, db *sqlite.DB, from, n int) {
	tb.Helper()
	batch := make([]apikey.Change, n)
	for i := range batch {
		batch[i] = newKey(from + i)
	}
	if _, err := db.APIKeys().ApplyAll(tb.Context(), batch); err != nil {
		tb.Fatal(err)
	}
}

func TestARewrittenLogIsFound(t *testing.T) {
	signer, err := audit.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	original := newPath(t)
	db := mustOpen(t, original)
	var kept []audit.Checkpoint
	for from := 0; from < 1500; from += 500 {
		createAll(t, db, from, 500)
		c, err := audit.SignHead(t.Context(), db.Audit(), signer, "n")
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, c)
	}
	createAll(t, db, 1500, 100)
	if err := db.Close(); err != nil { // which leaves all in the one file
		t.Fatal(err)
	}
	whole := contentOf(t, original)
	for _, tt := range []struct {
		id, name, query, want string
	}{
		{"AUDIT-02", "changed", `UPDATE audit SET actor = 'user:eve' WHERE seq = 1500`, "broken at entry 1500: it was changed"},
		{"AUDIT-02", "a state by one character", `UPDATE audit SET after = replace(after, 'reporting', 'Reporting') WHERE seq = 7`, "broken at entry 7: it was changed"},
		{"AUDIT-02", "a hash too short", `UPDATE audit SET hash = x'00' WHERE seq = 7`, "broken at entry 7: it was changed"},
		{"AUDIT-02", "removed", `DELETE FROM audit WHERE seq = 1000`, "broken at entry 1000: it is missing"},
		{"AUDIT-02", "the first one removed", `DELETE FROM audit WHERE seq = 1`, "broken at entry 1: it is missing"},
		{"AUDIT-02", "moved", `UPDATE audit SET seq = CASE seq WHEN 5 THEN 100005 ELSE 5 END WHERE seq IN (5, 9)`, "broken at entry 5: it was changed"},
		{"AUDIT-02", "put in", `INSERT INTO audit SELECT 1601, at, 'user:eve', source, op, kind, subject, before, after, prev, hash FROM audit WHERE seq = 1600`, "broken at entry 1601: it was changed"},
		{"AUDIT-03", "cut", `DELETE FROM audit WHERE seq > 1400`, `broken at entry 1401: it is missing, with all that came after: the log ends with entry 1400, and "n" signed entry 1500`},
		{"AUDIT-03", "cut, with the checkpoints of the database", `DELETE FROM audit WHERE seq > 1400; DELETE FROM audit_checkpoints`, `broken at entry 1401: it is missing`},
		{"AUDIT-03", "emptied", `DELETE FROM audit; DELETE FROM audit_checkpoints`, `broken at entry 1: it is missing, with all that came after: the log ends with entry 0`},
	} {
		attack.Case(t, tt.id, attack.Library, func(t *testing.T) {
			path := newPath(t)
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			db := open(t, path)
			keys := audit.Keyring{signer.PublicKey()}
			if head, err := audit.Verify(t.Context(), db.Audit(), keys, kept); err != nil || head.Seq != 1600 {
				t.Fatalf("Verify before = %d, %v", head.Seq, err)
			}
			unlock(t, path, tt.query)
			if _, err := audit.Verify(t.Context(), db.Audit(), keys, kept); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: Verify = %v, want %q", tt.name, err, tt.want)
			}
		})
	}
}

func TestOrderIsThatOfTheSequence(t *testing.T) {
	attack.Case(t, "AUDIT-08", attack.Library, func(t *testing.T) {
		db := open(t, newPath(t))
		for n, at := range []time.Duration{0, -48 * time.Hour, time.Hour, -time.Hour} {
			c := newKey(n)
			c.At = c.At.Add(at)
			apply(t, db.APIKeys(), c)
		}
		all, err := db.Audit().List(t.Context(), audit.Query{Limit: 10})
		if err != nil || len(all) != 4 {
			t.Fatal(len(all), err)
		}
		for n, e := range all {
			if e.Seq != int64(n+1) || e.Subject != string(keyID(n)) {
				t.Errorf("place %d has entry %d of %s", n, e.Seq, e.Subject)
			}
		}
		if head, err := audit.Verify(t.Context(), db.Audit(), nil, nil); err != nil || head.Seq != 4 {
			t.Errorf("Verify = %d, %v", head.Seq, err)
		}
	})
}

func BenchmarkApplyAll(b *testing.B) {
	db := open(b, newPath(b))
	n := 0
	for b.Loop() {
		createAll(b, db, n, apikey.MaxBatch)
		n += apikey.MaxBatch
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "keys/s")
}

func BenchmarkVerifyAudit(b *testing.B) {
	db := open(b, newPath(b))
	const entries = 20_000
	for from := 0; from < entries; from += apikey.MaxBatch {
		createAll(b, db, from, apikey.MaxBatch)
	}
	for b.Loop() {
		if head, err := audit.Verify(b.Context(), db.Audit(), nil, nil); err != nil || head.Seq != entries {
			b.Fatal(head.Seq, err)
		}
	}
	b.ReportMetric(float64(entries)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

// TestTheAuditTellsIssuersApart: one name at two issuers is two people.
func TestTheAuditTellsIssuersApart(t *testing.T) {
	attack.Case(t, "MULTI-12", attack.Library, func(t *testing.T) {
		db := open(t, newPath(t))
		by := audit.By{Actor: "user:ada", Source: "cli"}
		for _, issuer := range []string{"https://one.example", "https://two.example", "password"} {
			if _, err := db.Sessions().RevokeUser(t.Context(), by, issuer, "bob"); err != nil {
				t.Fatal(err)
			}
		}
		apply(t, db.APIKeys(), newKey(1)) // and one whose owner has that name
		c := newKey(2)
		c.After.Owner = "bob"
		apply(t, db.APIKeys(), c)
		for _, subject := range []string{"https://one.example bob", "https://two.example bob", "password bob"} {
			all, err := db.Audit().List(t.Context(), audit.Query{Subject: subject, Limit: 10})
			if err != nil || len(all) != 1 || all[0].Kind != audit.KindSessions {
				t.Errorf("%s has %d entries, %v, want one of its own", subject, len(all), err)
			}
		}
		if all, err := db.Audit().List(t.Context(), audit.Query{Subject: "bob", Limit: 10}); err != nil || len(all) != 0 {
			t.Errorf("bob alone has %d entries, %v, want none", len(all), err)
		}
	})
}
