package keyimport_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/keyimport"
	"github.com/warder-dev/warder/internal/testpostgres"
	"github.com/warder-dev/warder/postgres"
	"github.com/warder-dev/warder/sqlite"
)

// BenchmarkImport checks a CSV file of 200,000 keys and imports it. The promise is
// a million keys in 60 seconds on two cores, which is 16,667 a second. cpu-us/key is
// what this process used for one: a server of PostgreSQL is another process.
func BenchmarkImport(b *testing.B) {
	const n = 200_000
	text := exported(n)
	for name, open := range map[string]func(b *testing.B) (keyimport.Store, func()){"sqlite": openSQLite, "postgres": openPostgres} {
		b.Run(name, func(b *testing.B) {
			line, err := apikey.NewPepper(nil)
			if err != nil {
				b.Fatal(err)
			}
			p, err := apikey.ParsePeppers(line)
			if err != nil {
				b.Fatal(err)
			}
			var cpu time.Duration
			for b.Loop() {
				b.StopTimer()
				store, end := open(b)
				m, err := keyimport.New(keyimport.Config{
					Format: keyimport.CSV, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil },
					Store: store, Peppers: p, By: apikey.By{Actor: "user:ada", Source: "cli"},
				})
				if err != nil {
					b.Fatal(err)
				}
				before := used(b)
				b.StartTimer()
				if r, err := m.Check(b.Context()); err != nil || r.Wrong > 0 {
					b.Fatal(r, err)
				}
				if r, err := m.Import(b.Context()); err != nil || r.Imported != n {
					b.Fatal(r, err)
				}
				b.StopTimer()
				cpu += used(b) - before
				end()
				b.StartTimer()
			}
			b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "keys/s")
			b.ReportMetric(float64(cpu.Microseconds())/float64(b.N)/n, "cpu-us/key")
		})
	}
}

// exported is a CSV file of n keys, as another system may have exported it.
func exported(n int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	b.WriteString("key,name,owner,scopes\n")
	for i := range n {
		fmt.Fprintf(&b, "%016x%016x,reporting job %d,customer-%d,orders:read invoices:*\n", random.Uint64(), random.Uint64(), i, random.IntN(50_000))
	}
	return b.Bytes()
}

// used is the CPU time of this process so far.
func used(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func openSQLite(b *testing.B) (keyimport.Store, func()) {
	b.Helper()
	db, err := sqlite.Open(b.Context(), sqlite.Config{Path: filepath.Join(b.TempDir(), "warder.db"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	return db.APIKeys(), func() { _ = db.Close() }
}

// openPostgres opens a database of a server that writes to the disk before it
// acknowledges, as servers do.
func openPostgres(b *testing.B) (keyimport.Store, func()) {
	b.Helper()
	server := testpostgres.Start(b, testpostgres.Options{Durable: true})
	at := server.URL(testpostgres.Superuser, server.Database(b, func(url string) error {
		_, _, err := postgres.Migrate(b.Context(), postgres.Config{URL: url, Log: slog.New(slog.DiscardHandler)}, "")
		return err
	}))
	db, err := postgres.Open(b.Context(), postgres.Config{URL: at, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	return db.APIKeys(), func() { _ = db.Close() }
}
