package sqlite_test

import (
	"database/sql"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/apikey/apikeytest"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/sqlite"
)

func TestAPIKeys(t *testing.T) {
	apikeytest.TestStore(t, func(t *testing.T) apikeytest.Full { t.Helper(); return open(t, newPath(t)).APIKeys() })
}

func TestAPIKeysInSteps(t *testing.T) {
	keys := open(t, newPath(t)).APIKeys()
	apikeytest.TestSteps(t, keys, func(some int) apikey.Finder { return sqlite.Stepping(keys, some) })
}

func TestTextIsLiteral(t *testing.T) {
	attack.Case(t, "SQL-07", attack.Library, func(t *testing.T) { apikeytest.TestText(t, open(t, newPath(t)).APIKeys()) })
}

// newPath returns the path of a database that does not exist yet.
func newPath(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(tb.TempDir(), "warder.db")
}

// open opens the database at path until the end of the test.
func open(tb testing.TB, path string) *sqlite.DB {
	tb.Helper()
	db, err := sqlite.Open(tb.Context(), sqlite.Config{Path: path, Log: discard()})
	if err != nil {
		tb.Fatalf("Open = %v, want no error", err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Errorf("Close = %v, want no error", err)
		}
	})
	return db
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// openRaw opens the database at path without this package, on one connection.
func openRaw(tb testing.TB, path string) *sql.DB {
	tb.Helper()
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		tb.Fatalf("open the file without the package: %v", err)
	}
	raw.SetMaxOpenConns(1)
	tb.Cleanup(func() {
		if err := raw.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
	return raw
}

// execRaw runs queries on the database at path without this package.
func execRaw(tb testing.TB, path string, queries ...string) {
	tb.Helper()
	raw := openRaw(tb, path)
	for _, query := range queries {
		if _, err := raw.ExecContext(tb.Context(), query); err != nil {
			tb.Fatalf("%s: %v", query, err)
		}
	}
}

// queryRaw returns the one text that query gives.
func queryRaw(tb testing.TB, path, query string) (text string) {
	tb.Helper()
	if err := openRaw(tb, path).QueryRowContext(tb.Context(), query).Scan(&text); err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	return text
}
