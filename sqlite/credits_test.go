package sqlite_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/apikey/apikeytest"
	"github.com/warder-dev/warder/sqlite"
	"github.com/warder-dev/warder/usage"
	"github.com/warder-dev/warder/usage/usagetest"
)

func TestCredits(t *testing.T) {
	usagetest.TestStore(t, func(t *testing.T) usage.Store {
		t.Helper()
		return open(t, newPath(t)).Credits()
	})
}

func TestCreditsOfOwners(t *testing.T) {
	usagetest.TestOwners(t, func(t *testing.T) (usage.Store, func(t *testing.T, id, owner string)) {
		t.Helper()
		db := open(t, newPath(t))
		return db.Credits(), func(t *testing.T, id, owner string) {
			t.Helper()
			apikeytest.Own(t, db.APIKeys(), apikey.ID(id), owner)
		}
	})
}

func TestCreditsWithoutAnAnswer(t *testing.T) {
	const loose = `PRAGMA ignore_check_constraints = on; PRAGMA foreign_keys = off;`
	for name, query := range map[string]string{
		"balance below nothing":     loose + `UPDATE credits SET balance = -1`,
		"balance beyond all":        loose + `UPDATE credits SET balance = 9223372036854775807`,
		"spent below nothing":       loose + `UPDATE credits SET spent = -1`,
		"an unknown period":         loose + `UPDATE credits SET every = 'canary'`,
		"a refill without a time":   loose + `UPDATE credits SET every = 'day', amount = 1`,
		"a refill of nothing":       loose + `UPDATE credits SET every = 'day', next = 1`,
		"a reservation is cut":      loose + `UPDATE credit_reservations SET lease = x'01'`,
		"spent more than granted":   loose + `UPDATE credit_reservations SET spent = granted + 1`,
		"granted below nothing":     loose + `UPDATE credit_reservations SET granted = -5, spent = -10, returned = 0`,
		"balance is a text":         `CREATE TABLE c AS SELECT * FROM credits; DROP TABLE credit_reservations; DROP TABLE credits; ALTER TABLE c RENAME TO credits; UPDATE credits SET balance = 'canary'`,
		"the reservations are gone": `DROP TABLE credit_reservations`,
		"the accounts are gone":     `DROP TABLE credit_reservations; DROP TABLE credits`,
	} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			store := open(t, path).Credits()
			giveCredits(t, store, 100)
			ask := usage.Ask{Subject: usage.Subject{Kind: usage.Key, ID: "k1"}, ID: usage.ReservationID{1}, Need: 1, Want: 1, Term: time.Minute}
			if _, err := store.Reserve(t.Context(), time.Now(), []usage.Ask{ask}); err != nil {
				t.Fatal(err)
			}
			execRaw(t, path, query)
			_, err := store.Reserve(t.Context(), time.Now(), []usage.Ask{ask})
			_, lookErr := store.Account(t.Context(), ask.Subject, time.Now())
			for _, err := range []error{err, lookErr} {
				if err == nil || errors.Is(err, usage.ErrNoAccount) || strings.Contains(err.Error(), "canary") {
					t.Errorf("error = %v, want that there is no answer, without what was stored", err)
				}
			}
		})
	}
}

func TestCreditsAreKept(t *testing.T) {
	path := newPath(t)
	db := mustOpen(t, path)
	giveCredits(t, db.Credits(), 100)
	_, err := db.Credits().Apply(t.Context(), usage.Change{
		Actor: "user:ada", Source: "cli", At: time.Now(), Subject: usage.Subject{Kind: usage.Key, ID: "k1"}, Op: usage.OpRefill,
		Refill: usage.Refill{Every: usage.Month, Amount: 7, Cap: 70, From: time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := creditsOf(t, db.Credits(), time.Now())
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if got := creditsOf(t, open(t, path).Credits(), time.Now()); got != want {
		t.Errorf("account = %+v, want %+v", got, want)
	}
	const history = `SELECT group_concat(actor || ' ' || source || ' ' || op || ' ' || subject || ' ' || coalesce(before ->> 'balance', '-') || ' ' || (after ->> 'balance'), '; ')
		FROM (SELECT * FROM audit WHERE kind = 'credits' ORDER BY seq)`
	if got, want := queryRaw(t, path, history), "user:ada cli set k1 - 100; user:ada cli refill k1 100 100"; got != want {
		t.Errorf("changes: %q, want %q", got, want)
	}
}

func TestCreditsOfAFileThatWasReplaced(t *testing.T) {
	path := newPath(t)
	store := open(t, path).Credits()
	giveCredits(t, store, 100)
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	ask := usage.Ask{Subject: usage.Subject{Kind: usage.Key, ID: "k1"}, ID: usage.ReservationID{1}, Need: 1, Want: 1, Term: time.Minute}
	_, err := store.Reserve(t.Context(), time.Now(), []usage.Ask{ask})
	_, lookErr := store.Account(t.Context(), ask.Subject, time.Now())
	if !errors.Is(err, sqlite.ErrReplaced) || !errors.Is(lookErr, sqlite.ErrReplaced) {
		t.Errorf("errors = %v, %v, want ErrReplaced", err, lookErr)
	}
}

func BenchmarkReserveCredits(b *testing.B) {
	db := open(b, newPath(b))
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
			b.ReportAllocs()
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

func giveCredits(t *testing.T, store usage.Store, n int64) {
	t.Helper()
	_, err := store.Apply(t.Context(), usage.Change{
		Actor: "user:ada", Source: "cli", At: time.Now(), Subject: usage.Subject{Kind: usage.Key, ID: "k1"}, Op: usage.OpSet, Amount: n,
	})
	if err != nil {
		t.Fatal(err)
	}
}

func creditsOf(t *testing.T, store usage.Store, at time.Time) usage.Account {
	t.Helper()
	a, err := store.Account(t.Context(), usage.Subject{Kind: usage.Key, ID: "k1"}, at)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
