package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/audit"
)

// older makes a database as the version of the schema left it, and runs queries on it.
func older(t *testing.T, path string, version int, queries ...string) {
	t.Helper()
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d migrations, %v", len(files), err)
	}
	statements := []string{
		`PRAGMA application_id = 2003985522`, `PRAGMA journal_mode = WAL`,
		`CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')))`,
		`INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, 1)`,
	}
	for n := range version {
		text, err := os.ReadFile(files[n])
		if err != nil || !strings.HasPrefix(filepath.Base(files[n]), fmt.Sprintf("%05d_", n+1)) {
			t.Fatalf("migration %d is %s, %v", n+1, files[n], err)
		}
		statements = append(statements, string(text), fmt.Sprintf(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (%d, 1)`, n+1))
	}
	execRaw(t, path, append(statements, queries...)...)
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
}

// oldKey is a key as the first version stored it.
const oldKey = `INSERT INTO changes (at, actor, source, op, key_id, after) VALUES (1700000000000000, 'user:ada', 'cli', 'create', 'k00000000001', '{"id":"k00000000001","name":"old"}');
	INSERT INTO keys (id, prefix, environment, name, owner, scopes, created, disabled, reason, revision) VALUES ('k00000000001', 'wrd', 'live', 'old', '', '[]', 1700000000000000, 0, '', 1);
	INSERT INTO secrets (key_id, position, digest, pepper) VALUES ('k00000000001', 0, zeroblob(32), 'feedf00d')`

// TestUpgradeFromVersionOne opens a database as the first version left it.
func TestUpgradeFromVersionOne(t *testing.T) {
	path := newPath(t)
	older(t, path, 1, oldKey)

	keys := open(t, path).APIKeys()
	old, err := keys.Lookup(t.Context(), keyID(1))
	if err != nil || old.Bound() || old.Name != "old" {
		t.Fatalf("Lookup after the upgrade = %q, bound %v, %v, want a key that is bound to nothing", old.Name, old.Bound(), err)
	}
	if got := queryRaw(t, path, `SELECT place FROM keys`); got != "-1700000000000000" {
		t.Errorf("its place in the order of creation is %s", got)
	}
	after := old
	after.Certificate = [32]byte{1, 2, 3}
	if _, err := keys.Apply(t.Context(), apikey.Change{Actor: "a", Source: "s", Op: apikey.OpEnable, At: old.Created, Before: &old, After: &after}); err != nil {
		t.Fatal(err)
	}
	if got, err := keys.Lookup(t.Context(), keyID(1)); err != nil || got.Certificate != after.Certificate {
		t.Errorf("Lookup = bound to %x, %v, want %x", got.Certificate, err, after.Certificate)
	}
}

// TestUpgradeChainsWhatWasChangedBefore opens a database without an audit log: what
// its lists of changes hold is in one afterwards, each list in its own order.
func TestUpgradeChainsWhatWasChangedBefore(t *testing.T) {
	path := newPath(t)
	older(t, path, 5, oldKey,
		`INSERT INTO changes (at, actor, source, op, key_id, before, after) VALUES
			(1700000009000000, 'user:bob', 'web', 'revoke', 'k00000000001', '{"id":"k00000000001","name":"old"}', '{"id":"k00000000001","reason":"leaked"}'),
			(1700000005000000, 'user:bob', 'web', 'delete', 'k00000000001', '{"id":"k00000000001","reason":"leaked"}', 'null'),
			(-5, 'user:bob', 'web', 'odd', 'k00000000009', NULL, 'no JSON')`,
		`INSERT INTO credit_changes (at, actor, source, op, kind, id, amount, before, after) VALUES
			(1700000007000000, 'user:ada', 'cli', 'set', 'key', 'k00000000001', 5, NULL, '{"balance":5}'),
			(1700000008000000, 'user:ada', 'cli', 'add', 'owner', 'acme', 5, '{"balance":5}', '{"balance":10}')`,
		// more than one page
		`WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 1300)
			INSERT INTO changes (at, actor, source, op, key_id, after) SELECT 1800000000000000 + i, 'user:ada', 'cli', 'create', printf('k%011d', i), '{}' FROM n`)

	db := open(t, path)
	head, err := audit.Verify(t.Context(), db.Audit(), nil, nil)
	if err != nil || head.Seq != 6+1291 {
		t.Fatalf("Verify = %d, %v, want 1297 entries", head.Seq, err)
	}
	all, err := db.Audit().List(t.Context(), audit.Query{Limit: 7})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range all {
		got = append(got, fmt.Sprintf("%s %s %s %s %s>%s", e.Actor, e.Op, e.Kind, e.Subject, e.Before, e.After))
	}
	want := []string{
		`user:ada create key k00000000001 >{"id":"k00000000001","name":"old"}`,
		`user:ada set credits k00000000001 >{"balance":5}`,
		`user:ada add credits owner:acme {"balance":5}>{"balance":10}`,
		`user:bob revoke key k00000000001 {"id":"k00000000001","name":"old"}>{"id":"k00000000001","reason":"leaked"}`,
		`user:bob delete key k00000000001 {"id":"k00000000001","reason":"leaked"}>`,
		`user:bob odd key k00000000009 >"no JSON"`,
		`user:ada create key k00000000010 >{}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("entries:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if rev, err := db.APIKeys().Revision(t.Context()); err != nil || rev != 4+1291 {
		t.Errorf("Revision = %d, %v, want that of before", rev, err)
	}
	if ids, _, err := db.APIKeys().Changes(t.Context(), 3, 2); err != nil || !slices.Equal(ids, []apikey.ID{"k00000000009", "k00000000010"}) {
		t.Errorf("Changes = %q, %v", ids, err)
	}
	apply(t, db.APIKeys(), newKey(2))
	if head, err := audit.Verify(t.Context(), db.Audit(), nil, nil); err != nil || head.Seq != 1298 {
		t.Errorf("Verify after another change = %d, %v", head.Seq, err)
	}
}

// A certificate that was damaged is no freedom from one.
func TestDamagedCertificate(t *testing.T) {
	path := newPath(t)
	db := open(t, path)
	c := newKey(1)
	c.After.Certificate = [32]byte{1}
	if _, err := db.APIKeys().Apply(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{`zeroblob(32)`, `zeroblob(31)`, `x'01'`} {
		execRaw(t, path, `PRAGMA ignore_check_constraints = on`, `UPDATE keys SET certificate = `+value)
		if r, err := db.APIKeys().Lookup(t.Context(), c.After.ID); err == nil {
			t.Errorf("%s: Lookup = bound %v, want an error", value, r.Bound())
		}
	}
}
