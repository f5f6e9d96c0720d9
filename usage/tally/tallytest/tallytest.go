// Package tallytest is the contract of a tally.Store as a test.
package tallytest

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/usage/tally"
)

// TestStore runs the contract against the stores that open returns: each call
// opens another one, which is empty.
func TestStore(t *testing.T, open func(t *testing.T) tally.Store) {
	for _, rule := range []struct {
		name string
		test func(t *testing.T, store tally.Store)
	}{
		{"counts add up, by minute, hour and day", sums},
		{"rows come in pages, in order", paging},
		{"a query that is not sound is refused", refused},
		{"the most are told, by key and by route", top},
		{"uses keep their latest time", uses},
		{"of addresses the frequent and the latest are kept", addresses},
		{"what is out of date is removed", prune},
		{"nodes that write at once lose nothing", concurrent},
		{"text is kept as it is", hostile},
		{"a call whose context ended does nothing", ended},
	} {
		t.Run(rule.name, func(t *testing.T) { rule.test(t, open(t)) })
	}
}

// noon is a minute that begins an hour.
func noon() time.Time { return time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC) }

func add(t *testing.T, store tally.Store, at time.Time, counts ...tally.Count) {
	t.Helper()
	if err := store.Add(t.Context(), &tally.Batch{Minute: at, Counts: counts}); err != nil {
		t.Fatalf("Add = %v", err)
	}
}

// all is a query for all rows of a resolution.
func all(r tally.Resolution) tally.Query {
	return tally.Query{Resolution: r, From: noon().AddDate(-5, 0, 0), To: noon().AddDate(5, 0, 0), Limit: tally.MaxRows}
}

func rows(t *testing.T, store tally.Store, q tally.Query) (text []string) {
	t.Helper()
	found, err := store.Rows(t.Context(), q)
	if err != nil {
		t.Fatalf("Rows = %v", err)
	}
	for _, r := range found {
		text = append(text, fmt.Sprintf("%s %s %s %s %d", r.At.Format("02T15:04"), r.Key, r.Route, r.Outcome, r.N))
	}
	return text
}

func want(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%s\nwant:\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func sums(t *testing.T, store tally.Store) {
	t.Helper()
	a := tally.Count{Key: "a", Route: "/x", Outcome: tally.OK, N: 3}
	add(t, store, noon(), a, tally.Count{Key: "a", Route: "/x", Outcome: tally.Limited, N: 1})
	add(t, store, noon(), a)
	add(t, store, noon().Add(time.Minute), a)
	add(t, store, noon().Add(time.Hour), a, tally.Count{Key: "", Route: "", Outcome: tally.Unauthenticated, N: 9})
	add(t, store, noon().Add(12*time.Hour), a)
	want(t, "minutes", rows(t, store, all(tally.Minute)),
		"28T12:00 a /x ok 6", "28T12:00 a /x limited 1", "28T12:01 a /x ok 3", "28T13:00   unauthenticated 9", "28T13:00 a /x ok 3", "29T00:00 a /x ok 3")
	want(t, "hours", rows(t, store, all(tally.Hour)),
		"28T12:00 a /x ok 9", "28T12:00 a /x limited 1", "28T13:00   unauthenticated 9", "28T13:00 a /x ok 3", "29T00:00 a /x ok 3")
	want(t, "days", rows(t, store, all(tally.Day)), "28T00:00   unauthenticated 9", "28T00:00 a /x ok 12", "28T00:00 a /x limited 1", "29T00:00 a /x ok 3")
	q := all(tally.Hour)
	q.From, q.To = noon().Add(time.Hour), noon().Add(2*time.Hour)
	want(t, "one hour", rows(t, store, q), "28T13:00   unauthenticated 9", "28T13:00 a /x ok 3")
	q.Key = "a"
	want(t, "one key", rows(t, store, q), "28T13:00 a /x ok 3")
}

func paging(t *testing.T, store tally.Store) {
	t.Helper()
	var counts []tally.Count
	for _, key := range []string{"a", "b"} {
		for _, route := range []string{"/x", "/y"} {
			for _, o := range []tally.Outcome{tally.OK, tally.Aborted} {
				counts = append(counts, tally.Count{Key: key, Route: route, Outcome: o, N: 1})
			}
		}
	}
	add(t, store, noon(), counts...)
	add(t, store, noon().Add(time.Minute), counts...)
	whole := rows(t, store, all(tally.Minute))
	var paged []string
	q := all(tally.Minute)
	q.Limit = 3
	for {
		page, err := store.Rows(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			paged = append(paged, fmt.Sprintf("%s %s %s %s %d", r.At.Format("02T15:04"), r.Key, r.Route, r.Outcome, r.N))
		}
		if len(page) < q.Limit {
			break
		}
		q.After = &page[len(page)-1]
	}
	if len(whole) != 16 {
		t.Errorf("%d rows, want 16", len(whole))
	}
	want(t, "pages", paged, whole...)
}

func refused(t *testing.T, store tally.Store) {
	t.Helper()
	for name, spoil := range map[string]func(*tally.Query){
		"no resolution": func(q *tally.Query) { q.Resolution = "" },
		"another one":   func(q *tally.Query) { q.Resolution = "year" },
		"no beginning":  func(q *tally.Query) { q.From = time.Time{} },
		"no end":        func(q *tally.Query) { q.To = time.Time{} },
		"no limit":      func(q *tally.Query) { q.Limit = 0 },
		"a large limit": func(q *tally.Query) { q.Limit = tally.MaxRows + 1 },
	} {
		q := all(tally.Day)
		spoil(&q)
		if _, err := store.Rows(t.Context(), q); err == nil {
			t.Errorf("%s: Rows = no error", name)
		}
	}
	for _, limit := range []int{0, 1001} {
		if _, err := store.Top(t.Context(), all(tally.Day), tally.ByKey, limit); err == nil {
			t.Errorf("Top %d = no error", limit)
		}
	}
	if _, err := store.Top(t.Context(), all(tally.Day), "colour", 1); err == nil {
		t.Error("Top by something else = no error")
	}
}

func top(t *testing.T, store tally.Store) {
	t.Helper()
	add(t, store, noon(),
		tally.Count{Key: "a", Route: "/x", Outcome: tally.OK, N: 5}, tally.Count{Key: "a", Route: "/y", Outcome: tally.ServerError, N: 2},
		tally.Count{Key: "b", Route: "/x", Outcome: tally.Limited, N: 8}, tally.Count{Key: "", Route: "/x", Outcome: tally.Unauthenticated, N: 1},
		tally.Count{Key: "c", Route: "/y", Outcome: tally.Aborted, N: 1}, tally.Count{Key: "c", Route: "/y", Outcome: tally.Unavailable, N: 1},
		tally.Count{Key: "c", Route: "/y", Outcome: tally.ClientError, N: 1})
	show := func(by tally.By, limit int, q tally.Query) (text []string) {
		totals, err := store.Top(t.Context(), q, by, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range totals {
			text = append(text, fmt.Sprintf("%s %d %d %d %d", x.Name, x.Requests, x.Passed, x.Limited, x.Failed))
		}
		return text
	}
	want(t, "keys", show(tally.ByKey, 10, all(tally.Day)), "b 8 0 8 0", "a 7 7 0 2", "c 3 1 0 2", " 1 0 0 0")
	want(t, "the first two", show(tally.ByKey, 2, all(tally.Minute)), "b 8 0 8 0", "a 7 7 0 2")
	want(t, "routes", show(tally.ByRoute, 10, all(tally.Hour)), "/x 14 5 8 0", "/y 5 3 0 4")
	q := all(tally.Hour)
	q.Key = "a"
	want(t, "routes of a key", show(tally.ByRoute, 10, q), "/x 5 5 0 0", "/y 2 2 0 2")
	q.To = noon()
	want(t, "before", show(tally.ByRoute, 10, q))
}

func uses(t *testing.T, store tally.Store) {
	t.Helper()
	for _, at := range []time.Time{noon(), noon().Add(time.Minute), noon().Add(-time.Hour)} { // the clock went back
		err := store.Add(t.Context(), &tally.Batch{
			Minute:  at,
			Counts:  []tally.Count{{Key: "a", N: 1}},
			Secrets: []tally.SecretUse{{Key: "a", Secret: 2, At: at}, {Key: "b", Secret: 1, At: at}},
			Scopes:  []tally.ScopeUse{{Key: "a", Scope: "orders:read", At: at}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	old := noon().Add(-2 * time.Hour)
	if err := store.Add(t.Context(), &tally.Batch{Minute: old, Counts: []tally.Count{{Key: "a", N: 1}}, Secrets: []tally.SecretUse{{Key: "a", Secret: 1, At: old}}, Scopes: []tally.ScopeUse{{Key: "a", Scope: "x", At: old}}}); err != nil {
		t.Fatal(err)
	}
	u, err := store.Key(t.Context(), "a")
	last := noon().Add(time.Minute)
	if err != nil || len(u.Secrets) != 2 || u.Secrets[0].Secret != 2 || !u.Secrets[0].At.Equal(last) || !u.Secrets[1].At.Equal(old) || !u.LastUsed().Equal(last) {
		t.Errorf("Key = %+v, %v, want secret 2 at %s, then 1", u.Secrets, err, last)
	}
	if len(u.Scopes) != 2 || u.Scopes[0].Scope != "orders:read" || !u.Scopes[0].At.Equal(last) || u.Scopes[1].Scope != "x" {
		t.Errorf("scopes = %+v", u.Scopes)
	}
	if u, err := store.Key(t.Context(), "nobody"); err != nil || !u.LastUsed().IsZero() || len(u.Addresses)+len(u.Scopes) != 0 {
		t.Errorf("Key of nobody = %+v, %v", u, err)
	}
}

func address(n int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, byte(n / 256), byte(n % 256)}), 32) //nolint:gosec // small
}

func addresses(t *testing.T, store tally.Store) {
	t.Helper()
	six := netip.MustParsePrefix("2001:db8:0:1::/64")
	for n := range 200 {
		at := noon().Add(time.Duration(n) * time.Minute)
		err := store.Add(t.Context(), &tally.Batch{Minute: at, Counts: []tally.Count{{Key: "a", N: 1}}, Addresses: []tally.AddressUse{
			{Key: "a", Prefix: address(n), N: 1, At: at}, {Key: "b", Prefix: six, N: 2, At: at},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			if err := store.Add(t.Context(), &tally.Batch{Minute: at, Counts: []tally.Count{{Key: "a", N: 1}}, Addresses: []tally.AddressUse{{Key: "a", Prefix: address(1000), N: 500, At: at}}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	u, err := store.Key(t.Context(), "a")
	has := func(n int) bool {
		return slices.ContainsFunc(u.Addresses, func(a tally.AddressUse) bool { return a.Prefix == address(n) })
	}
	if err != nil || len(u.Addresses) < 16 || len(u.Addresses) > 64 || !has(1000) || !has(199) || !has(190) || has(100) {
		t.Errorf("%d addresses, %v, want the frequent one and the latest", len(u.Addresses), err)
	}
	other, err := store.Key(t.Context(), "b")
	if err != nil || len(other.Addresses) != 1 || other.Addresses[0].Prefix != six || other.Addresses[0].N != 400 {
		t.Errorf("addresses of another key = %+v, %v", other.Addresses, err)
	}
}

func prune(t *testing.T, store tally.Store) {
	t.Helper()
	now := noon()
	for _, ago := range []time.Duration{time.Minute, 3 * 24 * time.Hour, 100 * 24 * time.Hour, 800 * 24 * time.Hour} {
		at := now.Add(-ago)
		err := store.Add(t.Context(), &tally.Batch{
			Minute: at, Counts: []tally.Count{{Key: ago.String(), Route: "/", N: 1}}, Secrets: []tally.SecretUse{{Key: ago.String(), Secret: 1, At: at}},
			Scopes: []tally.ScopeUse{{Key: ago.String(), Scope: "s", At: at}}, Addresses: []tally.AddressUse{{Key: ago.String(), Prefix: address(1), N: 1, At: at}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Prune(t.Context(), now, tally.DefaultRetention()); err != nil {
		t.Fatal(err)
	}
	for r, want := range map[tally.Resolution]int{tally.Minute: 1, tally.Hour: 2, tally.Day: 3} {
		if got := rows(t, store, all(r)); len(got) != want {
			t.Errorf("%s: %d rows are left, want %d: %q", r, len(got), want, got)
		}
	}
	old, errOld := store.Key(t.Context(), (800 * 24 * time.Hour).String())
	young, errYoung := store.Key(t.Context(), (100 * 24 * time.Hour).String())
	if errOld != nil || errYoung != nil || len(old.Secrets)+len(old.Scopes)+len(old.Addresses) != 0 || len(young.Secrets)+len(young.Scopes)+len(young.Addresses) != 3 {
		t.Errorf("uses: %+v, %v, and %+v, %v, want the older ones gone", old, errOld, young, errYoung)
	}
}

func concurrent(t *testing.T, store tally.Store) {
	t.Helper()
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 10 {
				if err := store.Add(t.Context(), &tally.Batch{Minute: noon(), Counts: []tally.Count{{Key: "a", Route: "/", N: 2}}}); err != nil {
					t.Errorf("Add = %v", err)
				}
			}
		})
	}
	writers.Wait()
	want(t, "rows", rows(t, store, all(tally.Day)), "28T00:00 a / ok 160")
}

func hostile(t *testing.T, store tally.Store) {
	t.Helper()
	const odd = `'; DROP TABLE usage_counts; -- "%_\ é 日本`
	add(t, store, noon(), tally.Count{Key: odd, Route: odd, Outcome: tally.Refused, N: 1})
	q := all(tally.Day)
	q.Key = odd
	want(t, "rows", rows(t, store, q), "28T00:00 "+odd+" "+odd+" refused 1")
	q.Key = "%"
	want(t, "rows of a pattern", rows(t, store, q))
}

func ended(t *testing.T, store tally.Store) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := store.Add(ctx, &tally.Batch{Minute: noon(), Counts: []tally.Count{{Key: "a", N: 1}}}); err == nil {
		t.Error("Add = no error")
	}
	if _, err := store.Rows(ctx, all(tally.Day)); err == nil {
		t.Error("Rows = no error")
	}
	want(t, "rows", rows(t, store, all(tally.Day)))
}
