package sqlite_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/usage/tally"
	"github.com/warder-dev/warder/usage/tally/tallytest"
)

func TestUsage(t *testing.T) {
	tallytest.TestStore(t, func(t *testing.T) tally.Store { t.Helper(); return open(t, newPath(t)).Usage() })
}

func BenchmarkAddUsage(b *testing.B) {
	store := open(b, newPath(b)).Usage()
	batch := &tally.Batch{}
	for n := range 625 {
		key := fmt.Sprintf("k%011d", n)
		batch.Counts = append(batch.Counts, tally.Count{Key: key, Route: "/orders/", N: 3})
		batch.Secrets = append(batch.Secrets, tally.SecretUse{Key: key, Secret: 1, At: time.Unix(1_800_000_000, 0)})
	}
	at := time.Unix(1_800_000_000, 0).UTC()
	for b.Loop() {
		batch.Minute = at
		if err := store.Add(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		at = at.Add(time.Minute)
	}
}

// TestAMillionRefusedAttempts leave a bounded number of rows, whatever they claim
// to be, and none in the audit.
func TestAMillionRefusedAttempts(t *testing.T) {
	attack.Case(t, "AUDIT-07", attack.Library, func(t *testing.T) {
		path := newPath(t)
		db := open(t, path)
		counts, err := tally.New(tally.Config{Store: db.Usage(), Log: discard()})
		if err != nil {
			t.Fatal(err)
		}
		const attempts = 1_000_000
		x := exchange.New(httptest.NewRequest(http.MethodGet, "/", http.NoBody))
		outcomes := []exchange.Outcome{
			{Trace: exchange.Trace{Verdict: exchange.Refuse(problem.New(problem.Unauthorized, ""), "unknown"), Stage: "authn"}, Status: http.StatusUnauthorized},
			{Trace: exchange.Trace{Verdict: exchange.Refuse(problem.New(problem.RateLimited, ""), "rate-limited"), Stage: "addresslimit"}, Status: http.StatusTooManyRequests},
		}
		for n := range attempts {
			x.Claim, x.Route = fmt.Sprintf("k%011d", n), [...]string{"/orders/", "/reports/", ""}[n%3] // claimed, never proven
			x.Client = netip.AddrFrom4([4]byte{198, 51, byte(n >> 8), byte(n)})
			counts.Done(x, outcomes[n%2])
		}
		if err := counts.Close(); err != nil {
			t.Fatal(err)
		}
		if got := queryRaw(t, path, `SELECT sum(n) FROM usage_counts WHERE resolution = 2`); got != fmt.Sprint(attempts) {
			t.Errorf("%s attempts are counted, want all", got)
		}
		const rows = `SELECT (SELECT count(*) FROM usage_counts) + (SELECT count(*) FROM usage_secrets) + (SELECT count(*) FROM usage_addresses) + (SELECT count(*) FROM usage_scopes)`
		// two outcomes of three routes, by the hour, the day, and each minute that it took
		minutes := queryRaw(t, path, `SELECT count(DISTINCT at) FROM usage_counts WHERE resolution = 0`)
		if got, most := queryRaw(t, path, rows), queryRaw(t, path, `SELECT 6 * (4 + `+minutes+`)`); len(got) > len(most) || len(got) == len(most) && got > most {
			t.Errorf("%s rows, want %s at most", got, most)
		}
		if head, err := db.Audit().Head(t.Context()); err != nil || head.Seq != 0 {
			t.Errorf("the audit has %d entries, %v, want none", head.Seq, err)
		}
	})
}

func TestUsageCover(t *testing.T) {
	tallytest.TestCover(t, func(t *testing.T) tally.CoverStore { t.Helper(); return open(t, newPath(t)).Usage() })
}
