package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/sqlite"
)

// TestARestoredBackupIsTold restores a backup into the open file, as SQLite's own
// tools do, and lets it grow to the number of changes that it had before: the
// feed says that it went back, although its newest revision is the same.
func TestARestoredBackupIsTold(t *testing.T) {
	for _, grow := range []int{0, 1, 3, 5} {
		t.Run(fmt.Sprintf("%d changes after the restore", grow), func(t *testing.T) {
			path := newPath(t)
			keys := open(t, path).APIKeys()
			create(t, keys, "AAAAAAAAAA", 2)
			backup := filepath.Join(t.TempDir(), "backup.db")
			raw := openRaw(t, path)
			if _, err := raw.ExecContext(t.Context(), `VACUUM INTO ?`, backup); err != nil {
				t.Fatal(err)
			}
			create(t, keys, "BBBBBBBBBB", 3)
			if rev, err := keys.Revision(t.Context()); err != nil || rev != 5 || keys.Rewinds() != 0 {
				t.Fatalf("Revision = %d, %v after %d rewinds, want 5 after none", rev, err, keys.Rewinds())
			}
			restore(t, path, backup)
			create(t, keys, "CCCCCCCCCC", grow)
			for range 2 {
				rev, err := keys.Revision(t.Context())
				if err != nil || rev != apikey.Revision(2+grow) || keys.Rewinds() != 1 {
					t.Errorf("Revision = %d, %v after %d rewinds, want %d after 1", rev, err, keys.Rewinds(), 2+grow)
				}
			}
		})
	}
}

// restore writes the backup's rows over the open database.
func restore(t *testing.T, path, backup string) {
	t.Helper()
	raw := openRaw(t, path)
	raw.SetMaxOpenConns(1)
	for _, statement := range []string{
		`ATTACH '` + backup + `' AS b`, `PRAGMA foreign_keys = OFF`,
		`DELETE FROM secrets`, `DELETE FROM keys`, `DELETE FROM changes`, `DELETE FROM sqlite_sequence WHERE name = 'changes'`,
		`INSERT INTO changes SELECT * FROM b.changes`, `INSERT INTO keys SELECT * FROM b.keys`, `INSERT INTO secrets SELECT * FROM b.secrets`,
	} {
		if _, err := raw.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// create makes n keys whose ids begin with prefix, of 10 characters.
func create(t *testing.T, keys *sqlite.APIKeys, prefix string, n int) {
	t.Helper()
	for i := range n {
		_, err := keys.Apply(t.Context(), apikey.Change{
			Actor: "system", Source: "test", Op: apikey.OpCreate, At: time.Now(),
			After: &apikey.Record{ID: apikey.ID(fmt.Sprintf("%s%02d", prefix, i)), Secrets: []apikey.Secret{{Pepper: "p"}}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
