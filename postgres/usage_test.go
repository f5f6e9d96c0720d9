package postgres_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

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
// its own, so many that some are cut, while rows are removed, lose nothing and do not
// wait for each other in a ring.
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
	const deadlocks = `SELECT deadlocks::text FROM pg_stat_database WHERE datname = current_database()`
	if got := server.Query(t, database(url), deadlocks); got != "0" {
		t.Errorf("%s deadlocks, want none", got)
	}
	if err := stores[0].Add(t.Context(), usageBatch(keys)); err != nil { // alone: nothing is passed over
		t.Fatal(err)
	}
	const most = `SELECT max(n)::text FROM (SELECT count(*) AS n FROM warder.usage_addresses GROUP BY key_id) s`
	if got := server.Query(t, database(url), most); len(got) > 2 || len(got) == 2 && got > "32" {
		t.Errorf("a key has %s addresses, want 32 at most", got)
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
