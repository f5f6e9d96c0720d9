package sqlite_test

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/warder-dev/warder/apikey/apikeytest"
	"github.com/warder-dev/warder/sqlite"
)

func TestAPIKeys(t *testing.T) {
	apikeytest.TestStore(t, func(t *testing.T) apikeytest.Full { return open(t, newPath(t)).APIKeys() })
}

// newPath returns the path of a database that does not exist yet.
func newPath(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "warder.db")
}

// open opens the database at path until the end of the test.
func open(t testing.TB, path string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: path, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatalf("Open = %v, want no error", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close = %v, want no error", err)
		}
	})
	return db
}
