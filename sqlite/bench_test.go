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

// Keys that are made in batches are as many a second as 1000 divided by the time
// of one: the promise is 2,000 keys a second.
func BenchmarkCreateAll(b *testing.B) {
	line, err := apikey.NewPepper(nil)
	if err != nil {
		b.Fatal(err)
	}
	peppers, err := apikey.ParsePeppers(line)
	if err != nil {
		b.Fatal(err)
	}
	issuer, err := apikey.NewIssuer(apikey.IssuerConfig{Store: open(b, newPath(b)).APIKeys(), Peppers: peppers})
	if err != nil {
		b.Fatal(err)
	}
	specs := make([]apikey.Spec, apikey.MaxBatch)
	for i := range specs {
		specs[i] = apikey.Spec{Environment: "live", Name: "reporting job", Owner: fmt.Sprint("customer-", i), Scopes: []string{"orders:read", "invoices:*"}}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := issuer.CreateAll(b.Context(), apikey.By{Actor: "user:ada", Source: "test"}, specs); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*apikey.MaxBatch/b.Elapsed().Seconds(), "keys/s")
}

// BenchmarkFindIdleRevoke looks for the keys that are revoked when they are idle: one
// in 1,000 of 1,000,000.
func BenchmarkFindIdleRevoke(b *testing.B) {
	path := newPath(b)
	keys := open(b, path).APIKeys()
	fill(b, path, 1_000_000)
	if _, err := openRaw(b, path).ExecContext(b.Context(), `UPDATE keys SET detail = iif(revision % 1000 = 0, '{"idle_revoke_ms":7776000000}', '{"metadata":{"team":"blue"}}')`); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		found, pages := 0, 0
		for f := (apikey.Filter{State: apikey.Active, IdleRevoke: true, Sort: apikey.SortID, Limit: 1000}); ; pages++ {
			p, err := keys.Find(b.Context(), f)
			if err != nil {
				b.Fatal(err)
			}
			if found += len(p.Records); !p.More {
				break
			}
			f.After = p.Next
		}
		if found != 1000 {
			b.Fatalf("%d keys on %d pages, want 1000", found, pages)
		}
	}
}

// BenchmarkFind lists the keys of 1,000,000, which came in one import and end one after
// the other, by every filter; "on" begins in the middle, and "whole" reads all pages.
func BenchmarkFind(b *testing.B) {
	const n = 1_000_000
	path := newPath(b)
	keys := open(b, path).APIKeys()
	fill(b, path, n)
	for _, query := range []string{
		`UPDATE keys SET name = 'reporting job ' || revision, owner = 'customer-' || (revision % 50000), expires = 2000000000000000 + revision, place = -created`,
		`UPDATE keys SET revoked = 1 WHERE revision % 50000 = 1`, `UPDATE keys SET disabled = 1 WHERE revision % 50000 = 2`,
		`UPDATE keys SET plan = 'gold' WHERE revision % 50000 = 3`, `UPDATE keys SET name = 'zebra' WHERE revision % 50000 = 4`,
		`UPDATE keys SET expires = revision WHERE revision % 50000 = 5`, `UPDATE keys SET kind = 'public' WHERE revision % 50000 = 6`,
		`UPDATE keys SET environment = 'test' WHERE revision % 50000 = 7`,
		`INSERT INTO secrets (key_id, position, digest, pepper, created, retires, number) SELECT id, 1, randomblob(32), '0badcafe', 1, 1 << 52, 2 FROM keys WHERE revision % 50000 = 8`,
	} {
		if _, err := openRaw(b, path).ExecContext(b.Context(), query); err != nil {
			b.Fatal(err)
		}
	}
	middle := apikey.Cursor{ID: keyID(n / 2), Created: time.UnixMicro(1).UTC()}
	for name, f := range map[string]apikey.Filter{
		"all": {}, "on": {After: middle}, "on by id": {After: apikey.Cursor{ID: middle.ID}, Sort: apikey.SortID},
		"active": {State: apikey.Active}, "revoked": {State: apikey.Revoked}, "disabled": {State: apikey.Disabled}, "expired": {State: apikey.Expired},
		"retiring": {State: apikey.Retiring}, "public": {Kind: apikey.KindPublic}, "environment": {Environment: "test"}, "plan": {Plan: "gold"},
		"owner": {Owner: "customer-7"}, "owner and text": {Owner: "customer-7", Text: "zebra"}, "text": {Text: "zebra"}, "text of many": {Text: "reporting"},
		"ends soon": {ExpiresBefore: time.UnixMicro(1_000_000)}, "ends late": {ExpiresBefore: time.UnixMicro(2000000000500000)},
	} {
		f.Limit = 100
		b.Run(name, func(b *testing.B) {
			found := 0
			for b.Loop() {
				p, err := keys.Find(b.Context(), f)
				if err != nil {
					b.Fatal(err)
				}
				found = len(p.Records)
			}
			b.ReportMetric(float64(found), "keys")
		})
		if name != "text" && name != "environment" {
			continue
		}
		b.Run(name+" whole", func(b *testing.B) {
			for b.Loop() {
				found, pages := 0, 0
				for f := f; ; pages++ {
					p, err := keys.Find(b.Context(), f)
					if err != nil {
						b.Fatal(err)
					}
					if found += len(p.Records); !p.More {
						break
					}
					f.After = p.Next
				}
				if found != 20 {
					b.Fatalf("%d keys on %d pages, want 20", found, pages)
				}
			}
		})
	}
}
