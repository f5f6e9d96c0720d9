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
	for what, f := range map[string]apikey.Filter{
		"newest": {}, "ids": {Sort: apikey.SortID}, "owner": {Owner: "owner7"}, "active": {State: apikey.Active}, "text": {Text: "key 777"},
	} {
		b.Run("find "+what, func(b *testing.B) {
			f.Limit = 100
			for b.Loop() {
				if page, err := keys.Find(ctx, f); err != nil || len(page.Records) != 100 {
					b.Fatal(len(page.Records), err)
				}
			}
		})
	}
	b.Run("list", func(b *testing.B) {
		for b.Loop() {
			if page, err := keys.List(ctx, "", 100); err != nil || len(page) != 100 {
				b.Fatal(err)
			}
		}
	})
}
