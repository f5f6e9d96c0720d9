package postgres_test

import (
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/testpostgres"
	"github.com/warder-dev/warder/postgres"
)

// pool is the server that most tests share, each with a database of its own.
var pool testpostgres.Pool //nolint:gochecknoglobals // one server for the whole program, stopped by TestMain

func TestMain(m *testing.M) {
	if url := os.Getenv(writerURL); url != "" { //nolint:forbidigo // this binary started itself
		os.Exit(writer(url, os.Stdin, os.Stdout, os.Stderr)) //nolint:forbidigo // as TestMain does
	}
	if url := os.Getenv(spenderURL); url != "" { //nolint:forbidigo // this binary started itself
		os.Exit(spender(url, os.Getenv(spenderMode), os.Stdout, os.Stderr)) //nolint:forbidigo // as TestMain does
	}
	code := m.Run()
	pool.Close()
	os.Exit(code) //nolint:forbidigo // as TestMain does
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// prepare makes the tables.
func prepare(tb testing.TB) func(url string) error {
	tb.Helper()
	return func(url string) error {
		_, _, err := postgres.Migrate(tb.Context(), postgres.Config{URL: url, Log: discard()}, "")
		return err
	}
}

// newURL returns the address of a database with empty tables.
func newURL(tb testing.TB) string {
	tb.Helper()
	s := pool.Server(tb)
	return s.URL(testpostgres.Superuser, s.Database(tb, prepare(tb)))
}

// open opens the database at url until the end of the test.
func open(tb testing.TB, url string) *postgres.DB {
	tb.Helper()
	db, err := postgres.Open(tb.Context(), postgres.Config{URL: url, Log: discard()})
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

// keyID returns the id of the nth key.
func keyID(n int) apikey.ID { return apikey.ID(fmt.Sprintf("Key%09d", n)) }

// newKey returns the change that creates the nth key.
func newKey(n int) apikey.Change {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := apikey.Record{
		ID: keyID(n), Prefix: "wrd", Environment: "live", Name: "one of many", Owner: "customer-7", Scopes: []string{"orders:read"}, Created: at,
		Secrets: []apikey.Secret{{Digest: [32]byte{byte(n), byte(n >> 8), byte(n >> 16), 1}, Pepper: "0badcafe", Created: at, Number: 1}},
	}
	return apikey.Change{Actor: "user:ada", Source: "cli", Op: apikey.OpCreate, At: at, After: &r}
}

// apply applies c.
func apply(tb testing.TB, keys *postgres.APIKeys, c apikey.Change) apikey.Revision {
	tb.Helper()
	rev, err := keys.Apply(tb.Context(), c)
	if err != nil {
		tb.Fatalf("Apply = %v, want no error", err)
	}
	return rev
}
