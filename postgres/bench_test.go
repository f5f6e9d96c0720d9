package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/testpostgres"
	"github.com/warder-dev/warder/postgres"
	"github.com/warder-dev/warder/usage"
)

// benched opens a database of a server that writes to the disk before it
// acknowledges, as servers do.
func benched(b *testing.B) (*testpostgres.Server, string, *postgres.DB) {
	b.Helper()
	server := testpostgres.Start(b, testpostgres.Options{Durable: true})
	name := server.Database(b, prepare(b))
	return server, name, open(b, server.URL(testpostgres.Superuser, name))
}

func BenchmarkCreate(b *testing.B) {
	_, _, db := benched(b)
	n := 0
	for _, batch := range []int{1, 100, apikey.MaxBatch} {
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			for b.Loop() {
				all := make([]apikey.Change, batch)
				for i := range all {
					n++
					all[i] = newKey(n)
				}
				if _, err := db.APIKeys().ApplyAll(b.Context(), all); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "keys/s")
		})
	}
}

func BenchmarkReserveCredits(b *testing.B) {
	_, _, db := benched(b)
	for _, batch := range []int{1, 100} {
		asks := make([]usage.Ask, batch)
		for i := range asks {
			who := usage.Subject{Kind: usage.Key, ID: fmt.Sprint("k", i)}
			asks[i] = usage.Ask{Subject: who, ID: usage.ReservationID{byte(i), byte(batch)}, Need: 1, Want: 1, Term: time.Minute}
			_, err := db.Credits().Apply(b.Context(), usage.Change{Actor: "a", Source: "s", At: time.Now(), Subject: who, Op: usage.OpSet, Amount: usage.MaxCredits})
			if err != nil {
				b.Fatal(err)
			}
		}
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			for b.Loop() {
				grants, err := db.Credits().Reserve(b.Context(), time.Now(), asks)
				if err != nil {
					b.Fatal(err)
				}
				for i := range asks {
					asks[i].Granted = grants[i].Granted
				}
			}
		})
	}
}

// BenchmarkMillion reads among a million keys.
func BenchmarkMillion(b *testing.B) {
	const n = 1_000_000
	server, name, db := benched(b)
	server.Exec(b, name, fill(n))
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour) // as a request has one
	defer cancel()
	keys := db.APIKeys()
	b.Run("lookup", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if _, err := keys.Lookup(ctx, keyID(1+i*7919%n)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("revision", func(b *testing.B) {
		for b.Loop() {
			if _, err := keys.Revision(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("list", func(b *testing.B) {
		for b.Loop() {
			if page, err := keys.List(ctx, "", 100); err != nil || len(page) != 100 {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkFind lists the keys of 1,000,000, which came in one import and end one after
// the other, by every filter; "on" begins in the middle, and "whole" reads all pages.
func BenchmarkFind(b *testing.B) {
	const n = 1_000_000
	server, name, db := benched(b)
	server.Exec(b, name, fill(n), `UPDATE warder.keys SET created = 'epoch', expires = timestamptz '2036-01-01' + right(id, 9)::int * interval '1 s', name = 'reporting job ' || right(id, 9)`,
		`UPDATE warder.keys SET revoked = 'epoch' WHERE right(id, 9)::int % 50000 = 1`, `UPDATE warder.keys SET disabled = true WHERE right(id, 9)::int % 50000 = 2`,
		`UPDATE warder.keys SET plan = 'gold' WHERE right(id, 9)::int % 50000 = 3`, `UPDATE warder.keys SET name = 'zebra' WHERE right(id, 9)::int % 50000 = 4`,
		`UPDATE warder.keys SET expires = '2001-01-01' WHERE right(id, 9)::int % 50000 = 5`, `UPDATE warder.keys SET kind = 'public' WHERE right(id, 9)::int % 50000 = 6`,
		`UPDATE warder.keys SET environment = 'test' WHERE right(id, 9)::int % 50000 = 7`,
		`INSERT INTO warder.secrets SELECT id, 1, sha256(id::bytea), '0badcafe', created, '2036-01-01', 2, 0, '' FROM warder.keys WHERE right(id, 9)::int % 50000 = 8`,
		`VACUUM ANALYZE warder.keys`, `VACUUM ANALYZE warder.secrets`)
	keys := db.APIKeys()
	middle := apikey.Cursor{ID: keyID(n / 2), Created: time.Unix(0, 0).UTC()}
	late := time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC).Add(n / 2 * time.Second)
	for name, f := range map[string]apikey.Filter{
		"all": {}, "on": {After: middle}, "on by id": {After: apikey.Cursor{ID: middle.ID}, Sort: apikey.SortID},
		"active": {State: apikey.Active}, "revoked": {State: apikey.Revoked}, "disabled": {State: apikey.Disabled}, "expired": {State: apikey.Expired},
		"retiring": {State: apikey.Retiring}, "public": {Kind: apikey.KindPublic}, "environment": {Environment: "test"}, "plan": {Plan: "gold"},
		"owner": {Owner: "owner7"}, "owner and text": {Owner: "owner7", Text: "zebra"}, "text": {Text: "zebra"}, "text of many": {Text: "reporting"},
		"text on": {Text: "zebra", After: middle}, "ends soon": {ExpiresBefore: late.AddDate(-20, 0, 0)}, "ends late": {ExpiresBefore: late},
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
