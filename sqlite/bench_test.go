package sqlite_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/sqlite"
)

// newKey returns the change that creates the nth key of a test.
func newKey(n int) apikey.Change {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := &apikey.Record{
		ID: keyID(n), Prefix: "wrd", Environment: "live", Name: "reporting job", Owner: "customer-7", Scopes: []string{"orders:read", "invoices:*"},
		Created: at, Expires: at.Add(90 * 24 * time.Hour),
		Secrets: []apikey.Secret{{Digest: [32]byte{1, 2, 3, byte(n)}, Pepper: "0badcafe", Created: at}},
	}
	return apikey.Change{Actor: "user:ada", Source: "cli", Op: apikey.OpCreate, At: at, After: r}
}

// keyID returns the id of the nth key of a test.
func keyID(n int) apikey.ID { return apikey.ID(fmt.Sprintf("k%011d", n)) }

// fill makes n keys like [newKey] by SQL, which is quicker.
func fill(b *testing.B, path string, n int) {
	b.Helper()
	raw := openRaw(b, path)
	for _, query := range []string{
		`CREATE TEMP TABLE n AS WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1) SELECT i, format('k%011d', i) AS id FROM n`,
		`INSERT INTO changes (key_id) SELECT id FROM n WHERE ?1`,
		`INSERT INTO keys (id, prefix, environment, name, owner, scopes, created, expires, disabled, revoked, reason, revision) SELECT id, 'wrd', 'live', 'reporting job', 'customer-7', '["orders:read","invoices:*"]', 1, 1 << 52, 0, NULL, '', i + 1 FROM n WHERE ?1`,
		`INSERT INTO secrets (key_id, position, digest, pepper, created, retires) SELECT id, 0, randomblob(32), '0badcafe', 1, NULL FROM n WHERE ?1`,
	} {
		if _, err := raw.ExecContext(b.Context(), query, n); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	const n = 100_000
	path := newPath(b)
	keys := open(b, path).APIKeys()
	fill(b, path, n)
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour) // as a request has one
	defer cancel()
	b.Run("known", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := keys.Lookup(ctx, keyID(i*7919%n)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				if _, err := keys.Lookup(ctx, keyID(i*7919%n)); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

func BenchmarkApply(b *testing.B) {
	keys := open(b, newPath(b)).APIKeys()
	for i := 0; b.Loop(); i++ {
		if _, err := keys.Apply(b.Context(), newKey(i)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRevisionIdle(b *testing.B) {
	keys := open(b, newPath(b)).APIKeys()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := keys.Revision(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	path := newPath(b)
	open(b, path)
	for b.Loop() {
		db, err := sqlite.Open(b.Context(), sqlite.Config{Path: path, Log: discard()})
		if err != nil {
			b.Fatal(err)
		}
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
