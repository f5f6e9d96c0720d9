package sqlite_test

import (
	"testing"

	"github.com/warder-dev/warder/apikey"
)

// TestUpgradeFromVersionOne opens a database as the first version left it.
func TestUpgradeFromVersionOne(t *testing.T) {
	path := newPath(t)
	db := mustOpen(t, path)
	c := newKey(1)
	if _, err := db.APIKeys().Apply(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	execRaw(t, path, `DROP INDEX secrets_legacy`, `DROP INDEX keys_created`, `DROP INDEX keys_owner`,
		`ALTER TABLE keys DROP COLUMN kind`, `ALTER TABLE keys DROP COLUMN plan`, `ALTER TABLE keys DROP COLUMN updated`, `ALTER TABLE keys DROP COLUMN detail`,
		`ALTER TABLE secrets DROP COLUMN number`, `ALTER TABLE secrets DROP COLUMN idle_retire`, `ALTER TABLE secrets DROP COLUMN format`,
		`ALTER TABLE keys DROP COLUMN certificate`, `DROP TABLE sessions`, `DROP TABLE credit_reservations`, `DROP TABLE credits`, `DROP TABLE credit_changes`,
		`DROP TABLE attempts`, `DROP TABLE accounts`, `DROP TABLE admin_keys`, `DROP TABLE account_changes`,
		`DELETE FROM goose_db_version WHERE version_id > 1`)

	keys := open(t, path).APIKeys()
	old, err := keys.Lookup(t.Context(), c.After.ID)
	if err != nil || old.Bound() {
		t.Fatalf("Lookup after the upgrade = bound %v, %v, want a key that is bound to nothing", old.Bound(), err)
	}
	after := old
	after.Certificate = [32]byte{1, 2, 3}
	if _, err := keys.Apply(t.Context(), apikey.Change{Actor: "a", Source: "s", Op: apikey.OpEnable, At: c.At, Before: &old, After: &after}); err != nil {
		t.Fatal(err)
	}
	if got, err := keys.Lookup(t.Context(), c.After.ID); err != nil || got.Certificate != after.Certificate {
		t.Errorf("Lookup = bound to %x, %v, want %x", got.Certificate, err, after.Certificate)
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
