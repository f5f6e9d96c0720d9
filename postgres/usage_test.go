package postgres_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/warder-dev/warder/postgres"
	"github.com/warder-dev/warder/usage/tally"
)

// usageBatch is what one node counts of keys in ten seconds.
func usageBatch(keys int) *tally.Batch {
	at := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	b := &tally.Batch{Minute: at}
	for n := range keys {
		key := fmt.Sprintf("k%011d", n)
		b.Counts = append(b.Counts, tally.Count{Key: key, Route: "/orders/", N: 3})
		b.Secrets = append(b.Secrets, tally.SecretUse{Key: key, Secret: 1, At: at})
		b.Scopes = append(b.Scopes, tally.ScopeUse{Key: key, Scope: "orders:read", At: at})
		b.Addresses = append(b.Addresses, tally.AddressUse{Key: key, Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), 32), N: 1, At: at})
	}
	return b
}

// Nodes that count the same keys, each in an order of its own and with addresses of
// its own, so many that some are cut, while rows are removed, lose nothing.
func TestNodesThatCountAtOnce(t *testing.T) {
	url := newURL(t)
	const nodes, rounds, keys = 4, 10, 30
	var all sync.WaitGroup
	stores := make([]*postgres.Usage, nodes)
	for n := range nodes {
		stores[n] = open(t, url).Usage()
	}
	for n, store := range stores {
		all.Go(func() {
			for round := range rounds {
				b := usageBatch(keys)
				for i := range keys {
					for a := range 8 {
						a := tally.AddressUse{Key: b.Counts[i].Key, Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{198, byte(n % 2), byte(round), byte(a)}), 32), N: 1, At: b.Minute.Add(time.Duration(round) * time.Minute)}
						b.Addresses = append(b.Addresses, a)
					}
				}
				if n%2 == 1 {
					slices.Reverse(b.Counts)
					slices.Reverse(b.Secrets)
					slices.Reverse(b.Scopes)
					slices.Reverse(b.Addresses)
				}
				if err := store.Add(t.Context(), b); err != nil {
					t.Errorf("Add = %v", err)
				}
				if err := store.Prune(t.Context(), b.Minute, tally.DefaultRetention()); err != nil {
					t.Errorf("Prune = %v", err)
				}
			}
		})
	}
	all.Wait()
	server := pool.Server(t)
	const sums = `SELECT string_agg(n::text, ' ' ORDER BY resolution) FROM (SELECT resolution, sum(n) AS n FROM warder.usage_counts GROUP BY resolution) s`
	if got, want := server.Query(t, database(url), sums), fmt.Sprintf("%d %[1]d %[1]d", nodes*rounds*keys*3); got != want {
		t.Errorf("requests by the minute, hour and day: %s, want %s", got, want)
	}
	if err := stores[0].Add(t.Context(), usageBatch(keys)); err != nil { // alone: nothing is passed over
		t.Fatal(err)
	}
	const most = `SELECT max(n)::text FROM (SELECT count(*) AS n FROM warder.usage_addresses GROUP BY key_id) s`
	if got := server.Query(t, database(url), most); len(got) > 2 || len(got) == 2 && got > "32" {
		t.Errorf("a key has %s addresses, want 32 at most", got)
	}
}

// hold locks the rows that a statement finds, until the func that it returns is called.
func hold(t *testing.T, url, statement string) (release func()) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, url)
	if err == nil {
		_, err = conn.Exec(ctx, `BEGIN`)
	}
	if err == nil {
		_, err = conn.Exec(ctx, statement+` FOR UPDATE`)
	}
	if err != nil {
		t.Fatal(err)
	}
	return sync.OnceFunc(func() { _ = conn.Close(ctx) })
}

// A node that counts takes the rows of each table in the order of its key, however it
// counted them: while it waits for one, it holds those before it and none after. So no
// two nodes wait for each other.
func TestCountsAreTakenInOrder(t *testing.T) {
	b := usageBatch(4)
	for i, key := range []string{"d", "c", "b", "a"} {
		b.Counts[i].Key, b.Secrets[i].Key, b.Scopes[i].Key, b.Addresses[i].Key = key, key, key, key
	}
	for table, test := range map[string]struct{ name, want string }{
		"usage_counts":    {"resolution || key_id", "1d 2a 2b 2c 2d"},
		"usage_secrets":   {"1 || key_id", "1d"},
		"usage_scopes":    {"1 || key_id", "1d"},
		"usage_addresses": {"1 || key_id", "1d"},
	} {
		t.Run(table, func(t *testing.T) {
			url := newURL(t)
			store, server := open(t, url).Usage(), pool.Server(t)
			if err := store.Add(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			release := hold(t, url, `SELECT 1 FROM warder.`+table+` WHERE `+test.name+` = '1c'`)
			defer release()
			done := make(chan error, 1)
			go func() {
				err := store.Add(t.Context(), b)
				for err != nil && t.Context().Err() == nil { // it waited for too long
					err = store.Add(t.Context(), b)
				}
				done <- err
			}()
			const waits = `SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
			eventually(t, "the node waits", func() bool { return server.Query(t, database(url), waits) == "1" })
			free := `SELECT string_agg(name, ' ' ORDER BY name) FROM (SELECT ` + test.name + ` AS name FROM warder.` + table + ` FOR UPDATE SKIP LOCKED) s`
			if got := server.Query(t, database(url), free); got != test.want {
				t.Errorf("free are %s, want %s", got, test.want)
			}
			release()
			if err := <-done; err != nil {
				t.Errorf("Add = %v", err)
			}
		})
	}
}

// What goes waits for nobody: a row that another node holds stays for now.
func TestWhatIsHeldIsNotWaitedFor(t *testing.T) {
	url := newURL(t)
	store := open(t, url).Usage()
	at := usageBatch(1).Minute
	for n := range 50 {
		b := &tally.Batch{Minute: at.Add(time.Duration(n) * time.Minute), Addresses: []tally.AddressUse{{Key: "a", Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), 32), N: int64(1 + n), At: at.Add(time.Duration(n) * time.Minute)}}}
		b.Counts = []tally.Count{{Key: "a", N: 1}}
		if err := store.Add(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if n != 10 {
			continue
		}
		// They would go.
		t.Cleanup(hold(t, url, `SELECT 1 FROM warder.usage_addresses WHERE address = '192.0.2.0/32'`))
		t.Cleanup(hold(t, url, `SELECT 1 FROM warder.usage_counts WHERE resolution = 0 AND at = '2026-11-28 12:00Z'`))
	}
	if err := store.Prune(t.Context(), at.AddDate(9, 0, 0), tally.DefaultRetention()); err != nil {
		t.Errorf("Prune = %v", err)
	}
	if got := pool.Server(t).Query(t, database(url), `SELECT count(*)::text FROM warder.usage_counts`); got != "1" {
		t.Errorf("%s rows are left, want the one that is held", got)
	}
}

func TestUsageThatIsNoText(t *testing.T) {
	store := open(t, newURL(t)).Usage()
	for name, spoil := range map[string]func(b *tally.Batch, bad string){
		"key":     func(b *tally.Batch, bad string) { b.Counts[0].Key = bad },
		"route":   func(b *tally.Batch, bad string) { b.Counts[0].Route = bad },
		"secret":  func(b *tally.Batch, bad string) { b.Secrets[0].Key = bad },
		"scope":   func(b *tally.Batch, bad string) { b.Scopes[0].Scope = bad },
		"address": func(b *tally.Batch, bad string) { b.Addresses[0].Key = bad },
	} {
		for _, bad := range []string{"canary\x00", "canary\xff"} {
			b := usageBatch(1)
			spoil(b, bad)
			if err := store.Add(t.Context(), b); err == nil || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: Add = %v, want an error that tells nothing", name, err)
			}
		}
	}
	at := usageBatch(1).Minute
	q := tally.Query{Resolution: tally.Day, From: at.AddDate(0, 0, -1), To: at.AddDate(0, 0, 1), Limit: 1}
	if rows, err := store.Rows(t.Context(), q); err != nil || len(rows) != 0 {
		t.Errorf("Rows = %d, %v, want none", len(rows), err)
	}
	q.Key = "\xff"
	if rows, err := store.Rows(t.Context(), q); err != nil || len(rows) != 0 {
		t.Errorf("Rows of no text = %d, %v, want none", len(rows), err)
	}
	if top, err := store.Top(t.Context(), q, tally.ByRoute, 1); err != nil || len(top) != 0 {
		t.Errorf("Top of no text = %d, %v, want none", len(top), err)
	}
	if use, err := store.Key(t.Context(), q.Key); err != nil || !use.LastUsed().IsZero() {
		t.Errorf("Key of no text = %+v, %v, want nothing", use, err)
	}
}

func BenchmarkAddUsage(b *testing.B) {
	store := open(b, newURL(b)).Usage()
	batch := usageBatch(625) // a shard that is full
	for b.Loop() {
		if err := store.Add(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		batch.Minute = batch.Minute.Add(time.Minute)
	}
}
