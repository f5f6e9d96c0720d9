package sqlite_test

import (
	"database/sql"
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
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: path, Log: discard()})
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

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// openRaw opens the database at path without this package, on one connection.
func openRaw(t testing.TB, path string) *sql.DB {
	t.Helper()
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatalf("open the file without the package: %v", err)
	}
	raw.SetMaxOpenConns(1)
	t.Cleanup(func() {
		if err := raw.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return raw
}

// execRaw runs queries on the database at path without this package.
func execRaw(t testing.TB, path string, queries ...string) {
	t.Helper()
	raw := openRaw(t, path)
	for _, query := range queries {
		if _, err := raw.ExecContext(t.Context(), query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
}

// queryRaw returns the one text that query gives.
func queryRaw(t testing.TB, path, query string) (text string) {
	t.Helper()
	if err := openRaw(t, path).QueryRowContext(t.Context(), query).Scan(&text); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return text
}
