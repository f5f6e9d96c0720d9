// Package apikeytest is the contract of [apikey.Store], [apikey.Batcher],
// [apikey.Lister], [apikey.Finder], [apikey.Feed] and [apikey.LegacyStore] as tests. Every implementation runs [TestStore]; what it does
// not test, a store may do as it likes.
package apikeytest

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/exchange"
)

// Full is a store that can do everything, as the stores of this module can.
type Full interface {
	apikey.Store
	apikey.Batcher
	apikey.Lister
	apikey.Finder
	apikey.Feed
	apikey.LegacyStore
	apikey.DigestFinder
}

// TestStore tests the store that open returns. open is called once per subtest
// and gives an empty store each time; it closes it with t.Cleanup.
func TestStore(t *testing.T, open func(t *testing.T) Full) {
	t.Helper()
	groups := []struct {
		name  string
		rules []rule
	}{
		{"Lookup", lookupRules()},
		{"Create", createRules()},
		{"Change", changeRules()},
		{"Delete", deleteRules()},
		{"Batch", batchRules()},
		{"Legacy", legacyRules()},
		{"Concurrent", concurrentRules()},
		{"Seen", seenRules()},
		{"List", listRules()},
		{"Find", findRules()},
		{"Feed", feedRules()},
		{"Hostile", hostileRules()},
		{"Context", contextRules()},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, r := range g.rules {
				t.Run(r.name, func(t *testing.T) { r.check(t, open(t)) })
			}
		})
	}
}

// A rule is one sentence of the contract and its test on an empty store.
type rule struct {
	name  string
	check func(t *testing.T, s Full)
}

// fullRecord returns a record with every field set, in a zone other than UTC,
// with microseconds.
func fullRecord(id apikey.ID) apikey.Record {
	at := time.Date(2026, 3, 29, 1, 59, 59, 123456000, time.FixedZone("test", 2*60*60))
	return apikey.Record{
		ID: id, Prefix: "wrd", Environment: "live", Name: "Ada's laptop", Owner: "customer-7",
		Scopes:  []string{"orders:read", "invoices:*"},
		Created: at, Expires: at.Add(90 * 24 * time.Hour), Disabled: true,
		Revoked: at.Add(time.Hour + time.Microsecond), Reason: "superseded", Certificate: digest(7),
		Secrets: []apikey.Secret{
			{Digest: digest(1), Pepper: "0badcafe", Created: at.Add(time.Minute), Number: 3},
			{Digest: digest(2), Pepper: "feedf00d", Created: at, Retires: at.Add(time.Hour), Number: 2, IdleRetire: 6 * time.Hour},
			{Digest: digest(0), Pepper: "0badcafe", Created: at, Retires: at.Add(time.Second), Number: 1},
		},
		Kind: apikey.KindPublic, Updated: at.Add(2 * time.Hour), Plan: "gold",
		Metadata:  map[string]string{"team": "payments", "note": "with \"quotes\" and ä"},
		Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")},
		Methods:   []string{"GET", "POST"}, Paths: []string{"/orders/", "/orders/{id}"}, Origins: []string{"https://app.example.com"},
		Limits:     []exchange.Quota{{Name: "calls", Count: 100, Per: time.Minute, Burst: 20}, {Name: "day", Count: 5000, Per: 24 * time.Hour}},
		IdleRevoke: 90 * 24 * time.Hour,
	}
}

// plainRecord returns a record with as few fields set as there can be.
func plainRecord(id apikey.ID) apikey.Record {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return apikey.Record{
		ID: id, Prefix: "wrd", Environment: "test", Created: at,
		Secrets: []apikey.Secret{{Digest: digest(9), Pepper: "0badcafe", Created: at, Number: 1}},
	}
}

// digest returns 32 bytes that differ by seed and contain bytes that no text has.
func digest(seed byte) (d [32]byte) {
	for i := range d {
		d[i] = seed*37 + byte(i*11)
	}
	return d
}

// testID returns the nth id, in ascending order.
func testID(n int) apikey.ID { return apikey.ID(fmt.Sprintf("Key%09d", n)) }

// Own makes a key of this owner, or gives the key to it: for tests of what depends on
// whose a key is.
func Own(t *testing.T, s apikey.Store, id apikey.ID, owner string) {
	t.Helper()
	c := createOf(plainRecord(id))
	before, err := s.Lookup(t.Context(), id)
	switch {
	case err == nil:
		after := before
		c.Before, c.After, c.Op = &before, &after, apikey.OpUpdate
	case !errors.Is(err, apikey.ErrNotFound):
		t.Fatalf("Lookup(%q) = %v", id, err)
	}
	c.After.Owner = owner
	if _, err := s.Apply(t.Context(), c); err != nil {
		t.Fatalf("the key %q of %q: %v", id, owner, err)
	}
}

// createOf returns the change that creates r.
func createOf(r apikey.Record) apikey.Change {
	return apikey.Change{Actor: "user:ada", Source: "cli", Op: apikey.OpCreate, At: r.Created, After: &r}
}

// changeOf returns the change that turns before into after.
func changeOf(op apikey.Op, before, after apikey.Record) apikey.Change {
	return apikey.Change{Actor: "system", Source: "192.0.2.7", Op: op, At: before.Created.Add(time.Hour), Before: &before, After: &after}
}

// renamed returns the change that gives the key a name.
func renamed(before apikey.Record, name string) apikey.Change {
	after := before
	after.Name = name
	return changeOf(apikey.OpEnable, before, after)
}

// mustApply applies c and returns its revision.
func mustApply(t *testing.T, s Full, c apikey.Change) apikey.Revision {
	t.Helper()
	rev, err := s.Apply(t.Context(), c)
	if err != nil {
		t.Fatalf("Apply(%s of %q) = %v, want no error", c.Op, c.ID(), err)
	}
	return rev
}

// mustCreate creates r and returns it as the store reads it.
func mustCreate(t *testing.T, s Full, r apikey.Record) apikey.Record {
	t.Helper()
	mustApply(t, s, createOf(r))
	return mustLookup(t, s, r.ID)
}

// mustLookup returns the record of id.
func mustLookup(t *testing.T, s Full, id apikey.ID) apikey.Record {
	t.Helper()
	r, err := s.Lookup(t.Context(), id)
	if err != nil {
		t.Fatalf("Lookup(%q) = %v, want a record", id, err)
	}
	return r
}

// mustRevision returns the store's newest revision.
func mustRevision(t *testing.T, s Full) apikey.Revision {
	t.Helper()
	rev, err := s.Revision(t.Context())
	if err != nil {
		t.Fatalf("Revision() = %v, want no error", err)
	}
	return rev
}
