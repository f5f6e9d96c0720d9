package housekeeping_test

import (
	"database/sql"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/housekeeping"
	"github.com/warder-dev/warder/sqlite"
	"github.com/warder-dev/warder/usage/tally"
)

// TestAnIdleKeyIsRevokedWithItsEntry: the revocation leaves exactly one entry, and
// there is none while the entry cannot be written.
func TestAnIdleKeyIsRevokedWithItsEntry(t *testing.T) {
	attack.Case(t, "AUDIT-01", attack.Library, func(t *testing.T) {
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		file := filepath.Join(t.TempDir(), "w.db")
		db, err := sqlite.Open(t.Context(), sqlite.Config{Path: file, Log: slog.New(slog.DiscardHandler)})
		must(err)
		t.Cleanup(func() { must(db.Close()) })
		raw, err := sql.Open("sqlite", file+"?_pragma=busy_timeout(20000)")
		must(err)
		t.Cleanup(func() { must(raw.Close()) })
		exec := func(query string) {
			t.Helper()
			_, err := raw.ExecContext(t.Context(), query)
			must(err)
		}
		const id apikey.ID = "Key000000001"
		now, keys, usage := time.Now(), db.APIKeys(), db.Usage()
		_, err = keys.Apply(t.Context(), apikey.Change{Actor: "a", Source: "s", Op: apikey.OpCreate, At: now.Add(-90 * day), After: &apikey.Record{
			ID: id, Prefix: "wrd", Environment: "live", Created: now.Add(-90 * day), IdleRevoke: 30 * day,
			Secrets: []apikey.Secret{{Digest: [32]byte{1}, Pepper: "p", Created: now.Add(-90 * day), Number: 1}},
		}})
		must(err)
		for at := now.Add(-60 * day); !at.After(now); at = at.Add(20 * time.Hour) { // a node that has counted for 60 days
			must(tally.Abstain(t.Context(), usage, "past", at, at))
		}
		said, writer := io.Pipe()
		t.Cleanup(func() { must(said.Close()) })
		lines := make(chan string, 100)
		go func() {
			text := make([]byte, 4096) // the handler writes a line at once
			for n, err := said.Read(text); err == nil; n, err = said.Read(text) {
				lines <- string(text[:n])
			}
		}()
		// round runs the first round of a keeper, until it says so.
		round := func(says string) {
			t.Helper()
			k, err := housekeeping.Start(housekeeping.Config{
				Keys: keys, Uses: usage, Cover: usage, Announce: new(told).announce, Changed: func(apikey.ID) {}, Log: slog.New(slog.NewTextHandler(writer, nil)),
			})
			must(err)
			defer k.Close()
			for patience := time.After(time.Minute); ; {
				select {
				case line := <-lines:
					if strings.Contains(line, says) {
						return
					}
				case <-patience:
					t.Fatalf("it did not say %q", says)
				}
			}
		}
		entries := func() (all string) {
			t.Helper()
			must(raw.QueryRowContext(t.Context(), `SELECT group_concat(actor || ' ' || source || ' ' || op || ' ' || kind || ' ' || subject, '; ') FROM (SELECT * FROM audit ORDER BY seq)`).Scan(&all))
			return all
		}
		first := entries()
		exec(`CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no room'); END`)
		round("it tries again")
		wantState(t, keys, id, apikey.Active)
		if got := entries(); got != first {
			t.Errorf("the log has %q, want %q", got, first)
		}
		exec(`DROP TRIGGER full`)
		round("an idle key was revoked")
		wantState(t, keys, id, apikey.Revoked)
		if got, want := entries(), first+"; system housekeeping revoke key "+string(id); got != want {
			t.Errorf("the log has %q, want %q", got, want)
		}
	})
}
